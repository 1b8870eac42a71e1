//! The shop over its counter: what it answers, and what it tells caches.

use super::*;
use crate::shop::service::Service;
use http::{Method, Request, Response, StatusCode};
use peregrine_net::http::{Body, Handler, Peer};

fn open(config: ShopConfig) -> ShopHandle {
    Shop::start(ShopConfig {
        latency_scale: 0.0,
        products: 200,
        ..config
    })
    .unwrap()
}

/// What a request got.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) async fn ask(shop: &ShopHandle, method: Method, path: &str, fields: &[(&str, &str)], body: &str) -> Got {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let peer = Peer {
        address: shop.address,
        local: shop.address,
        tls: false,
    };
    let response: Response<Body> =
        Service::handle(&shop.service, request.body(Body::full(body.to_owned())).unwrap(), peer).await;
    let (head, body) = response.into_parts();
    Got {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect(1 << 20).await.unwrap().to_vec(),
    }
}

async fn get(shop: &ShopHandle, path: &str) -> Got {
    ask(shop, Method::GET, path, &[], "").await
}

#[tokio::test]
async fn every_page_is_stamped_and_tells_caches_what_they_may_do() {
    let shop = open(ShopConfig::default());
    for (path, cache_control, keys) in [
        (
            "/products/17",
            "public, max-age=60, s-maxage=300, stale-while-revalidate=30",
            "products category-",
        ),
        (
            "/products",
            "public, max-age=10, stale-while-revalidate=20",
            "lists product-1 product-2 ",
        ),
        (
            "/products?category=lamps",
            "public, max-age=10, stale-while-revalidate=20",
            "lists category-lamps product-",
        ),
        (
            "/search?q=oak",
            "public, max-age=30, stale-while-revalidate=30",
            "searches product-",
        ),
        (
            "/search?q=nothing-like-it",
            "public, max-age=30, stale-while-revalidate=30",
            "searches",
        ),
        (
            "/reports/sales",
            "public, max-age=60, stale-while-revalidate=60",
            "reports",
        ),
    ] {
        let got = get(&shop, path).await;
        assert_eq!((got.status, got.field("cache-control")), (200, cache_control), "{path}");
        assert!(
            got.field("surrogate-key").starts_with(keys),
            "{path}: {}",
            got.field("surrogate-key")
        );
        assert_eq!(Stamp::read(&got.body).unwrap().version, 1, "{path}");
        assert_eq!(got.json()["version"], 1, "{path}");
    }
    let body = get(&shop, "/products/17").await.json();
    assert_eq!((&body["id"], &body["resource"]), (&17.into(), &"/products/17".into()));
    assert!(body["price_cents"].as_u64() > Some(0) && body["description"].as_str().unwrap().len() > 20);
}

#[tokio::test]
async fn sizes_are_those_of_real_pages() {
    let shop = open(ShopConfig::default());
    let mut sizes = Vec::new();
    for id in 1..=200 {
        sizes.push(get(&shop, &format!("/products/{id}")).await.body.len());
    }
    sizes.sort_unstable();
    assert!(
        (800..3000).contains(&sizes[100]),
        "half of the products have less than {} bytes",
        sizes[100]
    );
    assert!(sizes[0] > 200 && sizes[199] < 40_000, "{sizes:?}");
    for (path, range) in [
        ("/products", 4_000..12_000),
        ("/reports/sales", 8_000..40_000),
        ("/assets/app.js", 20_000..90_000),
    ] {
        let size = get(&shop, path).await.body.len();
        assert!(range.contains(&size), "{path}: {size}");
    }
}

#[tokio::test]
async fn a_change_makes_a_new_version_of_the_product_and_its_lists() {
    let shop = open(ShopConfig::default());
    let before = get(&shop, "/products/17").await;
    let put = ask(
        &shop,
        Method::PUT,
        "/products/17",
        &[],
        r#"{"price_cents":123,"stock":0}"#,
    )
    .await;
    assert_eq!((put.status, put.field("cache-control")), (200, "no-store"));
    let after = get(&shop, "/products/17").await.json();
    assert_eq!(
        (&after["version"], &after["price_cents"], &after["stock"]),
        (&2.into(), &123.into(), &0.into())
    );
    assert_eq!(get(&shop, "/products").await.json()["version"], 2);
    assert_eq!(get(&shop, "/products?page=2").await.json()["version"], 1);
    // The old entity tag no longer matches; the new one does.
    let revisit = async |tag: &str| {
        ask(&shop, Method::GET, "/products/17", &[("if-none-match", tag)], "")
            .await
            .status
    };
    assert_eq!(revisit(before.field("etag")).await, 200);
    assert_eq!(revisit(put.field("etag")).await, 304);
    assert_eq!(revisit(&format!("\"x\", W/{}", put.field("etag"))).await, 304);
}

#[tokio::test]
async fn changes_that_cannot_be_are_refused_and_change_nothing() {
    let shop = open(ShopConfig::default());
    let long = format!(r#"{{"stock":{}1}}"#, " ".repeat(70_000));
    for (method, path, fields, body, status) in [
        (Method::PUT, "/products/17", [("x", "y")], r#"{"stock":1}"#, 400),
        (Method::PATCH, "/products/17", [("x", "y")], r#"{"colour":1}"#, 400),
        (Method::PATCH, "/products/17", [("x", "y")], r#"{"stock":-1}"#, 400),
        (Method::PATCH, "/products/17", [("x", "y")], "", 400),
        (Method::PATCH, "/products/17", [("x", "y")], &long, 413),
        (
            Method::PATCH,
            "/products/17",
            [("if-match", "\"p17-9\"")],
            r#"{"stock":1}"#,
            412,
        ),
        (Method::PATCH, "/products/999", [("x", "y")], r#"{"stock":1}"#, 404),
        (Method::DELETE, "/products/17", [("x", "y")], "", 405),
        (Method::PUT, "/search?q=oak", [("x", "y")], "", 405),
        (Method::POST, "/cart", [("x", "y")], "{}", 401),
    ] {
        assert_eq!(
            ask(&shop, method, path, &fields, body).await.status,
            status,
            "{path} {body:.40}"
        );
    }
    assert_eq!(get(&shop, "/products/17").await.json()["version"], 1);
    let fields = [("if-match", "\"p17-1\"")];
    assert_eq!(
        ask(&shop, Method::PATCH, "/products/17", &fields, r#"{"stock":1}"#)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn carts_are_private_to_their_users() {
    let shop = open(ShopConfig {
        seed: 7,
        ..ShopConfig::default()
    });
    let cookie = |user| format!("theme=dark; session={}", token(7, user));
    let fields = [("cookie", &*cookie(3))];
    let added = ask(&shop, Method::POST, "/cart", &fields, r#"{"product":5,"quantity":2}"#).await;
    assert_eq!(added.json()["lines"][0]["product"], 5);
    let cart = ask(&shop, Method::GET, "/cart", &fields, "").await;
    assert_eq!(
        (cart.field("cache-control"), cart.field("vary")),
        ("private, no-cache", "Cookie, Authorization")
    );
    assert_eq!(
        (&cart.json()["user"], &cart.json()["version"]),
        (&"u3".into(), &2.into())
    );
    let bearer = format!("Bearer {}", token(7, 4));
    let other = ask(&shop, Method::GET, "/cart", &[("authorization", &bearer)], "").await;
    assert_eq!(
        (&other.json()["user"], other.json()["lines"].as_array().unwrap().len()),
        (&"u4".into(), 0)
    );
    let guessed = ask(&shop, Method::GET, "/cart", &[("cookie", "session=u3-0")], "").await;
    assert_eq!((guessed.status, guessed.field("cache-control")), (401, "no-store"));
}

#[tokio::test]
async fn files_never_change_and_come_compressed_to_those_who_accept_it() {
    let shop = open(ShopConfig::default());
    for (accepted, coding) in [
        ("", ""),
        ("gzip, br", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0, br", ""),
        ("br", ""),
    ] {
        let got = ask(
            &shop,
            Method::GET,
            "/assets/style.css",
            &[("accept-encoding", accepted)],
            "",
        )
        .await;
        assert_eq!(
            (got.field("content-encoding"), got.field("vary")),
            (coding, "Accept-Encoding"),
            "{accepted}"
        );
        assert_eq!(got.field("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(got.body, shop.files.bytes(Asset::Style, coding == "gzip")[..]);
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_for_a_moment() {
    let shop = open(ShopConfig::default());
    let got = get(&shop, "/products/201").await;
    assert_eq!((got.status, got.field("cache-control")), (404, "public, max-age=5"));
}

#[tokio::test]
async fn the_truth_is_told_to_those_who_ask() {
    let shop = open(ShopConfig::default());
    let asked = shop.truth.snapshot(Resource::Report).as_of;
    ask(&shop, Method::PATCH, "/products/17", &[], r#"{"stock":1}"#).await;
    get(&shop, "/products/17").await;
    let exchange = Exchange {
        asked,
        answered: shop.truth.snapshot(Resource::Report).as_of,
    };
    for path in ["/products/17", "/products", "/reports/sales"] {
        let got = get(&shop, &format!("/truth{path}")).await;
        let record: Record = serde_json::from_slice(&got.body).unwrap();
        assert_eq!((record.resource.as_str(), record.current), (path, 2));
        assert_eq!(
            record.judge(1, &exchange, Duration::ZERO),
            Verdict::Current,
            "it was when it was asked for"
        );
        assert_eq!(record.judge(3, &exchange, Duration::ZERO), Verdict::NeverExisted);
    }
    let counts: ShopCounts = serde_json::from_slice(&get(&shop, "/truth").await.body).unwrap();
    assert_eq!(
        (
            counts.requests,
            counts.by_endpoint["product"],
            counts.by_endpoint["write"]
        ),
        (2, 1, 1)
    );
    assert_eq!(counts, shop.counts());
}

#[tokio::test]
async fn lifetimes_can_be_cut_for_those_who_cannot_wait() {
    let shop = open(ShopConfig {
        lifetime_max: Some(Duration::from_secs(1)),
        ..ShopConfig::default()
    });
    let got = get(&shop, "/products/17").await;
    assert_eq!(
        got.field("cache-control"),
        "public, max-age=1, s-maxage=1, stale-while-revalidate=1"
    );
    assert_eq!(
        shop.freshness(Endpoint::Product).shared_age_max(),
        Duration::from_secs(2)
    );
}

#[tokio::test]
async fn the_database_works_on_so_many_requests_at_once_and_turns_away_who_waits_too_long() {
    let config = ShopConfig {
        products: 200,
        database_connections: 1,
        database_wait_max: Duration::ZERO,
        ..ShopConfig::default()
    };
    let shop = Shop::start(config).unwrap();
    let (one, other) = tokio::join!(get(&shop, "/reports/sales"), get(&shop, "/products/1"));
    assert_eq!((one.status, other.status, other.field("retry-after")), (200, 503, "1"));
    assert_eq!(shop.counts().overloaded, 1);
    assert_eq!(get(&shop, "/products/1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_taken_port_is_an_error_and_a_closed_shop_frees_it() {
    let shop = open(ShopConfig::default());
    let config = ShopConfig {
        address: shop.address,
        ..ShopConfig::default()
    };
    assert!(matches!(Shop::start(config.clone()), Err(BindError::Taken(_))));
    shop.close(Duration::from_secs(5)).await;
    // The listener closes in a task of its own.
    while Shop::start(config.clone()).is_err() {
        tokio::task::yield_now().await;
    }
}
