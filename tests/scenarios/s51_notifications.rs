//! Receivers that fail, point elsewhere, cannot be trusted, or are told by a program that is killed meanwhile.

use crate::harness::secure::SecureOrigin;
use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A rule that fires at once and for good, and `receivers`.
fn watching(receivers: &str) -> String {
    format!(
        "[alerts]\ndefaults = false\ngroup_wait = \"0s\"\n\
         [[alert]]\nname = \"alive\"\nmetric = \"memory_bytes\"\nabove = 0\nfor = \"0s\"\n{receivers}"
    )
}

fn origin() -> Origin {
    Origin::start(|_| Reply::ok(&[], "page"))
}

fn ids(receiver: &Origin) -> Vec<String> {
    let id = |body: &[u8]| {
        serde_json::from_slice::<Value>(body).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    receiver.heard().iter().map(|heard| id(&heard.body)).collect()
}

#[test]
fn what_fails_twice_arrives_once() {
    let attempts = AtomicUsize::new(0);
    let pager = Origin::start(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(503, &[], "not now"),
        1 => Reply::default().send("HTTP/1.1 "),
        _ => Reply::ok(&[], "thanks"),
    });
    let origin = origin();
    let peregrine = Peregrine::before(
        &origin,
        &watching(&format!(
            "[notify.pager]\nurl = \"{}/token-of-the-pager\"\ntimeout = \"1s\"\n",
            pager.url()
        )),
    );
    let attempts = |result: &str| {
        peregrine.metric(
            "peregrine_notification_attempts_total",
            &[&format!("result=\"{result}\"")],
        )
    };
    until("the delivery", || attempts("delivered") == 1.0);
    let ids = ids(&pager);
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]), "the same message: {ids:?}");
    assert_eq!(attempts("status"), 1.0);
    assert_eq!(attempts("timed_out") + attempts("unreachable"), 1.0);
    assert_eq!(peregrine.metric("peregrine_notifications_waiting", &[]), 0.0);
    assert!(!peregrine.log().contains("token-of-the-pager"), "{}", peregrine.log());
}

#[test]
fn a_kill_in_between_loses_nothing() {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let pager = Origin::start(move |_| {
        let status = if is_well.load(Ordering::SeqCst) { 200 } else { 503 };
        Reply::status(status, &[], "")
    });
    let origin = origin();
    let mut first = Peregrine::before(
        &origin,
        &watching(&format!("[notify.pager]\nurl = \"{}/\"\n", pager.url())),
    );
    until("the first attempt", || pager.count() > 0);
    first.process.signal(Signal::KILL);
    assert_eq!(first.process.exit_code(), None);
    let folder = first.folder;
    let before = ids(&pager);
    well.store(true, Ordering::SeqCst);
    let second = Peregrine::run(
        folder,
        &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"],
    );
    until("the delivery", || {
        second.metric("peregrine_notification_attempts_total", &["result=\"delivered\""]) == 1.0
    });
    let after = ids(&pager);
    assert_eq!(after.last(), before.first(), "the message of before, not another");
    assert_eq!(second.metric("peregrine_notifications_waiting", &[]), 0.0);
    // The alert goes on, and is not told again.
    until("the alert", || {
        second.metric("peregrine_alerts", &["state=\"firing\""]) == 1.0
    });
    assert_eq!(second.metric("peregrine_alerts_fired_total", &[]), 0.0);
}

#[test]
fn nobody_follows_where_an_answer_points() {
    let elsewhere = Origin::start(|_| Reply::ok(&[], ""));
    let target = format!("{}/here", elsewhere.url());
    let pager = Origin::start(move |_| Reply::status(307, &[("location", &target)], ""));
    let origin = origin();
    let receivers = format!("[notify.pager]\nurl = \"{}/\"\n", pager.url());
    let peregrine = Peregrine::before(&origin, &watching(&receivers));
    until("two attempts", || {
        peregrine.metric("peregrine_notification_attempts_total", &["result=\"redirected\""]) >= 2.0
    });
    assert_eq!(elsewhere.count(), 0);
    assert_eq!(
        peregrine.metric("peregrine_notifications_waiting", &["receiver=\"pager\""]),
        1.0
    );
}

#[test]
fn a_certificate_must_be_trusted() {
    let pager = SecureOrigin::start(&["http/1.1"]);
    let origin = origin();
    let folder = tempfile::tempdir().unwrap();
    pager.write_authority(folder.path());
    let with = |more: &str| {
        let receivers = format!("[notify.pager]\nurl = \"{}/hook\"\n{more}", pager.url());
        crate::harness::program::upstream(&[&origin], "", &watching(&receivers))
    };
    let other = SecureOrigin::start(&["http/1.1"]);
    std::fs::write(folder.path().join("other.pem"), &other.authority).unwrap();
    let peregrine = Peregrine::start_in(folder, &with("ca = \"other.pem\"\n"));
    until("an attempt", || {
        peregrine.metric("peregrine_notification_attempts_total", &["result=\"unreachable\""]) >= 1.0
    });
    assert_eq!(pager.count(), 0, "nothing is said to a stranger");
    peregrine.reload(&with("ca = \"authority.pem\"\n"));
    until("the delivery", || pager.count() == 1);
}
