//! What gathers between two ticks.

use super::*;
use crate::values::Counts;
use peregrine_base::{Clock, ManualClock};

/// Every dependency is down.
struct Down;

impl Values for Down {
    fn value(&self, metric: &str, _: &Labels) -> Option<f64> {
        (metric == "dependencies_down").then_some(1.0)
    }

    fn label_sets(&self, _: &str) -> Vec<Labels> {
        Vec::new()
    }

    fn counts(&self, _: Option<&str>, _: Duration, _: Option<Duration>) -> Option<Counts> {
        None
    }
}

#[test]
fn whoever_listens_hears_of_silences_and_acknowledgements_too() {
    let clock = ManualClock::default();
    let moment = || Moment {
        now: clock.now(),
        wall: clock.wall(),
    };
    let alerting = Alerting::new(DeskConfig {
        rules: crate::alerts::rules(
            &crate::alerts::AlertsConfig {
                defaults: true,
                group_wait: peregrine_base::Span::ZERO,
            },
            &[],
        ),
        ..DeskConfig::default()
    });
    for _ in 0..20 {
        clock.advance(Duration::from_secs(1));
        alerting.tick(moment(), &Down);
    }
    let alert = alerting.firing().remove(0);
    assert_eq!(alert.rule, "dependency_down");
    assert!(!alerting.take_writes().is_empty(), "that it fires is kept");
    let about = (Some("dependency_down".to_owned()), Labels::new());
    let silence = alerting
        .silence(moment(), about, Duration::from_secs(60), ("ann", ""))
        .unwrap();
    assert_eq!(alerting.take_touched()[0].silenced_by, Some(silence.id.clone()));
    alerting.end_silence(&silence.id).unwrap();
    assert_eq!(alerting.take_touched()[0].silenced_by, None);
    alerting.acknowledge(moment(), &alert.id, "ann", None).unwrap();
    assert_eq!(alerting.take_touched()[0].acknowledged.as_ref().unwrap().by, "ann");
    assert_eq!(alerting.take_touched(), []);
    assert_eq!(alerting.take_writes().len(), 3);
}
