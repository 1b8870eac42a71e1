//! One of several nodes: what is served, and what is not, by what is known of the others (promise P2).

use crate::backplane::scripts::{InvalidateReply, SyncReply};
use crate::backplane::wire::{Mark, Shared, Target};
use crate::backplane::{
    Confirming, Generation, Joining, NotGood, Outward, PendingId, Stamp, Stamping, Synced, Telling, Told,
    ValueStanding, Verifying,
};
use crate::testing::{Bench, at_once, meta, tagged, text};
use crate::{
    Ask, Engine, Followed, Invalidation, Key, Layer, Loaded, Lookup, MissReason, NoVariants, SetOptions, StaleWhy,
    WhenUnverified,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::time::Duration;

mod taken;

const BOUND: Duration = Duration::from_secs(1);

type Meanwhile = Box<dyn FnOnce(&Arc<Engine>) + Send>;

/// Stands for whoever talks to Redis.
#[derive(Default)]
struct Wire {
    engine: Mutex<Weak<Engine>>,
    /// Whether Redis answers.
    up: Mutex<bool>,
    pending: Mutex<Vec<(PendingId, Mark)>>,
    /// What somebody else does just before the marks are noted.
    meanwhile: Mutex<Option<Meanwhile>>,
    asked: Mutex<u32>,
    /// What comes of telling others.
    told: Mutex<Told>,
}

/// A node, and Redis as it answers it.
struct World {
    bench: Bench,
    wire: Arc<Wire>,
}

impl Outward for Wire {
    fn verify(&self, _: u32) -> Verifying {
        *self.asked.lock() += 1;
        if *self.up.lock() {
            let engine = self.engine.lock().upgrade().unwrap();
            answer(&engine, "one", 0, 0, Vec::new());
        }
        Box::pin(std::future::ready(()))
    }

    fn tell(&self, marks: Vec<Shared>) -> Telling {
        let engine = self.engine.lock().upgrade().unwrap();
        let meanwhile = self.meanwhile.lock().take();
        if let Some(act) = meanwhile {
            act(&engine);
        }
        for shared in marks {
            let id = engine.member(0).pend(vec![shared.mark.clone()]);
            self.pending.lock().push((id, shared.mark));
        }
        Box::pin(std::future::ready(self.told.lock().clone()))
    }

    fn tell_of_write(&self, mark: Shared) -> Stamping {
        drop(self.tell(vec![mark]));
        Box::pin(std::future::ready(None))
    }
}

/// Redis answers a question of `engine` that is sent now.
fn answer(engine: &Arc<Engine>, generation: &str, seq: u64, floor: u64, records: Vec<(Mark, u64)>) -> Synced {
    let member = engine.member(0);
    let request = member.begin_sync().unwrap();
    let reply = SyncReply {
        generation: Generation::new(generation),
        seq,
        floor,
        last: true,
        records,
    };
    member.sync_reply(&request, reply, true)
}

fn stamp(seq: u64) -> Stamp {
    Stamp {
        generation: Generation::new("one").id(),
        seq,
    }
}

impl World {
    fn new(unverified: WhenUnverified) -> Self {
        let bench = Bench::strategy(|strategy| strategy.unverified = unverified);
        let wire = Arc::new(Wire::default());
        wire.told.lock().journaled = true;
        *wire.engine.lock() = Arc::downgrade(&bench.engine);
        bench.engine.join_backplane(Joining {
            shards: 1,
            bound: BOUND,
            outward: Arc::clone(&wire) as Arc<dyn Outward>,
        });
        Self { bench, wire }
    }

    /// Redis answers, and nothing happened.
    fn sync(&self, seq: u64) -> Synced {
        answer(&self.bench.engine, "one", seq, 0, Vec::new())
    }

    /// Another node's invalidation arrives.
    fn hear(&self, seq: u64, mark: Mark) -> Synced {
        answer(&self.bench.engine, "one", seq, 0, vec![(mark, seq)])
    }

    fn millis(&self, millis: u64) {
        self.bench.time.advance(Duration::from_millis(millis));
    }

    /// A lookup of somebody who waited for the other nodes already.
    fn again(&self, path: &str) -> Lookup {
        let ask = Ask {
            verified: true,
            ..self.bench.ask()
        };
        self.bench.engine.lookup(&self.bench.key(path), &ask)
    }

    /// The marks of `request`.
    fn mark(&self, request: &Invalidation) -> Mark {
        self.bench.engine.marks_of(request).remove(0).mark
    }
}

#[test]
fn what_was_verified_within_the_bound_is_served() {
    let world = World::new(WhenUnverified::Load);
    world.sync(0);
    world.bench.put("/a", "one");
    for _ in 0..20 {
        world.millis(400);
        assert!(world.sync(0).verified);
        world.millis(600);
        assert!(world.bench.hit("/a").is_some());
    }
}

#[test]
fn what_was_loaded_within_the_bound_is_served_whether_redis_answers_or_not() {
    let world = World::new(WhenUnverified::Load);
    world.bench.put("/a", "one");
    world.millis(1000);
    assert!(world.bench.hit("/a").is_some());
    world.millis(1);
    assert!(matches!(world.bench.lookup("/a"), Lookup::Unverified));
    assert!(
        world
            .bench
            .engine
            .fresh(&world.bench.key("/a"), &world.bench.ask())
            .is_none()
    );
}

/// The node says with its next question that it has heard of everything, and receipts count on that.
#[test]
fn what_was_loaded_before_a_gap_is_doubtful_however_young_it_is() {
    for (generation, floor) in [("two", 0), ("one", 3)] {
        let world = World::new(WhenUnverified::Load);
        world.sync(0);
        world.bench.put("/a", "one");
        world.millis(10);
        let mark = world.mark(&Invalidation::of_tags(vec!["t".into()]));
        let synced = answer(&world.bench.engine, generation, 4, floor, vec![(mark, 4)]);
        assert!(synced.verified);
        assert!(matches!(world.bench.lookup("/a"), Lookup::Unverified), "{generation}");
        world.bench.put("/b", "two");
        assert!(world.bench.hit("/b").is_some(), "{generation}");
    }
}

#[test]
fn what_cannot_be_verified_is_loaded_again_and_keeps_its_validators() {
    let world = World::new(WhenUnverified::Load);
    world.sync(0);
    world.bench.put("/a", "one");
    world.millis(1001);
    assert!(matches!(world.bench.lookup("/a"), Lookup::Unverified));
    let Lookup::Lead(lease) = world.again("/a") else {
        panic!("it is loaded")
    };
    assert_eq!(
        (lease.why(), lease.stale().map(text)),
        (MissReason::Unverified, Some("one".to_owned()))
    );
    let hit = lease.renew(meta(), &NoVariants).unwrap();
    assert_eq!(text(&hit), "one");
    // Once for each bound, not once for each asker.
    world.millis(900);
    assert!(world.bench.hit("/a").is_some());
    let misses = world.bench.engine.statistics().total.misses_by_reason;
    assert_eq!(misses.get("unverified"), Some(&1));
}

#[test]
fn or_it_is_served_with_a_label_and_nobody_loads() {
    let world = World::new(WhenUnverified::Serve);
    world.sync(0);
    world.bench.put_with("/a", "one", tagged(&["t"]));
    world.millis(1001);
    assert!(
        matches!(world.bench.lookup("/a"), Lookup::Unverified),
        "the others are asked first"
    );
    let Lookup::Stale { hit, why, refresh } = world.again("/a") else {
        panic!("it is served")
    };
    assert_eq!(
        (text(&hit).as_str(), why, refresh.is_none()),
        ("one", StaleWhy::Unverified, true)
    );
    assert!(!world.bench.engine.is_trusted(&world.bench.key("/a"), &hit));
    // What is gone is never served.
    at_once(world.bench.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])));
    assert!(matches!(world.again("/a"), Lookup::Lead(lease) if lease.stale().is_none()));
}

#[test]
fn asking_the_others_is_enough_where_they_answer() {
    let world = World::new(WhenUnverified::Load);
    *world.wire.up.lock() = true;
    world.sync(0);
    world.bench.put("/a", "one");
    world.millis(5000);
    assert!(matches!(world.bench.lookup("/a"), Lookup::Unverified));
    at_once(world.bench.engine.verify(&world.bench.key("/a")));
    assert!(world.bench.hit("/a").is_some());
    assert_eq!(*world.wire.asked.lock(), 1);
}

#[tokio::test]
async fn who_loads_by_the_library_asks_the_others_first() {
    let world = World::new(WhenUnverified::Load);
    let key = Key::named(&world.bench.namespace, "", "x");
    let load = |value: &'static str| {
        let (engine, strategy) = (Arc::clone(&world.bench.engine), Arc::clone(&world.bench.strategy));
        let key = key.clone();
        async move {
            let loaded = Loaded {
                value: Bytes::from_static(value.as_bytes()),
                ..Loaded::default()
            };
            let hit = engine.get_or_load(&key, &strategy, || async { Ok(loaded) }).await;
            text(&hit.unwrap())
        }
    };
    *world.wire.up.lock() = true;
    world.sync(0);
    assert_eq!(load("one").await, "one");
    world.millis(2000);
    assert_eq!(load("two").await, "one", "they say that it is still good");
    *world.wire.up.lock() = false;
    world.millis(2000);
    assert_eq!(load("three").await, "three", "they say nothing");
    assert_eq!(*world.wire.asked.lock(), 2);
    world.millis(2000);
    assert!(
        world.bench.engine.get(&world.bench.namespace, "x").is_none(),
        "who cannot wait has a miss"
    );
}

#[test]
fn every_kind_of_invalidation_by_another_node_reaches_what_is_in_memory() {
    let list = |text: &str| vec![text.to_owned()];
    let requests = [
        Invalidation::of_tags(list("t")),
        Invalidation::of_keys(list("default||GET|http://h/a?b=1")),
        Invalidation::of_keys(list("http://h/a?b=1")),
        Invalidation::of_keys(list("/a?b=1")),
        Invalidation {
            prefixes: list("/a"),
            ..Invalidation::default()
        },
        Invalidation {
            patterns: list("http://*b=1"),
            ..Invalidation::default()
        },
        Invalidation {
            namespaces: list("default"),
            ..Invalidation::default()
        },
        Invalidation {
            all: true,
            ..Invalidation::default()
        },
    ];
    for request in requests {
        let world = World::new(WhenUnverified::Load);
        world.sync(0);
        world.bench.put_with("/a?b=1", "one", tagged(&["t"]));
        world.bench.put("/b", "other");
        let marks = world.bench.engine.marks_of(&request);
        for (shared, seq) in marks.into_iter().zip(1..) {
            let read = Mark::parse(&shared.mark.to_string()).unwrap();
            assert!(world.hear(seq, read).news);
        }
        assert!(world.bench.hit("/a?b=1").is_none(), "{request:?}");
        let everything = request.all || !request.namespaces.is_empty();
        assert_eq!(world.bench.hit("/b").is_none(), everything, "{request:?}");
    }
}

#[test]
fn a_soft_invalidation_by_another_node_makes_stale() {
    let world = World::new(WhenUnverified::Load);
    world.sync(0);
    world.bench.put_with("/a", "one", tagged(&["t"]));
    let mark = world.mark(&Invalidation {
        soft: true,
        ..Invalidation::of_tags(vec!["t".into()])
    });
    world.hear(1, mark);
    assert!(matches!(world.bench.lookup("/a"), Lookup::Lead(lease) if lease.stale().is_some()));
}

#[test]
fn another_generation_makes_what_is_in_memory_doubtful_and_not_gone() {
    let world = World::new(WhenUnverified::Load);
    world.sync(5);
    world.bench.put("/a", "one");
    world.millis(1001);
    assert!(answer(&world.bench.engine, "two", 5, 0, Vec::new()).verified);
    assert!(matches!(world.again("/a"), Lookup::Lead(lease) if lease.stale().is_some()));
    world.bench.put("/b", "two");
    world.millis(1001);
    answer(&world.bench.engine, "two", 5, 0, Vec::new());
    assert!(world.bench.hit("/b").is_some(), "what was loaded since is trusted");
}

#[test]
fn a_load_carries_where_the_log_stood_before_it_began() {
    let world = World::new(WhenUnverified::Load);
    assert_eq!(world.bench.lead("/a").position().stamp, None);
    world.sync(3);
    let lease = world.bench.lead("/a");
    world.sync(7);
    assert_eq!(lease.position().stamp, Some(stamp(3)));
    drop(lease);
    assert_eq!(world.bench.lead("/a").position().stamp, Some(stamp(7)));
    world.bench.put("/a", "one");
    world.bench.advance(61);
    assert_eq!(world.bench.lead("/a").position().stamp, Some(stamp(7)), "a renewal too");
}

#[test]
fn who_waited_for_a_load_that_began_before_it_came_has_it_checked() {
    let world = World::new(WhenUnverified::Load);
    let lease = world.bench.lead("/a");
    let mut early = world.bench.follow("/a");
    world.millis(10);
    let mut late = world.bench.follow("/a");
    world.millis(1500);
    lease.store(meta(), &Bytes::from_static(b"one"), &NoVariants).unwrap();
    assert!(
        matches!(at_once(early.wait(&NoVariants)), Followed::Serve(_)),
        "the load is no older than its question"
    );
    assert!(
        matches!(at_once(late.wait(&NoVariants)), Followed::Again),
        "nobody knows what happened before it came"
    );
}

#[test]
fn a_value_from_redis_is_used_only_while_all_is_known_about_it() {
    let world = World::new(WhenUnverified::Load);
    let engine = &world.bench.engine;
    let key = world.bench.key("/a");
    let check = |seq| engine.check_value(&key, ["t"].into_iter(), stamp(seq));
    assert_eq!(check(0), ValueStanding::No(NotGood::Unverified));
    world.sync(5);
    let ValueStanding::Good(position) = check(5) else {
        panic!("it is good")
    };
    assert_eq!(position.stamp, Some(stamp(5)), "it may be renewed to this");
    let soft = world.mark(&Invalidation {
        soft: true,
        ..Invalidation::of_tags(vec!["t".into()])
    });
    world.hear(6, soft);
    assert!(matches!(check(5), ValueStanding::Soft(_)) && matches!(check(6), ValueStanding::Good(_)));
    world.hear(7, world.mark(&Invalidation::of_tags(vec!["t".into()])));
    assert_eq!(check(6), ValueStanding::No(NotGood::Invalidated));
    answer(engine, "one", 9, 8, Vec::new());
    assert_eq!(check(7), ValueStanding::No(NotGood::BelowFloor));
    assert!(matches!(check(8), ValueStanding::Good(_)));
    assert_eq!(engine.value_floor(&world.bench.namespace), 8);
    at_once(engine.invalidate(&Invalidation::of_tags(vec!["t".into()])));
    assert_eq!(check(9), ValueStanding::No(NotGood::Pending));
    world.millis(1001);
    assert_eq!(check(9), ValueStanding::No(NotGood::Unverified));
    answer(engine, "two", 9, 8, Vec::new());
    assert_eq!(check(9), ValueStanding::No(NotGood::OtherGeneration));
}

#[test]
fn a_confirmed_invalidation_reaches_what_was_loaded_until_it_was() {
    let world = World::new(WhenUnverified::Load);
    world.sync(0);
    let receipt = at_once(world.bench.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])));
    assert!(receipt.journaled);
    world.bench.put_with("/a", "one", tagged(&["t"]));
    assert!(world.bench.hit("/a").is_some());
    let (id, _) = world.wire.pending.lock()[0].clone();
    let reply = |generation| InvalidateReply {
        generation: Generation::new(generation),
        seq: 1,
        before: vec![0],
    };
    let member = world.bench.engine.member(0);
    assert_eq!(member.invalidate_reply(id, &reply("other"), true), Confirming::Pending);
    assert_eq!(member.invalidate_reply(id, &reply("one"), false), Confirming::Pending);
    assert_eq!(member.standing().pending, 1);
    assert_eq!(member.unsent().len(), 1, "it is sent again");
    assert_eq!(
        member.invalidate_reply(id, &reply("one"), true),
        Confirming::Confirmed(stamp(1))
    );
    assert!(world.bench.hit("/a").is_none());
    assert!(
        !world.hear(1, world.mark(&Invalidation::of_tags(vec!["t".into()]))).news,
        "it is known"
    );
}

#[test]
fn what_was_set_stays_when_redis_has_heard_of_it() {
    let world = World::new(WhenUnverified::Load);
    world.sync(0);
    let (engine, namespace) = (&world.bench.engine, &world.bench.namespace);
    assert!(engine.set(namespace, "x", Bytes::from_static(b"one"), &SetOptions::default()));
    let pending = std::mem::take(&mut *world.wire.pending.lock());
    assert!(pending.iter().any(|(_, mark)| matches!(mark.target, Target::Key(_))));
    for ((id, _), seq) in pending.into_iter().zip(1..) {
        let reply = InvalidateReply {
            generation: Generation::new("one"),
            seq,
            before: vec![0],
        };
        let confirming = engine.member(0).invalidate_reply(id, &reply, true);
        assert_eq!(confirming, Confirming::Confirmed(stamp(seq)));
    }
    assert!(engine.get(namespace, "x").is_some());
}

#[test]
fn questions_are_asked_one_at_a_time_and_late_answers_are_nothing() {
    let world = World::new(WhenUnverified::Load);
    let member = world.bench.engine.member(0);
    let request = member.begin_sync().unwrap();
    assert!(member.begin_sync().is_none());
    member.sync_failed(&request);
    let reply = SyncReply {
        generation: Generation::new("one"),
        seq: 0,
        floor: 0,
        last: true,
        records: Vec::new(),
    };
    assert_eq!(member.sync_reply(&request, reply.clone(), true), Synced::default());
    let request = member.begin_sync().unwrap();
    assert_eq!(
        member.sync_reply(&request, reply.clone(), false),
        Synced::default(),
        "no replica has it"
    );
    assert_eq!(member.standing().generation, None);
    let request = member.begin_sync().unwrap();
    assert!(member.sync_reply(&request, reply, true).verified);
    assert!(
        world.bench.engine.member(7).begin_sync().is_none(),
        "there is no such shard"
    );
}

#[test]
fn pages_count_when_the_last_has_come() {
    let world = World::new(WhenUnverified::Load);
    let member = world.bench.engine.member(0);
    let mark = |tag: &str| world.mark(&Invalidation::of_tags(vec![tag.into()]));
    let page = |last, seq| {
        let request = member.begin_sync().unwrap();
        let reply = SyncReply {
            generation: Generation::new("one"),
            seq: 9,
            floor: 0,
            last,
            records: vec![(mark(&format!("t{seq}")), seq)],
        };
        (request.cursor, member.sync_reply(&request, reply, true))
    };
    let (cursor, synced) = page(false, 4);
    assert_eq!((cursor, synced.more, synced.verified), (0, true, false));
    assert_eq!(world.bench.engine.stamp_now(&world.bench.namespace), Some(stamp(4)));
    let (cursor, synced) = page(true, 8);
    assert_eq!((cursor, synced.more, synced.verified), (4, false, true));
    assert_eq!(member.standing().cursor, 9);
}

#[test]
fn an_entry_tells_when_its_load_began_for_as_long_as_that_can_be_told() {
    let world = World::new(WhenUnverified::Load);
    let days = |days: u64| Duration::from_secs(days * 86_400);
    for (age, before) in [(0, 0), (0, 49), (3600, 0), (86_400 * 30, 0)] {
        world.bench.time.advance(days(before));
        let began = world.bench.now();
        let lease = world.bench.lead("/a");
        world.millis(250);
        let aged = crate::Meta {
            initial_age: Duration::from_secs(age),
            ..meta()
        };
        let hit = lease.store(aged, &Bytes::from_static(b"one"), &NoVariants).unwrap();
        // A response that old when it came cannot be told from one that has lain here for as long.
        let told = (age < 86_400 * 24).then_some(began);
        assert_eq!(hit.0.load_start(world.bench.now()), told, "{age} s old");
        assert_eq!(hit.age(world.bench.now()), Duration::from_secs(age));
        world.bench.time.advance(days(24));
        assert_eq!(hit.0.load_start(world.bench.now()), told);
        world.bench.time.advance(days(26));
        assert_eq!(hit.0.load_start(world.bench.now()), None);
        at_once(world.bench.engine.invalidate(&Invalidation {
            all: true,
            ..Invalidation::default()
        }));
    }
}

#[test]
fn how_long_an_invalidation_took_is_told_of_those_that_came_to_hold_everywhere() {
    let world = World::new(WhenUnverified::Load);
    world.bench.put("/a", "one");
    let lag = || {
        world.bench.engine.statistics().namespaces["default"]
            .invalidations
            .clone()
    };
    let nodes = |confirmed| Layer {
        layer: "nodes",
        confirmed,
        of: 2,
        took_ms: 40,
        nodes: Vec::new(),
    };
    let soft = Invalidation {
        soft: true,
        ..Invalidation::of_keys(vec!["/a".into()])
    };
    for (told, counted, known) in [
        (
            Told {
                journaled: true,
                ..Told::default()
            },
            1,
            false,
        ),
        (
            Told {
                layers: vec![nodes(1)],
                ..Told::default()
            },
            2,
            false,
        ),
        (
            Told {
                layers: vec![nodes(2)],
                ..Told::default()
            },
            3,
            true,
        ),
    ] {
        *world.wire.told.lock() = told;
        let time = Arc::clone(&world.bench.time);
        let late: Meanwhile = Box::new(move |_| time.advance(Duration::from_millis(40)));
        *world.wire.meanwhile.lock() = Some(late);
        at_once(world.bench.engine.invalidate(&soft));
        assert_eq!((lag().count, lag().lag.is_some()), (counted, known));
    }
    let lag = lag().lag.unwrap();
    assert_eq!(lag.all.count, 1);
    assert!((40_000..=45_000).contains(&lag.p50_us), "{lag:?}");
}
