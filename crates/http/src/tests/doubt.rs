//! What clients get of one of several nodes while Redis is away.

use super::bench::{Bench, answer};
use super::*;
use peregrine_cache::WhenUnverified;
use peregrine_cache::backplane::wire::Shared;
use peregrine_cache::backplane::{Joining, Outward, Stamping, Telling, Told, Verifying};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const URL: &str = "http://shop.example/a";

/// Redis is away, and what was asked of it is counted.
#[derive(Default)]
struct Away(AtomicU64);

impl Outward for Away {
    fn verify(&self, _: u32) -> Verifying {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }

    fn tell(&self, _: Vec<Shared>) -> Telling {
        Box::pin(std::future::ready(Told::default()))
    }

    fn tell_of_write(&self, _: Shared) -> Stamping {
        Box::pin(std::future::ready(None))
    }
}

/// A node whose origin answers a minute's worth, and fails when asked a second time if `failing`.
fn node(unverified: WhenUnverified, failing: bool) -> (Bench, Arc<Away>) {
    let asked = AtomicU64::new(0);
    let setup = Setup::plain().strategy(|strategy| strategy.unverified = unverified);
    let bench = setup.before(move |_| {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        let status = if first || !failing { 200 } else { 503 };
        let response = answer(status, &[("cache-control", "max-age=60, stale-if-error=60")], "it");
        async move { response }
    });
    let away = Arc::new(Away::default());
    bench.engine.join_backplane(Joining {
        shards: 1,
        bound: Duration::from_secs(1),
        outward: Arc::clone(&away) as Arc<dyn Outward>,
    });
    (bench, away)
}

#[tokio::test]
async fn what_cannot_be_verified_is_loaded_once_a_bound() {
    let (bench, away) = node(WhenUnverified::Load, false);
    bench.get(URL, &[]).await;
    assert!(bench.get(URL, &[]).await.is_hit(), "it was loaded a moment ago");
    bench.advance(2);
    let loaded = bench.get(URL, &[]).await;
    assert!(loaded.field("cache-status").contains("fwd=stale; "), "{loaded:?}");
    assert!(
        loaded.field("cache-status").contains("detail=unverified") || loaded.field("cache-status").contains("stored")
    );
    assert_eq!((bench.heard().len(), away.0.load(Ordering::SeqCst)), (2, 1));
    assert!(bench.get(URL, &[]).await.is_hit());
    assert_eq!(bench.heard().len(), 2);
}

#[tokio::test]
async fn or_it_is_served_and_says_so() {
    let (bench, away) = node(WhenUnverified::Serve, false);
    bench.get(URL, &[]).await;
    bench.advance(2);
    for asked in 1..=2 {
        let served = bench.get(URL, &[]).await;
        assert!(
            served.field("cache-status").contains("hit; ttl=58; detail=unverified"),
            "{served:?}"
        );
        assert_eq!((bench.heard().len(), away.0.load(Ordering::SeqCst)), (1, asked));
    }
}

#[tokio::test]
async fn what_stands_in_for_a_failing_origin_says_so_too() {
    let (bench, _) = node(WhenUnverified::Load, true);
    bench.get(URL, &[]).await;
    bench.advance(2);
    let served = bench.get(URL, &[]).await;
    assert_eq!((served.status, &*served.text), (200, "it"));
    assert!(served.field("cache-status").contains("detail=unverified"), "{served:?}");
}
