//! How long a response is fresh by the origin's word and how old it arrives: RFC 9111 §4.2, §5.1 to §5.3, and RFC 5861.

use super::*;

/// Clause, response, outcome under default rules.
pub(super) const ROWS: &[[&str; 3]] = &[
    // §4.2.1: whose word counts.
    [
        "§4.2.1",
        "200 | Cache-Control: s-maxage=10, max-age=60",
        "stored_s_maxage 10s no-stale",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=60, s-maxage=3600",
        "stored_s_maxage 3600s no-stale",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=60 | Expires: Thu, 01 Jan 2026 01:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=60 | Expires: 0",
        "stored_max_age 60s",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=0 | Expires: Thu, 01 Jan 2026 01:00:00 GMT",
        "already_stale",
    ],
    ["§4.2.1", "200 | Cache-Control: s-maxage=0, max-age=60", "already_stale"],
    // §4.2.1: of several, the most restrictive.
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=60, max-age=10",
        "stored_max_age 10s",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=10 | Cache-Control: max-age=60",
        "stored_max_age 10s",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=60, max-age=soon",
        "freshness_unreadable",
    ],
    // §4.2.1: what cannot be read is stale.
    ["§4.2.1", "200 | Cache-Control: max-age=soon", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age=60s", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age=a60", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age=-1", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age=60.0", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age=", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age='60'", "freshness_unreadable"],
    ["§4.2.1", "200 | Cache-Control: max-age=\"60", "freshness_unreadable"],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=\"0 | Expires: Thu, 01 Jan 2099 00:00:00 GMT",
        "freshness_unreadable",
    ],
    [
        "§4.2.1",
        "200 | Cache-Control: max-age=60, s-maxage=\"0",
        "freshness_unreadable",
    ],
    [
        "RFC 5861 §3",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=30, x=\", stale-while-revalidate=1",
        "stored_max_age 60s",
    ],
    ["§5.2", "200 | Cache-Control: max-age =60", "freshness_unreadable"],
    ["§5.2", "200 | Cache-Control: max-age= 60", "freshness_unreadable"],
    [
        "§5.2",
        "200 | Cache-Control: s-maxage=x, max-age=60",
        "freshness_unreadable",
    ],
    // §5.2: forms and names.
    ["§5.2", "200 | Cache-Control: max-age=\"60\"", "stored_max_age 60s"],
    ["§5.2", "200 | Cache-Control: max-age=\"6\\0\"", "stored_max_age 60s"],
    ["§5.2", "200 | Cache-Control: MaX-aGe=60", "stored_max_age 60s"],
    ["§5.2", "200 | Cache-Control: max-age=0060", "stored_max_age 60s"],
    ["§5.2", "200 | Cache-Control: ,, max-age=60 ,", "stored_max_age 60s"],
    [
        "§5.2",
        "200 | Cache-Control: x=\"max-age=3600\", max-age=60",
        "stored_max_age 60s",
    ],
    [
        "§5.2",
        "200 | Cache-Control: max-age=60, x=\"no-store, private\"",
        "stored_max_age 60s",
    ],
    [
        "§5.2",
        "200 | Cache-Control: x=\"a\\\", no-store\", max-age=60",
        "stored_max_age 60s",
    ],
    ["§5.2", "200 | Cache-Control: x=\", max-age=60", "freshness_unreadable"],
    ["§5.2", "200 | Cache-Control: max-age=60, x=\", no-store", "no_store"],
    [
        "§5.2.3",
        "200 | Cache-Control: community=\"UCI\", max-age=60",
        "stored_max_age 60s",
    ],
    // §1.2.2: too large is 2^31.
    [
        "§1.2.2",
        "200 | Cache-Control: max-age=2147483648",
        "stored_max_age 2147483648s",
    ],
    [
        "§1.2.2",
        "200 | Cache-Control: max-age=99999999999999999999999999",
        "stored_max_age 2147483648s",
    ],
    // §5.3: Expires, against Date, not against our clock.
    [
        "§5.3",
        "200 | Expires: Thu, 01 Jan 2026 00:01:00 GMT",
        "stored_expires 60s",
    ],
    [
        "§5.3",
        "200 | Date: Wed, 31 Dec 2025 23:59:55 GMT | Expires: Thu, 01 Jan 2026 00:01:00 GMT",
        "stored_expires 65s",
    ],
    [
        "§5.3",
        "200 | Date: Fri, 02 Jan 2026 00:00:00 GMT | Expires: Fri, 02 Jan 2026 00:01:00 GMT",
        "stored_expires 60s",
    ],
    [
        "§5.3",
        "200 | Date: Thu, 01 Jan 2026 00:00:00 GMT | Expires: Thu, 01 Jan 2026 00:00:00 GMT",
        "already_stale",
    ],
    ["§5.3", "200 | Expires: Wed, 31 Dec 2025 23:59:59 GMT", "already_stale"],
    ["§5.3", "200 | Expires: 0", "already_stale"],
    ["§5.3", "200 | Expires: -1", "already_stale"],
    ["§5.3", "200 | Expires:", "already_stale"],
    ["§5.3", "200 | Expires: Thu, 01 Jan 2026 00:01:00 CET", "already_stale"],
    [
        "§5.3",
        "200 | Expires: Thu, 01 Jan 2026 01:00:00 GMT | Expires: Thu, 01 Jan 2026 00:01:00 GMT",
        "stored_expires 60s",
    ],
    [
        "§5.3",
        "200 | Expires: Thu, 01 Jan 2026 01:00:00 GMT | Expires: 0",
        "already_stale",
    ],
    [
        "§5.3",
        "200 | Expires: Thu, 01 Jan 2026 01:00:00 GMT, Thu, 01 Jan 2026 01:00:00 GMT",
        "already_stale",
    ],
    [
        "§5.3",
        "200 | Date: nonsense | Expires: Thu, 01 Jan 2026 00:01:00 GMT",
        "stored_expires 60s",
    ],
    // §4.2: stale on arrival is worth keeping only with a validator.
    [
        "§4.3",
        "200 | Cache-Control: max-age=0 | ETag: \"a\"",
        "stored_for_validation 0s",
    ],
    [
        "§4.3",
        "200 | Expires: 0 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "stored_for_validation 0s",
    ],
    [
        "§4.3",
        "200 | Cache-Control: max-age=0, must-revalidate | ETag: \"a\"",
        "stored_for_validation 0s no-stale",
    ],
    [
        "§4.3",
        "200 | Cache-Control: max-age=soon | ETag: \"a\"",
        "stored_for_validation 0s",
    ],
    // RFC 8246 §2: immutable gives no lifetime.
    ["RFC 8246 §2", "200 | Cache-Control: immutable", "no_freshness"],
    [
        "RFC 8246 §2",
        "200 | Cache-Control: immutable, max-age=60",
        "stored_max_age 60s",
    ],
    // §5.1, §4.2.3: Age and Date.
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: 20",
        "stored_max_age 40s age=20",
    ],
    ["§5.1", "200 | Cache-Control: max-age=60 | Age: 60", "already_stale"],
    ["§5.1", "200 | Cache-Control: max-age=60 | Age: 100", "already_stale"],
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: 20, 0",
        "stored_max_age 40s age=20",
    ],
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: 20 | Age: 50",
        "stored_max_age 40s age=20",
    ],
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: -20",
        "stored_max_age 60s",
    ],
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: 20.0",
        "stored_max_age 60s",
    ],
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: old",
        "stored_max_age 60s",
    ],
    [
        "§5.1",
        "200 | Cache-Control: max-age=60 | Age: 99999999999999999999",
        "already_stale",
    ],
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=60 | Date: Wed, 31 Dec 2025 23:59:30 GMT",
        "stored_max_age 30s age=30",
    ],
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=60 | Date: Wed, 31 Dec 2025 23:59:30 GMT | Age: 40",
        "stored_max_age 20s age=40",
    ],
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=60 | Date: Wed, 31 Dec 2025 23:59:30 GMT | Age: 5",
        "stored_max_age 30s age=30",
    ],
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=60 | Date: Wed, 31 Dec 2025 22:00:00 GMT",
        "already_stale",
    ],
    // A little skew is no age, and a clock that is ahead makes nothing younger.
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=1 | Date: Wed, 31 Dec 2025 23:59:59 GMT",
        "stored_max_age 1s",
    ],
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=60 | Date: Fri, 02 Jan 2026 00:00:00 GMT",
        "stored_max_age 60s",
    ],
    [
        "§4.2.3",
        "200 | Cache-Control: max-age=60 | Date: Fri, 02 Jan 2026 00:00:00 GMT | Age: 20",
        "stored_max_age 40s age=20",
    ],
    // RFC 5861: the response's own windows; what cannot be read grants none.
    [
        "RFC 5861 §3",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=30",
        "stored_max_age 60s swr=30",
    ],
    [
        "RFC 5861 §3",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=x",
        "stored_max_age 60s",
    ],
    [
        "RFC 5861 §3",
        "200 | Cache-Control: max-age=0, stale-while-revalidate=30",
        "stored_max_age 0s swr=30",
    ],
    [
        "RFC 5861 §3",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=30 | Age: 70",
        "stored_max_age 0s age=70 swr=20",
    ],
    [
        "RFC 5861 §3",
        "200 | Cache-Control: max-age=60, stale-while-revalidate=30 | Age: 90",
        "already_stale",
    ],
    [
        "RFC 5861 §4",
        "200 | Cache-Control: max-age=60, stale-if-error=30",
        "stored_max_age 60s sie=30",
    ],
    [
        "RFC 5861 §4",
        "200 | Cache-Control: max-age=60, stale-if-error=30, stale-if-error=10",
        "stored_max_age 60s sie=10",
    ],
    // §4.2.4: directives that forbid every stale use.
    [
        "§5.2.2.2",
        "200 | Cache-Control: max-age=60, stale-if-error=30, must-revalidate",
        "stored_max_age 60s no-stale",
    ],
    [
        "§5.2.2.8",
        "200 | Cache-Control: max-age=60, stale-if-error=30, proxy-revalidate",
        "stored_max_age 60s no-stale",
    ],
    [
        "§5.2.2.10",
        "200 | Cache-Control: s-maxage=60, stale-while-revalidate=30",
        "stored_s_maxage 60s no-stale",
    ],
];

#[test]
fn lifetimes_by_the_origins_word() {
    check(ROWS, |[_, response, _]| stored("", "", response));
}

#[test]
fn the_time_an_exchange_takes_makes_its_response_older() {
    let age = |text: &str, delay| initial_age(&fields(text), Times { received: NOW, delay });
    let seconds = Duration::from_secs;
    assert_eq!(age("", seconds(3)), seconds(3));
    assert_eq!(age("Age: 20", seconds(3)), seconds(23));
    assert_eq!(
        age("Age: 20 | Date: Wed, 31 Dec 2025 23:00:00 GMT", seconds(3)),
        seconds(3600)
    );
    assert_eq!(age("Age: 2147483648", Duration::MAX), seconds(1 << 31));
}
