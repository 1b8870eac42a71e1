//! When the cache itself fails, the worst is a miss (promise P6).

use crate::testing::{Bench, at_once, meta, tagged, text};
use crate::{Followed, Hit, Key, LoadFailure, Loaded, Lookup, Meta, NoVariants, PassReason, Selector, Variants};
use bytes::Bytes;
use std::sync::Arc;

async fn load(bench: &Bench, key: &Key, loaded: Loaded) -> Result<Hit, LoadFailure> {
    bench
        .engine
        .get_or_load(key, &bench.strategy, move || async move { Ok(loaded) })
        .await
}

fn value(bytes: usize) -> Loaded {
    Loaded {
        value: vec![b'x'; bytes].into(),
        ..Loaded::default()
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_answered_all_the_same() {
    let bench = Bench::with(|settings| settings.cache.loads_max = 16);
    let key = bench.key("/a");
    let large = load(&bench, &key, value(20 << 20)).await.unwrap();
    assert_eq!(large.length(), 20 << 20);
    let tags = (0..1000).map(|n| format!("{n}{}", "t".repeat(200))).collect();
    assert_eq!(
        load(&bench, &key, Loaded { tags, ..value(10) }).await.unwrap().length(),
        10
    );
    let long = Loaded {
        tags: vec!["t".repeat(256)],
        ..value(11)
    };
    assert_eq!(load(&bench, &bench.key("/long-tag"), long).await.unwrap().length(), 11);
    let endless = bench.key(&format!("/{}", "k".repeat(100_000)));
    assert_eq!(load(&bench, &endless, value(12)).await.unwrap().length(), 12);
    let leases: Vec<_> = (0..16).map(|n| bench.lead(&format!("/{n}"))).collect();
    assert_eq!(
        load(&bench, &bench.key("/crowded"), value(13)).await.unwrap().length(),
        13
    );
    drop(leases);
    let off = Bench::with(|settings| settings.cache.enabled = false);
    assert_eq!(load(&off, &off.key("/a"), value(14)).await.unwrap().length(), 14);
}

#[tokio::test]
async fn a_body_under_way_without_room_streams_on() {
    let bench = Bench::with(|settings| settings.cache.in_flight_max = Some(peregrine_base::ByteSize::kib(64)));
    let (mut one, mut two) = (
        bench.lead("/a").fill(meta(), &NoVariants).unwrap(),
        bench.lead("/b").fill(meta(), &NoVariants).unwrap(),
    );
    one.push(vec![1; 60 << 10].into()).await.unwrap();
    let mut reader = two.reader();
    two.push(vec![2; 60 << 10].into()).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap().len(), 60 << 10);
    assert!(matches!(
        two.finish(),
        crate::Finished::NotStored(crate::NotStored::NoRoom)
    ));
    assert!(reader.next().await.is_none());
    assert!(matches!(one.finish(), crate::Finished::Stored(_)));
}

#[tokio::test]
async fn a_load_that_panics_releases_the_others() {
    let bench = Bench::new();
    let (engine, key, strategy) = (Arc::clone(&bench.engine), bench.key("/a"), Arc::clone(&bench.strategy));
    let poisoned = tokio::spawn(async move {
        let load = move || async move {
            tokio::task::yield_now().await;
            panic!("a load that fails on purpose")
        };
        engine.get_or_load(&key, &strategy, load).await
    });
    while bench.engine.statistics().loads_under_way == 0 {
        tokio::task::yield_now().await;
    }
    let mut follower = bench.follow("/a");
    assert!(matches!(follower.wait(&NoVariants).await, Followed::Again));
    assert_eq!(poisoned.await.unwrap().unwrap_err(), LoadFailure::Abandoned);
    assert_eq!(text(&load(&bench, &bench.key("/a"), value(1)).await.unwrap()), "x");
}

/// Fails when it is asked for the variant.
struct Broken;

impl Variants for Broken {
    fn variant(&self, _: &Selector, _: &mut String) {
        panic!("a renderer that fails on purpose")
    }
}

#[test]
fn a_caller_that_panics_leaves_no_lock_behind() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let varying = Meta {
        selector: Selector::new(["cookie"]),
        ..tagged(&["t"])
    };
    let mut follower = bench.follow("/a");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lease.fill(varying, &Broken)));
    assert!(panicked.is_err());
    assert!(matches!(at_once(follower.wait(&NoVariants)), Followed::Again));
    assert_eq!(bench.engine.statistics().loads_under_way, 0);
    assert!(matches!(bench.lookup("/a"), Lookup::Lead(_)), "the key is not stuck");
}

#[test]
fn two_keys_of_one_hash_are_never_mistaken_for_each_other() {
    let bench = Bench::new();
    let stored = bench.put("/a", "secret of a");
    let victim = bench.key("/b");
    // What a collision would look like: another key's entry under this key's hash.
    assert!(bench.engine.take_out(&bench.key("/a")).0);
    bench.engine.put(&victim, victim.hash(), &stored.0).unwrap();
    assert!(matches!(bench.engine.lookup(&victim, &bench.ask()), Lookup::Lead(_)));
}

#[tokio::test]
async fn a_refused_answer_reaches_the_followers_too() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let mut follower = bench.follow("/a");
    let tags: Vec<String> = vec!["t".repeat(300)];
    let refused = lease.fill(Meta { tags, ..meta() }, &NoVariants).unwrap_err();
    assert_eq!(refused.reason, PassReason::TooManyTags);
    assert!(matches!(
        at_once(follower.wait(&NoVariants)),
        Followed::Passed(PassReason::TooManyTags)
    ));
}

#[test]
fn an_entry_that_does_not_fit_the_tier_takes_nothing_with_it() {
    let bench = Bench::with(|settings| {
        let part = crate::NamespaceConfig {
            memory_max: Some(peregrine_base::ByteSize::kib(64)),
        };
        settings.namespaces.insert("default".into(), part);
    });
    bench.put("/small", "x");
    let announced = Meta {
        length: Some(100 << 10),
        ..meta()
    };
    let refused = bench.lead("/announced").fill(announced, &NoVariants).unwrap_err();
    assert_eq!(refused.reason, PassReason::TooLarge, "nobody waits for it");
    let hit = bench.put("/large", &"x".repeat(100 << 10));
    assert_eq!(hit.length(), 100 << 10, "its caller has it");
    assert!(bench.hit("/large").is_none() && bench.hit("/small").is_some());
    let body = Bytes::from(vec![0; 63 << 10]);
    assert!(
        !bench
            .engine
            .set(&bench.namespace, "tight", body, &crate::SetOptions::default())
    );
}
