//! Validation by clients and towards the origin: RFC 9111 §4.3, RFC 9110 §13.

use super::*;

/// Clause, method, request, stored response, what the client gets.
pub(super) const ROWS: &[[&str; 5]] = &[
    // RFC 9110 §13.1.2: weak comparison.
    ["§13.1.2", "GET", "If-None-Match: \"a\"", "200 | ETag: \"a\"", "304"],
    ["§13.1.2", "HEAD", "If-None-Match: \"a\"", "200 | ETag: \"a\"", "304"],
    ["§13.1.2", "GET", "If-None-Match: \"a\"", "200 | ETag: \"b\"", "full"],
    ["§13.1.2", "GET", "If-None-Match: \"a\"", "200 | ETag: \"A\"", "full"],
    ["§13.1.2", "GET", "If-None-Match: W/\"a\"", "200 | ETag: \"a\"", "304"],
    ["§13.1.2", "GET", "If-None-Match: \"a\"", "200 | ETag: W/\"a\"", "304"],
    ["§13.1.2", "GET", "If-None-Match: w/\"a\"", "200 | ETag: \"a\"", "full"],
    [
        "§13.1.2",
        "GET",
        "If-None-Match: \"x\", \"a\" , \"y\"",
        "200 | ETag: \"a\"",
        "304",
    ],
    [
        "§13.1.2",
        "GET",
        "If-None-Match: \"x\" | If-None-Match: \"a\"",
        "200 | ETag: \"a\"",
        "304",
    ],
    ["§13.1.2", "GET", "If-None-Match: \"x, a\"", "200 | ETag: \"x\"", "full"],
    ["§13.1.2", "GET", "If-None-Match: \"x,a\"", "200 | ETag: \"x,a\"", "304"],
    ["§13.1.2", "GET", "If-None-Match: *", "200 | ETag: \"a\"", "304"],
    ["§13.1.2", "GET", "If-None-Match: *", "200", "304"],
    ["§13.1.2", "GET", "If-None-Match: \"*\"", "200 | ETag: \"a\"", "full"],
    ["§13.1.2", "GET", "If-None-Match: \"a\"", "200", "full"],
    ["§13.1.2", "GET", "If-None-Match: a", "200 | ETag: \"a\"", "full"],
    ["§13.1.2", "GET", "If-None-Match: a", "200 | ETag: a", "304"],
    ["§13.1.2", "GET", "If-None-Match:", "200 | ETag: \"a\"", "full"],
    // RFC 9110 §13.1.3.
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "304",
    ],
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: Thu, 01 Jan 2015 00:00:01 GMT",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "304",
    ],
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: Wed, 31 Dec 2014 23:59:59 GMT",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "full",
    ],
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: Thursday, 01-Jan-15 00:00:00 GMT",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "304",
    ],
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: yesterday",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "full",
    ],
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: yesterday",
        "200 | Last-Modified: yesterday",
        "304",
    ],
    [
        "§13.1.3",
        "GET",
        "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT | If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "full",
    ],
    // RFC 9111 §4.3.2: Date stands in for Last-Modified.
    [
        "§4.3.2",
        "GET",
        "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT",
        "200 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "304",
    ],
    [
        "§4.3.2",
        "GET",
        "If-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT",
        "200 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "full",
    ],
    [
        "§4.3.2",
        "GET",
        "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT",
        "200",
        "full",
    ],
    // RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since.
    [
        "§13.2.2",
        "GET",
        "If-None-Match: \"x\" | If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT",
        "200 | ETag: \"a\" | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "full",
    ],
    [
        "§13.2.2",
        "GET",
        "If-None-Match: \"a\" | If-Modified-Since: Wed, 01 Jan 2014 00:00:00 GMT",
        "200 | ETag: \"a\" | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "304",
    ],
    // RFC 9110 §13.2.1: only where the answer would be a success, only for GET and HEAD.
    ["§13.2.1", "GET", "If-None-Match: \"a\"", "404 | ETag: \"a\"", "full"],
    ["§13.2.1", "GET", "If-None-Match: *", "301", "full"],
    ["§13.2.1", "GET", "If-None-Match: \"a\"", "203 | ETag: \"a\"", "304"],
    ["§13.2.1", "POST", "If-None-Match: \"a\"", "200 | ETag: \"a\"", "full"],
    ["§13.2.1", "GET", "", "200 | ETag: \"a\"", "full"],
];

#[test]
fn what_clients_with_a_copy_of_their_own_get() {
    check(ROWS, |[_, method, request, stored, _]| {
        let (status, stored) = response(stored);
        match evaluate_conditions(&method.parse().unwrap(), &fields(request), status, &stored, NOW) {
            Condition::Full => "full".to_owned(),
            Condition::NotModified => "304".to_owned(),
        }
    });
}

#[test]
fn the_origin_is_asked_with_every_validator_as_it_was_sent() {
    let sent = |stored: &str| {
        let sent = validators(&fields(stored));
        sent.iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect::<Vec<_>>()
            .join(" | ")
    };
    assert_eq!(sent(""), "");
    assert_eq!(sent("ETag: W/\"a\""), "if-none-match: W/\"a\"");
    assert_eq!(sent("ETag: a"), "if-none-match: a");
    assert_eq!(
        sent("Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT | ETag: \"a\""),
        "if-none-match: \"a\" | if-modified-since: Thu, 01 Jan 2015 00:00:00 GMT"
    );
}

#[test]
fn a_304_describes_no_content() {
    let stored = "Content-Type: text/plain | Content-Length: 3 | Content-Encoding: br | Content-Language: de | \
                  Cache-Control: max-age=60 | Date: Thu, 01 Jan 2026 00:00:00 GMT | Vary: Accept | \
                  Content-Location: /a | Expires: 0 | X-Own: 1";
    let kept = ["cache-control", "content-location", "date", "expires", "vary", "x-own"];
    for (validator, expected) in [
        ("ETag: \"a\" | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT", "etag"),
        ("Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT", "last-modified"),
    ] {
        let headers = not_modified_headers(&fields(&format!("{stored} | {validator}")));
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let mut expected: Vec<&str> = kept.iter().copied().chain([expected]).collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}
