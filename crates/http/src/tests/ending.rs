//! How requests end, and that each is counted once.

use super::bench::{Bench, Gate, answer, until};
use super::*;

/// What was counted of answers by class of status: those with 2xx, and those with 4xx.
fn counted(bench: &Bench) -> (u64, u64) {
    let statuses: Vec<u64> = bench.metrics().requests.statuses().map(|(_, count)| count).collect();
    (statuses[1], statuses[3])
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_counted_and_its_load_goes_on() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let bench = Setup::plain().before(move |_| {
        let passed = shut.clone().passed();
        async {
            passed.await;
            answer(200, &[("cache-control", "max-age=60")], "text")
        }
    });
    let url = "http://shop.example/";
    tokio::select! {
        biased;
        _ = bench.get(url, &[]) => panic!("the origin has not answered"),
        () = until("the origin to be asked", || !bench.heard().is_empty()) => {}
    }
    assert_eq!(counted(&bench), (0, 1));
    assert_eq!(bench.metrics().requests.errors(), 0, "nobody failed");
    let line = bench.logged().pop().unwrap();
    assert_eq!(
        (&line["status"], &line["error"], &line["cache"]),
        (&499.into(), &"client_gone".into(), &"miss".into())
    );
    gate.open();
    let follower = bench.get(url, &[]).await;
    assert_eq!((follower.text.as_str(), bench.heard().len()), ("text", 1));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_is_counted_once() {
    let gate = Gate::shut();
    let body = gate.clone();
    let bench = Setup::plain().before(move |_| {
        let body = body.body("first", "second");
        async { answer(200, &[("cache-control", "max-age=60")], "").map(|_| body) }
    });
    let url = "http://shop.example/";
    let under_way = || bench.plane.parts.recorder.under_way.value();
    assert_eq!(under_way(), 0);
    let mut response = bench.begin("GET", url, &[]).await;
    assert_eq!(response.body_mut().next().await.unwrap().unwrap(), "first");
    assert_eq!((counted(&bench), under_way()), ((0, 0), 1), "it is not over");
    drop(response);
    assert_eq!(under_way(), 0);
    assert_eq!((counted(&bench), bench.metrics().requests.bytes_sent()), ((1, 0), 5));
    let line = bench.logged().pop().unwrap();
    assert_eq!(
        (&line["status"], &line["error"], &line["sent_bytes"]),
        (&200.into(), &"client_gone".into(), &5.into())
    );
    gate.open();
    assert_eq!(bench.get(url, &[]).await.text, "firstsecond");
    assert_eq!((counted(&bench), bench.metrics().requests.bytes_sent()), ((2, 0), 16));
}

#[tokio::test]
async fn an_answer_that_was_all_there_has_no_error_though_its_end_is_not_asked_for() {
    let bench = Setup::plain().before(async |heard| {
        let text = if heard.target == "/empty" { "" } else { "text" };
        answer(200, &[("cache-control", "max-age=60")], text)
    });
    // As a codec reads: no further than the announced length.
    drop(bench.begin("GET", "http://shop.example/empty", &[]).await);
    let mut whole = bench.begin("GET", "http://shop.example/text", &[]).await;
    assert_eq!(whole.body_mut().next().await.unwrap().unwrap(), "text");
    drop(whole);
    drop(bench.begin("HEAD", "http://shop.example/other", &[]).await);
    for line in bench.logged() {
        assert_eq!(
            (&line["status"], &line["error"]),
            (&200.into(), &serde_json::Value::Null),
            "{line}"
        );
    }
    assert_eq!(bench.logged().len(), 3);
}

#[tokio::test]
async fn a_request_that_no_route_takes_is_counted_and_logged() {
    let setup = Setup::with(&[serde_json::json!({"match": {"host": "shop.example"}})]);
    let bench = setup.before(async |_| answer(200, &[], ""));
    assert_eq!(bench.get("http://shop.example/", &[]).await.status, 200);
    assert_eq!(bench.get("http://other.example/", &[]).await.status, 404);
    assert_eq!((bench.plane.unrouted(), counted(&bench)), (1, (1, 0)));
    assert_eq!(bench.logged()[1]["error"], "no_route");
}

#[tokio::test]
async fn only_what_the_origin_did_not_send_is_saved() {
    let setup = Setup::plain().strategy(|strategy| strategy.hit_for_miss = peregrine_base::Span::ZERO);
    let bench = setup.before(async |heard| match (&*heard.target, heard.field("if-none-match")) {
        ("/stored", "") => answer(200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "12345"),
        ("/stored", _) => answer(304, &[("etag", "\"1\"")], ""),
        _ => answer(500, &[], "failed"),
    });
    let saved = || bench.metrics().requests.bytes_saved();
    for (target, total) in [("/stored", 0), ("/stored", 5), ("/failed", 5)] {
        bench.get(&format!("http://shop.example{target}"), &[]).await;
        assert_eq!(saved(), total, "{target}");
    }
    bench.advance(11);
    bench.get("http://shop.example/stored", &[]).await;
    assert_eq!(saved(), 10, "a 304 has no body");
    bench.end_origin().await;
    let url = "http://shop.example/failed";
    let (leader, follower) = tokio::join!(bench.get(url, &[]), bench.get(url, &[]));
    assert_eq!((leader.status, follower.status), (502, 502));
    assert!(bench.logged().iter().any(|line| line["cache"] == "collapsed"));
    assert_eq!(saved(), 10, "a problem spares the origin nothing");
}
