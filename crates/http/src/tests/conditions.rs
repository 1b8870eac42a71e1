//! Clients with copies of their own.

use super::bench::{Bench, answer};
use super::*;

/// An origin whose page is one user's own and has a validator.
fn private(setup: Setup) -> Bench {
    setup.before(async |heard| {
        let fields = [("cache-control", "private"), ("etag", "\"1\"")];
        match heard.field("if-none-match") {
            "\"1\"" => answer(304, &fields, ""),
            _ => answer(200, &fields, "own"),
        }
    })
}

#[tokio::test]
async fn a_page_that_is_not_stored_is_validated_with_the_origin_by_the_client_itself() {
    let bench = private(Setup::plain());
    let url = "http://shop.example/";
    assert_eq!(bench.get(url, &[]).await.text, "own");
    let again = bench.get(url, &[("if-none-match", "\"1\"")]).await;
    assert_eq!((again.status, &*again.text, &*again.field("etag")), (304, "", "\"1\""));
    assert_eq!(bench.heard()[1].field("if-none-match"), "\"1\"");
    let changed = bench.get(url, &[("if-none-match", "\"0\"")]).await;
    assert_eq!((changed.status, &*changed.text), (200, "own"));
}

#[tokio::test]
async fn a_load_that_could_have_been_for_others_does_not_cost_its_client_a_body_it_has() {
    let setup = Setup::plain().strategy(|strategy| strategy.hit_for_miss = peregrine_base::Span::ZERO);
    let bench = private(setup);
    for fields in [[("if-none-match", "\"1\"")], [("if-none-match", "*")]] {
        let answer = bench.get("http://shop.example/", &fields).await;
        assert_eq!(
            (answer.status, &*answer.text, &*answer.field("cache-control")),
            (304, "", "private")
        );
    }
    assert!(
        bench
            .heard()
            .iter()
            .all(|heard| heard.field("if-none-match").is_empty())
    );
}

#[tokio::test]
async fn a_condition_does_not_keep_a_page_from_being_stored() {
    let bench =
        Setup::plain().before(async |_| answer(200, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], "page"));
    let url = "http://shop.example/";
    assert_eq!(bench.get(url, &[("if-none-match", "\"1\"")]).await.status, 304);
    let whole = bench.get(url, &[]).await;
    assert_eq!((&*whole.text, bench.heard().len()), ("page", 1));
}

#[tokio::test]
async fn the_date_of_a_page_that_is_not_stored_says_nothing_about_when_it_was_modified() {
    const DATE: (&str, &str) = ("date", "Thu, 01 Jan 2015 00:00:00 GMT");
    let since = [("if-modified-since", DATE.1)];
    for (fields, status) in [
        (vec![("cache-control", "private"), DATE], 200),
        (vec![("cache-control", "private"), DATE, ("last-modified", DATE.1)], 304),
        // RFC 9111 §4.3.2: in what is stored it does.
        (vec![("cache-control", "max-age=1000000000"), DATE], 304),
    ] {
        let setup = Setup::plain().strategy(|strategy| strategy.hit_for_miss = peregrine_base::Span::ZERO);
        let bench = setup.before(move |_| {
            let response = answer(200, &fields, "page");
            async { response }
        });
        for _ in 0..2 {
            assert_eq!(bench.get("http://shop.example/", &since).await.status, status);
        }
    }
}

#[tokio::test]
async fn cache_status_blames_the_request_only_where_something_fresh_was_there() {
    // RFC 9211 §2.2.
    let bench =
        Setup::plain().before(async |_| answer(200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "page"));
    let url = "http://shop.example/";
    let expects = async |field: (&str, &str), word: &str| {
        let said = bench.get(url, &[field]).await.field("cache-status");
        assert!(
            said.starts_with(&format!("Peregrine; fwd={word};")),
            "{field:?}: {said}"
        );
    };
    assert_eq!(bench.get_stored(url, &[]).await.text, "page");
    bench.advance(5);
    expects(("cache-control", "min-fresh=6"), "request").await;
    bench.advance(5);
    expects(("cache-control", "max-age=4"), "request").await;
    expects(("cache-control", "no-cache"), "request").await;
    bench.advance(11);
    expects(("cache-control", "no-cache"), "stale").await;
    bench.advance(11);
    expects(("cache-control", "max-age=4"), "stale").await;
    // There nothing is looked up.
    expects(("if-match", "\"1\""), "bypass").await;
    expects(("content-length", "7"), "bypass").await;
}

#[tokio::test]
async fn what_arrives_stale_is_not_served_to_who_takes_less() {
    // RFC 9111 §5.2.1.2: 940 seconds past its lifetime, however short it was here.
    let fields = [("cache-control", "max-age=60"), ("age", "1000"), ("etag", "\"1\"")];
    let bench = Setup::plain().before(move |_| {
        let response = answer(200, &fields, "page");
        async { response }
    });
    let url = "http://shop.example/";
    assert_eq!(bench.get_stored(url, &[]).await.text, "page");
    bench.advance(1);
    assert!(bench.get(url, &[("cache-control", "max-stale=942")]).await.is_hit());
    assert!(!bench.get(url, &[("cache-control", "max-stale=30")]).await.is_hit());
}
