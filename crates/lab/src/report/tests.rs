//! What people see, line by line, without colours.

use super::*;
use crate::checker::{Example, Findings, Wrong};
use crate::drive::Leg;
use crate::load::Latency;
use crate::shop::ShopCounts;
use std::collections::BTreeMap;

fn load(name: &str, p50_us: f64, requests_per_s: f64) -> LoadReport {
    let latency = Latency {
        min_us: p50_us / 4.0,
        mean_us: p50_us * 1.2,
        p50_us,
        p90_us: p50_us * 2.0,
        p95_us: p50_us * 3.0,
        p99_us: p50_us * 8.0,
        p999_us: p50_us * 20.0,
        max_us: p50_us * 40.0,
    };
    LoadReport {
        name: name.to_owned(),
        target: "http://127.0.0.1:8080".to_owned(),
        pace: "closed",
        rate_per_s: None,
        connections: 64,
        elapsed_s: 10.0,
        answers: 8_123,
        requests_per_s,
        latency,
        latency_corrected: Some(Latency {
            p99_us: p50_us * 10.0,
            ..latency
        }),
        statuses: BTreeMap::from([(200, 8_000), (304, 100), (404, 23)]),
        failures: BTreeMap::new(),
        unsent: 0,
        reconnects: 0,
        hits: 0,
        forwarded: 0,
        bytes_in: 50 << 20,
        body_bytes_in: 48 << 20,
        bytes_out: 4 << 20,
        answers_with_warm_up: 10_000,
        body_bytes_with_warm_up: 60 << 20,
    }
}

fn example() -> Comparison {
    let origin = |requests, body_bytes| ShopCounts {
        requests,
        body_bytes,
        ..ShopCounts::default()
    };
    let findings = Findings {
        checked: 10_000,
        stale: 12,
        ..Findings::default()
    };
    let direct = Leg {
        load: load("API alone", 24_100.0, 812.3),
        findings: findings.clone(),
        origin: origin(10_000, 60 << 20),
    };
    let load = LoadReport {
        hits: 7_400,
        forwarded: 723,
        ..load("with Peregrine", 210.0, 18_423.0)
    };
    Comparison::new(
        direct,
        Leg {
            load,
            findings,
            origin: origin(900, 4 << 20),
        },
    )
}

#[track_caller]
fn assert_is(text: &str, snapshot: &str) {
    assert_eq!(text, snapshot.trim_end(), "\n{text}");
}

#[test]
fn the_demos_result() {
    assert_is(
        &comparison(&example(), &Look::PLAIN),
        include_str!("snapshots/demo.txt"),
    );
}

#[test]
fn a_run_by_itself_and_two_side_by_side() {
    let one = load("http://127.0.0.1:8080/", 210.0, 18_423.0);
    let mut failing = load("http://127.0.0.1:3000/", 24_100.0, 812.3);
    failing.failures = BTreeMap::from([("timed_out".to_owned(), 3), ("cut_short".to_owned(), 1)]);
    (
        failing.rate_per_s,
        failing.pace,
        failing.latency_corrected,
        failing.unsent,
    ) = (Some(900.0), "open", None, 17);
    assert_is(
        &runs(std::slice::from_ref(&one), &Look::PLAIN),
        include_str!("snapshots/bench.txt"),
    );
    assert_is(
        &runs(&[one, failing], &Look::PLAIN),
        include_str!("snapshots/bench_two.txt"),
    );
}

#[test]
fn a_proxy_that_is_slower_is_said_to_be() {
    let mut example = example();
    example.proxied.load.latency.p50_us = 48_200.0;
    example.proxied.load.requests_per_s = 406.15;
    let text = comparison(&example, &Look::PLAIN);
    assert!(text.contains("2× slower") && text.contains("2× fewer"), "{text}");
}

#[test]
fn wrong_answers_are_shown_by_example() {
    let mut example = example();
    example.proxied.findings.wrong = BTreeMap::from([("other_user".to_owned(), 7)]);
    let detail = "user Some(4) instead of Some(3)".to_owned();
    example.proxied.findings.examples = vec![Example {
        wrong: Wrong::OtherUser,
        request: "Read /cart by user 3".to_owned(),
        detail,
    }];
    let text = comparison(&example, &Look::PLAIN);
    let last = text.lines().last().unwrap();
    assert_eq!(
        last,
        "wrong answer with Peregrine: other_user: Read /cart by user 3: user Some(4) instead of Some(3)"
    );
}

#[test]
fn colours_come_only_when_they_may() {
    let coloured = comparison(
        &example(),
        &Look {
            has_colour: true,
            ..Look::PLAIN
        },
    );
    assert!(coloured.contains("\x1b[32m"));
    assert!(!comparison(&example(), &Look::PLAIN).contains('\x1b'));
}

#[test]
fn results_fit_the_width_that_there_is() {
    for width in [60, 80, 120] {
        let look = Look {
            width,
            has_colour: false,
        };
        for text in [
            comparison(&example(), &look),
            runs(&[load("one", 1.0, 2.0), load("two", 3.0, 4.0)], &look),
        ] {
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(width), "{longest} columns of {width}:\n{text}");
        }
    }
}
