//! What somebody who looks at the tail sees, and what they do not.

use super::*;
use peregrine_base::WallTime;
use std::net::{IpAddr, Ipv4Addr};

fn access(target: &str) -> Access<'_> {
    Access {
        time: WallTime::from_millis(1_767_225_600_250),
        request_id: "0123456789abcdef",
        client: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
        method: "GET",
        scheme: "https",
        host: "shop.example",
        target,
        tenant: None,
        status: 200,
        received_bytes: 0,
        sent_bytes: 512,
        duration: Duration::from_micros(1500),
        upstream_duration: None,
        route: Some("shop"),
        strategy: Some("pages"),
        cache: "hit",
        reason: None,
        upstream: None,
        error: None,
        user_agent: None,
        trace: None,
    }
}

fn tail() -> Arc<Tail> {
    Arc::new(Tail::new(Redaction::new(&[])))
}

fn offer(tail: &Tail, now: Instant, access: &Access<'_>) {
    if tail.wants(now, access.status, access.duration) {
        tail.record(now, access);
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(10_000_000_000 + millis * 1_000_000)
}

#[test]
fn while_nobody_watches_a_sample_is_kept_and_the_rest_is_counted() {
    let tail = tail();
    for millis in 0..10_000 {
        offer(&tail, at(millis), &access("/"));
    }
    let is = tail.statistics();
    assert_eq!(is.kept + is.skipped, 10_000);
    // Ten seconds, and what may come at once.
    assert!((450..=600).contains(&is.kept), "{is:?}");
}

#[test]
fn failures_and_slow_requests_are_not_lost_among_many_others() {
    let tail = tail();
    for _ in 0..500 {
        offer(&tail, at(0), &access("/"));
    }
    let failed = Access {
        status: 502,
        error: Some("upstream_refused"),
        ..access("/failed")
    };
    let slow = Access {
        duration: Duration::from_secs(3),
        ..access("/slow")
    };
    offer(&tail, at(0), &failed);
    offer(&tail, at(0), &slow);
    let newest = tail.recent(&Filter::default(), 2);
    let targets: Vec<_> = newest.iter().map(|event| &*event.target).collect();
    assert_eq!(targets, ["/slow", "/failed"]);
}

#[test]
fn the_oldest_make_room() {
    let tail = tail();
    let targets: Vec<_> = (0..KEPT_MAX + 5).map(|number| format!("/{number}")).collect();
    for (number, target) in (0..).zip(&targets) {
        offer(&tail, at(number * 100), &access(target));
    }
    let all = tail.recent(&Filter::default(), usize::MAX);
    assert_eq!(all.len(), KEPT_MAX);
    assert_eq!(all.last().unwrap().target, "/5");
}

#[test]
fn secrets_are_neither_shown_nor_found() {
    let tail = tail();
    let contains = |text: &str| Filter {
        contains: Some(text.to_owned()),
        ..Filter::default()
    };
    let mut watching = tail.watch(contains("hunter2")).unwrap();
    offer(&tail, at(0), &access("/login?password=hunter2&page=2"));
    assert_eq!(watching.try_next(), None);
    assert!(tail.recent(&contains("hunter2"), 9).is_empty());
    let found = tail.recent(&contains("page=2"), 9);
    assert_eq!(found[0].target, "/login?password=[redacted]&page=2");
}

#[test]
fn a_watcher_gets_what_passes_its_filter_at_its_pace_and_hears_how_many_it_missed() {
    let tail = tail();
    let filter = Filter {
        status: Some("4xx".parse().unwrap()),
        ..Filter::default()
    };
    let mut watching = tail.watch(filter).unwrap();
    let missing = Access {
        status: 404,
        ..access("/missing")
    };
    for _ in 0..80 {
        offer(&tail, at(0), &access("/"));
        offer(&tail, at(0), &missing);
    }
    let mut got = 0;
    while let Some(event) = watching.try_next() {
        assert_eq!(event.status, 404);
        got += 1;
    }
    assert_eq!(got, u64::from(RATE_PER_S));
    assert_eq!(watching.take_skipped(), 80 - got);
    assert_eq!(watching.take_skipped(), 0);
}

#[test]
fn who_does_not_read_holds_nobody_up() {
    let tail = tail();
    let mut watching = tail.watch(Filter::default()).unwrap();
    for second in 0..100 {
        for _ in 0..10 {
            offer(&tail, at(second * 1000), &access("/"));
        }
    }
    let got = std::iter::from_fn(|| watching.try_next()).count();
    assert_eq!(got, QUEUE_MAX);
    assert_eq!(watching.take_skipped(), 1000 - QUEUE_MAX as u64);
}

#[test]
fn who_stops_watching_is_forgotten_and_too_many_are_turned_away() {
    let tail = tail();
    let mut all: Vec<_> = (0..WATCHERS_MAX)
        .map(|_| tail.watch(Filter::default()).unwrap())
        .collect();
    assert!(tail.watch(Filter::default()).is_none());
    all.pop();
    assert!(tail.watch(Filter::default()).is_some());
    drop(all);
    assert_eq!(tail.statistics().watchers, 0);
    assert_eq!(tail.watchers.load().len(), 0);
}

#[test]
fn an_event_reads_back_as_it_was_written() {
    let event = RequestEvent::of(&access("/a?b=c"), &Redaction::new(&[]));
    assert_eq!(
        (event.at.as_str(), event.duration_ms),
        ("2026-01-01T00:00:00.250Z", 1.5)
    );
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<RequestEvent>(&text).unwrap(), event);
}

#[test]
fn what_is_no_status_is_refused() {
    for text in ["", "xx", "9xx", "99", "600", "5x", "-1"] {
        assert!(text.parse::<StatusFilter>().is_err(), "{text}");
    }
    assert_eq!("503".parse(), Ok(StatusFilter::Exactly(503)));
}
