//! Readers who are quick, slow, late, and too many.

use super::stream::StillGood;
use super::*;
use crate::tests::fake::Hasty;
use peregrine_base::{ManualClock, TokioRuntime};
use peregrine_net::drain::{self, Drain};
use serde_json::json;

fn hub() -> (Arc<Hub>, Drain) {
    let (drain, watch) = drain::channel();
    (Hub::new(&ManualClock::default(), Arc::new(TokioRuntime), watch), drain)
}

fn good() -> StillGood {
    Box::new(|| true)
}

fn wanted(topics: &[Topic], after: Option<u64>) -> Wanted {
    let topics = topics.iter().fold(Topics::default(), |all, topic| all.with(*topic));
    Wanted { topics, after }
}

async fn next(body: &mut peregrine_net::http::Body) -> Option<String> {
    let bytes = body.next().await?.unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// The numbers and names of the events in `text`.
fn told(text: &str) -> Vec<(u64, String)> {
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| (field(event, "id:").parse().unwrap_or(0), field(event, "event:")))
        .collect()
}

#[tokio::test]
async fn a_reader_hears_its_topics_in_order_and_wakes_for_them() {
    let (hub, _drain) = hub();
    let mut body = hub
        .stream(wanted(&[Topic::Alert, Topic::Change], None), "node-1", good())
        .unwrap();
    let hello = next(&mut body).await.unwrap();
    let first = told(&hello)[0].0;
    assert!(
        hello.contains("event: hello\ndata: {\"node\":\"node-1\",\"seq\":"),
        "{hello}"
    );
    let other = Arc::clone(&hub);
    let reading = tokio::spawn(async move {
        let piece = next(&mut body).await.unwrap();
        (piece, body)
    });
    tokio::task::yield_now().await;
    other.publish(Topic::Sample, &json!({ "at": 1 }));
    other.publish(Topic::Alert, &json!({ "text": "a\nb" }));
    let (piece, mut body) = reading.await.unwrap();
    assert_eq!(
        piece,
        format!("id: {}\nevent: alert\ndata: {{\"text\":\"a\\nb\"}}\n\n", first + 2)
    );
    hub.publish(Topic::Change, &json!(1));
    hub.publish(Topic::Change, &json!(2));
    let piece = next(&mut body).await.unwrap();
    assert_eq!(
        told(&piece),
        [(first + 3, "change".to_owned()), (first + 4, "change".to_owned())]
    );
    drop(body);
    assert!(!hub.state.lock().is_heard(Topic::Alert), "whoever left is forgotten");
}

#[tokio::test]
async fn whoever_comes_again_gets_what_was_missed_or_is_told_how_much() {
    let (hub, _drain) = hub();
    for n in 0..10 {
        hub.publish(Topic::Change, &json!(n));
    }
    let newest = hub.state.lock().next - 1;
    let mut body = hub
        .stream(wanted(&[Topic::Change], Some(newest - 3)), "", good())
        .unwrap();
    assert_eq!(
        told(&next(&mut body).await.unwrap()),
        [(newest - 3, "hello".to_owned())]
    );
    let piece = next(&mut body).await.unwrap();
    assert_eq!(
        told(&piece).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        [newest - 2, newest - 1, newest]
    );

    // From before this start, and from a future that there is not.
    let mut body = hub.stream(wanted(&[Topic::Change], Some(5)), "", good()).unwrap();
    next(&mut body).await;
    let piece = next(&mut body).await.unwrap();
    assert_eq!(told(&piece)[0].1, "gap");
    assert_eq!(told(&piece).len(), 11, "and then all that is kept");
    let mut body = hub
        .stream(wanted(&[Topic::Change], Some(u64::MAX)), "", good())
        .unwrap();
    next(&mut body).await;
    hub.publish(Topic::Change, &json!("new"));
    assert_eq!(
        told(&next(&mut body).await.unwrap()),
        [(newest + 1, "change".to_owned())]
    );
}

#[tokio::test]
async fn a_slow_reader_is_told_a_gap_and_costs_no_memory() {
    let (hub, _drain) = hub();
    let mut body = hub.stream(wanted(&[Topic::Request], None), "", good()).unwrap();
    next(&mut body).await;
    for n in 0..KEPT_MAX + 500 {
        hub.publish(Topic::Request, &json!({ "n": n }));
    }
    assert_eq!(hub.state.lock().ring.len(), KEPT_MAX);
    let piece = next(&mut body).await.unwrap();
    assert!(
        piece.contains("event: gap\ndata: {\"missed\":500}\n\n"),
        "{}",
        &piece[..200]
    );
    assert!(piece.len() < 80 << 10, "a piece at a time");
    let big = "x".repeat(EVENT_MAX_BYTES / 2);
    for _ in 0..1000 {
        hub.publish(Topic::Request, &big);
    }
    assert!(hub.state.lock().bytes <= KEPT_MAX_BYTES);
    let before = hub.state.lock().next;
    hub.publish(Topic::Request, &"x".repeat(EVENT_MAX_BYTES + 1));
    assert_eq!(hub.state.lock().next, before, "what is too large is left out");
}

#[tokio::test]
async fn a_stream_ends_with_the_program() {
    let (hub, drain) = hub();
    let mut body = hub.stream(wanted(&[Topic::Sample], None), "", good()).unwrap();
    next(&mut body).await;
    let reading = tokio::spawn(async move { next(&mut body).await });
    tokio::task::yield_now().await;
    drain.start();
    assert_eq!(reading.await.unwrap(), None, "cleanly");
}

#[tokio::test]
async fn silence_is_broken_by_a_heartbeat_and_ends_with_the_session() {
    let (_drain, watch) = drain::channel();
    let hub = Hub::new(&ManualClock::default(), Arc::new(Hasty), watch);
    let is_good = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&is_good);
    let still_good = Box::new(move || asked.load(std::sync::atomic::Ordering::SeqCst));
    let mut body = hub.stream(wanted(&[Topic::Sample], None), "", still_good).unwrap();
    next(&mut body).await;
    assert_eq!(next(&mut body).await.unwrap(), ":\n\n");
    is_good.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        next(&mut body).await.unwrap(),
        "event: end\ndata: {\"reason\":\"session_over\"}\n\n"
    );
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn there_is_an_end_of_readers() {
    let (hub, _drain) = hub();
    let stream = || hub.stream(wanted(&[Topic::Sample], None), "", good());
    let mut open: Vec<_> = (0..STREAMS_MAX).map(|_| stream().unwrap()).collect();
    assert_eq!(stream().err().unwrap().status(), 503);
    open.pop();
    assert!(stream().is_ok());
}
