//! What of a head is stored, and how a 304 changes it: RFC 9111 §3.1, §3.2, §4.3.4.

use super::*;

/// Clause, the response's fields, those that are stored.
pub(super) const STORED: &[[&str; 3]] = &[
    ["§3.1", "X: 1 | X: 2 | Date: d", "x: 1 | x: 2 | date: d"],
    [
        "§3.1",
        "Connection: close, X-Hop | X-Hop: 1 | X: 1 | Date: d",
        "x: 1 | date: d",
    ],
    [
        "§3.1",
        "Keep-Alive: timeout=5 | Transfer-Encoding: chunked | Trailer: x | TE: trailers | Upgrade: h2c | Date: d",
        "date: d",
    ],
    [
        "§3.1",
        "Proxy-Authenticate: Basic | Proxy-Authentication-Info: x | Proxy-Authorization: y | Date: d",
        "date: d",
    ],
    ["§5.1", "Age: 20 | Date: d", "date: d"],
    [
        "§5.2.2.4",
        "Cache-Control: no-cache=\"A, b\" | A: 1 | B: 2 | C: 3 | Date: d",
        "cache-control: no-cache=\"A, b\" | c: 3 | date: d",
    ],
    [
        "§5.2.2.7",
        "Cache-Control: private=\"set-cookie\" | Set-Cookie: a=b | Date: d",
        "cache-control: private=\"set-cookie\" | date: d",
    ],
    ["§7.3", "Set-Cookie: a=b | Date: d", "set-cookie: a=b | date: d"],
    ["RFC 9110 §6.6.1", "X: 1", "x: 1 | date: Thu, 01 Jan 2026 00:00:00 GMT"],
];

#[test]
fn what_of_a_head_is_stored() {
    for [clause, response, expected] in STORED {
        assert_eq!(
            headers_to_store(&fields(response), &Rules::default(), NOW),
            fields(expected),
            "{clause}: {response}"
        );
    }
}

/// Clause, the stored fields, the 304's fields, what becomes of them, and the plan.
pub(super) const RENEWED: &[[&str; 5]] = &[
    // §3.2: what the 304 brings replaces, what it leaves out stays.
    [
        "§3.2",
        "ETag: \"a\" | X: 1 | Y: 1 | Y: 2 | Date: old",
        "ETag: \"a\" | Y: 3 | Cache-Control: max-age=60 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | x: 1 | y: 3 | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§3.2",
        "ETag: \"a\" | Content-Length: 5 | Content-Encoding: br | Content-Type: a/b",
        "ETag: \"a\" | Content-Length: 0 | Content-Encoding: gzip | Content-Range: x | Content-Type: c/d | Cache-Control: max-age=60 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | content-length: 5 | content-encoding: br | content-type: c/d | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§3.1",
        "ETag: \"a\"",
        "Connection: X | X: 1 | Keep-Alive: 5 | Cache-Control: max-age=60 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    // A cookie in a 304 is somebody's.
    [
        "§7.3",
        "ETag: \"a\" | Cache-Control: max-age=60",
        "Set-Cookie: a=b | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    // The age is the 304's: its Age, and its Date or the time it came.
    [
        "§4.2.3",
        "ETag: \"a\" | Cache-Control: max-age=60 | Date: Wed, 31 Dec 2025 00:00:00 GMT",
        "ETag: \"a\"",
        "etag: \"a\" | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§4.2.3",
        "ETag: \"a\" | Cache-Control: max-age=60 | Date: Wed, 31 Dec 2025 00:00:00 GMT",
        "Age: 20 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 40s age=20",
    ],
    // The 304 may change its mind about storing.
    [
        "§4.3.4",
        "ETag: \"a\" | Cache-Control: max-age=60",
        "Cache-Control: private | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: private | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "once: private",
    ],
    [
        "§4.3.4",
        "ETag: \"a\" | Cache-Control: max-age=60",
        "Vary: * | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60 | vary: * | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "once: vary_star",
    ],
    // What the response calls somebody's own comes neither with the 304 nor stays because it is there (§5.2.2.7, §5.2.2.4).
    [
        "§3.2",
        "ETag: \"a\" | Cache-Control: max-age=60, private=\"x-user\"",
        "X-User: bob | X: 1 | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60, private=\"x-user\" | x: 1 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§3.2",
        "ETag: \"a\" | Cache-Control: max-age=60 | X-User: anna",
        "Cache-Control: max-age=60, no-cache=\"x-user\" | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60, no-cache=\"x-user\" | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§3.2",
        "ETag: \"a\" | Cache-Control: max-age=60, private=\"x-user\"",
        "Cache-Control: max-age=60 | X-User: all | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: \"a\" | cache-control: max-age=60 | x-user: all | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    // §4.3.4: which stored response the 304 is about.
    ["§4.3.4", "ETag: \"a\"", "ETag: \"b\" | X: 1", "etag: \"a\"", "mismatch"],
    ["§4.3.4", "ETag: W/\"a\"", "ETag: \"a\"", "etag: W/\"a\"", "mismatch"],
    [
        "§4.3.4",
        "Last-Modified: x",
        "ETag: \"a\"",
        "last-modified: x",
        "mismatch",
    ],
    [
        "§4.3.4",
        "Last-Modified: x",
        "Last-Modified: y",
        "last-modified: x",
        "mismatch",
    ],
    [
        "§4.3.4",
        "ETag: W/\"a\" | Cache-Control: max-age=60",
        "ETag: W/\"a\" | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: W/\"a\" | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§4.3.4",
        "ETag: \"a\" | Cache-Control: max-age=60",
        "ETag: W/\"a\" | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "etag: W/\"a\" | cache-control: max-age=60 | date: Thu, 01 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
];

#[test]
fn what_a_304_makes_of_a_stored_head() {
    let renew = |old: &str, new: &str| {
        let mut stored = fields(old);
        let times = Times {
            received: NOW,
            delay: Duration::ZERO,
        };
        let rules = Rules::default();
        let renewal = decide_renewal(
            &Asked::default(),
            StatusCode::OK,
            &mut stored,
            &fields(new),
            &rules,
            times,
        );
        let outcome = match renewal {
            Renewal::Renewed(plan) => show_plan(&plan),
            Renewal::Once(decision) => format!("once: {}", decision.reason.as_str()),
            Renewal::Mismatch(_) => "mismatch".to_owned(),
        };
        (stored, outcome)
    };
    check(RENEWED, |[_, old, new, expected, _]| {
        let (stored, outcome) = renew(old, new);
        assert_eq!(stored, fields(expected), "{old} + {new}");
        outcome
    });
}
