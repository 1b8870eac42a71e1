//! The outbox under a clock that the test moves, and what letters say.

use super::*;
use crate::alerts::{Moment, Notification};
use crate::model::{Alert, AlertState, Severity};
use crate::store::Write;
use crate::time::Time;
use peregrine_base::{Clock, ManualClock, Secret, Span};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

fn config(kind: NotifyKind) -> NotifyConfig {
    let span = |seconds| Span::new(Duration::from_secs(seconds));
    NotifyConfig {
        kind,
        url: Secret::new("https://hooks.example/T000/secret-part?x=1"),
        secret: None,
        severity_min: Severity::Low,
        resolved: true,
        timeout: span(10),
        age_max: span(3600),
        rate_max: 5,
        ca: None,
    }
}

fn alert(state: AlertState) -> Alert {
    let time = Time::from_millis(1_767_225_600_000);
    Alert {
        id: "19b7-1".to_owned(),
        rule: "errors".to_owned(),
        severity: Severity::Critical,
        state,
        metric: "error_ratio".to_owned(),
        labels: BTreeMap::new(),
        value: Some(0.2),
        threshold: 0.05,
        text: "20% <fail> & more".to_owned(),
        since: time,
        fired: Some(time),
        resolved: (state == AlertState::Resolved).then_some(time),
        acknowledged: None,
        silenced_by: None,
        next_step: "look".to_owned(),
    }
}

/// An outbox, what it has written, and its clock.
struct Bench {
    outbox: Outbox,
    clock: ManualClock,
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    count: u64,
}

impl Bench {
    fn new(receivers: &[&str]) -> Self {
        let mut bench = Self {
            outbox: Outbox::default(),
            clock: ManualClock::default(),
            kept: BTreeMap::new(),
            count: 0,
        };
        bench.configure(receivers);
        bench
    }

    fn configure(&mut self, receivers: &[&str]) {
        let of = |name: &&str| ((*name).to_owned(), config(NotifyKind::Webhook));
        let writes = self.outbox.configure(receivers.iter().map(of).collect());
        self.keep(writes);
    }

    fn keep(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put {
                    table: TABLE,
                    key,
                    value,
                } => assert_eq!(self.kept.insert(key, value), None),
                Write::Remove { table: TABLE, key } => assert!(self.kept.remove(&key).is_some()),
                other => panic!("{other:?}"),
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            wall: self.clock.wall(),
        }
    }

    fn put(&mut self, receiver: &str) -> String {
        self.count += 1;
        let id = format!("n-{}", self.count);
        let writes = self.outbox.put(Notification {
            id: id.clone(),
            receiver: receiver.to_owned(),
            group: "errors".to_owned(),
            at: self.clock.wall().as_millis(),
            alerts: vec![alert(AlertState::Firing)],
        });
        self.keep(writes);
        id
    }

    fn due(&mut self) -> Vec<Delivery> {
        let (due, writes) = self.outbox.due(self.moment(), "edge");
        self.keep(writes);
        due
    }

    fn ids(&mut self) -> Vec<String> {
        self.due().into_iter().map(|delivery| delivery.id).collect()
    }

    fn done(&mut self, receiver: &str, id: &str, posted: Posted) {
        let writes = self.outbox.done(self.moment(), receiver, id, posted, 0.5);
        self.keep(writes);
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[test]
fn letters_go_one_after_the_other_and_stay_until_they_arrived() {
    let mut bench = Bench::new(&["chat", "pager"]);
    let (first, second, other) = (bench.put("chat"), bench.put("chat"), bench.put("pager"));
    assert_eq!(bench.ids(), [first.clone(), other]);
    assert_eq!(bench.ids(), [""; 0], "one at a time");
    bench.done("chat", &first, Posted::Delivered);
    assert_eq!(bench.ids(), [second.as_str()]);
    assert_eq!(bench.kept.len(), 2);
    bench.done("chat", &second, Posted::Delivered);
    let status = &bench.outbox.status()["chat"];
    assert_eq!((status.waiting, status.attempts["delivered"]), (0, 2));
}

#[test]
fn a_receiver_that_fails_is_asked_again_ever_more_rarely() {
    let mut bench = Bench::new(&["chat"]);
    let id = bench.put("chat");
    let failures = [
        (Posted::Unreachable, 1),
        (Posted::Status(503, None), 2),
        (Posted::TimedOut, 4),
        (Posted::Redirected, 8),
        (Posted::Status(429, Some(Duration::from_secs(60))), 60),
        (Posted::Status(404, None), 32),
    ];
    for (posted, pause) in failures {
        assert_eq!(bench.ids(), [id.as_str()], "{posted:?}");
        bench.done("chat", &id, posted);
        bench.pass(pause - 1);
        assert_eq!(bench.ids(), [""; 0], "{posted:?}");
        bench.pass(1);
    }
    assert_eq!(bench.outbox.status()["chat"].failures, 6);
    assert_eq!(bench.ids(), [id.as_str()]);
    bench.done("chat", &id, Posted::Delivered);
    assert_eq!(bench.outbox.status()["chat"].failures, 0);
    assert!(bench.kept.is_empty());
}

#[test]
fn what_cannot_be_taken_what_is_too_old_and_what_is_too_much_is_dropped_and_counted() {
    let mut bench = Bench::new(&["chat"]);
    let id = bench.put("chat");
    assert_eq!(bench.ids(), [id.as_str()]);
    bench.done("chat", &id, Posted::Status(400, None));
    bench.put("chat");
    bench.pass(3601);
    assert_eq!(bench.ids(), [""; 0]);
    let first = bench.put("chat");
    assert_eq!(bench.ids(), [first.as_str()]);
    for _ in 0..QUEUE_MAX {
        bench.put("chat");
    }
    let status = &bench.outbox.status()["chat"];
    assert_eq!(
        status.dropped,
        BTreeMap::from([("refused", 1), ("too_old", 1), ("too_many", 1)])
    );
    assert_eq!((status.waiting, bench.kept.len()), (QUEUE_MAX, QUEUE_MAX));
    // The one under way was not the one that went.
    bench.done("chat", &first, Posted::Delivered);
    assert_eq!(bench.kept.len(), QUEUE_MAX - 1);
}

#[test]
fn what_was_kept_is_sent_by_the_next_program_in_order() {
    let mut bench = Bench::new(&["chat", "gone"]);
    let ids: Vec<String> = (0..12).map(|_| bench.put("chat")).collect();
    bench.put("gone");
    let mut after = Bench::new(&["chat"]);
    after.kept = bench.kept.clone();
    after.kept.insert(b"chat/torn".to_vec(), b"{".to_vec());
    let kept = after.kept.clone().into_iter().collect();
    let writes = after.outbox.restore(kept);
    after.keep(writes);
    assert_eq!(
        after.kept.len(),
        12,
        "those to nobody are dropped, and what cannot be read"
    );
    for id in &ids {
        assert_eq!(after.ids(), [id.as_str()]);
        after.done("chat", id, Posted::Delivered);
        after.pass(60);
    }
    assert!(after.kept.is_empty());
    // New ones come after the old.
    after.put("chat");
}

#[test]
fn no_more_are_sent_in_a_minute_than_allowed() {
    let mut bench = Bench::new(&["chat"]);
    for _ in 0..7 {
        bench.put("chat");
    }
    let send = |bench: &mut Bench| {
        let ids = bench.ids();
        for id in &ids {
            bench.done("chat", id, Posted::Delivered);
        }
        ids.len()
    };
    let sent: usize = (0..10).map(|_| send(&mut bench)).sum();
    assert_eq!(sent, 5);
    bench.pass(60);
    let sent: usize = (0..10).map(|_| send(&mut bench)).sum();
    assert_eq!(sent, 2);
}

#[test]
fn a_receiver_that_is_taken_away_or_changed_is_heard() {
    let mut bench = Bench::new(&["chat", "pager"]);
    let id = bench.put("chat");
    bench.put("pager");
    assert_eq!(bench.ids().len(), 2);
    bench.done("chat", &id, Posted::Unreachable);
    bench.configure(&["chat"]);
    assert_eq!(bench.kept.len(), 1);
    assert_eq!(bench.ids(), [""; 0], "the same as before waits as before");
    let moved = NotifyConfig {
        url: Secret::new("https://other.example/"),
        ..config(NotifyKind::Webhook)
    };
    let writes = bench.outbox.configure(BTreeMap::from([("chat".to_owned(), moved)]));
    bench.keep(writes);
    assert_eq!(bench.ids(), [id]);
    bench.done("pager", "n-2", Posted::Delivered);
}

#[test]
fn a_webhook_says_all_and_is_signed() {
    let signed = NotifyConfig {
        secret: Some(Secret::new("a-secret-of-sixteen")),
        ..config(NotifyKind::Webhook)
    };
    let clock = ManualClock::default();
    let many = Notification {
        id: "n-1".to_owned(),
        receiver: "chat".to_owned(),
        group: "errors".to_owned(),
        at: clock.wall().as_millis(),
        alerts: [
            vec![alert(AlertState::Firing); 3],
            vec![alert(AlertState::Resolved); 20],
        ]
        .concat(),
    };
    let letter = Letter::write(&signed, &many, "edge", clock.wall());
    let body: Value = serde_json::from_str(&letter.body).unwrap();
    let shown =
        ["version", "id", "status", "node", "receiver", "group", "at", "left_out"].map(|name| body[name].to_string());
    assert_eq!(
        shown.join(" "),
        "1 \"n-1\" \"mixed\" \"edge\" \"chat\" \"errors\" \"2026-01-01T00:00:00.000Z\" 3"
    );
    assert_eq!(body["alerts"][0]["text"], "20% <fail> & more");
    assert_eq!(body["alerts"].as_array().unwrap().len(), 20);
    assert_eq!(letter.fields[0], ("peregrine-delivery", "n-1".to_owned()));
    let expected = signature(&Secret::new("a-secret-of-sixteen"), clock.wall(), &letter.body);
    assert_eq!(letter.fields[1], ("peregrine-signature", expected));
    // Computed by another implementation.
    assert_eq!(
        signature(&Secret::new("a-secret-of-sixteen"), clock.wall(), "{\"a\":1}"),
        "t=1767225600,v1=2fe0b7f331dfb062dd0af88960014aa2668f8a5acb9e6b2af24c2fb62f89e3c4"
    );
}

#[test]
fn slack_is_written_to_as_it_reads() {
    let clock = ManualClock::default();
    let told = Notification {
        id: "n-1".to_owned(),
        receiver: "chat".to_owned(),
        group: "errors".to_owned(),
        at: 0,
        alerts: vec![alert(AlertState::Firing), alert(AlertState::Resolved)],
    };
    let letter = Letter::write(&config(NotifyKind::Slack), &told, "edge", clock.wall());
    let body: Value = serde_json::from_str(&letter.body).unwrap();
    assert_eq!(
        body["text"],
        "1 firing, 1 resolved · 20% &lt;fail&gt; &amp; more · edge"
    );
    assert_eq!(body["attachments"][0]["title"], "errors: critical");
    assert_eq!(body["attachments"][1]["title"], "errors: resolved");
    assert_eq!(body["attachments"][0]["ts"], 1_767_225_600);
    assert!(letter.fields.is_empty());
}

#[test]
fn urls_are_taken_apart_and_never_shown() {
    let of = |url: &str| NotifyConfig {
        url: Secret::new(url),
        ..config(NotifyKind::Webhook)
    };
    for (url, parts) in [
        ("https://hooks.example/a/b?c=d", ("https://hooks.example", "/a/b?c=d")),
        ("http://[::1]:9/x", ("http://[::1]:9", "/x")),
        ("https://hooks.example", ("https://hooks.example", "")),
        ("https://hooks.example?c", ("https://hooks.example", "?c")),
    ] {
        assert_eq!(of(url).address(), Some(parts));
    }
    for wrong in [
        "",
        "hooks.example/a",
        "ftp://a/",
        "https:///a",
        "https://me:pw@a/",
        "https://a/#b",
        "https://a/ b",
        "https://a b/",
    ] {
        let faults = of(wrong).check().unwrap_err();
        assert!(wrong.is_empty() || !format!("{faults:?}").contains(wrong), "{wrong}");
    }
    assert!(!format!("{:?}", of("https://hooks.example/T000/secret-part")).contains("secret-part"));
    let slack = NotifyConfig {
        secret: Some(Secret::new("short")),
        ..config(NotifyKind::Slack)
    };
    assert_eq!(slack.check().unwrap_err().len(), 2);
}
