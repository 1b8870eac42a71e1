//! One load for all (promise P3).

use crate::testing::{Bench, at_once, meta, tagged, text};
use crate::{Bypass, Followed, Invalidation, LoadFailure, Loaded, Lookup, NoVariants, PassReason};
use bytes::Bytes;
use peregrine_base::Span;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

#[tokio::test]
async fn a_thousand_askers_of_a_cold_key_make_one_load_and_all_get_its_body() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let mut followers: Vec<_> = (1..1000).map(|_| bench.follow("/a")).collect();
    let mut fill = lease.fill(meta(), &NoVariants).unwrap();
    fill.push(Bytes::from_static(b"one ")).await.unwrap();
    let mut readers = Vec::new();
    for follower in &mut followers {
        let Followed::Stream(reader) = at_once(follower.wait(&NoVariants)) else {
            panic!("reads on")
        };
        assert_eq!(reader.head(), b"head");
        readers.push(reader);
    }
    fill.push(Bytes::from_static(b"two")).await.unwrap();
    fill.finish();
    for reader in &mut readers {
        let mut body = Vec::new();
        while let Some(chunk) = reader.next().await {
            body.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(body, b"one two");
    }
    let statistics = bench.engine.statistics().total;
    assert_eq!((statistics.loads, statistics.coalesced, statistics.stored), (1, 999, 1));
}

#[tokio::test]
async fn an_answer_that_may_not_be_shared_releases_everybody_at_once() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let mut followers: Vec<_> = (1..1000).map(|_| bench.follow("/a")).collect();
    lease.pass(PassReason::Private);
    for follower in &mut followers {
        assert!(matches!(
            at_once(follower.wait(&NoVariants)),
            Followed::Passed(PassReason::Private)
        ));
    }
    let next: Vec<_> = (0..10).map(|_| bench.lead("/a")).collect();
    assert!(next.iter().all(crate::Lease::alone), "and nobody who comes next waits");
}

#[tokio::test]
async fn a_known_large_answer_releases_everybody_at_once() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let mut follower = bench.follow("/a");
    let large = crate::Meta {
        length: Some(10 << 30),
        ..meta()
    };
    assert_eq!(lease.fill(large, &NoVariants).unwrap_err().reason, PassReason::TooLarge);
    assert!(matches!(
        at_once(follower.wait(&NoVariants)),
        Followed::Passed(PassReason::TooLarge)
    ));
}

#[tokio::test]
async fn when_a_leader_goes_away_one_of_the_followers_leads() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let mut followers = [bench.follow("/a"), bench.follow("/a"), bench.follow("/a")];
    drop(lease);
    for follower in &mut followers {
        assert!(matches!(at_once(follower.wait(&NoVariants)), Followed::Again));
    }
    let _lease = bench.lead("/a");
    let _others = [bench.follow("/a"), bench.follow("/a")];
}

#[tokio::test]
async fn a_failure_is_everybodys_and_the_next_asker_leads_again() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    let mut follower = bench.follow("/a");
    lease.fail(LoadFailure::TimedOut);
    assert!(matches!(
        at_once(follower.wait(&NoVariants)),
        Followed::Failed(LoadFailure::TimedOut)
    ));
    drop(bench.lead("/a"));
}

#[tokio::test]
async fn who_comes_after_an_invalidation_does_not_join_a_load_from_before() {
    let bench = Bench::new();
    let old = bench.lead("/a");
    let mut early = bench.follow("/a");
    bench
        .engine
        .invalidate(&Invalidation {
            patterns: vec!["/a*".into()],
            ..Invalidation::default()
        })
        .await;
    let new = bench.lead("/a");
    let mut late = bench.follow("/a");
    let mut fill = old.fill(meta(), &NoVariants).unwrap();
    assert!(
        matches!(at_once(early.wait(&NoVariants)), Followed::Again),
        "it could have come too late as well"
    );
    fill.push(Bytes::from_static(b"old")).await.unwrap();
    assert!(matches!(
        fill.finish(),
        crate::Finished::NotStored(crate::NotStored::Overtaken)
    ));
    new.store(meta(), &Bytes::from_static(b"new"), &NoVariants).unwrap();
    let Followed::Serve(hit) = at_once(late.wait(&NoVariants)) else {
        panic!("the new one")
    };
    assert_eq!(text(&hit), "new");
    assert_eq!(text(&bench.hit("/a").unwrap()), "new");
}

#[tokio::test]
async fn a_tag_that_becomes_known_with_the_head_turns_followers_away() {
    let bench = Bench::new();
    let lease = bench.lead("/a");
    bench
        .engine
        .invalidate(&Invalidation::of_tags(vec!["product".into()]))
        .await;
    let mut late = bench.follow("/a");
    let mut fill = lease.fill(tagged(&["shop", "product"]), &NoVariants).unwrap();
    assert!(matches!(at_once(late.wait(&NoVariants)), Followed::Again));
    let new = bench.lead("/a");
    fill.push(Bytes::from_static(b"old")).await.unwrap();
    fill.finish();
    drop(new);
    assert!(bench.hit("/a").is_none());
}

#[tokio::test]
async fn loads_have_a_limit_past_which_askers_go_alone() {
    let bench = Bench::with(|settings| settings.cache.loads_max = 2);
    let leases = [bench.lead("/a"), bench.lead("/b")];
    assert!(matches!(bench.lookup("/c"), Lookup::Bypass(Bypass::CrowdedOut)));
    assert!(
        matches!(bench.lookup("/a"), Lookup::Follow(_)),
        "who can follow still does"
    );
    drop(leases);
    drop(bench.lead("/c"));
}

#[tokio::test]
async fn get_or_load_loads_once_for_many_and_goes_on_when_its_caller_leaves() {
    let bench = Bench::new();
    let (loads, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let call = || {
        let (engine, key, strategy) = (Arc::clone(&bench.engine), bench.key("/a"), Arc::clone(&bench.strategy));
        let (loads, gate) = (Arc::clone(&loads), Arc::clone(&gate));
        let load = async move {
            let number = loads.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            Ok(Loaded {
                value: format!("{number}").into(),
                ..Loaded::default()
            })
        };
        async move { engine.get_or_load(&key, &strategy, move || load).await }
    };
    let first = tokio::spawn(call());
    while loads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    let others: Vec<_> = (0..20).map(|_| tokio::spawn(call())).collect();
    tokio::task::yield_now().await;
    gate.notify_one();
    for other in others {
        assert_eq!(text(&other.await.unwrap().unwrap()), "0");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn get_or_load_serves_stale_in_place_of_slowness_and_failure() {
    let bench = Bench::strategy(|strategy| {
        strategy.ttl = Span::new(Duration::from_secs(60));
        strategy.stale_if_error = Span::new(Duration::from_secs(600));
        strategy.load_soft_limit = Some(Span::new(Duration::from_secs(1)));
        strategy.load_hard_limit = Span::new(Duration::from_secs(5));
    });
    let key = bench.key("/a");
    let load = |answer: Result<&'static str, LoadFailure>| {
        let (engine, key, strategy) = (Arc::clone(&bench.engine), key.clone(), Arc::clone(&bench.strategy));
        async move {
            let answer = answer.map(|value| Loaded {
                value: Bytes::from_static(value.as_bytes()),
                ..Loaded::default()
            });
            engine
                .get_or_load(&key, &strategy, move || async move { answer })
                .await
                .map(|hit| text(&hit))
        }
    };
    assert_eq!(load(Err(LoadFailure::Unreachable)).await, Err(LoadFailure::Unreachable));
    assert_eq!(load(Ok("one")).await, Ok("one".into()));
    bench.advance(61);
    assert_eq!(load(Err(LoadFailure::Unreachable)).await, Ok("one".into()));
    let asleep = bench.time.sleeping();
    let never = {
        let (engine, key, strategy) = (Arc::clone(&bench.engine), key.clone(), Arc::clone(&bench.strategy));
        tokio::spawn(async move { engine.get_or_load(&key, &strategy, std::future::pending).await })
    };
    while bench.time.sleeping() < asleep + 2 {
        tokio::task::yield_now().await;
    }
    bench.advance(1);
    assert_eq!(text(&never.await.unwrap().unwrap()), "one", "past the soft limit");
    let mut follower = bench.follow("/a");
    bench.advance(4);
    assert!(
        matches!(
            follower.wait(&NoVariants).await,
            Followed::Failed(LoadFailure::TimedOut)
        ),
        "past the hard limit"
    );
    bench.advance(600);
    assert_eq!(
        load(Err(LoadFailure::Broken)).await,
        Err(LoadFailure::Broken),
        "past its window of grace"
    );
}
