//! Variants that the origin finds to be what it would send, and 304s that confirm several (RFC 9111 §4.3).

use super::bench::{Bench, Heard, answer};
use super::*;
use http::Response;
use peregrine_net::http::Body;

const URL: &str = "http://shop.example/page";

/// An origin whose page is the text of its tag, which `tag` gives for a request, and varies on `vary`.
fn tagged(vary: &'static str, tag: impl Fn(&Heard) -> String + Send + Sync + 'static) -> Bench {
    Setup::plain().before(move |heard| {
        let response = page(&heard, vary, &tag(&heard));
        async { response }
    })
}

fn page(heard: &Heard, vary: &str, tag: &str) -> Response<Body> {
    let fields = [("cache-control", "max-age=60"), ("etag", tag), ("vary", vary)];
    if heard.field("if-none-match").split(", ").any(|one| one == tag) {
        return answer(304, &fields, "");
    }
    answer(200, &fields, tag.to_owned())
}

/// What the origin was told of what is there.
fn told(bench: &Bench) -> Vec<String> {
    let heard = bench.heard();
    heard
        .iter()
        .map(|heard| heard.field("if-none-match").to_owned())
        .collect()
}

#[tokio::test]
async fn a_variant_that_the_origin_would_send_again_is_not_sent_again() {
    // RFC 9111 §4.1, §4.3.1: French gets the English page.
    let bench = tagged("accept-language", |heard| match heard.field("accept-language") {
        "de" => "\"german\"".to_owned(),
        _ => "\"english\"".to_owned(),
    });
    bench.get_stored(URL, &[("accept-language", "en")]).await;
    bench.get_stored(URL, &[("accept-language", "de")]).await;
    let french = bench.get_stored(URL, &[("accept-language", "fr")]).await;
    assert_eq!((french.status, &*french.text), (200, "\"english\""));
    assert_eq!(
        french.field("cache-status"),
        "Peregrine; fwd=vary-miss; fwd-status=304; stored; ttl=60; detail=stored_max_age"
    );
    assert_eq!(told(&bench), ["", "\"english\"", "\"german\", \"english\""]);
    for (language, text) in [("en", "\"english\""), ("de", "\"german\""), ("fr", "\"english\"")] {
        let hit = bench.get_stored(URL, &[("accept-language", language)]).await;
        assert_eq!((hit.is_hit(), &*hit.text), (true, text));
    }
    bench
        .engine
        .invalidate_uncounted(&peregrine_cache::Invalidation::of_keys(vec![URL.to_owned()]));
    assert_eq!(
        bench.get_stored(URL, &[("accept-language", "it")]).await.text,
        "\"english\""
    );
    assert_eq!(told(&bench)[3], "", "what is gone is not spoken of");
}

#[tokio::test]
async fn a_304_that_does_not_say_which_variant_it_means_answers_nothing() {
    for said in ["", "\"other\"", "W/\"a\""] {
        let bench = Setup::plain().before(move |heard| {
            let mut fields = vec![("cache-control", "max-age=60"), ("vary", "accept-language")];
            let response = if heard.field("if-none-match").is_empty() {
                fields.push(("etag", "\"a\""));
                answer(200, &fields, heard.field("accept-language").to_owned())
            } else {
                fields.extend((!said.is_empty()).then_some(("etag", said)));
                answer(304, &fields, "")
            };
            async { response }
        });
        bench.get_stored(URL, &[("accept-language", "en")]).await;
        let french = bench.get_stored(URL, &[("accept-language", "fr")]).await;
        assert_eq!((french.status, &*french.text), (200, "fr"), "{said}");
        assert_eq!(told(&bench), ["", "\"a\"", ""]);
    }
}

#[tokio::test]
async fn what_a_client_may_not_get_is_not_spoken_of() {
    // Many origins give every coding the same tag.
    let bench = Setup::plain().before(async |heard| {
        let mut fields = vec![
            ("cache-control", "max-age=60"),
            ("etag", "\"a\""),
            ("vary", "accept-encoding"),
        ];
        let coding = heard.field("accept-encoding");
        fields.extend((!coding.is_empty()).then_some(("content-encoding", "gzip")));
        let status = if heard.field("if-none-match") == "\"a\"" {
            304
        } else {
            200
        };
        answer(status, &fields, if status == 304 { "" } else { "text" })
    });
    bench.get_stored(URL, &[("accept-encoding", "gzip")]).await;
    assert_eq!(bench.get_stored(URL, &[]).await.field("content-encoding"), "");
    bench.get_stored(URL, &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(told(&bench), ["", "", "\"a\""]);
    // By whom somebody is known nobody else's content is found; and a weak tag names no bytes.
    for (vary, tag) in [("cookie", "\"a\""), ("accept-language", "W/\"a\"")] {
        let bench = tagged(vary, move |_| tag.to_owned());
        for value in ["a", "b"] {
            bench.get_stored(URL, &[(vary, value)]).await;
        }
        assert_eq!(told(&bench), ["", ""], "{vary}");
    }
}

#[tokio::test]
async fn the_origin_is_told_of_a_few_variants_only() {
    let bench = tagged("accept-language", |heard| {
        format!("\"{}\"", heard.field("accept-language"))
    });
    for number in 0..20 {
        bench
            .get_stored(URL, &[("accept-language", &format!("x-{number}"))])
            .await;
    }
    let most = told(&bench).iter().map(|tags| tags.split(", ").count()).max();
    assert_eq!(most, Some(8));
    assert!(told(&bench)[19].starts_with("\"x-18\", \"x-17\""), "{:?}", told(&bench));
}

#[tokio::test]
async fn one_304_renews_every_stored_response_that_could_have_been_chosen() {
    // RFC 9111 §4.3.4. What varies on x-a alone is stored under both names, because another answer varies on both.
    let bench = Setup::plain().before(async |heard| {
        let vary = if heard.field("x-a") == "2" { "x-a, x-b" } else { "x-a" };
        page(&heard, vary, "\"v1\"")
    });
    let ask = async |a: &str, b: &str| bench.get_stored(URL, &[("x-a", a), ("x-b", b)]).await;
    for (a, b) in [("2", "1"), ("1", "1"), ("1", "2"), ("2", "2")] {
        ask(a, b).await;
    }
    for (a, b) in [("2", "1"), ("1", "1"), ("1", "2"), ("2", "2")] {
        assert!(ask(a, b).await.is_hit(), "{a} {b}");
    }
    bench.advance(61);
    let heard = bench.heard().len();
    let renewed = ask("1", "1").await;
    assert!(
        renewed.field("cache-status").contains("fwd=stale; fwd-status=304"),
        "{renewed:?}"
    );
    let other = ask("1", "2").await;
    assert_eq!(
        (other.is_hit(), &*other.text, &*other.field("age")),
        (true, "\"v1\"", "0")
    );
    assert_eq!(bench.heard().len(), heard + 1);
    // These vary on what the request had otherwise: nobody knows what the origin would send for them.
    for b in ["1", "2"] {
        assert!(!ask("2", b).await.is_hit(), "{b}");
    }
}

#[tokio::test]
async fn a_304_renews_nothing_that_has_another_tag() {
    let bench = Setup::plain().before(async |heard| {
        let vary = if heard.field("x-a") == "2" { "x-a, x-b" } else { "x-a" };
        let tag = if heard.field("x-b") == "2" { "\"v2\"" } else { "\"v1\"" };
        page(&heard, vary, tag)
    });
    let ask = async |a: &str, b: &str| bench.get_stored(URL, &[("x-a", a), ("x-b", b)]).await;
    for (a, b) in [("2", "1"), ("1", "1"), ("1", "2")] {
        ask(a, b).await;
    }
    bench.advance(61);
    ask("1", "1").await;
    assert!(!ask("1", "2").await.is_hit());
}
