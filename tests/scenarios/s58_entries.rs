//! What memory holds, looked through by hand; and what happens, heard as it happens.

use crate::harness::{Client, Origin, Peregrine, Reply, request, until};
use serde_json::{Value, json};

#[test]
fn entries_and_tags_are_found_and_gone_when_they_are_gone() {
    let origin = Origin::start(|heard| {
        let tag = if heard.target.contains("red") { "red" } else { "blue" };
        Reply::ok(
            &[("cache-control", "max-age=600"), ("surrogate-key", tag)],
            heard.target.clone(),
        )
    });
    let peregrine = Peregrine::before(&origin, "");
    for target in ["/red/1", "/red/2", "/blue/1"] {
        peregrine.get(target, &[("host", "shop.example")]);
    }
    peregrine.get("/red/1", &[("host", "shop.example")]);
    let entries = |query: &str| -> Vec<Value> {
        let page = peregrine
            .admin("GET", &format!("/api/performance/cache/entries?{query}"), None)
            .json();
        page["entries"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
    };
    until("all to be stored", || entries("").len() == 3);
    assert_eq!(entries("tag=red").len(), 2);
    assert_eq!(entries("prefix=/blue").len(), 1);
    assert_eq!(entries("prefix=http://shop.example/red").len(), 2);
    assert_eq!(entries("contains=red/1&state=fresh").len(), 1);
    assert_eq!(
        entries("state=stale").len() + entries("namespace=none").len() + entries("tenant=acme").len(),
        0
    );
    assert_eq!(entries("limit=1").len(), 1);
    let one = entries("contains=red/1")[0].clone();
    assert_eq!(
        (&one["url"], &one["namespace"], &one["hits"]),
        (&json!("http://shop.example/red/1"), &json!("default"), &json!(1))
    );
    let tags = peregrine.admin("GET", "/api/performance/cache/tags", None).json();
    assert_eq!(
        (&tags["tags"][0]["tag"], &tags["tags"][0]["entries"], &tags["complete"]),
        (&json!("red"), &json!(2), &json!(true))
    );
    peregrine.invalidate(&json!({ "tags": ["red"], "soft": true }));
    assert_eq!(entries("state=stale").len(), 2);
    peregrine.invalidate(&json!({ "tags": ["red"] }));
    assert_eq!(entries("").len(), 1);
}

#[test]
fn a_listener_hears_what_happens_and_the_end_of_the_program() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let peregrine = Peregrine::before(&origin, "");
    let (host, bearer) = (peregrine.admin.to_string(), format!("Bearer {}", peregrine.token));
    let fields = [("host", host.as_str()), ("authorization", bearer.as_str())];
    let target = "/api/performance/events?topics=sample,request,audit,invalidation";
    let mut stream = Client::connect(peregrine.admin);
    stream.send(request("GET", target, &fields));
    let reading = std::thread::spawn(move || stream.read("GET"));
    until("the listener to be there", || {
        peregrine.metric("peregrine_admin_event_streams", &[]) > 0.0
    });
    peregrine.get("/page", &[]);
    peregrine.invalidate(&json!({ "tags": ["a"] }));
    until("a request to be told", || {
        peregrine.metric("peregrine_tail_watchers", &[]) > 0.0
    });
    for _ in 0..3 {
        peregrine.get("/page", &[]);
    }
    peregrine.process.signal(crate::harness::Signal::TERM);
    let heard = reading.join().unwrap();
    let text = heard.text();
    assert_eq!(
        (heard.status, heard.field("content-type").as_str()),
        (200, "text/event-stream")
    );
    for event in ["hello", "audit", "request", "invalidation"] {
        assert!(
            text.contains(&format!("event: {event}\n")),
            "{event} was not heard:\n{text}"
        );
    }
}
