//! Who is told what, when, and how often.

use super::*;
use AlertState::{Firing, Resolved};

fn of(route: &str) -> Labels {
    Labels::from([("route".to_owned(), route.to_owned())])
}

/// Fires at once, for each route.
fn each() -> AlertRule {
    AlertRule {
        labels: of("*"),
        for_s: 0.0,
        keep_firing_s: 0.0,
        ..rule("errors")
    }
}

#[test]
fn what_happens_together_is_told_together() {
    let mut bench = Bench::new(vec![each()], &["pager", "chat"]);
    for (route, at) in [("shop", 1), ("blog", 1), ("docs", 1)] {
        bench.set_of("error_ratio", of(route), Some(2.0));
        bench.run(at);
    }
    assert!(bench.told.is_empty(), "news waits for more of its group");
    bench.run(1);
    let told: Vec<(&str, usize)> = bench
        .told
        .iter()
        .map(|told| (told.receiver.as_str(), told.alerts.len()))
        .collect();
    assert_eq!(told, [("pager", 3), ("chat", 3)]);
    bench.run(600);
    assert_eq!(bench.told.len(), 2, "once");
    assert_ne!(bench.told[0].id, bench.told[1].id);
}

#[test]
fn a_silence_of_one_rule_holds_back_no_other() {
    let mut bench = Bench::new(vec![rule("errors"), rule("other")], &["all"]);
    let (moment, hour) = (bench.moment(), Duration::from_secs(3600));
    let about = (Some("errors".to_owned()), Labels::new());
    bench.alerts.silence(moment, about, hour, ("ann", "")).unwrap();
    bench.at(1.1, 60);
    let told: Vec<&str> = bench
        .told
        .iter()
        .flat_map(|told| &told.alerts)
        .map(|alert| alert.rule.as_str())
        .collect();
    assert_eq!(told, ["other"]);
    assert_eq!(bench.states(), [Firing, Firing], "both are shown");
}

#[test]
fn receivers_hear_of_what_is_for_them() {
    let rules = vec![
        AlertRule {
            notify: vec!["chat".to_owned()],
            ..AlertRule {
                labels: Labels::new(),
                ..each()
            }
        },
        AlertRule {
            name: "quiet".to_owned(),
            notify: vec!["nobody".to_owned()],
            labels: Labels::new(),
            ..each()
        },
        AlertRule {
            name: "all".to_owned(),
            severity: crate::model::Severity::Medium,
            labels: Labels::new(),
            ..each()
        },
    ];
    let mut bench = Bench::new(rules.clone(), &["chat", "pager"]);
    let pager = Receiver {
        severity_min: crate::model::Severity::High,
        ..receiver("pager")
    };
    bench.alerts.configure(rules, vec![receiver("chat"), pager], GROUP_WAIT);
    bench.at(2.0, 10);
    let told: Vec<(&str, &str)> = bench
        .told
        .iter()
        .map(|told| (told.receiver.as_str(), told.group.as_str()))
        .collect();
    assert_eq!(told, [("chat", "all"), ("chat", "errors")]);
}

#[test]
fn what_came_and_went_is_told_to_nobody() {
    let mut bench = Bench::new(vec![each()], &["chat"]);
    bench.set_of("error_ratio", of("shop"), Some(2.0));
    bench.run(2);
    bench.set_of("error_ratio", of("shop"), Some(0.0));
    bench.run(60);
    assert_eq!(bench.states(), [Resolved]);
    assert!(bench.told.is_empty());
}

#[test]
fn who_heard_that_it_fired_hears_that_it_ended_unless_it_wants_not_to() {
    let mut bench = Bench::new(vec![each()], &[]);
    let brief = Receiver {
        resolved: false,
        ..receiver("brief")
    };
    bench
        .alerts
        .configure(vec![each()], vec![brief, receiver("chat")], GROUP_WAIT);
    bench.set_of("error_ratio", of("shop"), Some(2.0));
    bench.run(5);
    bench.set_of("error_ratio", of("shop"), Some(0.0));
    bench.run(10);
    let told: Vec<(&str, AlertState)> = bench
        .told
        .iter()
        .map(|told| (told.receiver.as_str(), told.alerts[0].state))
        .collect();
    assert_eq!(told, [("brief", Firing), ("chat", Firing), ("chat", Resolved)]);
    assert_eq!(bench.alerts.forget(), 1);
    assert_eq!(bench.states(), []);
}

#[test]
fn a_silence_holds_back_telling_and_nothing_else() {
    let mut bench = Bench::new(vec![rule("errors")], &["chat"]);
    let about = (Some("errors".to_owned()), Labels::new());
    let silence = bench.alerts.silence(
        bench.moment(),
        about,
        Duration::from_secs(60),
        ("ann", "a planned repair"),
    );
    let id = silence.unwrap().id;
    bench.at(2.0, 30);
    assert_eq!(bench.states(), [Firing]);
    assert_eq!(bench.alerts.shown()[0].silenced_by.as_deref(), Some(id.as_str()));
    assert!(bench.told.is_empty());
    // When the silence is over and the alert is not, people are told.
    bench.run(29 + 1 + 3);
    assert_eq!(bench.told.len(), 1);
    assert_eq!(bench.alerts.report().silences, []);
    assert_eq!(bench.alerts.shown()[0].silenced_by, None);
}

#[test]
fn what_ends_under_a_silence_is_told_after_it_to_those_who_know_of_it() {
    let mut bench = Bench::new(vec![rule("errors")], &["chat"]);
    bench.at(2.0, 30);
    let silence = bench.alerts.silence(
        bench.moment(),
        (Some("*".to_owned()), Labels::new()),
        Duration::from_secs(600),
        ("ann", ""),
    );
    bench.at(0.0, 60);
    assert_eq!((bench.states(), bench.told.len()), (vec![Resolved], 1));
    assert_eq!(bench.alerts.forget(), 0, "somebody is still to be told");
    bench.alerts.end_silence(&silence.unwrap().id).unwrap();
    bench.run(5);
    assert_eq!(bench.told.last().unwrap().alerts[0].state, Resolved);
    assert_eq!(bench.told.len(), 2);
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    let mut bench = Bench::new(vec![rule("errors")], &["chat"]);
    bench.at(2.0, 30);
    let id = bench.alerts.shown()[0].id.clone();
    bench
        .alerts
        .acknowledge(bench.moment(), &id, "ann", Some("on it"))
        .unwrap();
    let about = (None, of("shop"));
    bench
        .alerts
        .silence(bench.moment(), about, Duration::from_secs(600), ("ann", ""))
        .unwrap();
    let saved = serde_json::to_vec(&bench.alerts.saved().unwrap()).unwrap();
    assert_eq!(bench.alerts.saved(), None, "nothing changed since");

    let mut after = Bench::new(vec![rule("errors")], &["chat"]);
    after.alerts.restore(serde_json::from_slice(&saved).unwrap());
    after.clock.advance(Duration::from_secs(100));
    after.at(2.0, 30);
    assert_eq!(after.told, [], "it is known");
    let alert = &after.alerts.shown()[0];
    assert_eq!(
        (&alert.id, alert.acknowledged.as_ref().unwrap().by.as_str()),
        (&id, "ann")
    );
    assert_eq!(after.alerts.report().silences.len(), 1);
    after.at(0.0, 30);
    assert_eq!(after.told[0].alerts[0].state, Resolved);
}
