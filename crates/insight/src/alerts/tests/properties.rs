//! What must hold whatever happens.

use super::*;
use proptest::prelude::*;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    Value(Option<f64>),
    Run(u64),
    Silence(u64),
    EndSilence,
    Restart,
    Reload,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop::option::weighted(0.9, 0.0..2.0f64).prop_map(Act::Value),
        6 => (1..30u64).prop_map(Act::Run),
        1 => (1..60u64).prop_map(Act::Silence),
        1 => Just(Act::EndSilence),
        1 => Just(Act::Restart),
        1 => Just(Act::Reload),
    ]
}

fn rules() -> Vec<AlertRule> {
    vec![
        rule("errors"),
        AlertRule {
            for_s: 0.0,
            keep_firing_s: 0.0,
            group: Some("errors".to_owned()),
            ..rule("quick")
        },
    ]
}

/// Does all of it; the bench and which alerts were told while they were silenced.
fn play(acts: &[Act]) -> (Bench, Vec<Notification>) {
    let mut bench = Bench::new(rules(), &["chat", "pager"]);
    let mut silenced = Vec::new();
    let mut saved = None;
    for act in acts {
        match act {
            Act::Value(value) => bench.set("error_ratio", *value),
            Act::Run(seconds) => {
                for _ in 0..*seconds {
                    let before = bench.told.len();
                    bench.run(1);
                    // Silences hold for every rule, and those that ended are gone after the look.
                    if bench.alerts.silences() > 0 {
                        silenced.extend_from_slice(&bench.told[before..]);
                    }
                    saved = bench.alerts.saved().or(saved);
                }
            }
            Act::Silence(seconds) => {
                let about = (Some("*".to_owned()), Labels::new());
                let _ = bench
                    .alerts
                    .silence(bench.moment(), about, Duration::from_secs(*seconds), ("ann", ""));
                saved = bench.alerts.saved().or(saved);
            }
            Act::EndSilence => {
                if let Some(silence) = bench.alerts.report().silences.first() {
                    bench.alerts.end_silence(&silence.id).unwrap();
                    saved = bench.alerts.saved().or(saved);
                }
            }
            Act::Restart => {
                let mut alerts = Alerts::default();
                alerts.configure(rules(), vec![receiver("chat"), receiver("pager")], GROUP_WAIT);
                if let Some(saved) = &saved {
                    alerts.restore(serde_json::from_slice(&serde_json::to_vec(saved).unwrap()).unwrap());
                }
                bench.alerts = alerts;
            }
            Act::Reload => {
                bench
                    .alerts
                    .configure(rules(), vec![receiver("chat"), receiver("pager")], GROUP_WAIT);
            }
        }
    }
    (bench, silenced)
}

proptest! {
    #[test]
    fn everybody_is_told_of_a_state_once_and_of_the_end_only_after_the_beginning(acts in prop::collection::vec(act(), 1..60)) {
        let (bench, _) = play(&acts);
        let mut told: BTreeMap<(&str, &str), Vec<AlertState>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for notification in &bench.told {
            prop_assert!(ids.insert(&notification.id), "an id for two messages");
            prop_assert!(!notification.alerts.is_empty());
            for alert in &notification.alerts {
                told.entry((&notification.receiver, &alert.id)).or_default().push(alert.state);
            }
        }
        for ((receiver, alert), states) in told {
            let right = [vec![AlertState::Firing], vec![AlertState::Firing, AlertState::Resolved]];
            prop_assert!(right.contains(&states), "{receiver} {alert}: {states:?}");
        }
    }

    #[test]
    fn a_silenced_alert_is_told_to_nobody(acts in prop::collection::vec(act(), 1..60)) {
        let (_, silenced) = play(&acts);
        prop_assert_eq!(silenced, vec![]);
    }

    #[test]
    fn a_number_that_swings_around_the_threshold_is_one_alert(values in prop::collection::vec(0.81..1.3f64, 30..200)) {
        let mut bench = Bench::new(vec![AlertRule { for_s: 0.0, keep_firing_s: 0.0, ..rule("errors") }], &["chat"]);
        for value in values {
            bench.at(value, 1);
        }
        bench.run(5);
        prop_assert!(bench.alerts.counts().fired <= 1);
        prop_assert!(bench.told.len() <= 1);
    }

    #[test]
    fn a_number_that_comes_and_goes_faster_than_it_is_kept_firing_is_one_alert(
        gaps in prop::collection::vec((11..20u64, 1..5u64), 2..20),
    ) {
        let mut bench = Bench::new(vec![rule("errors")], &["chat"]);
        for (high, low) in gaps {
            bench.at(2.0, high);
            bench.at(0.0, low);
        }
        prop_assert_eq!(bench.alerts.counts().fired, 1);
    }
}
