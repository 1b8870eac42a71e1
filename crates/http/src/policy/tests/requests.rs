//! What requests ask of the cache: RFC 9111 §5.2.1, §5.4, and which requests it may not answer.

use super::*;

/// Clause, method, request, verdict under default rules.
pub(super) const ROWS: &[[&str; 4]] = &[
    ["§4", "GET", "", "use"],
    ["§4", "HEAD", "", "use"],
    ["RFC 9110 §9.2.1", "POST", "", "unsafe_method"],
    ["RFC 9110 §9.2.1", "PUT", "", "unsafe_method"],
    ["RFC 9110 §9.2.1", "DELETE", "", "unsafe_method"],
    ["RFC 9110 §9.2.1", "PURGE", "", "unsafe_method"],
    ["§3", "OPTIONS", "", "method"],
    ["§3", "TRACE", "", "method"],
    ["§3", "QUERY", "", "method"],
    // §5.2.1.
    ["§5.2.1.1", "GET", "Cache-Control: max-age=60", "use age_max=60"],
    ["§5.2.1.1", "GET", "Cache-Control: max-age=0", "use age_max=0"],
    [
        "§5.2.1.1",
        "GET",
        "Cache-Control: max-age=60, max-age=5",
        "use age_max=5",
    ],
    ["§5.2.1.1", "GET", "Cache-Control: max-age=soon", "use age_max=0"],
    ["§5.2.1.2", "GET", "Cache-Control: max-stale=60", "use stale_max=60"],
    ["§5.2.1.2", "GET", "Cache-Control: max-stale", "use stale_max=any"],
    [
        "§5.2.1.2",
        "GET",
        "Cache-Control: max-stale, max-stale=5",
        "use stale_max=5",
    ],
    [
        "§5.2.1.2",
        "GET",
        "Cache-Control: max-stale=5, max-stale",
        "use stale_max=5",
    ],
    ["§5.2.1.2", "GET", "Cache-Control: max-stale=x", "use stale_max=0"],
    [
        "§5.2.1.2",
        "GET",
        "Cache-Control: max-stale=99999999999",
        "use stale_max=2147483648",
    ],
    ["§5.2.1.3", "GET", "Cache-Control: min-fresh=60", "use fresh_min=60"],
    [
        "§5.2.1.3",
        "GET",
        "Cache-Control: min-fresh=60, min-fresh=5",
        "use fresh_min=60",
    ],
    ["§5.2.1.3", "GET", "Cache-Control: min-fresh=x", "use"],
    ["§5.2.1.4", "GET", "Cache-Control: no-cache", "use validate"],
    ["§5.2.1.4", "GET", "Cache-Control: No-Cache", "use validate"],
    ["§5.2.1.5", "GET", "Cache-Control: no-store", "use no_store"],
    ["§5.2.1.6", "GET", "Cache-Control: no-transform", "use"],
    ["§5.2.1.7", "GET", "Cache-Control: only-if-cached", "use only_if_cached"],
    ["RFC 5861 §4", "GET", "Cache-Control: stale-if-error=60", "use sie=60"],
    ["RFC 5861 §4", "GET", "Cache-Control: stale-if-error=x", "use sie=0"],
    // §5.4: Pragma, only without Cache-Control.
    ["§5.4", "GET", "Pragma: no-cache", "use validate"],
    ["§5.4", "GET", "Pragma: x, No-Cache", "use validate"],
    ["§5.4", "GET", "Pragma: x=\"no-cache\"", "use"],
    [
        "§5.4",
        "GET",
        "Pragma: no-cache | Cache-Control: max-age=60",
        "use age_max=60",
    ],
    ["§5.4", "GET", "Pragma: no-cache | Cache-Control:", "use"],
    // What else is noted.
    ["§3.5", "GET", "Authorization: Basic x", "use authorization"],
    ["§7.3", "GET", "Cookie: a=b", "use cookie"],
    ["RFC 9110 §14.2", "GET", "Range: bytes=0-1", "use range"],
    // §4.3.2: preconditions for the origin.
    ["§4.3.2", "GET", "If-Match: \"a\"", "precondition"],
    [
        "§4.3.2",
        "GET",
        "If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT",
        "precondition",
    ],
    ["§4.3.2", "GET", "If-None-Match: \"a\"", "use"],
    // RFC 9110 §9.3.1: content that the key does not know.
    ["RFC 9110 §9.3.1", "GET", "Content-Length: 3", "request_content"],
    ["RFC 9110 §9.3.1", "GET", "Content-Length: 0", "use"],
    [
        "RFC 9110 §9.3.1",
        "GET",
        "Transfer-Encoding: chunked",
        "request_content",
    ],
];

#[test]
fn what_requests_ask() {
    check(ROWS, |[_, method, request, _]| verdict(method, request, ""));
}

#[test]
fn methods_are_the_strategys_choice() {
    assert_eq!(verdict("HEAD", "", "get-only"), "method");
    assert_eq!(verdict("GET", "", "get-only"), "use");
}

fn verdict(method: &str, request: &str, rules_text: &str) -> String {
    match admit_request(&method.parse().unwrap(), &fields(request), &rules(rules_text)) {
        RequestVerdict::Bypass(decision) => decision.reason.as_str().to_owned(),
        RequestVerdict::Use(asked) => show_asked(asked),
    }
}

fn show_asked(asked: Asked) -> String {
    let mut text = "use".to_owned();
    let fresh_min = (!asked.fresh_min.is_zero()).then_some(asked.fresh_min);
    for (name, time) in [
        ("age_max", asked.age_max),
        ("fresh_min", fresh_min),
        ("stale_max", asked.stale_max),
        ("sie", asked.stale_if_error),
    ] {
        match time {
            Some(Duration::MAX) => write!(text, " {name}=any").unwrap(),
            Some(time) => write!(text, " {name}={}", time.as_secs()).unwrap(),
            None => {}
        }
    }
    for (name, set) in [
        ("validate", asked.validate),
        ("only_if_cached", asked.only_if_cached),
        ("no_store", asked.no_store),
        ("authorization", asked.authorization),
        ("cookie", asked.cookie),
        ("range", asked.range),
    ] {
        if set {
            write!(text, " {name}").unwrap();
        }
    }
    text
}
