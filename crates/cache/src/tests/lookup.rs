//! Deadlines, terms, renewal and markers.

use crate::testing::{Bench, meta, text};
use crate::{Ask, Bypass, LoadFailure, Lookup, Meta, MissReason, NoVariants, PassReason, StaleWhy, Usable};
use bytes::Bytes;
use peregrine_base::Span;
use std::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a lookup on these terms would do with what is stored.
fn usable<'a>(bench: &'a Bench, edit: impl FnOnce(&mut Ask<'a>)) -> Result<Usable, MissReason> {
    let mut ask = bench.ask();
    edit(&mut ask);
    bench.engine.peek(&bench.key("/a"), &ask).usable
}

#[test]
fn an_entry_is_fresh_then_stale_then_gone() {
    let bench = Bench::new();
    bench.put_with(
        "/a",
        "one",
        Meta {
            swr: seconds(30),
            sie: seconds(90),
            ..meta()
        },
    );
    assert_eq!(text(&bench.hit("/a").unwrap()), "one");
    bench.advance(59);
    assert!(bench.hit("/a").is_some());
    bench.advance(1);
    let Lookup::Stale { hit, why, refresh } = bench.lookup("/a") else {
        panic!("stale while it is renewed")
    };
    assert_eq!((text(&hit).as_str(), why), ("one", StaleWhy::WhileRevalidate));
    assert!(refresh.is_some());
    let Lookup::Stale { refresh: second, .. } = bench.lookup("/a") else {
        panic!("still stale")
    };
    assert!(second.is_none(), "one renewal at a time");
    drop(refresh);
    bench.advance(30);
    let lease = bench.lead("/a");
    assert_eq!(
        text(lease.stale().unwrap()),
        "one",
        "kept for validators and in place of failures"
    );
    assert_eq!(
        lease.stale().unwrap().stale_if_error_until().since(bench.now()),
        seconds(60)
    );
    lease.fail(LoadFailure::Unreachable);
    bench.advance(3600);
    bench.engine.sweep();
    assert!(bench.lead("/a").stale().is_none());
    assert_eq!(bench.engine.statistics().total.evictions_by_cause["expired"], 1);
}

#[test]
fn the_age_on_arrival_counts() {
    let bench = Bench::new();
    let old = Meta {
        initial_age: seconds(1_000_000_000),
        fresh_for: seconds(10),
        ..meta()
    };
    let hit = bench.put_with("/a", "one", old);
    bench.advance(9);
    assert_eq!(
        hit.age(bench.now()),
        seconds(1_000_000_009),
        "though the clock's zero is younger than that"
    );
    assert!(bench.hit("/a").is_some());
    bench.advance(1);
    assert!(bench.hit("/a").is_none());
}

#[test]
fn the_askers_terms_decide() {
    let bench = Bench::new();
    bench.put_with(
        "/a",
        "one",
        Meta {
            swr: seconds(10),
            ..meta()
        },
    );
    bench.advance(20);
    assert_eq!(usable(&bench, |_| {}), Ok(Usable::Fresh));
    assert_eq!(usable(&bench, |ask| ask.age_max = Some(seconds(20))), Ok(Usable::Fresh));
    assert_eq!(
        usable(&bench, |ask| ask.age_max = Some(seconds(19))),
        Err(MissReason::Asked)
    );
    assert_eq!(usable(&bench, |ask| ask.fresh_min = seconds(40)), Ok(Usable::Fresh));
    assert_eq!(
        usable(&bench, |ask| ask.fresh_min = seconds(41)),
        Err(MissReason::Asked)
    );
    assert_eq!(usable(&bench, |ask| ask.validate = true), Err(MissReason::Asked));
    bench.advance(60);
    assert_eq!(usable(&bench, |_| {}), Err(MissReason::Expired));
    // RFC 9211 §2.2: it is not the asker who keeps it from being served.
    let validated = usable(&bench, |ask| ask.validate = true);
    let younger = usable(&bench, |ask| ask.age_max = Some(seconds(19)));
    assert_eq!(
        (validated, younger),
        (Err(MissReason::Expired), Err(MissReason::Expired))
    );
    assert_eq!(
        usable(&bench, |ask| ask.stale_max = Some(seconds(20))),
        Ok(Usable::Stale(StaleWhy::Asked))
    );
    assert_eq!(
        usable(&bench, |ask| ask.stale_max = Some(seconds(19))),
        Err(MissReason::Expired)
    );
    assert_eq!(
        usable(&bench, |ask| ask.stale_max = Some(Duration::MAX)),
        Ok(Usable::Stale(StaleWhy::Asked))
    );
}

#[test]
fn who_bounds_age_or_staleness_gets_nothing_that_is_only_being_renewed() {
    type Bounds = (Option<Duration>, Option<Duration>);
    let cases: [(Bounds, bool); 6] = [
        ((None, None), true),
        // RFC 9111 §5.2.1.1: without max-stale nothing stale is wanted, young as it is.
        ((Some(seconds(80)), None), false),
        ((Some(seconds(80)), Some(seconds(10))), true),
        ((Some(seconds(69)), Some(seconds(10))), false),
        // §5.2.1.2: by no more than that.
        ((None, Some(seconds(10))), true),
        ((None, Some(seconds(9))), false),
    ];
    let renewable = || Meta {
        swr: seconds(30),
        ..meta()
    };
    for ((age_max, stale_max), is_served) in cases {
        let bench = Bench::new();
        bench.put_with("/a", "one", renewable());
        let fill = bench.lead("/b").fill(renewable(), &NoVariants).unwrap();
        bench.advance(70);
        let ask = Ask {
            age_max,
            stale_max,
            ..bench.ask()
        };
        let said = bench.engine.peek(&bench.key("/a"), &ask).usable;
        assert_eq!(said.is_ok(), is_served, "{age_max:?} {stale_max:?}: {said:?}");
        // The same of what still arrives.
        let found = bench.engine.lookup(&bench.key("/b"), &ask);
        assert_eq!(matches!(found, Lookup::Follow(_)), is_served, "{ask:?}: {found:?}");
        drop(fill);
    }
}

#[test]
fn what_arrives_stale_is_as_stale_as_it_is() {
    // RFC 9111 §4.2.3: an hour fresh, and older than the clock's zero.
    let age = seconds(1_000_000_000);
    let overdue = age - seconds(3600);
    let bench = Bench::new();
    let late = |swr| Meta {
        initial_age: age,
        fresh_for: Duration::ZERO,
        overdue,
        swr,
        ..meta()
    };
    bench.put_with("/a", "one", late(Duration::ZERO));
    bench.advance(10);
    let over = overdue + seconds(10);
    for (stale_max, is_served) in [(over, true), (over - seconds(1), false), (Duration::MAX, true)] {
        let said = usable(&bench, |ask| ask.stale_max = Some(stale_max));
        assert_eq!(said.is_ok(), is_served, "{stale_max:?}: {said:?}");
    }
    assert_eq!(usable(&bench, |_| {}), Err(MissReason::Expired));
    bench.engine.sweep();
    assert!(
        bench.lead("/a").stale().is_some(),
        "it is kept for validation all the same"
    );
    // What the origin allows after that counts from when it arrived.
    bench.put_with("/a", "two", late(seconds(30)));
    bench.advance(29);
    assert_eq!(usable(&bench, |_| {}), Ok(Usable::Stale(StaleWhy::WhileRevalidate)));
    assert_eq!(
        usable(&bench, |ask| ask.stale_max = Some(seconds(60))),
        Err(MissReason::Expired)
    );
    bench.advance(1);
    assert_eq!(usable(&bench, |_| {}), Err(MissReason::Expired));
}

#[test]
fn what_may_not_be_stale_is_not_served_stale_and_what_must_be_validated_never_as_it_is() {
    let bench = Bench::new();
    bench.put_with(
        "/a",
        "one",
        Meta {
            never_stale: true,
            swr: seconds(60),
            ..meta()
        },
    );
    assert_eq!(usable(&bench, |_| {}), Ok(Usable::Fresh));
    bench.advance(61);
    assert_eq!(
        usable(&bench, |ask| ask.stale_max = Some(Duration::MAX)),
        Err(MissReason::Expired)
    );
    bench.put_with(
        "/a",
        "two",
        Meta {
            must_validate: true,
            ..meta()
        },
    );
    assert_eq!(usable(&bench, |_| {}), Err(MissReason::Validation));
    let lease = bench.lead("/a");
    assert_eq!(
        (lease.why(), text(lease.stale().unwrap()).as_str()),
        (MissReason::Validation, "two")
    );
}

#[test]
fn who_may_not_load_gets_no_lease() {
    let bench = Bench::new();
    let ask = Ask {
        lead: false,
        ..bench.ask()
    };
    assert!(matches!(
        bench.engine.lookup(&bench.key("/a"), &ask),
        Lookup::Bypass(Bypass::NotAllowed(_))
    ));
    let _lease = bench.lead("/a");
    assert!(
        matches!(
            bench.engine.lookup(&bench.key("/a"), &ask),
            Lookup::Bypass(Bypass::NotAllowed(_))
        ),
        "nor waits"
    );
}

#[test]
fn a_renewal_keeps_the_body_and_takes_the_new_head() {
    let bench = Bench::new();
    for body in ["short".to_owned(), "long ".repeat(100_000)] {
        bench.put_with("/a", &body, meta());
        bench.advance(61);
        let renewed = Meta {
            head: Bytes::from_static(b"new head"),
            tags: vec!["t".into()],
            ..meta()
        };
        let hit = bench.lead("/a").renew(renewed, &NoVariants).unwrap();
        assert_eq!(hit.head(), b"new head");
        let again = bench.hit("/a").unwrap();
        assert_eq!((text(&again), again.head()), (body, &b"new head"[..]));
        bench.advance(61);
    }
}

#[test]
fn an_entry_is_renewed_ahead_of_time_once_and_after_a_failure_not_at_once_again() {
    let bench = Bench::strategy(|strategy| strategy.refresh_ahead = 0.8);
    bench.put("/a", "one");
    let refresh = || match bench.lookup("/a") {
        Lookup::Fresh { refresh, .. } => refresh,
        other => panic!("{other:?}"),
    };
    bench.advance(47);
    assert!(refresh().is_none());
    bench.advance(1);
    let lease = refresh().unwrap();
    assert!(refresh().is_none(), "somebody renews it");
    lease.fail(LoadFailure::TimedOut);
    assert!(refresh().is_none(), "it failed a moment ago");
    bench.advance(1);
    let lease = refresh().unwrap();
    lease.store(meta(), &Bytes::from_static(b"two"), &NoVariants).unwrap();
    assert_eq!(text(&bench.hit("/a").unwrap()), "two");
}

#[test]
fn a_lifetime_of_the_strategy_is_jittered_and_never_longer() {
    let bench = Bench::strategy(|strategy| strategy.ttl_jitter = 0.5);
    let mut lifetimes: Vec<Duration> = (0..100)
        .map(|n| {
            let hit = bench.put_with(
                &format!("/{n}"),
                "x",
                Meta {
                    jitter: n > 0,
                    ..meta()
                },
            );
            hit.fresh_until().since(bench.now())
        })
        .collect();
    assert_eq!(
        lifetimes.remove(0),
        seconds(60),
        "the origin's lifetimes are left alone"
    );
    assert!(
        lifetimes
            .iter()
            .all(|lifetime| (seconds(30)..=seconds(60)).contains(lifetime))
    );
    lifetimes.sort();
    lifetimes.dedup();
    assert!(lifetimes.len() > 50, "they differ");
}

#[test]
fn after_an_answer_that_cannot_be_stored_nobody_waits_until_the_marker_expires() {
    let bench = Bench::strategy(|strategy| strategy.hit_for_miss = Span::new(seconds(10)));
    bench.lead("/a").pass(PassReason::Private);
    let one = bench.lead("/a");
    let two = bench.lead("/a");
    assert!(one.alone() && two.alone() && one.why() == MissReason::HitForMiss);
    assert_eq!(
        bench.engine.peek(&bench.key("/a"), &bench.ask()).marker,
        Some(PassReason::Private)
    );
    drop((one, two));
    bench.advance(10);
    let lease = bench.lead("/a");
    assert!(!lease.alone());
    drop(bench.follow("/a"));
    lease.pass(PassReason::Private);
    bench
        .lead("/a")
        .store(meta(), &Bytes::from_static(b"x"), &NoVariants)
        .unwrap();
    assert!(bench.hit("/a").is_some(), "an answer that can be stored ends it early");
}

#[test]
fn a_refusal_leaves_alone_what_can_still_be_served() {
    let bench = Bench::strategy(|strategy| strategy.refresh_ahead = 0.5);
    bench.put("/a", "one");
    bench.advance(40);
    let Lookup::Fresh {
        refresh: Some(lease), ..
    } = bench.lookup("/a")
    else {
        panic!("due")
    };
    lease.pass(PassReason::SetCookie);
    assert_eq!(text(&bench.hit("/a").unwrap()), "one");
    bench.put_with(
        "/b",
        "two",
        Meta {
            sie: seconds(600),
            ..meta()
        },
    );
    bench.advance(61);
    bench.lead("/b").pass(PassReason::Status);
    assert_eq!(text(bench.lead("/b").stale().unwrap()), "two", "in place of failures");
}

#[test]
fn a_cache_that_is_off_says_so() {
    let bench = Bench::with(|settings| settings.cache.enabled = false);
    assert!(matches!(bench.lookup("/a"), Lookup::Bypass(Bypass::Disabled)));
    assert!(!bench.engine.set(
        &bench.namespace,
        "a",
        Bytes::from_static(b"x"),
        &crate::SetOptions::default()
    ));
}

#[tokio::test]
async fn the_sweeper_frees_what_is_over_and_ends_with_the_engine() {
    let bench = Bench::new();
    bench.engine.run_sweeper();
    tokio::task::yield_now().await;
    bench.put("/a", "one");
    bench.advance(700);
    for _ in 0..200 {
        bench.advance(1);
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.engine.statistics().total.entries, 0);
    assert_eq!(bench.time.sleeping(), 1, "it goes on");
    let Bench { engine, time, .. } = bench;
    drop(engine);
    time.advance(seconds(1));
    tokio::task::yield_now().await;
    assert_eq!(time.sleeping(), 0);
}
