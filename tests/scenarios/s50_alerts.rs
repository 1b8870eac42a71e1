//! An origin becomes slow and quick again, and somebody hears of it: once that it began, once that it ended.

use crate::harness::origin::Heard;
use crate::harness::{Origin, Peregrine, Reply, until};
use peregrine_base::{Secret, WallTime};
use peregrine_insight::notify::signature;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECRET: &str = "a-secret-of-more-than-sixteen";

/// A receiver that takes everything.
fn receiver() -> Origin {
    Origin::start(|_| Reply::status(204, &[], ""))
}

fn body(heard: &Heard) -> Value {
    serde_json::from_slice(&heard.body).unwrap()
}

/// Sends requests, one after the other, until `done`.
fn ask_until(peregrine: &Peregrine, what: &str, done: impl Fn() -> bool + Sync) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                peregrine.get("/page", &[]);
            }
        });
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(what, &done)));
        over.store(true, Ordering::SeqCst);
        waited.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn a_slow_origin_is_told_of_once_and_its_recovery_once() {
    let slow = Arc::new(AtomicBool::new(false));
    let is_slow = Arc::clone(&slow);
    let origin = Origin::start(move |_| {
        if is_slow.load(Ordering::SeqCst) {
            // The slowness that is the matter, not a wait for anything.
            std::thread::sleep(Duration::from_millis(250));
        }
        Reply::ok(&[("cache-control", "no-store")], "page")
    });
    let (pager, chat) = (receiver(), receiver());
    let peregrine = Peregrine::before(
        &origin,
        &format!(
            "[alerts]\ndefaults = false\ngroup_wait = \"0s\"\n\
             [[alert]]\nname = \"slow\"\nmetric = \"latency_p95_ms\"\nabove = 200\nclear = 150\nfor = \"1s\"\nkeep_firing = \"1s\"\n\
             severity = \"high\"\nmin_events = 5\n\
             [notify.pager]\nurl = \"{}/alerts?to=pager\"\nsecret = \"{SECRET}\"\n\
             [notify.chat]\nkind = \"slack\"\nurl = \"{}/services/T0/B0\"\n",
            pager.url(),
            chat.url()
        ),
    );
    slow.store(true, Ordering::SeqCst);
    ask_until(&peregrine, "the alert", || pager.count() > 0 && chat.count() > 0);
    assert_eq!(
        peregrine.metric("peregrine_alerts", &["state=\"firing\"", "severity=\"high\""]),
        1.0
    );
    slow.store(false, Ordering::SeqCst);
    ask_until(&peregrine, "its end", || pager.count() > 1 && chat.count() > 1);

    let heard = pager.heard();
    assert_eq!((heard.len(), chat.count()), (2, 2));
    for (heard, status) in heard.iter().zip(["firing", "resolved"]) {
        let body = body(heard);
        assert_eq!(
            (heard.method.as_str(), heard.target.as_str()),
            ("POST", "/alerts?to=pager")
        );
        assert_eq!(heard.field("content-type"), "application/json");
        assert_eq!(
            (&body["status"], &body["version"]),
            (&Value::from(status), &Value::from(1))
        );
        assert_eq!(body["alerts"][0]["rule"], "slow");
        assert_eq!(heard.field("peregrine-delivery"), body["id"].as_str().unwrap());
        let text = String::from_utf8(heard.body.clone()).unwrap();
        let field = heard.field("peregrine-signature");
        let seconds: u64 = field
            .strip_prefix("t=")
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let expected = signature(&Secret::new(SECRET), WallTime::from_millis(seconds * 1000), &text);
        assert_eq!(field, expected);
    }
    assert_eq!(body(&heard[0])["alerts"][0]["id"], body(&heard[1])["alerts"][0]["id"]);
    let told = body(&chat.heard()[0]);
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .starts_with("Alert · The time in which 95% are answered is "),
        "{told}"
    );
    assert_eq!(told["attachments"][0]["title"], "slow: high");
    assert_eq!(peregrine.metric("peregrine_alerts_fired_total", &[]), 1.0);
    assert_eq!(peregrine.metric("peregrine_alerts_resolved_total", &[]), 1.0);
    assert!(!peregrine.log().contains("/services/T0"), "an address is a secret");
}

#[test]
fn a_burning_objective_is_told_of() {
    let origin = Origin::start(|_| Reply::status(500, &[], "broken"));
    let pager = receiver();
    // Of an hour's objective, the windows of the fast alert are five seconds and one.
    let peregrine = Peregrine::before(
        &origin,
        &format!(
            "[alerts]\ndefaults = false\ngroup_wait = \"0s\"\n\
             [[slo]]\nname = \"up\"\nkind = \"availability\"\nobjective = 0.99\nwindow = \"1h\"\nmin_events = 5\n\
             [notify.pager]\nurl = \"{}/\"\n",
            pager.url()
        ),
    );
    ask_until(&peregrine, "the alert", || pager.count() > 0);
    let body = body(&pager.heard()[0]);
    assert_eq!(body["group"], "up_burn");
    let fast = body["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|alert| alert["rule"] == "up_fast_burn")
        .unwrap();
    assert_eq!(fast["severity"], "critical");
    assert_eq!(fast["labels"]["slo"], "up");
    assert!(peregrine.metric("peregrine_slo_burn_rate", &["slo=\"up\"", "window_s=\"5\""]) > 14.4);
    assert!(peregrine.metric("peregrine_slo_budget_left_ratio", &["slo=\"up\""]) < 0.0);
}
