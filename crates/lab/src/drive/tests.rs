//! The whole experiment over sockets: a shop, proxies that behave and proxies that lie.

use super::*;
use crate::load::Failure;
use crate::shop::{Shop, ShopConfig};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use parking_lot::Mutex;
use peregrine_base::{SystemClock, TokioRuntime};
use peregrine_net::drain::{self, Drain};
use peregrine_net::http::{Body, Handler, Peer, Server, ServerLimits, ServerParts};
use peregrine_net::listen::Listener;
use std::collections::HashMap;

/// How a proxy lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Not at all: it keeps nothing.
    None,
    /// It keeps carts and gives them to everyone.
    SharesCarts,
    /// It keeps public answers and forgets none when they change.
    ForgetsChanges,
}

/// A proxy of a few lines in front of the shop, in its process.
struct Proxy {
    shop: Arc<crate::shop::Service>,
    lie: Lie,
    kept: Mutex<HashMap<String, (http::response::Parts, Bytes)>>,
}

impl Handler for Proxy {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let path = request.uri().to_string();
        let keeps = match self.lie {
            Lie::None => false,
            Lie::SharesCarts => path == "/cart",
            Lie::ForgetsChanges => path.starts_with("/products/"),
        };
        let keeps = keeps && request.method() == Method::GET && !request.headers().contains_key(header::IF_NONE_MATCH);
        if keeps && let Some((head, body)) = self.kept.lock().get(&path).cloned() {
            return Response::from_parts(head, Body::full(body));
        }
        let (head, body) = self.shop.handle(request, peer).await.into_parts();
        let body = body.collect(1 << 20).await.unwrap();
        if keeps && head.status == 200 {
            self.kept.lock().insert(path, (head.clone(), body.clone()));
        }
        Response::from_parts(head, Body::full(body))
    }
}

fn proxy(shop: &ShopHandle, lie: Lie) -> (SocketAddr, Drain) {
    let parts = ServerParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
    };
    let (drain, watch) = drain::channel();
    let handler = Proxy {
        shop: shop.service.clone(),
        lie,
        kept: Mutex::default(),
    };
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let handle = Server::new(ServerLimits::default(), parts).serve(listener, Arc::new(handler), watch);
    (handle.address(), drain)
}

fn shop() -> ShopHandle {
    Shop::start(ShopConfig {
        latency_scale: 0.0,
        products: 50,
        users: 20,
        ..ShopConfig::default()
    })
    .unwrap()
}

fn settings(requests: u64) -> DriveSettings {
    let (limit, warm_up) = (Limit::Requests(requests), Duration::ZERO);
    let load = Settings {
        connections: 8,
        limit,
        warm_up,
        ..Settings::default()
    };
    // No lie hides behind slack, and writes are frequent enough to show each of them.
    let shares = Shares {
        change: 60,
        add_to_cart: 60,
        cart: 120,
        ..Shares::default()
    };
    DriveSettings {
        load,
        shares,
        slack: Duration::ZERO,
        show: Show::Nothing,
        stop: None,
    }
}

#[tokio::test]
async fn a_proxy_that_keeps_nothing_gives_no_wrong_answer_and_avoids_nothing() {
    let shop = shop();
    let (address, _drain) = proxy(&shop, Lie::None);
    let comparison = compare(&shop, address, &settings(3000)).await.unwrap();
    for leg in [&comparison.direct, &comparison.proxied] {
        assert_eq!(
            (leg.findings.wrong_total(), leg.load.errors()),
            (0, 0),
            "{:?}",
            leg.findings.examples
        );
        assert_eq!(
            (leg.findings.checked, leg.load.answers, leg.origin.requests),
            (3000, 3000, 3000)
        );
        assert!(
            leg.origin.by_endpoint.values().all(|count| *count > 0),
            "{:?}",
            leg.origin
        );
        assert!(leg.origin.not_modified > 0);
    }
    assert_eq!((comparison.origin_requests_avoided, comparison.bytes_saved), (0, 0));
}

#[tokio::test]
async fn a_proxy_that_shares_carts_is_caught() {
    let shop = shop();
    let (address, _drain) = proxy(&shop, Lie::SharesCarts);
    let leg = leg("liar", &shop, address, &settings(2000)).await.unwrap();
    assert!(leg.findings.wrong["other_user"] > 50, "{:?}", leg.findings.wrong);
    assert!(leg.origin.by_endpoint["cart"] < 100, "it did keep them");
}

#[tokio::test]
async fn a_proxy_that_forgets_changes_is_caught() {
    let shop = shop();
    let (address, _drain) = proxy(&shop, Lie::ForgetsChanges);
    let leg = leg("liar", &shop, address, &settings(2000)).await.unwrap();
    assert_eq!(
        leg.findings.wrong.keys().collect::<Vec<_>>(),
        ["older_than_change"],
        "{:?}",
        leg.findings.examples
    );
    assert!(leg.findings.wrong["older_than_change"] > 50);
}

#[tokio::test]
async fn a_closed_shop_cannot_be_driven() {
    let shop = shop();
    let nobody = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap().address();
    let outcome = leg("nobody", &shop, nobody, &settings(10)).await;
    assert!(matches!(
        outcome,
        Err(LoadError::Unreachable {
            failure: Failure::Connect,
            ..
        })
    ));
}

#[tokio::test]
async fn a_seed_repeats_its_requests() {
    let counts = async |seed: u64| {
        let shop = shop();
        let mut settings = settings(500);
        settings.load.seed = seed;
        settings.load.connections = 1;
        leg("seeded", &shop, shop.address, &settings)
            .await
            .unwrap()
            .origin
            .by_endpoint
    };
    assert_eq!(counts(5).await, counts(5).await);
    assert_ne!(counts(5).await, counts(6).await);
}
