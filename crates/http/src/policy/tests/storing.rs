//! What is stored at all: RFC 9111 §3.

use super::*;

/// Clause, request, response, outcome under default rules.
pub(super) const ROWS: &[[&str; 4]] = &[
    // §3: a final status that is understood, and something that says how long.
    ["§3", "", "200", "no_freshness"],
    ["§3", "", "200 | Cache-Control: max-age=60", "stored_max_age 60s"],
    ["§3", "", "200 | Cache-Control: public", "no_freshness"],
    [
        "§3",
        "",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "no_freshness",
    ],
    ["§3", "", "203 | Cache-Control: max-age=60", "stored_max_age 60s"],
    ["§3", "", "204 | Cache-Control: max-age=60", "stored_max_age 60s"],
    ["§3", "", "299 | Cache-Control: max-age=60", "stored_max_age 60s"],
    ["§3", "", "301 | Cache-Control: max-age=60", "stored_max_age 60s"],
    ["§3", "", "302 | Cache-Control: max-age=60", "stored_max_age 60s"],
    ["§3", "", "302", "status"],
    ["§3", "", "307", "status"],
    ["§3", "", "307 | Cache-Control: public", "no_freshness"],
    ["§3", "", "404", "no_freshness"],
    ["§3", "", "404 | Cache-Control: max-age=60", "stored_max_age 60s error"],
    ["§3", "", "400 | Cache-Control: max-age=60", "stored_max_age 60s error"],
    ["§3", "", "500", "status"],
    ["§3", "", "500 | Cache-Control: max-age=60", "stored_max_age 60s error"],
    [
        "§3",
        "",
        "503 | Expires: Thu, 01 Jan 2026 00:01:00 GMT",
        "stored_expires 60s error",
    ],
    ["§3", "", "599 | Cache-Control: max-age=60", "stored_max_age 60s error"],
    ["§3", "", "600 | Cache-Control: max-age=60", "status"],
    ["§3", "", "999 | Cache-Control: max-age=60", "status"],
    ["§3", "", "100 | Cache-Control: max-age=60", "interim"],
    ["§3", "", "103 | Cache-Control: max-age=60", "interim"],
    // Statuses that answer something of this one request, or may never be stored.
    ["§3", "", "407 | Cache-Control: max-age=60", "status_of_request"],
    ["§3", "", "412 | Cache-Control: max-age=60", "status_of_request"],
    [
        "§3",
        "Range: bytes=9-",
        "416 | Cache-Control: max-age=60",
        "status_of_request",
    ],
    ["§3", "", "421 | Cache-Control: max-age=60", "status_of_request"],
    ["RFC 6585 §3", "", "428 | Cache-Control: max-age=60", "status_forbids"],
    ["RFC 6585 §4", "", "429 | Cache-Control: max-age=60", "status_forbids"],
    ["RFC 6585 §5", "", "431 | Cache-Control: max-age=60", "status_forbids"],
    ["RFC 6585 §6", "", "511 | Cache-Control: max-age=60", "status_forbids"],
    // §3.3, §3.4: parts are no wholes.
    [
        "§3.3",
        "",
        "206 | Cache-Control: max-age=60 | Content-Range: bytes 0-1/2",
        "partial",
    ],
    [
        "§3.3",
        "Range: bytes=0-1",
        "200 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    ["§4.3.3", "", "304 | Cache-Control: max-age=60", "not_modified_alone"],
    // §5.2.2.5, §5.2.2.7: what forbids storing wins over what permits it.
    ["§5.2.2.5", "", "200 | Cache-Control: no-store", "no_store"],
    ["§5.2.2.5", "", "200 | Cache-Control: No-StOrE", "no_store"],
    ["§5.2.2.5", "", "200 | Cache-Control: max-age=60, no-store", "no_store"],
    [
        "§5.2.2.5",
        "",
        "200 | Cache-Control: max-age=60 | Cache-Control: no-store",
        "no_store",
    ],
    [
        "§5.2.2.5",
        "",
        "200 | Cache-Control: public, no-store, s-maxage=60",
        "no_store",
    ],
    [
        "§5.2.2.5",
        "",
        "200 | Cache-Control: no-store=\"x\", max-age=60",
        "no_store",
    ],
    ["§5.2.2.5", "", "200 | Cache-Control: no-store; max-age=60", "no_store"],
    ["§5.2.2.7", "", "200 | Cache-Control: private, max-age=60", "private"],
    ["§5.2.2.7", "", "200 | Cache-Control: private, s-maxage=60", "private"],
    [
        "§5.2.2.7",
        "",
        "200 | Cache-Control: public, private, max-age=60",
        "private",
    ],
    [
        "§5.2.2.7",
        "",
        "200 | Cache-Control: private=\"x-user\", max-age=60",
        "stored_max_age 60s",
    ],
    [
        "§5.2.2.7",
        "",
        "200 | Cache-Control: private=\"\", max-age=60",
        "private",
    ],
    [
        "§5.2.2.7",
        "",
        "200 | Cache-Control: private=\"not a name\", max-age=60",
        "private",
    ],
    [
        "§5.2.2.7",
        "",
        "200 | Cache-Control: private=\"content-encoding\", max-age=60",
        "private",
    ],
    [
        "§5.2.2.7",
        "",
        "200 | Cache-Control: private, private=\"x-user\", max-age=60",
        "private",
    ],
    // §5.2.1.5: the client's no-store.
    [
        "§5.2.1.5",
        "Cache-Control: no-store",
        "200 | Cache-Control: max-age=60",
        "request_no_store",
    ],
    // §5.2.2.4: stored, but validated before every use; useless without a validator.
    ["§5.2.2.4", "", "200 | Cache-Control: no-cache, max-age=60", "no_cache"],
    [
        "§5.2.2.4",
        "",
        "200 | Cache-Control: no-cache | ETag: \"a\"",
        "stored_for_validation 0s validate no-stale",
    ],
    [
        "§5.2.2.4",
        "",
        "200 | Cache-Control: no-cache, max-age=60 | ETag: \"a\"",
        "stored_for_validation 60s validate no-stale",
    ],
    [
        "§5.2.2.4",
        "",
        "200 | Cache-Control: no-cache=\"x-user\", max-age=60",
        "stored_max_age 60s",
    ],
    [
        "§5.2.2.4",
        "",
        "200 | Cache-Control: no-cache=x-user, max-age=60",
        "stored_max_age 60s",
    ],
    [
        "§5.2.2.4",
        "",
        "200 | Cache-Control: no-cache=\"cache-control\", max-age=60",
        "no_cache",
    ],
    [
        "§5.2.2.4",
        "",
        "200 | Cache-Control: no-cache=\"vary\", max-age=60",
        "no_cache",
    ],
    ["§5.2.2.4", "", "302 | Cache-Control: no-cache | ETag: \"a\"", "status"],
    // §5.2.2.3: a status that is known lifts the no-store beside must-understand, another is not stored.
    [
        "§5.2.2.3",
        "",
        "200 | Cache-Control: must-understand, no-store, max-age=60",
        "stored_max_age 60s",
    ],
    [
        "§5.2.2.3",
        "",
        "299 | Cache-Control: must-understand, no-store, max-age=60",
        "status_unknown",
    ],
    [
        "§5.2.2.3",
        "",
        "499 | Cache-Control: must-understand, max-age=60",
        "status_unknown",
    ],
    [
        "§5.2.2.3",
        "",
        "200 | Cache-Control: must-understand, private, max-age=60",
        "private",
    ],
    // §3.5: credentials.
    [
        "§3.5",
        "Authorization: Basic x",
        "200 | Cache-Control: max-age=60",
        "authorization",
    ],
    [
        "§3.5",
        "Authorization: Basic x",
        "200 | Cache-Control: max-age=60, public",
        "stored_max_age 60s",
    ],
    [
        "§3.5",
        "Authorization: Basic x",
        "200 | Cache-Control: max-age=60, must-revalidate",
        "stored_max_age 60s no-stale",
    ],
    [
        "§3.5",
        "Authorization: Basic x",
        "200 | Cache-Control: s-maxage=60",
        "stored_s_maxage 60s no-stale",
    ],
    [
        "§3.5",
        "Authorization: Basic x",
        "200 | Cache-Control: s-maxage=soon | ETag: \"a\"",
        "authorization",
    ],
    [
        "§3.5",
        "Authorization: Basic x",
        "200 | Cache-Control: max-age=60, proxy-revalidate",
        "authorization",
    ],
    // §7.3: cookies.
    [
        "§7.3",
        "",
        "200 | Cache-Control: max-age=60 | Set-Cookie: a=b",
        "set_cookie",
    ],
    [
        "§7.3",
        "",
        "200 | Cache-Control: public, s-maxage=60 | Set-Cookie: a=b",
        "set_cookie",
    ],
    [
        "§7.3",
        "",
        "200 | Cache-Control: max-age=60, no-cache=\"Set-Cookie\" | Set-Cookie: a=b",
        "stored_max_age 60s",
    ],
    [
        "§7.3",
        "",
        "200 | Cache-Control: max-age=60, private=\"set-cookie\" | Set-Cookie: a=b",
        "stored_max_age 60s",
    ],
    [
        "§7.3",
        "Cookie: a=b",
        "200 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    // §4.1: Vary.
    ["§4.1", "", "200 | Cache-Control: max-age=60 | Vary: *", "vary_star"],
    ["§4.1", "", "200 | Cache-Control: max-age=60 | Vary: , *", "vary_star"],
    [
        "§4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary: Foo, *",
        "vary_star",
    ],
    [
        "§4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary: Foo | Vary: *",
        "vary_star",
    ],
    [
        "§4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary: not a name",
        "vary_star",
    ],
    [
        "§4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary: foo, Bar,, FOO",
        "stored_max_age 60s vary=bar,foo",
    ],
    [
        "§4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary:",
        "stored_max_age 60s",
    ],
    [
        "§4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
        "vary_too_wide",
    ],
    // Warning says nothing about storing any more (§5.5).
    [
        "§5.5",
        "",
        "200 | Cache-Control: max-age=60 | Warning: 110 - \"stale\"",
        "stored_max_age 60s",
    ],
    // A tag that were dropped would be missed by its invalidation.
    [
        "§3",
        "",
        "200 | Cache-Control: max-age=60 | Surrogate-Key: a b | Cache-Tag: c, d e",
        "stored_max_age 60s",
    ],
    [
        "§3",
        "",
        "200 | Cache-Control: max-age=60 | Cache-Tag: \u{e9}t\u{e9}",
        "stored_max_age 60s",
    ],
];

#[test]
fn what_is_stored_under_default_rules() {
    check(ROWS, |[_, request, response, _]| stored("", request, response));
}

#[test]
fn tags_that_cannot_all_be_kept_prevent_storing() {
    let store = |headers: HeaderMap| {
        let times = Times {
            received: NOW,
            delay: Duration::ZERO,
        };
        show(&decide_storage(
            &Asked::default(),
            &Method::GET,
            StatusCode::OK,
            &headers,
            &Rules::default(),
            times,
        ))
    };
    let mut headers = fields("Cache-Control: max-age=60");
    let tags: Vec<String> = (0..TAGS_MAX).map(|number| format!("tag-{number}")).collect();
    headers.insert("surrogate-key", tags.join(" ").parse().unwrap());
    assert_eq!(tags, super::tags(&headers));
    assert_eq!(store(headers.clone()), "stored_max_age 60s");
    headers.insert("cache-tag", "one-more".parse().unwrap());
    assert_eq!(store(headers), "tags_unusable");

    let mut headers = fields("Cache-Control: max-age=60");
    headers.insert("cache-tag", "x".repeat(TAG_BYTES_MAX + 1).parse().unwrap());
    assert_eq!(store(headers), "tags_unusable");

    let mut headers = fields("Cache-Control: max-age=60");
    headers.insert("cache-tag", HeaderValue::from_bytes(b"a, \xff").unwrap());
    assert_eq!(store(headers), "tags_unusable");
}

#[test]
fn only_responses_to_get_are_stored() {
    let headers = fields("Cache-Control: max-age=60");
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    for (method, expected) in [
        ("GET", "stored_max_age 60s"),
        ("HEAD", "head_only"),
        ("OPTIONS", "method"),
        ("QUERY", "method"),
        ("POST", "unsafe_method"),
        ("PURGE", "unsafe_method"),
    ] {
        let method = method.parse().unwrap();
        let storage = decide_storage(
            &Asked::default(),
            &method,
            StatusCode::OK,
            &headers,
            &Rules::default(),
            times,
        );
        assert_eq!(show(&storage), expected, "{method}");
    }
}

#[test]
fn every_refusal_cites_its_own_clause() {
    let clause = |text: &str| {
        let (status, headers) = response(text);
        let times = Times {
            received: NOW,
            delay: Duration::ZERO,
        };
        match decide_storage(
            &Asked::default(),
            &Method::GET,
            status,
            &headers,
            &Rules::default(),
            times,
        ) {
            Storage::Pass(decision) => decision.clause.to_string(),
            Storage::Store(plan) => plan.decision.clause.to_string(),
        }
    };
    assert_eq!(clause("200 | Cache-Control: no-store"), "RFC 9111 §5.2.2.5");
    assert_eq!(clause("429 | Cache-Control: max-age=60"), "RFC 6585 §4");
    assert_eq!(clause("511 | Cache-Control: max-age=60"), "RFC 6585 §6");
    assert_eq!(clause("200 | Cache-Control: s-maxage=60"), "RFC 9111 §5.2.2.10");
    assert_eq!(clause("200 | Cache-Control: no-cache | ETag: \"a\""), "RFC 9111 §4.3");
}
