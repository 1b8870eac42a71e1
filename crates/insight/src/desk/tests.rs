//! From a number that leaves its bounds to a letter that arrives, with a program that may be killed after any write.

use super::*;
use crate::model::SloState;
use crate::notify::NotifyKind;
use crate::values::Counts;
use parking_lot::Mutex;
use peregrine_base::{Clock, ManualClock, Secret, Span};

/// What lies in a table under a key.
type Tables = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// A store in memory.
#[derive(Default)]
struct Memory(Mutex<Tables>);

impl Store for Memory {
    fn apply(&self, writes: &[Write]) -> Result<(), StoreFault> {
        let mut all = self.0.lock();
        for write in writes.iter().cloned() {
            match write {
                Write::Put { table, key, value } => drop(all.insert((table, key), value)),
                Write::Remove { table, key } => drop(all.remove(&(table, key))),
                Write::RemoveRange { .. } => panic!("no ranges are removed here"),
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        table: &'static str,
        from: &[u8],
        until: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let all = self.0.lock();
        let inside =
            |key: &(&'static str, Vec<u8>)| key.0 == table && from <= key.1.as_slice() && key.1.as_slice() < until;
        for (key, value) in all.iter().filter(|(key, _)| inside(key)) {
            if !visit(&key.1, value) {
                break;
            }
        }
        Ok(())
    }
}

/// Every request fails.
struct Failing;

impl Values for Failing {
    fn value(&self, metric: &str, labels: &Labels) -> Option<f64> {
        (metric == "error_ratio" && labels.is_empty()).then_some(1.0)
    }

    fn label_sets(&self, _: &str) -> Vec<Labels> {
        vec![Labels::new()]
    }

    fn counts(&self, _: Option<&str>, window: Duration, _: Option<Duration>) -> Option<Counts> {
        let (good, total) = (0, 1000);
        Some(Counts {
            good,
            total,
            seen: window,
        })
    }
}

fn desk() -> Desk {
    let span = |seconds| Span::new(Duration::from_secs(seconds));
    let pager = NotifyConfig {
        kind: NotifyKind::Webhook,
        url: Secret::new("https://hooks.example/"),
        secret: None,
        severity_min: crate::model::Severity::Low,
        resolved: true,
        timeout: span(10),
        age_max: span(86_400),
        rate_max: 100,
        ca: None,
    };
    let mut desk = Desk::default();
    desk.configure(DeskConfig {
        node: "edge".to_owned(),
        rules: crate::alerts::rules(
            &crate::alerts::AlertsConfig {
                defaults: true,
                group_wait: span(5),
            },
            &[],
        ),
        group_wait: Duration::from_secs(5),
        objectives: crate::slo::objectives(&[]),
        receivers: BTreeMap::from([("pager".to_owned(), pager)]),
        known: None,
    });
    desk
}

fn moment(clock: &ManualClock) -> Moment {
    Moment {
        now: clock.now(),
        wall: clock.wall(),
    }
}

/// Ticks for `seconds`, keeping everything; what was sent.
fn run(desk: &mut Desk, store: &Memory, clock: &ManualClock, seconds: u64) -> Vec<Delivery> {
    let mut sent = Vec::new();
    for _ in 0..seconds {
        clock.advance(Duration::from_secs(1));
        let ticked = desk.tick(moment(clock), &Failing);
        store.apply(&ticked.writes).unwrap();
        let (due, writes) = desk.due(moment(clock));
        store.apply(&writes).unwrap();
        sent.extend(due);
    }
    sent
}

#[test]
fn a_kill_before_the_answer_sends_the_same_letter_again_and_no_other() {
    let (store, clock) = (Memory::default(), ManualClock::default());
    let mut first = desk();
    first.restore(&store).unwrap();
    let sent = run(&mut first, &store, &clock, 120);
    // The objective fires at once, and while its letter is under way the line waits.
    assert_eq!(sent.len(), 1);
    assert!(
        sent[0].letter.body.contains("responses_fast_burn"),
        "{}",
        sent[0].letter.body
    );
    assert_eq!(first.status().receivers["pager"].waiting, 2);
    let firing = first.firing();
    drop(first);

    let mut second = desk();
    second.restore(&store).unwrap();
    assert_eq!(second.firing(), firing, "it goes on as it was");
    let again = run(&mut second, &store, &clock, 1);
    assert_eq!(again[0].id, sent[0].id);
    let done = second.done(moment(&clock), &again[0], Posted::Delivered, 0.5);
    store.apply(&done).unwrap();
    let next = run(&mut second, &store, &clock, 1);
    assert!(next[0].letter.body.contains("\"errors\""), "{}", next[0].letter.body);
    let done = second.done(moment(&clock), &next[0], Posted::Delivered, 0.5);
    store.apply(&done).unwrap();
    assert_eq!(run(&mut second, &store, &clock, 60).len(), 0, "everybody knows");
    assert!(
        store.0.lock().keys().all(|(table, _)| *table == TABLE),
        "no letter is left"
    );
}

#[test]
fn objectives_name_their_alerts_and_what_the_api_set_is_kept() {
    let (store, clock) = (Memory::default(), ManualClock::default());
    let mut first = desk();
    run(&mut first, &store, &clock, 2);
    let slo = &first.slos()[0];
    assert_eq!((slo.state, slo.alerts.len()), (SloState::Exhausted, 3));
    let about = (Some("*".to_owned()), Labels::new());
    let hour = Duration::from_secs(3600);
    let (silence, writes) = first.silence(moment(&clock), about, hour, ("ann", "repair")).unwrap();
    store.apply(&writes).unwrap();
    let mut rules = first.report().rules;
    rules[0].severity = crate::model::Severity::Low;
    store.apply(&first.set_rules(rules.clone()).unwrap()).unwrap();
    let alert = slo.alerts[0].clone();
    let (_, writes) = first.acknowledge(moment(&clock), &alert, "ann", None).unwrap();
    store.apply(&writes).unwrap();

    let mut second = desk();
    second.restore(&store).unwrap();
    let report = second.report();
    assert_eq!((&report.silences, &report.rules), (&vec![silence.clone()], &rules));
    let known = report.alerts.iter().find(|known| known.id == alert).unwrap();
    assert_eq!(known.acknowledged.as_ref().unwrap().by, "ann");
    assert_eq!(
        run(&mut second, &store, &clock, 120),
        [],
        "nobody is told under a silence"
    );
    second.end_silence(&silence.id).unwrap();
    assert_eq!(run(&mut second, &store, &clock, 10).len(), 1);
    assert_eq!(second.forget().0, 0);
}

#[test]
fn a_state_that_cannot_be_read_is_passed_over() {
    let store = Memory::default();
    let put = |table, key: &[u8]| Write::Put {
        table,
        key: key.to_vec(),
        value: b"{\"from\": \"another age\"}".to_vec(),
    };
    store
        .apply(&[put(TABLE, STATE), put(notify::TABLE, b"pager/1")])
        .unwrap();
    let mut desk = desk();
    let key = b"pager/1".to_vec();
    let removed = Write::Remove {
        table: notify::TABLE,
        key,
    };
    assert_eq!(desk.restore(&store).unwrap(), [removed]);
    assert_eq!(desk.report().alerts, []);
}

#[test]
fn there_can_be_too_much_of_everything() {
    let none = BTreeMap::new();
    assert_eq!(limits(&[], &[], &none), Ok(()));
    let many = vec![SloConfig::standard(); SLOS_MAX + 1];
    assert_eq!(limits(&[], &many, &none).unwrap_err()[0].field, "slo");
}
