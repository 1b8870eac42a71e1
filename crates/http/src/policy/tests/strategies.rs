//! How long a response is fresh by the strategy's word, where the origin leaves it to say: RFC 9111 §4.2.2, RFC 5861.

use super::*;

/// Clause, rules, response, outcome.
pub(super) const ROWS: &[[&str; 4]] = &[
    // §4.2.2: heuristics, only where asked for.
    [
        "§4.2.2",
        "heuristic",
        "200 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT",
        "stored_heuristic 60s",
    ],
    [
        "§4.2.2",
        "heuristic",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "stored_heuristic 86400s",
    ],
    [
        "§4.2.2",
        "heuristic",
        "200 | Last-Modified: Fri, 02 Jan 2026 00:00:00 GMT",
        "no_freshness",
    ],
    ["§4.2.2", "heuristic", "200 | Last-Modified: yesterday", "no_freshness"],
    [
        "§4.2.2",
        "heuristic",
        "200 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT | Cache-Control: max-age=5",
        "stored_max_age 5s",
    ],
    [
        "§4.2.2",
        "heuristic",
        "200 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT | Expires: 0",
        "stored_for_validation 0s",
    ],
    [
        "§4.2.2",
        "heuristic",
        "404 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT",
        "stored_heuristic 60s error",
    ],
    [
        "§4.2.2",
        "heuristic",
        "302 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT",
        "status",
    ],
    [
        "§4.2.2",
        "heuristic",
        "302 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT | Cache-Control: public",
        "stored_heuristic 60s",
    ],
    [
        "§4.2.2",
        "heuristic fallback=300",
        "200 | Last-Modified: Wed, 31 Dec 2025 23:50:00 GMT",
        "stored_heuristic 60s",
    ],
    [
        "§4.2.2",
        "heuristic fallback=300",
        "200",
        "stored_fallback 300s strategy",
    ],
    // The strategy's lifetime where the origin gives none.
    ["§4.2.2", "fallback=300", "200", "stored_fallback 300s strategy"],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Cache-Control: must-revalidate",
        "stored_fallback 300s no-stale strategy",
    ],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Cache-Control: public",
        "stored_fallback 300s strategy",
    ],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Cache-Control: max-age=5",
        "stored_max_age 5s",
    ],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Cache-Control: max-age=0",
        "already_stale",
    ],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Cache-Control: max-age=soon",
        "freshness_unreadable",
    ],
    ["§4.2.2", "fallback=300", "200 | Expires: 0", "already_stale"],
    ["§4.2.2", "fallback=300", "200 | Cache-Control: no-store", "no_store"],
    ["§4.2.2", "fallback=300", "200 | Cache-Control: private", "private"],
    ["§4.2.2", "fallback=300", "200 | Cache-Control: no-cache", "no_cache"],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Cache-Control: no-cache | ETag: \"a\"",
        "stored_for_validation 300s validate no-stale strategy",
    ],
    [
        "§4.2.2",
        "fallback=300",
        "200 | Age: 100",
        "stored_fallback 200s age=100 strategy",
    ],
    ["§4.2.2", "fallback=300", "301", "stored_fallback 300s strategy"],
    ["§4.2.2", "fallback=300", "302", "status"],
    [
        "§4.2.2",
        "fallback=300",
        "302 | Cache-Control: public",
        "stored_fallback 300s strategy",
    ],
    ["§4.2.2", "fallback=300", "404", "no_freshness"],
    ["§4.2.2", "fallback=300", "404 | Cache-Control: public", "no_freshness"],
    ["§4.2.2", "fallback=300", "500", "status"],
    ["§4.2.2", "fallback=0", "200", "no_freshness"],
    ["§4.2.2", "ttl=300", "200", "no_freshness"],
    // Errors have a lifetime of their own.
    ["§4.2.2", "negative=10", "404", "stored_negative 10s strategy error"],
    [
        "§4.2.2",
        "negative=10 fallback=300",
        "410",
        "stored_negative 10s strategy error",
    ],
    ["§4.2.2", "negative=10", "503", "stored_negative 10s strategy error"],
    ["§4.2.2", "negative=10", "500", "status"],
    [
        "§4.2.2",
        "negative=10",
        "404 | Cache-Control: max-age=60",
        "stored_max_age 60s error",
    ],
    ["§4.2.2", "negative=10", "404 | Cache-Control: no-store", "no_store"],
    [
        "§4.2.2",
        "negative=10 swr=60 sie=60",
        "404",
        "stored_negative 10s strategy error",
    ],
    ["§4.2.2", "negative=0", "404", "no_freshness"],
    // The strategy's windows, where the response says nothing and its lifetime is not zero on purpose.
    [
        "RFC 5861 §3",
        "swr=30 sie=600",
        "200 | Cache-Control: max-age=60",
        "stored_max_age 60s swr=30 sie=600",
    ],
    [
        "RFC 5861 §3",
        "swr=30",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=5",
        "stored_max_age 60s swr=5",
    ],
    [
        "RFC 5861 §3",
        "swr=30",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=0",
        "stored_max_age 60s",
    ],
    [
        "RFC 5861 §3",
        "swr=30 sie=30",
        "200 | Cache-Control: max-age=0",
        "already_stale",
    ],
    ["RFC 5861 §3", "swr=30 sie=30", "200 | Expires: 0", "already_stale"],
    [
        "RFC 5861 §4",
        "swr=30 sie=600",
        "200 | Cache-Control: s-maxage=60",
        "stored_s_maxage 60s no-stale",
    ],
    [
        "RFC 5861 §4",
        "swr=30 sie=600",
        "200 | Cache-Control: max-age=60, must-revalidate",
        "stored_max_age 60s no-stale",
    ],
    [
        "RFC 5861 §4",
        "swr=30 sie=600",
        "200 | Cache-Control: max-age=60 | Age: 80",
        "stored_max_age 0s age=80 swr=10 sie=580",
    ],
];

#[test]
fn lifetimes_by_the_strategys_word() {
    check(ROWS, |[_, rules, response, _]| stored(rules, "", response));
}
