//! Requests of Peregrine's own: what they do, and what they say about it.

use super::bench::{Bench, answer};
use super::*;
use crate::{OwnRequest, State, Warmed};
use http::HeaderMap;

fn own(method: &str, url: &str) -> OwnRequest {
    OwnRequest {
        url: url.parse().unwrap(),
        method: method.parse().unwrap(),
        headers: HeaderMap::new(),
    }
}

async fn warm(bench: &Bench, path: &str) -> Warmed {
    bench
        .plane
        .warm(&own("GET", &format!("http://shop.example{path}")))
        .await
}

#[tokio::test]
async fn warming_says_what_became_of_each_page() {
    let setup = Setup::plain().strategy(|strategy| {
        strategy.stale_while_revalidate = peregrine_base::Span::new(std::time::Duration::from_secs(60))
    });
    let setup = setup.cache(|cache| cache.object_size_max = peregrine_base::ByteSize::kib(4));
    let bench = setup.before(async |heard| {
        let stored = [("cache-control", "max-age=10")];
        match &*heard.target {
            "/page" => answer(200, &stored, "page"),
            "/validated" => answer(200, &[("cache-control", "no-cache"), ("etag", "\"1\"")], "page"),
            "/large" => {
                let mut pieces = vec![Ok(bytes::Bytes::from(vec![b'x'; 3000])); 3];
                let body = peregrine_net::http::Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop()));
                answer(200, &stored, "").map(|_| body)
            }
            "/failed" => answer(503, &[], ""),
            _ => answer(200, &[("set-cookie", "a=b"), ("cache-control", "max-age=10")], "own"),
        }
    });
    assert_eq!(warm(&bench, "/page").await, Warmed::Stored);
    assert_eq!(warm(&bench, "/page").await, Warmed::Fresh);
    bench.advance(11);
    assert_eq!(
        warm(&bench, "/page").await,
        Warmed::Stored,
        "it was stale, though it could still be served"
    );
    assert!(bench.get("http://shop.example/page", &[]).await.is_hit());
    assert_eq!(warm(&bench, "/validated").await, Warmed::Stored);
    assert_eq!(warm(&bench, "/own").await, Warmed::NotStored(200, "set_cookie"));
    assert_eq!(warm(&bench, "/large").await, Warmed::NotStored(200, "no_room"));
    assert_eq!(warm(&bench, "/failed").await, Warmed::NotStored(503, "status"));
    bench.end_origin().await;
    assert_eq!(warm(&bench, "/gone").await, Warmed::Failed(502, "connect"));
}

#[tokio::test]
async fn what_lies_under_a_host_of_the_proxy_in_front_is_reached_by_naming_that() {
    let setup = Setup::plain().trusting("127.0.0.1");
    let bench = setup.before(async |_| answer(200, &[("cache-control", "max-age=10")], "page"));
    let mut request = own("GET", "http://shop.example/");
    request.headers.insert("host", "inside".parse().unwrap());
    assert_eq!(bench.plane.warm(&request).await, Warmed::Stored);
    assert_eq!(bench.heard()[0].field("host"), "inside");
    let by_proxy = [("x-forwarded-host", "shop.example")];
    assert!(bench.get("http://inside/", &by_proxy).await.is_hit());
    assert_eq!(bench.plane.explain(&request, false).await.state, State::Fresh);
    assert_eq!(warm(&bench, "/").await, Warmed::Stored, "another than without it");
}

#[tokio::test]
async fn warming_is_not_done_by_what_stands_in_for_the_origin() {
    let setup = Setup::plain()
        .strategy(|strategy| strategy.stale_if_error = peregrine_base::Span::new(std::time::Duration::from_secs(60)));
    let bench = setup.before(async |_| answer(200, &[("cache-control", "max-age=10")], "page"));
    warm(&bench, "/").await;
    bench.advance(11);
    bench.end_origin().await;
    assert_eq!(warm(&bench, "/").await, Warmed::Failed(200, "connect"));
}

#[tokio::test]
async fn explaining_asks_the_origin_only_when_told_to_and_never_changes_anything_there() {
    let bench = Setup::plain().before(async |_| answer(200, &[("cache-control", "max-age=10")], "page"));
    let url = "http://shop.example/";
    let absent = bench.plane.explain(&own("GET", url), false).await;
    assert_eq!((absent.state, bench.heard().len()), (State::Absent, 0));
    let fetched = bench.plane.explain(&own("GET", url), true).await;
    assert_eq!((fetched.state, fetched.entry.unwrap().length_bytes), (State::Fresh, 4));
    for method in ["POST", "DELETE", "PURGE"] {
        let told = bench.plane.explain(&own(method, url), true).await;
        assert_eq!((told.state, told.steps.last().unwrap().step), (State::Bypass, "fetch"));
    }
    assert_eq!(bench.heard().len(), 1);
    assert!(bench.get(url, &[]).await.is_hit());
}

#[tokio::test]
async fn explaining_tells_what_is_held_of_a_page_of_which_not_all_is() {
    let bench = Setup::plain().before(async |heard| {
        let range = match heard.field("range") {
            "bytes=0-1" => "bytes 0-1/9",
            _ => "bytes 5-6/9",
        };
        let fields = [
            ("cache-control", "max-age=10"),
            ("etag", "\"1\""),
            ("content-range", range),
        ];
        answer(206, &fields, "xx")
    });
    let url = "http://shop.example/";
    for range in ["bytes=0-1", "bytes=5-6"] {
        assert_eq!(bench.get(url, &[("range", range)]).await.status, 206);
    }
    let told = bench.plane.explain(&own("GET", url), false).await;
    let entry = told.entry.unwrap();
    assert_eq!((told.state, entry.length_bytes), (State::Absent, 4));
    let held = crate::Held {
        positions: vec![(0, 1), (5, 6)],
        complete_bytes: 9,
    };
    assert_eq!(entry.held, Some(held));
    bench
        .engine
        .invalidate_uncounted(&peregrine_cache::Invalidation::of_keys(vec![url.to_owned()]));
    let told = bench.plane.explain(&own("GET", url), false).await;
    assert!(told.entry.is_none(), "what is gone is not held");
}
