//! Routes beside each other, and routes that cannot be.

use super::bench::{answer, complaints};
use super::*;
use serde_json::json;

#[tokio::test]
async fn routes_that_fields_choose_never_answer_for_each_other() {
    let shop = |name: &str| json!({"name": name, "match": {"headers": {"x-shop": name}}, "request_headers": {"set": {"x-shop": name}}});
    let setup = Setup::with(&[shop("north"), shop("south"), json!({})]);
    let bench = setup.before(async |heard| {
        answer(
            200,
            &[("cache-control", "max-age=60")],
            heard.field("x-shop").to_owned(),
        )
    });
    let url = "http://shop.example/";
    for is_hit in [false, true] {
        for shop in ["north", "south", "none"] {
            let answer = bench.get(url, &[("x-shop", shop)]).await;
            assert_eq!((&*answer.text, answer.is_hit()), (shop, is_hit));
        }
    }
}

#[tokio::test]
async fn a_request_that_goes_round_in_circles_ends() {
    let bench =
        Setup::plain().before(async |heard| answer(200, &[], heard.headers.get_all("via").iter().count().to_string()));
    let url = "http://shop.example/";
    let through = |hops: usize| vec!["1.1 peregrine"; hops].join(", ");
    let chain = bench.get(url, &[("via", "1.1 varnish"), ("via", &through(9))]).await;
    assert_eq!((chain.status, &*chain.text), (200, "3"));
    let circle = bench.get(url, &[("via", &through(9)), ("via", "1.1 peregrine")]).await;
    assert_eq!(circle.status, 508);
    assert_eq!(bench.heard().len(), 1);
}

#[tokio::test]
async fn every_route_is_counted_by_a_name_of_its_own() {
    let by_field = |field: &str| json!({"match": {"path": "/a/*", "headers": {field: "*"}}});
    let bench = Setup::with(&[by_field("x-a"), by_field("x-b"), json!({"name": "rest"})])
        .before(async |_| answer(200, &[], ""));
    let names: Vec<String> = bench.plane.table().iter().map(|route| route.name.to_string()).collect();
    assert_eq!(names, ["/a/*", "/a/* (2)", "rest"]);
    let twice = complaints(&[json!({"name": "a"}), json!({"name": "a"})]).await;
    assert_eq!(twice, ["route[1].name: `a` is the name of another route too"]);
}

#[tokio::test]
async fn an_edit_may_not_touch_what_frames_a_message() {
    let edits = json!({"set": {"Content-Length": "5", "x-a": "1"}, "remove": ["transfer-encoding", "x-b"]});
    let told = complaints(&[json!({"request_headers": edits, "response_headers": edits})]).await;
    let says = "says where the message ends or what becomes of its connection";
    assert_eq!(
        told,
        [
            format!("route[0].request_headers.remove: `transfer-encoding` {says}"),
            format!("route[0].request_headers.set: `content-length` {says}"),
            format!("route[0].response_headers.remove: `transfer-encoding` {says}"),
            format!("route[0].response_headers.set: `content-length` {says}"),
        ]
    );
}
