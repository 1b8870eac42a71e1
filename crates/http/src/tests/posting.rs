//! Answers to POST that answer later GETs (RFC 9110 §9.3.3).

use super::bench::{Answer, Bench, Gate, answer, until};
use super::*;

const URL: &str = "http://shop.example/page?a";
const STORABLE: [(&str, &str); 2] = [("cache-control", "max-age=60"), ("content-location", "/page?a")];

/// An origin whose page is `read` by GET, and whose answer to POST is `posted` with these fields.
fn posted(setup: Setup, fields: &'static [(&'static str, &'static str)]) -> Bench {
    setup.before(async move |heard| match &*heard.method {
        "POST" => answer(200, fields, "posted"),
        _ => answer(200, &[("cache-control", "max-age=60")], "read"),
    })
}

async fn post(bench: &Bench, fields: &[(&str, &str)]) -> Answer {
    let answer = bench
        .send("POST", URL, fields, peregrine_net::http::Body::full("content"))
        .await;
    bench.settled().await;
    answer
}

#[tokio::test]
async fn an_answer_to_post_that_is_its_page_answers_the_next_get() {
    let bench = posted(Setup::plain(), &STORABLE);
    assert_eq!(bench.get_stored(URL, &[]).await.text, "read");
    let answer = post(&bench, &[]).await;
    assert_eq!((answer.status, &*answer.text), (200, "posted"));
    let told = answer.field("cache-status");
    assert_eq!(told, "Peregrine; fwd=method; stored; ttl=60; detail=stored_max_age");
    bench.advance(7);
    let hit = bench.get_stored(URL, &[]).await;
    assert_eq!((hit.is_hit(), &*hit.text, &*hit.field("age")), (true, "posted", "7"));
    let head = bench.ask("HEAD", URL, &[]).await;
    assert!(head.is_hit() && head.field("content-length") == "6", "{head:?}");
    assert!(!bench.get_stored("http://shop.example/page?b", &[]).await.is_hit());
    assert_eq!(bench.heard().len(), 3);
    // It answers no POST.
    post(&bench, &[]).await;
    assert_eq!(bench.heard().len(), 4);
}

#[tokio::test]
async fn an_answer_to_post_that_the_origin_encoded_is_for_those_who_can_read_it() {
    static ENCODED: [(&str, &str); 3] = [STORABLE[0], STORABLE[1], ("content-encoding", "br")];
    let bench = posted(Setup::plain(), &ENCODED);
    let takes = [("accept-encoding", "br")];
    let posted = post(&bench, &takes).await;
    assert_eq!(posted.field("vary"), "", "its client gets what the origin sent");
    let hit = bench.get_stored(URL, &takes).await;
    assert_eq!((hit.is_hit(), &*hit.text), (true, "posted"));
    assert_eq!(
        bench.get_stored(URL, &[("accept-encoding", "identity")]).await.text,
        "read"
    );
}

#[tokio::test]
async fn an_answer_to_post_without_a_word_about_it_is_not_stored() {
    let fields: [&'static [(&str, &str)]; 4] = [
        &[("cache-control", "max-age=60")],
        &[("cache-control", "max-age=60"), ("content-location", "/other")],
        &[("content-location", "/page?a")],
        &[
            ("cache-control", "max-age=60"),
            ("content-location", "/page?a"),
            ("set-cookie", "a=b"),
        ],
    ];
    for fields in fields {
        let bench = posted(Setup::plain(), fields);
        let answer = post(&bench, &[]).await;
        assert_eq!(
            answer.field("cache-status"),
            "Peregrine; fwd=method; detail=unsafe_method"
        );
        assert_eq!(bench.get_stored(URL, &[]).await.text, "read", "{fields:?}");
    }
}

#[tokio::test]
async fn what_a_get_could_not_have_asked_for_is_not_stored() {
    let requests: [&[(&str, &str)]; 6] = [
        &[("authorization", "Basic eDp5")],
        &[("cache-control", "no-store")],
        &[("range", "bytes=0-1")],
        &[("if-match", "\"1\"")],
        // It takes part in the answer and not in the key.
        &[("x-http-method-override", "PUT")],
        &[("x-original-url", "/admin")],
    ];
    for request in requests {
        let bench = posted(Setup::plain(), &STORABLE);
        assert_eq!(post(&bench, request).await.text, "posted");
        assert_eq!(bench.get_stored(URL, &[]).await.text, "read", "{request:?}");
    }
    let routes = [
        serde_json::json!({"cache": false}),
        serde_json::json!({"bypass": {"query": ["a"]}}),
    ];
    for route in routes {
        let bench = posted(Setup::with(&[route]), &STORABLE);
        post(&bench, &[]).await;
        assert_eq!(bench.get_stored(URL, &[]).await.text, "read");
    }
    let routes = [
        serde_json::json!({"name": "writes", "match": {"methods": ["POST"]}}),
        serde_json::json!({"name": "reads"}),
    ];
    let bench = posted(Setup::with(&routes), &STORABLE);
    post(&bench, &[]).await;
    assert_eq!(
        bench.get_stored(URL, &[]).await.text,
        "read",
        "another route has other rules"
    );
}

#[tokio::test]
async fn a_variant_of_a_post_is_that_variant_only() {
    let bench = posted(
        Setup::plain(),
        &[
            ("cache-control", "max-age=60"),
            ("content-location", "/page?a"),
            ("vary", "accept-language"),
        ],
    );
    post(&bench, &[("accept-language", "de")]).await;
    assert_eq!(bench.get_stored(URL, &[("accept-language", "fr")]).await.text, "read");
    assert_eq!(bench.get_stored(URL, &[("accept-language", "de")]).await.text, "posted");
}

#[tokio::test]
async fn what_another_write_may_have_overtaken_is_not_stored() {
    let gate = Gate::shut();
    let held = gate.clone();
    let bench = Setup::plain().before(move |heard| {
        let held = (&*heard.content == b"first").then(|| held.clone().passed());
        async move {
            match &*heard.method {
                "POST" => {
                    if let Some(held) = held {
                        held.await;
                    }
                    answer(200, &STORABLE, heard.content)
                }
                _ => answer(200, &[("cache-control", "max-age=60")], "read"),
            }
        }
    });
    let first = async {
        bench
            .send("POST", URL, &[], peregrine_net::http::Body::full("first"))
            .await
    };
    let second = async {
        until("the first to be asked", || bench.heard().len() == 1).await;
        // Nobody knows whether the origin did it before or after the first.
        assert_eq!(
            bench
                .send("POST", URL, &[], peregrine_net::http::Body::full("second"))
                .await
                .text,
            "second"
        );
        bench.settled().await;
        assert_eq!(bench.get_stored(URL, &[]).await.text, "second");
        gate.open();
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.text, "first");
    assert_eq!(
        first.field("cache-status"),
        "Peregrine; fwd=method; detail=unsafe_method"
    );
    assert_eq!(bench.get_stored(URL, &[]).await.text, "read");
}

#[tokio::test]
async fn an_invalidation_reaches_what_a_post_brought() {
    let bench = posted(
        Setup::plain(),
        &[
            ("cache-control", "max-age=60"),
            ("content-location", "/page?a"),
            ("surrogate-key", "page"),
        ],
    );
    let answer = post(&bench, &[]).await;
    assert_eq!(answer.field("surrogate-key"), "", "it is not the client's");
    assert!(bench.get_stored(URL, &[]).await.is_hit());
    let tags = vec!["page".to_owned()];
    bench
        .engine
        .invalidate_uncounted(&peregrine_cache::Invalidation::of_tags(tags));
    assert_eq!(bench.get_stored(URL, &[]).await.text, "read");
}

#[tokio::test]
async fn a_post_whose_answer_breaks_off_is_not_stored() {
    let bench = Setup::plain().before(async |heard| match &*heard.method {
        "POST" => {
            let mut pieces = vec![
                Err(peregrine_net::http::BodyError::new(
                    peregrine_net::http::BodyFault::Truncated,
                    peregrine_base::Party::Upstream,
                )),
                Ok(bytes::Bytes::from_static(b"half")),
            ];
            let body = peregrine_net::http::Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop()));
            answer(200, &STORABLE, "").map(|_| body)
        }
        _ => answer(200, &[("cache-control", "max-age=60")], "read"),
    });
    let begun = bench.begin("POST", URL, &[]).await;
    assert!(begun.into_body().collect(100).await.is_err());
    assert_eq!(bench.get_stored(URL, &[]).await.text, "read");
}
