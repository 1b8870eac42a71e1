//! What unsafe methods make invalid: RFC 9111 §4.4.

use super::*;

/// Method, status and response fields, and the paths or URIs that are invalid after a request to
/// `http://shop.example:8080/a/b?c`.
pub(super) const ROWS: &[[&str; 3]] = &[
    ["POST", "200", "/a/b?c"],
    ["PUT", "204", "/a/b?c"],
    ["DELETE", "202", "/a/b?c"],
    ["PATCH", "303", "/a/b?c"],
    ["M-SEARCH", "200", "/a/b?c"],
    // Safe methods and failures change nothing.
    ["GET", "200", ""],
    ["HEAD", "200", ""],
    ["OPTIONS", "200", ""],
    ["QUERY", "200", ""],
    ["PROPFIND", "207", ""],
    ["POST", "400", ""],
    ["POST", "404", ""],
    ["POST", "500", ""],
    ["GET", "200 | Location: /new", ""],
    // Location and Content-Location, however they are written.
    ["POST", "201 | Location: /new", "/a/b?c /new"],
    [
        "POST",
        "201 | Location: /new | Content-Location: /list?x",
        "/a/b?c /new /list?x",
    ],
    ["POST", "201 | Location: http://shop.example:8080/new", "/a/b?c /new"],
    ["POST", "201 | Location: HTTP://SHOP.example:8080/new", "/a/b?c /new"],
    ["POST", "201 | Location: //shop.example:8080/new", "/a/b?c /new"],
    ["POST", "201 | Location: new", "/a/b?c /a/new"],
    ["POST", "201 | Location: ./new/", "/a/b?c /a/new/"],
    ["POST", "201 | Location: ../new", "/a/b?c /new"],
    ["POST", "201 | Location: ../../../new", "/a/b?c /new"],
    ["POST", "201 | Location: ..", "/a/b?c /"],
    ["POST", "201 | Location: .", "/a/b?c /a/"],
    ["POST", "201 | Location: ?d", "/a/b?c /a/b?d"],
    ["POST", "201 | Location: /new#part", "/a/b?c /new"],
    ["POST", "201 | Location: /a/b?c", "/a/b?c"],
    ["POST", "201 | Location: #part", "/a/b?c"],
    ["POST", "201 | Location: /time/12:30", "/a/b?c /time/12:30"],
    // Another origin's responses are not ours to invalidate.
    ["POST", "201 | Location: http://shop.example/new", "/a/b?c"],
    ["POST", "201 | Location: https://shop.example:8080/new", "/a/b?c"],
    ["POST", "201 | Location: http://evil.example:8080/new", "/a/b?c"],
    ["POST", "201 | Location: //evil.example/new", "/a/b?c"],
    [
        "POST",
        "201 | Location: http://shop.example:8080@evil.example/new",
        "/a/b?c",
    ],
    ["POST", "201 | Location: mailto:someone@shop.example", "/a/b?c"],
    ["POST", "201 | Location: http://", "/a/b?c"],
    ["POST", "201 | Location: /with space", "/a/b?c"],
];

#[test]
fn what_unsafe_methods_invalidate() {
    let target = "http://shop.example:8080/a/b?c".parse().unwrap();
    check(ROWS, |[method, answer, _]| {
        let (status, headers) = response(answer);
        let uris = invalidated_by(&method.parse().unwrap(), status, &target, &headers);
        let show = |uri: &http::Uri| {
            assert_eq!(
                uri.authority().unwrap().as_str().to_ascii_lowercase(),
                "shop.example:8080"
            );
            uri.path_and_query().unwrap().to_string()
        };
        uris.iter().map(show).collect::<Vec<_>>().join(" ")
    });
}

#[test]
fn a_default_port_is_the_same_origin_as_none() {
    let target = "https://shop.example/a".parse().unwrap();
    let headers = fields("Location: https://shop.example:443/b");
    let uris = invalidated_by(&Method::POST, StatusCode::CREATED, &target, &headers);
    assert_eq!(uris.len(), 2);
}
