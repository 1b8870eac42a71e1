//! What is kept, and how it stays what it is.

use super::bench::{Gate, answer};
use super::*;

#[tokio::test]
async fn an_entry_that_is_confirmed_again_and_again_keeps_its_tags() {
    let setup = Setup::with(&[serde_json::json!({"tags": ["shop", "page-{path.1}"]})]);
    let bench = setup.before(async |heard| {
        let fields = [
            ("cache-control", "max-age=10"),
            ("etag", "\"1\""),
            ("surrogate-key", "a b"),
        ];
        match heard.field("if-none-match") {
            "" => answer(200, &fields, "text"),
            _ => answer(304, &fields[..2], ""),
        }
    });
    let url = "http://shop.example/17";
    bench.get(url, &[]).await;
    for _ in 0..5 {
        bench.advance(11);
        let renewed = bench.get(url, &[]).await;
        assert_eq!(
            renewed.field("cache-status"),
            "Peregrine; fwd=stale; fwd-status=304; stored; ttl=10; detail=stored_max_age"
        );
    }
    let request = crate::OwnRequest {
        url: url.parse().unwrap(),
        method: http::Method::GET,
        headers: http::HeaderMap::new(),
    };
    let told = bench.plane.explain(&request, false).await;
    assert_eq!(told.entry.unwrap().tags, ["a", "b", "shop", "page-17"]);
}

#[tokio::test]
async fn a_stored_answer_without_content_says_no_length() {
    let bench = Setup::plain().before(async |_| answer(204, &[("cache-control", "max-age=10")], ""));
    for hit in [false, true] {
        let answer = bench.get("http://shop.example/", &[]).await;
        assert_eq!((answer.status, answer.is_hit()), (204, hit));
        assert_eq!(answer.field("content-length"), "", "RFC 9110 §8.6");
    }
}

#[tokio::test]
async fn an_answer_that_its_confirmation_makes_private_is_given_as_the_origin_now_says_and_not_kept() {
    let setup = Setup::plain().strategy(|strategy| strategy.hit_for_miss = peregrine_base::Span::ZERO);
    let bench = setup.before(async |heard| match heard.field("if-none-match") {
        "" => answer(200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "text"),
        _ => answer(
            304,
            &[("cache-control", "private"), ("etag", "\"1\""), ("age", "3")],
            "",
        ),
    });
    let url = "http://shop.example/";
    bench.get(url, &[]).await;
    bench.advance(11);
    let confirmed = bench.get(url, &[]).await;
    assert_eq!((confirmed.status, &*confirmed.text), (200, "text"));
    assert_eq!(
        (&*confirmed.field("cache-control"), &*confirmed.field("age")),
        ("private", "3")
    );
    assert_eq!(
        confirmed.field("cache-status"),
        "Peregrine; fwd=stale; fwd-status=304; detail=private"
    );
}

#[tokio::test]
async fn what_the_origin_forbids_to_serve_stale_is_not_because_its_word_for_that_was_not_stored() {
    for fields in [
        // Whatever Connection names is not stored.
        vec![
            ("cache-control", "max-age=10, must-revalidate"),
            ("connection", "cache-control"),
        ],
        vec![(
            "cache-control",
            "max-age=10, must-revalidate, no-cache=\"cache-control\"",
        )],
    ] {
        let bench = Setup::plain().before(move |heard| {
            let fields = [&fields[..], &[("etag", "\"1\"")]].concat();
            let response = match heard.field("if-none-match") {
                "" => answer(200, &fields, "page"),
                _ => answer(503, &[], ""),
            };
            async { response }
        });
        let url = "http://shop.example/";
        assert_eq!(bench.get_stored(url, &[]).await.text, "page");
        bench.advance(11);
        let refused = bench.get(url, &[("cache-control", "stale-if-error=60")]).await;
        assert_eq!((refused.status, refused.is_hit()), (503, false), "{refused:?}");
    }
}

#[tokio::test]
async fn the_age_at_which_an_answer_once_came_says_nothing_after_it_was_confirmed() {
    let bench = Setup::plain().before(async |heard| match heard.field("if-none-match") {
        "" => answer(
            200,
            &[("cache-control", "max-age=60"), ("age", "50"), ("etag", "\"1\"")],
            "text",
        ),
        _ => answer(304, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], ""),
    });
    let url = "http://shop.example/";
    bench.get(url, &[]).await;
    bench.advance(11);
    let confirmed = bench.get(url, &[]).await;
    assert_eq!(confirmed.field("age"), "0");
    assert!(confirmed.field("cache-status").contains("ttl=60"), "{confirmed:?}");
}

#[tokio::test]
async fn a_long_body_that_is_stored_compressed_is_not_unpacked_before_it_is_read() {
    let setup = Setup::plain().strategy(|strategy| strategy.compression = peregrine_cache::Compression::Zstd);
    let line = "a line that is there many times\n";
    let text: String = line.repeat((2 << 20) / line.len());
    let sent = text.clone();
    let bench = setup.before(move |_| {
        let sent = sent.clone();
        async {
            answer(
                200,
                &[("cache-control", "max-age=60"), ("content-type", "text/plain")],
                sent,
            )
        }
    });
    let url = "http://shop.example/";
    assert_eq!(bench.get(url, &[]).await.text, text);
    while bench.stored_encoding(url).await != "zstd" {
        tokio::task::yield_now().await;
    }
    let hit = bench.begin("GET", url, &[]).await;
    assert_eq!(hit.headers()["content-length"], text.len().to_string().as_str());
    assert!(!hit.body().is_at_hand());
    assert!(hit.into_body().collect(4 << 20).await.unwrap() == text);
    for (from, to) in [(0, 0), (262_000, 263_000), (1_900_000, text.len() - 1)] {
        let part = bench.get(url, &[("range", &format!("bytes={from}-{to}"))]).await;
        assert_eq!(part.field("content-length"), (to - from + 1).to_string());
        assert!((part.status, &*part.text) == (206, &text[from..=to]), "{from}-{to}");
    }
    let several = bench.get(url, &[("range", "bytes=1000-1000,1900000-1900000")]).await;
    assert!(
        (several.status, &several.text) == (200, &text),
        "each part would unpack it anew"
    );
}

#[tokio::test]
async fn who_follows_a_load_learns_how_old_its_answer_is() {
    let gate = Gate::shut();
    let body = gate.clone();
    let bench = Setup::plain().before(move |_| {
        let response = answer(200, &[("cache-control", "max-age=60"), ("age", "50")], "");
        let body = body.body("a", "b");
        async { response.map(|_| body) }
    });
    let url = "http://shop.example/";
    let leader = bench.begin("GET", url, &[]).await;
    bench.advance(7);
    let follower = bench.begin("GET", url, &[]).await;
    assert!(
        follower.headers()["cache-status"]
            .to_str()
            .unwrap()
            .contains("collapsed")
    );
    gate.open();
    for (response, age) in [(leader, "50"), (follower, "57")] {
        assert_eq!(response.headers()["age"], age);
        assert_eq!(response.into_body().collect(100).await.unwrap(), "ab");
    }
    bench.advance(2);
    assert_eq!(bench.get(url, &[]).await.field("age"), "59");
    bench.advance(2);
    assert!(!bench.get(url, &[]).await.is_hit(), "its lifetime began with its head");
}
