//! Stale use on errors: RFC 5861 §4, RFC 9111 §4.2.4.

use super::*;

/// Clause, rules, request, stored fields, how long stale, the response's window, outcome.
pub(super) const ROWS: &[[&str; 7]] = &[
    [
        "RFC 5861 §4",
        "",
        "",
        "Cache-Control: max-age=60",
        "10",
        "30",
        "stale_if_error",
    ],
    [
        "RFC 5861 §4",
        "",
        "",
        "Cache-Control: max-age=60",
        "30",
        "30",
        "stale_if_error",
    ],
    [
        "RFC 5861 §4",
        "",
        "",
        "Cache-Control: max-age=60",
        "31",
        "30",
        "stale_too_old",
    ],
    [
        "RFC 5861 §4",
        "",
        "",
        "Cache-Control: max-age=60",
        "10",
        "0",
        "stale_too_old",
    ],
    [
        "RFC 5861 §4",
        "",
        "Cache-Control: stale-if-error=60",
        "Cache-Control: max-age=60",
        "31",
        "30",
        "stale_if_error",
    ],
    [
        "RFC 5861 §4",
        "",
        "Cache-Control: stale-if-error=5",
        "Cache-Control: max-age=60",
        "20",
        "30",
        "stale_if_error",
    ],
    [
        "§4.2.4",
        "",
        "Cache-Control: stale-if-error=60",
        "Cache-Control: s-maxage=60",
        "10",
        "30",
        "stale_forbidden",
    ],
    [
        "§4.2.4",
        "",
        "",
        "Cache-Control: max-age=60, must-revalidate",
        "10",
        "30",
        "stale_forbidden",
    ],
    [
        "§4.2.4",
        "",
        "",
        "Cache-Control: max-age=60, proxy-revalidate",
        "10",
        "30",
        "stale_forbidden",
    ],
    [
        "§4.2.4",
        "",
        "",
        "Cache-Control: no-cache",
        "10",
        "30",
        "stale_forbidden",
    ],
    [
        "§4.2.4",
        "",
        "",
        "Cache-Control: no-cache=\"x\", max-age=60",
        "10",
        "30",
        "stale_if_error",
    ],
    [
        "§4.2.4",
        "force=60",
        "",
        "Cache-Control: must-revalidate",
        "10",
        "30",
        "stale_if_error",
    ],
];

#[test]
fn when_a_stale_response_may_stand_in_for_an_error() {
    check(ROWS, |[_, rules_text, request, stored, stale_for, window, _]| {
        let rules = rules(rules_text);
        let seconds = |text: &str| Duration::from_secs(text.parse().unwrap());
        let asked = asked(request, &rules);
        let (stored, stale_for, window) = (fields(stored), seconds(stale_for), seconds(window));
        match request_may_use_stale(&asked, StatusCode::OK, &stored, &rules, stale_for, window) {
            StaleUse::Allowed(decision) | StaleUse::Refused(decision) => decision.reason.as_str().to_owned(),
        }
    });
}

#[test]
fn only_failures_of_the_origin_count_as_errors() {
    let errors: Vec<u16> = (100..1000)
        .filter(|status| stale_if_error_status(StatusCode::from_u16(*status).unwrap()))
        .collect();
    assert_eq!(errors, [500, 502, 503, 504]);
}
