//! What the operator may decide over the origin's head: `force`, and what a route allows. The response of a forced
//! strategy says in its reason what was overridden.

use super::*;

/// Rules, request, response, outcome.
pub(super) const ROWS: &[[&str; 4]] = &[
    ["force=300", "", "200", "stored_force 300s strategy"],
    [
        "force=300",
        "",
        "200 | Cache-Control: max-age=5",
        "stored_force 300s strategy",
    ],
    [
        "force=300",
        "",
        "200 | Cache-Control: no-store",
        "stored_force 300s strategy over:no-store",
    ],
    [
        "force=300",
        "",
        "200 | Cache-Control: private",
        "stored_force 300s strategy over:private",
    ],
    [
        "force=300",
        "",
        "200 | Cache-Control: no-cache",
        "stored_force 300s strategy over:no-cache",
    ],
    [
        "force=300",
        "",
        "200 | Cache-Control: must-revalidate",
        "stored_force 300s strategy over:must-revalidate",
    ],
    [
        "force=300",
        "",
        "200 | Cache-Control: s-maxage=5",
        "stored_force 300s strategy over:must-revalidate",
    ],
    [
        "force=300 swr=30 sie=60",
        "",
        "200 | Cache-Control: no-store, no-cache, must-revalidate, private | Expires: 0",
        "stored_force 300s swr=30 sie=60 strategy over:no-store over:private over:no-cache over:must-revalidate",
    ],
    [
        "force=300",
        "",
        "200 | Cache-Control: private=\"x\"",
        "stored_force 300s strategy",
    ],
    [
        "force=300",
        "",
        "200 | Age: 1000",
        "stored_force 300s age=1000 strategy",
    ],
    [
        "force=300 swr=30",
        "",
        "200 | Cache-Control: stale-while-revalidate=5",
        "stored_force 300s swr=30 strategy",
    ],
    // Not even force stores what would be wrong, or somebody's.
    ["force=300", "Cache-Control: no-store", "200", "request_no_store"],
    ["force=300", "Authorization: Basic x", "200", "authorization"],
    ["force=300", "", "200 | Set-Cookie: a=b", "set_cookie"],
    ["force=300", "", "200 | Vary: *", "vary_star"],
    ["force=300", "", "206", "partial"],
    ["force=300", "", "429", "status_forbids"],
    ["force=300", "", "302", "status"],
    ["force=300", "", "500", "status"],
    ["force=300", "", "404 | Cache-Control: no-store", "no_store"],
    ["force=300 negative=10", "", "404", "stored_negative 10s strategy error"],
    ["force=0", "", "200", "already_stale"],
    // What a route allows.
    [
        "cookies",
        "",
        "200 | Cache-Control: max-age=60 | Set-Cookie: a=b",
        "stored_max_age 60s",
    ],
    [
        "authorization",
        "Authorization: Basic x",
        "200 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "authorization force=300",
        "Authorization: Basic x",
        "200",
        "stored_force 300s strategy",
    ],
    [
        "authorization",
        "Authorization: Basic x",
        "200 | Cache-Control: private",
        "private",
    ],
    // Cookies in the request: nobody but the origin or a forcing operator says that the answer is for everyone.
    ["fallback=300", "Cookie: a=b", "200", "cookie"],
    [
        "heuristic",
        "Cookie: a=b",
        "200 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT",
        "cookie",
    ],
    ["negative=10", "Cookie: a=b", "404", "cookie"],
    [
        "fallback=300",
        "Cookie: a=b",
        "200 | Cache-Control: public",
        "stored_fallback 300s strategy",
    ],
    [
        "fallback=300",
        "Cookie: a=b",
        "200 | Vary: Cookie",
        "stored_fallback 300s strategy vary=cookie",
    ],
    [
        "fallback=300",
        "Cookie: a=b",
        "200 | Cache-Control: max-age=5",
        "stored_max_age 5s",
    ],
    ["force=300", "Cookie: a=b", "200", "stored_force 300s strategy"],
];

#[test]
fn what_the_operator_may_override() {
    check(ROWS, |[rules, request, response, _]| stored(rules, request, response));
}

#[test]
fn a_forced_decision_says_so() {
    let rules = rules("force=300");
    let headers = fields("Cache-Control: no-store, private");
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    let Storage::Store(plan) = decide_storage(&Asked::default(), &Method::GET, StatusCode::OK, &headers, &rules, times)
    else {
        panic!("not stored");
    };
    assert_eq!(
        plan.decision.to_string(),
        "stored: the strategy forces its ttl, overriding the origin's no-store, private (RFC 9111 §4.2.4)"
    );
}
