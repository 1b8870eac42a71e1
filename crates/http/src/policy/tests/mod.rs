//! The rules, clause by clause, as tables: every row names its clause, what goes in and what must come out. Fields are
//! written `Name: value`, separated by ` | `; a response begins with its status; rules are words as in [`rules`].

mod byteranges;
mod confusion;
mod dates;
mod groups;
mod heads;
mod lifetimes;
mod no_vary_search;
mod overrides;
mod parts;
mod posted;
mod properties;
mod ranges;
mod reasons;
mod requests;
mod stale;
mod storing;
mod strategies;
mod targeted;
mod unsafe_methods;
mod validation;
mod vary;

use super::*;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use peregrine_base::WallTime;
use std::fmt::Write as _;
use std::time::Duration;

/// When every exchange of the tables takes place: Thu, 01 Jan 2026 00:00:00 GMT.
const NOW: WallTime = WallTime::from_millis(1_767_225_600_000);

/// Checks every row and tells of all that fail.
fn check<const N: usize>(rows: &[[&str; N]], actual: impl Fn(&[&str; N]) -> String) {
    let mut faults = String::new();
    for row in rows {
        let (actual, expected) = (actual(row), row[N - 1]);
        if actual != expected {
            writeln!(faults, "{row:?}\n    expected: {expected}\n    actual:   {actual}").unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The fields in `text`.
fn fields(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(" | ").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
        );
    }
    headers
}

/// The status and fields in `text`.
fn response(text: &str) -> (StatusCode, HeaderMap) {
    let (status, rest) = text.split_once(" | ").unwrap_or((text, ""));
    (status.parse().unwrap(), fields(rest))
}

/// The rules that `text` names; durations in seconds.
fn rules(text: &str) -> Rules {
    let mut rules = Rules::default();
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let seconds = || Duration::from_secs(value.parse().unwrap());
        match name {
            "fallback" => (rules.freshness, rules.ttl) = (Freshness::Fallback, seconds()),
            "force" => (rules.freshness, rules.ttl) = (Freshness::Force, seconds()),
            "ttl" => rules.ttl = seconds(),
            "heuristic" => rules.heuristic = true,
            "swr" => rules.stale_while_revalidate = seconds(),
            "sie" => rules.stale_if_error = seconds(),
            "negative" => (rules.negative_ttl, rules.negative_statuses) = (seconds(), vec![404, 410, 503]),
            "cookies" => rules.allow_set_cookie = true,
            "authorization" => rules.allow_authorization = true,
            "get-only" => rules.methods.head = false,
            _ => panic!("no such rule: {word}"),
        }
    }
    rules
}

/// What `request` asks; the tables' requests are GET unless they begin with another method.
fn asked(request: &str, rules: &Rules) -> Asked {
    match admit_request(&Method::GET, &fields(request), rules) {
        RequestVerdict::Use(asked) => asked,
        RequestVerdict::Bypass(decision) => panic!("{request}: {decision}"),
    }
}

/// What becomes of the response `text` to `request` under the rules `rules_text`.
fn stored(rules_text: &str, request: &str, text: &str) -> String {
    let rules = rules(rules_text);
    let (status, headers) = response(text);
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    show(&decide_storage(
        &asked(request, &rules),
        &Method::GET,
        status,
        &headers,
        &rules,
        times,
    ))
}

/// A storage decision in words: what is zero or false is left out.
fn show(storage: &Storage) -> String {
    match storage {
        Storage::Pass(decision) => decision.reason.as_str().to_owned(),
        Storage::Store(plan) => show_plan(plan),
    }
}

fn show_plan(plan: &Plan) -> String {
    let mut text = format!("{} {}s", plan.decision.reason.as_str(), plan.fresh_for.as_secs());
    for (name, time) in [("age", plan.initial_age), ("swr", plan.swr), ("sie", plan.sie)] {
        if !time.is_zero() {
            write!(text, " {name}={}", time.as_secs()).unwrap();
        }
    }
    for (name, set) in [
        ("validate", plan.must_validate),
        ("no-stale", plan.stale_forbidden),
        ("strategy", plan.from_strategy),
        ("error", plan.negative),
    ] {
        if set {
            write!(text, " {name}").unwrap();
        }
    }
    if !plan.vary.is_empty() {
        let names: Vec<&str> = plan.vary.iter().map(HeaderName::as_str).collect();
        write!(text, " vary={}", names.join(",")).unwrap();
    }
    for directive in plan.decision.overridden.iter() {
        write!(text, " over:{}", directive.as_str()).unwrap();
    }
    text
}

/// The first column of a table.
fn clauses<const N: usize>(rows: &[[&'static str; N]]) -> Vec<&'static str> {
    rows.iter().map(|row| row[0]).collect()
}

#[test]
fn at_least_three_hundred_cases_name_their_clause() {
    let tables = [
        clauses(byteranges::ROWS),
        clauses(byteranges::TYPES),
        clauses(confusion::PATHS),
        clauses(confusion::REFUSALS),
        clauses(groups::MEMBERS),
        clauses(groups::INVALIDATED),
        clauses(groups::STORED),
        clauses(heads::STORED),
        clauses(heads::RENEWED),
        clauses(lifetimes::ROWS),
        clauses(no_vary_search::ROWS),
        clauses(posted::ROWS),
        clauses(ranges::ROWS),
        clauses(requests::ROWS),
        clauses(stale::ROWS),
        clauses(storing::ROWS),
        clauses(strategies::ROWS),
        clauses(targeted::CDN),
        clauses(targeted::TARGETS),
        clauses(targeted::SURROGATE),
        clauses(validation::ROWS),
        clauses(vary::ROWS),
    ];
    let named = tables.iter().flatten().filter(|clause| clause.contains('§')).count();
    assert_eq!(named, tables.iter().flatten().count(), "a case without a clause");
    assert!(named >= 500, "only {named} cases");
}
