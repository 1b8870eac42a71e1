//! What a write makes of the entries that it may have changed.

use super::bench::{Bench, Gate, answer, until};
use super::*;

const URL: &str = "http://shop.example/page";

/// An origin whose page may be read, and written as `write` says.
fn written<A>(setup: Setup, write: impl Fn() -> A + Send + Sync + 'static) -> Bench
where
    A: Future<Output = http::Response<peregrine_net::http::Body>> + Send + 'static,
{
    setup.before(move |heard| {
        let write = (heard.method == "POST").then(&write);
        async move {
            match write {
                Some(write) => write.await,
                None => answer(200, &[("cache-control", "max-age=60, stale-if-error=60")], "page"),
            }
        }
    })
}

#[tokio::test]
async fn a_write_reaches_every_route_by_which_its_page_is_read() {
    let route = |name: &str, device: &str, namespace: &str| serde_json::json!({"name": name, "namespace": namespace, "match": {"headers": {"x-device": device}}});
    let shared = serde_json::json!({"name": "rest", "key": {"query_ignore": ["utm_*"]}});
    let setup = Setup::with(&[
        route("phone", "phone", "default"),
        route("other", "desk*", "other"),
        shared,
    ]);
    let bench = written(setup, async || answer(204, &[], ""));
    let kinds: [&[(&str, &str)]; 3] = [&[("x-device", "phone")], &[("x-device", "desktop")], &[]];
    for kind in kinds {
        bench.get(URL, kind).await;
        assert!(bench.get(URL, kind).await.is_hit());
    }
    assert_eq!(bench.ask("POST", &format!("{URL}?utm_source=x"), &[]).await.status, 204);
    assert!(bench.get(URL, kinds[1]).await.is_hit(), "another URL");
    assert!(
        !bench.get(URL, kinds[2]).await.is_hit(),
        "the same URL, as this route sees it"
    );
    assert_eq!(bench.ask("POST", URL, &[]).await.status, 204);
    for kind in kinds {
        assert!(!bench.get(URL, kind).await.is_hit(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_write_whose_client_leaves_is_taken_for_done() {
    let gate = Gate::shut();
    let bench = written(Setup::plain(), move || {
        let passed = gate.clone().passed();
        async {
            passed.await;
            answer(204, &[], "")
        }
    });
    bench.get(URL, &[]).await;
    tokio::select! {
        biased;
        _ = bench.ask("POST", URL, &[]) => panic!("the origin has not answered"),
        () = until("the origin to be asked", || bench.heard().len() == 2) => {}
    }
    assert!(!bench.get(URL, &[]).await.is_hit());
}

#[tokio::test]
async fn a_write_that_cannot_be_sent_leaves_what_stands_in_for_the_origin() {
    let bench = written(Setup::plain(), async || answer(204, &[], ""));
    bench.get(URL, &[]).await;
    bench.end_origin().await;
    assert_eq!(bench.ask("POST", URL, &[]).await.status, 502);
    let stale = bench.get(URL, &[]).await;
    assert_eq!((stale.status, &*stale.text), (200, "page"));
    assert!(stale.field("cache-status").contains("ttl=0"), "{stale:?}");
}

#[tokio::test]
async fn a_write_that_a_gateway_lost_sight_of_may_have_been_done() {
    for status in [502, 504] {
        let bench = written(Setup::plain(), move || std::future::ready(answer(status, &[], "")));
        bench.get(URL, &[]).await;
        assert_eq!(bench.ask("POST", URL, &[]).await.status, status);
        assert!(!bench.get(URL, &[]).await.is_hit(), "{status}");
    }
}

#[tokio::test]
async fn a_write_that_fails_changes_nothing() {
    let bench = written(Setup::plain(), async || answer(500, &[], ""));
    bench.get(URL, &[]).await;
    bench.ask("POST", URL, &[]).await;
    assert!(bench.get(URL, &[]).await.is_hit());
}

#[tokio::test]
async fn a_write_invalidates_the_groups_that_its_answer_names_at_its_own_origin() {
    let bench = Setup::plain().before(async |heard| match (&*heard.method, &*heard.target) {
        ("POST", _) => answer(204, &[("cache-group-invalidation", "\"news\"")], ""),
        (_, "/sport") => answer(
            200,
            &[("cache-control", "max-age=60"), ("cache-groups", "\"sport\"")],
            "",
        ),
        _ => answer(
            200,
            &[("cache-control", "max-age=60"), ("cache-groups", "\"news\", \"all\"")],
            "",
        ),
    });
    let urls = ["http://a.example/one", "http://a.example/sport", "http://b.example/one"];
    for url in urls {
        bench.get(url, &[]).await;
    }
    assert_eq!(bench.ask("POST", "http://a.example/admin", &[]).await.status, 204);
    let mut hits = Vec::new();
    for url in urls {
        hits.push(bench.get(url, &[]).await.is_hit());
    }
    assert_eq!(hits, [false, true, true]);
}
