//! Fields that speak to this cache in place of Cache-Control: RFC 9213 and the Edge Architecture.

use super::*;

/// Clause, response, outcome for a route that listens to CDN-Cache-Control.
pub(super) const CDN: &[[&str; 3]] = &[
    // §2.2: it counts alone.
    ["9213 §2.2", "200 | CDN-Cache-Control: max-age=60", "stored_max_age 60s"],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60 | Cache-Control: max-age=1",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=1 | Cache-Control: max-age=60",
        "stored_max_age 1s",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60 | Cache-Control: no-store",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60 | Cache-Control: private, no-cache",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: no-store | Cache-Control: max-age=60",
        "no_store",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: private | Cache-Control: max-age=60",
        "private",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: no-cache | Cache-Control: max-age=60",
        "no_cache",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60 | Expires: 0",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=0 | Expires: Thu, 01 Jan 2026 01:00:00 GMT",
        "already_stale",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: public | Expires: Thu, 01 Jan 2026 01:00:00 GMT",
        "no_freshness",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60, must-revalidate",
        "stored_max_age 60s no-stale",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=9, s-maxage=60",
        "stored_s_maxage 60s no-stale",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60, stale-while-revalidate=5, stale-if-error=7",
        "stored_max_age 60s swr=5 sie=7",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60 | Age: 20",
        "stored_max_age 40s age=20",
    ],
    [
        "9213 §2.2",
        "200 | CDN-Cache-Control: max-age=60 | Set-Cookie: a=b",
        "set_cookie",
    ],
    // §2.1: a dictionary, or nothing.
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: foo, max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=60;note=\"x\"",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=9, max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=9 | CDN-Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=60, no-store=?0",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=99999999999",
        "stored_max_age 2147483648s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control:  | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=9, &&&& | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=9, &&&& | Cache-Control: no-store",
        "no_store",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: Max-Age=9 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age =9 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age= 9 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=9,  | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    // §2.1: a lifetime of another type cannot be read.
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=\"60\"",
        "freshness_unreadable",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=60.5",
        "freshness_unreadable",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=-60",
        "freshness_unreadable",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=?0",
        "freshness_unreadable",
    ],
    ["9213 §2.1", "200 | CDN-Cache-Control: max-age", "freshness_unreadable"],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=sixty",
        "freshness_unreadable",
    ],
    [
        "9213 §2.1",
        "200 | CDN-Cache-Control: max-age=(60)",
        "freshness_unreadable",
    ],
    // Nobody listens to another's field.
    [
        "9213 §3.1",
        "200 | Other-Cache-Control: max-age=60 | Cache-Control: no-store",
        "no_store",
    ],
];

/// Clause, response, outcome for a route that listens to Own-Cache-Control before CDN-Cache-Control.
pub(super) const TARGETS: &[[&str; 3]] = &[
    [
        "9213 §2.2",
        "200 | Own-Cache-Control: max-age=60 | CDN-Cache-Control: max-age=1",
        "stored_max_age 60s",
    ],
    ["9213 §2.2", "200 | CDN-Cache-Control: max-age=1", "stored_max_age 1s"],
    [
        "9213 §2.2",
        "200 | Own-Cache-Control: !! | CDN-Cache-Control: max-age=1 | Cache-Control: max-age=9",
        "stored_max_age 1s",
    ],
    [
        "9213 §2.2",
        "200 | Own-Cache-Control: no-store | CDN-Cache-Control: max-age=1",
        "no_store",
    ],
];

/// Clause, response, outcome for a route that listens to Surrogate-Control.
pub(super) const SURROGATE: &[[&str; 3]] = &[
    ["Edge §3.3", "200 | Surrogate-Control: max-age=60", "stored_max_age 60s"],
    [
        "Edge §3.3",
        "200 | Surrogate-Control: max-age=60+30",
        "stored_max_age 60s swr=30",
    ],
    [
        "Edge §3.3",
        "200 | Surrogate-Control: MAX-AGE=60 | Cache-Control: no-store",
        "stored_max_age 60s",
    ],
    [
        "Edge §3.2",
        "200 | Surrogate-Control: no-store | Cache-Control: max-age=60",
        "no_store",
    ],
    [
        "Edge §3.2",
        "200 | Surrogate-Control: max-age=60 | Expires: 0",
        "stored_max_age 60s",
    ],
    [
        "Edge §3.1",
        "200 | Surrogate-Control: content=\"ESI/1.0\" | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "Edge §3.1",
        "200 | Surrogate-Control: content=\"ESI/1.0\", max-age=9 | Cache-Control: max-age=60",
        "stored_max_age 9s",
    ],
    [
        "Edge §2.3",
        "200 | Surrogate-Control: max-age=60;peregrine, max-age=1",
        "stored_max_age 60s",
    ],
    [
        "Edge §2.3",
        "200 | Surrogate-Control: max-age=1;peregrine | Cache-Control: max-age=60",
        "stored_max_age 1s",
    ],
    [
        "Edge §2.3",
        "200 | Surrogate-Control: max-age=1;other | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "Edge §2.3",
        "200 | Surrogate-Control: no-store;other, max-age=60",
        "stored_max_age 60s",
    ],
];

fn for_route(targets: &[&'static str], text: &str) -> String {
    let rules = Rules {
        targeted_fields: targets.iter().map(|name| HeaderName::from_static(name)).collect(),
        ..Rules::default()
    };
    let (status, headers) = response(text);
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    show(&decide_storage(
        &Asked::default(),
        &Method::GET,
        status,
        &headers,
        &rules,
        times,
    ))
}

#[test]
fn the_field_that_is_meant_for_this_cache_counts_alone() {
    check(CDN, |[_, text, _]| for_route(&["cdn-cache-control"], text));
    check(TARGETS, |[_, text, _]| {
        for_route(&["own-cache-control", "cdn-cache-control"], text)
    });
    check(SURROGATE, |[_, text, _]| for_route(&["surrogate-control"], text));
}

#[test]
fn a_route_that_listens_to_nothing_reads_cache_control() {
    let text = "200 | CDN-Cache-Control: max-age=60 | Surrogate-Control: max-age=60 | Cache-Control: no-store";
    assert_eq!(for_route(&[], text), "no_store");
}

#[test]
fn what_a_targeted_field_leaves_out_is_not_stored() {
    let rules = Rules {
        targeted_fields: vec![HeaderName::from_static("cdn-cache-control")],
        ..Rules::default()
    };
    let headers = fields("CDN-Cache-Control: no-cache=\"x-user\", max-age=60 | X-User: anna | X-Shop: north");
    let stored = headers_to_store(&headers, &rules, NOW);
    assert!(!stored.contains_key("x-user") && stored.contains_key("x-shop"));
}

#[test]
fn a_targeted_field_forbids_stale_answers() {
    let rules = Rules {
        targeted_fields: vec![HeaderName::from_static("cdn-cache-control")],
        ..Rules::default()
    };
    let forbids = |text: &str| forbids_stale(StatusCode::OK, &fields(text), &rules);
    assert!(forbids("CDN-Cache-Control: max-age=60, must-revalidate"));
    assert!(!forbids(
        "CDN-Cache-Control: max-age=60 | Cache-Control: must-revalidate"
    ));
}
