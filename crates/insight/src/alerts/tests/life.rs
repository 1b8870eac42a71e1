//! Pending, firing, resolved.

use super::*;
use crate::model::Missing;
use AlertState::{Firing, Pending, Resolved};

#[test]
fn an_alert_waits_fires_and_ends() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.at(0.9, 60);
    assert_eq!(bench.states(), []);
    bench.at(1.1, 10);
    assert_eq!(bench.states(), [Pending]);
    bench.run(1);
    assert_eq!(bench.states(), [Firing]);
    bench.at(0.7, 5);
    assert_eq!(bench.states(), [Firing], "it is well for less than it must be");
    bench.run(1);
    assert_eq!(bench.states(), [Resolved]);
    let states: Vec<AlertState> = bench.changed.iter().map(|alert| alert.state).collect();
    assert_eq!(states, [Pending, Firing, Resolved]);
    let alert = &bench.alerts.shown()[0];
    assert_eq!(alert.fired.unwrap().as_secs() - alert.since.as_secs(), 10);
    assert_eq!(alert.resolved.unwrap().as_secs() - alert.fired.unwrap().as_secs(), 6);
    assert!(
        !alert.next_step.is_empty() && alert.text.contains("above 100%"),
        "{}",
        alert.text
    );
}

#[test]
fn what_does_not_last_is_no_alert() {
    let mut bench = Bench::new(vec![rule("errors")], &["all"]);
    for _ in 0..50 {
        bench.at(5.0, 9);
        bench.at(0.9, 1);
    }
    assert_eq!((bench.states(), bench.told.len()), (vec![], 0));
}

#[test]
fn between_the_marks_a_firing_alert_goes_on() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.at(1.1, 11);
    bench.at(0.9, 600);
    assert_eq!(bench.states(), [Firing]);
    bench.at(0.7, 4);
    bench.at(0.9, 1);
    bench.at(0.7, 5);
    assert_eq!(bench.states(), [Firing], "what is well begins anew");
    bench.run(1);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn too_few_requests_are_no_reason() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.fake.requests = 19;
    bench.at(5.0, 600);
    assert_eq!(bench.states(), [], "an idle server has nothing to alert about");
    bench.fake.requests = 20;
    bench.run(11);
    assert_eq!(bench.states(), [Firing]);
    // The last requests failed, and nobody asks any more: the number may be there or not.
    bench.fake.requests = 0;
    bench.at(None, 6);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn what_is_measured_needs_no_requests() {
    let cpu = AlertRule {
        metric: "cpu_ratio".to_owned(),
        above: Some(0.8),
        clear: None,
        ..rule("cpu")
    };
    let mut bench = Bench::new(vec![cpu], &[]);
    bench.fake.requests = 0;
    bench.set("cpu_ratio", Some(0.9));
    bench.run(11);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn without_a_number_nothing_changes_unless_the_rule_says_so() {
    let with = |name: &str, missing| AlertRule { missing, ..rule(name) };
    let mut bench = Bench::new(vec![with("keep", Missing::Keep)], &[]);
    bench.at(1.1, 5);
    bench.at(None, 600);
    bench.at(1.1, 5);
    assert_eq!(bench.states(), [Pending], "time without a number does not count");
    bench.run(2);
    assert_eq!(bench.states(), [Firing]);
    bench.at(None, 600);
    assert_eq!(bench.states(), [Firing]);

    let mut bench = Bench::new(vec![with("ok", Missing::Ok)], &[]);
    bench.at(1.1, 11);
    bench.at(None, 6);
    assert_eq!(bench.states(), [Resolved]);

    let mut bench = Bench::new(vec![with("breach", Missing::Breach)], &[]);
    bench.at(None, 11);
    assert_eq!(bench.states(), [Firing]);
    assert!(bench.alerts.shown()[0].text.contains("unknown"));
}

#[test]
fn seconds_without_a_number_are_none_that_it_lasted() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.at(1.1, 5);
    bench.at(None, 6);
    bench.at(1.1, 6);
    assert_eq!(bench.states(), [Pending], "it was seen for four and five seconds");
    bench.run(1);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn what_a_rule_is_about_may_be_away_for_a_moment() {
    let shop = || Labels::from([("route".to_owned(), "shop".to_owned())]);
    let of_shop = AlertRule {
        labels: shop(),
        for_s: 0.0,
        ..rule("errors")
    };
    let mut bench = Bench::new(vec![of_shop], &[]);
    bench.set_of("error_ratio", shop(), Some(2.0));
    bench.run(1);
    bench.set_of("error_ratio", shop(), None);
    bench.run(30);
    assert_eq!(bench.states(), [Firing], "a start knows a route only when it is used");
    bench.set_of("error_ratio", shop(), Some(2.0));
    bench.run(60);
    assert_eq!((bench.states(), bench.alerts.counts().fired), (vec![Firing], 1));
}

#[test]
fn a_rule_that_becomes_more_severe_makes_its_alert_so() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.at(1.1, 11);
    let of = |severity| AlertRule {
        severity,
        ..rule("errors")
    };
    for severity in [crate::model::Severity::Medium, crate::model::Severity::Critical] {
        bench.alerts.set_rules(vec![of(severity)]).unwrap();
        bench.run(1);
        assert_eq!(bench.alerts.shown()[0].severity, severity);
    }
}

#[test]
fn a_pause_of_the_program_counts_as_nothing() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.at(1.1, 5);
    bench.clock.advance(Duration::from_secs(3600));
    bench.at(1.1, 1);
    assert_eq!(bench.states(), [Pending]);
}

#[test]
fn a_rule_below_fires_below_and_ends_above() {
    let low = AlertRule {
        metric: "hit_ratio".to_owned(),
        above: None,
        below: Some(0.7),
        clear: Some(0.75),
        for_s: 0.0,
        keep_firing_s: 0.0,
        ..rule("hits")
    };
    let mut bench = Bench::new(vec![low], &[]);
    for (value, expected) in [
        (0.71, vec![]),
        (0.69, vec![Firing]),
        (0.74, vec![Firing]),
        (0.75, vec![Resolved]),
        (0.7, vec![Resolved]),
    ] {
        bench.set("hit_ratio", Some(value));
        bench.run(1);
        assert_eq!(bench.states(), expected, "{value}");
    }
    assert_eq!(
        bench.changed[0].text,
        "The share of requests that the cache answers is 69%, below 70%"
    );
}

#[test]
fn a_star_watches_each_route_and_forgets_those_that_are_gone() {
    let each = AlertRule {
        labels: Labels::from([("route".to_owned(), "*".to_owned())]),
        for_s: 0.0,
        ..rule("errors")
    };
    let mut bench = Bench::new(vec![each], &[]);
    let of = |route: &str| Labels::from([("route".to_owned(), route.to_owned())]);
    for (route, value) in [("shop", 2.0), ("blog", 3.0), ("docs", 0.0)] {
        bench.set_of("error_ratio", of(route), Some(value));
    }
    bench.at(9.0, 1);
    let routes: BTreeSet<String> = bench
        .alerts
        .shown()
        .iter()
        .map(|alert| alert.labels["route"].clone())
        .collect();
    assert_eq!(routes, BTreeSet::from(["blog".to_owned(), "shop".to_owned()]));
    bench.set_of("error_ratio", of("shop"), None);
    bench.run(61);
    let shop = bench
        .alerts
        .shown()
        .into_iter()
        .find(|alert| alert.labels["route"] == "shop");
    assert_eq!(shop.unwrap().state, Resolved);
    assert_eq!(bench.states(), [Firing, Resolved]);
}

#[test]
fn a_rule_that_is_switched_off_ends_its_alerts() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.at(1.1, 11);
    let off = AlertRule {
        enabled: false,
        ..rule("errors")
    };
    bench.alerts.configure(vec![off], Vec::new(), GROUP_WAIT);
    bench.run(1);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn there_are_never_more_alerts_than_the_bounds() {
    let each = AlertRule {
        labels: Labels::from([("route".to_owned(), "*".to_owned())]),
        for_s: 0.0,
        keep_firing_s: 0.0,
        ..rule("errors")
    };
    let mut bench = Bench::new(vec![each], &[]);
    let of = |number: usize| Labels::from([("route".to_owned(), number.to_string())]);
    for value in [2.0, 0.0] {
        for number in 0..LIVE_MAX + 7 {
            bench.set_of("error_ratio", of(number), Some(value));
        }
        bench.run(1);
    }
    assert_eq!(bench.alerts.counts().left_out, 7);
    assert_eq!(bench.states().len(), OVER_MAX);
}

#[test]
fn the_rules_that_come_along_are_sound_and_have_words() {
    for rule in defaults::rules() {
        assert_eq!(check::check_rule(&rule, &[], None), [], "{}", rule.name);
        let text = words::text(&rule, &Labels::new(), Some(rule.threshold(None)));
        assert!(!text.contains('_'), "{text}");
    }
}
