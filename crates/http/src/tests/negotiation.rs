//! Languages, targeted fields and other things on which origin, cache and client have to agree.

use super::bench::{answer, complaints};
use super::*;
use serde_json::json;

const URL: &str = "http://shop.example/";

#[tokio::test]
async fn the_origin_is_asked_for_the_language_that_is_stored() {
    let setup = Setup::with(&[json!({"key": {"languages": ["de", "en"]}})]);
    let bench = setup.before(async |heard| {
        let fields = [("cache-control", "max-age=60"), ("vary", "accept-language")];
        answer(200, &fields, heard.field("accept-language").to_owned())
    });
    for (asked, language, is_hit) in [
        ("en-GB, fr;q=0.5", "en", false),
        ("en", "en", true),
        ("fr", "de", false),
        ("de-AT, en;q=0.9", "de", true),
    ] {
        let answer = bench.get(URL, &[("accept-language", asked)]).await;
        assert_eq!((&*answer.text, answer.is_hit()), (language, is_hit), "{asked}");
    }
}

#[tokio::test]
async fn a_value_that_is_not_on_the_list_cannot_be_stored_for_others() {
    let setup = Setup::with(&[json!({"key": {"values": {"x-device": "mobile, desktop"}}})]);
    let bench = setup.before(async |heard| {
        let fields = [("cache-control", "max-age=60"), ("vary", "x-device")];
        answer(200, &fields, heard.field("x-device").to_owned())
    });
    for (sent, seen, is_hit) in [
        ("<script>", "", false),
        ("Mobile", "mobile", false),
        ("mobile", "mobile", true),
        ("b", "", true),
    ] {
        let answer = bench.get(URL, &[("x-device", sent)]).await;
        assert_eq!((&*answer.text, answer.is_hit()), (seen, is_hit), "{sent}");
    }
}

#[tokio::test]
async fn cdn_cache_control_counts_by_default_and_is_passed_on() {
    let fields = [("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")];
    let bench = Setup::plain().before(move |_| async move { answer(200, &fields, "") });
    bench.get(URL, &[]).await;
    let second = bench.get(URL, &[]).await;
    assert!(second.is_hit());
    assert_eq!(second.field("cdn-cache-control"), "max-age=60");
    assert_eq!(second.field("cache-control"), "no-store");
}

#[tokio::test]
async fn surrogate_control_is_announced_read_and_taken_off_unless_a_route_says_otherwise() {
    let fields = [("cache-control", "no-store"), ("surrogate-control", "max-age=60")];
    let setup = Setup::with(&[json!({"targeted_fields": []})]);
    let plain = setup.before(move |_| async move { answer(200, &fields, "") });
    let first = plain.get(URL, &[]).await;
    assert_eq!(first.field("surrogate-control"), "max-age=60");
    assert_eq!(plain.heard()[0].field("surrogate-capability"), "");
    assert!(!plain.get(URL, &[]).await.is_hit());

    let bench = Setup::plain().before(move |_| async move { answer(200, &fields, "") });
    assert_eq!(bench.get(URL, &[]).await.field("surrogate-control"), "");
    assert_eq!(
        bench.heard()[0].field("surrogate-capability"),
        "peregrine=\"Surrogate/1.0\""
    );
    let second = bench.get(URL, &[]).await;
    assert!(second.is_hit());
    assert_eq!(second.field("surrogate-control"), "");
}

#[tokio::test]
async fn names_and_values_that_no_field_has_are_faults_of_the_configuration() {
    let found = complaints(&[json!({
        "targeted_fields": ["a b"],
        "key": {"lowercase": ["c d"]},
    })])
    .await;
    assert_eq!(
        found,
        [
            "route[0].key.lowercase: `c d` cannot stand in a field of a request",
            "route[0].targeted_fields: `a b` is no field name"
        ]
    );
}
