//! The engine's races, explored: shuttle runs each of these tests under thousands of interleavings of its threads, and a
//! schedule that breaks a promise is printed with what replays it.
//!
//! `cargo test -p peregrine-cache --features shuttle`

use crate::backplane::scripts::SyncReply;
use crate::backplane::wire::Shared;
use crate::backplane::{Generation, Joining, Outward, Stamping, Telling, Told, Verifying};
use crate::ledger::{Checked, Ledger, Scope, Standing, Target, tag_target};
use crate::sync::Mutex;
use crate::{
    Ask, Engine, Followed, Glob, Hit, Invalidation, Key, Lookup, Meta, Namespace, NoVariants, Parts, Position,
    Settings, Strategy,
};
use bytes::Bytes;
use peregrine_base::{ByteSize, ManualClock, Runtime, SeededRandom, Task};
use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;

/// How many schedules each test runs. A defect in the guarded code shows within a few hundred.
const SCHEDULES: usize = 3_000;
/// How often a schedule may switch threads against its priorities: most races need two or three (Burckhardt et al. 2010).
const DEPTH: usize = 4;

/// Half of the schedules at random, half by probabilistic concurrency testing.
fn explore(test: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(test.clone(), SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, DEPTH);
}

/// Runs what is spawned on shuttle's threads; nobody sleeps for long enough here.
struct Explored;

impl Runtime for Explored {
    fn spawn(&self, task: Task) {
        drop(shuttle::future::spawn(task));
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        work();
    }

    fn sleep(&self, _: Duration) -> Task {
        Box::pin(std::future::pending())
    }
}

/// An engine under exploration. The origin is a number that only grows; a value is what the origin said when it was loaded.
#[derive(Clone)]
struct World {
    engine: Arc<Engine>,
    namespace: Arc<Namespace>,
    strategy: Arc<Strategy>,
    clock: Arc<ManualClock>,
    origin: Arc<AtomicU64>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(edit: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(ManualClock::default());
        let mut settings = Settings::default();
        settings.cache.memory = ByteSize::mib(1);
        settings.cache.object_size_max = ByteSize::kib(64);
        edit(&mut settings);
        let parts = Parts {
            clock: Arc::<ManualClock>::clone(&clock),
            runtime: Arc::new(Explored),
            random: Arc::new(SeededRandom::new(1)),
        };
        let engine = Engine::new(parts, settings).expect("settings are in order");
        Self {
            namespace: engine.namespace("default").expect("always there"),
            strategy: engine.strategy("default").expect("always there"),
            engine,
            clock,
            origin: Arc::new(AtomicU64::new(1)),
        }
    }

    fn key(&self) -> Key {
        Key::named(&self.namespace, "", "a")
    }

    fn lookup(&self) -> Lookup {
        use peregrine_base::Clock;
        self.engine
            .lookup(&self.key(), &Ask::plain(self.clock.now(), &self.strategy))
    }

    /// Changes the origin and invalidates; when this returns, nobody who asks later may get anything older.
    fn change(&self, soft: bool) -> u64 {
        let now = self.origin.fetch_add(1, Ordering::SeqCst) + 1;
        let request = Invalidation {
            soft,
            ..Invalidation::of_tags(vec!["t".into()])
        };
        block_on(self.engine.invalidate(&request));
        now
    }

    /// Asks until there is an answer, and loads where that is this asker's turn.
    fn ask(&self) -> u64 {
        loop {
            match self.lookup() {
                Lookup::Fresh { hit, refresh } => {
                    drop(refresh);
                    return number(&hit);
                }
                Lookup::Stale { .. } => panic!("the strategy has no window of grace"),
                Lookup::Lead(lease) => {
                    let value = self.origin.load(Ordering::SeqCst);
                    let mut fill = lease.fill(meta(), &NoVariants).expect("it is small");
                    block_on(fill.push(value.to_string().into())).expect("it is stored");
                    fill.finish();
                    return value;
                }
                Lookup::Follow(mut follower) => match block_on(follower.wait(&NoVariants)) {
                    Followed::Stream(mut reader) => {
                        let mut body = Vec::new();
                        while let Some(chunk) = block_on(reader.next()) {
                            body.extend_from_slice(&chunk.expect("nobody fails here"));
                        }
                        return parse(&body);
                    }
                    Followed::Serve(hit) => return number(&hit),
                    Followed::Again => {}
                    other => panic!("nobody fails here: {other:?}"),
                },
                Lookup::Bypass(why) => panic!("the cache is on: {why:?}"),
                Lookup::Unverified => panic!("there are no other nodes"),
            }
        }
    }
}

fn meta() -> Meta {
    Meta {
        fresh_for: Duration::from_secs(60),
        tags: vec!["t".into()],
        ..Meta::default()
    }
}

fn number(hit: &Hit) -> u64 {
    parse(&hit.body().to_bytes())
}

fn parse(body: &[u8]) -> u64 {
    std::str::from_utf8(body).expect("a number").parse().expect("a number")
}

/// P1: who asks after an invalidation has returned gets nothing from before it, whether from memory, by following, or by
/// leading; and what is in memory at the end is not from before it either.
#[test]
fn nobody_gets_a_value_from_before_an_invalidation_that_had_returned() {
    explore(|| {
        let world = World::new();
        let askers: Vec<_> = (0..2)
            .map(|_| {
                let world = world.clone();
                thread::spawn(move || world.ask())
            })
            .collect();
        let late = world.clone();
        let invalidator = thread::spawn(move || {
            let floor = late.change(false);
            let value = late.ask();
            assert!(value >= floor, "{value} is from before {floor}");
        });
        for asker in askers {
            asker.join().expect("no asker fails");
        }
        invalidator.join().expect("the promise holds");
        if let Lookup::Fresh { hit, .. } = world.lookup() {
            assert!(number(&hit) >= 2, "an old value was left in memory");
        }
    });
}

/// What the ledger says of something with the tag `t` and the key `a` whose load began at the first position.
fn judged(ledger: &Ledger, scope: &Scope) -> Standing {
    let checked = Checked {
        seed: 1,
        scope,
        key: "a",
        tags: std::iter::once("t"),
    };
    ledger.standing(checked, Position::local(1), 1)
}

/// P1 at its root: who sees that an invalidation was published sees what it reaches.
#[test]
fn who_sees_the_position_sees_the_targets() {
    for by_glob in [false, true] {
        explore(move || {
            let (ledger, scope) = (Arc::new(Ledger::with_limit(100)), Arc::new(Scope::default()));
            let looking = (Arc::clone(&ledger), Arc::clone(&scope));
            let looker = thread::spawn(move || {
                let seen = looking.0.position();
                let standing = judged(&looking.0, &looking.1);
                assert!(seen.lc == 1 || standing == Standing::Gone, "published and not seen");
            });
            if by_glob {
                ledger.raise(false, &[], &[], &[(&scope, Glob::new("*"))]);
            } else {
                ledger.raise(false, &[Target::Hash(tag_target(1, "t"))], &[], &[]);
            }
            looker.join().expect("the promise holds");
        });
    }
}

/// Nobody to talk to.
struct Alone;

impl Outward for Alone {
    fn verify(&self, _: u32) -> Verifying {
        Box::pin(std::future::ready(()))
    }

    fn tell(&self, _: Vec<Shared>) -> Telling {
        Box::pin(std::future::ready(Told::default()))
    }

    fn tell_of_write(&self, _: Shared) -> Stamping {
        Box::pin(std::future::ready(None))
    }
}

/// P2 at its root: who sees that this node has heard of everything sees what it has heard of. The value is too old to be served
/// without that, and was invalidated elsewhere.
#[test]
fn who_sees_that_all_is_known_sees_what_is_known() {
    for new_generation in [false, true] {
        explore(move || {
            let world = World::new();
            world.engine.join_backplane(Joining {
                shards: 1,
                bound: Duration::from_secs(1),
                outward: Arc::new(Alone),
            });
            let member = world.engine.member(0);
            let answer = |generation: &str, records| {
                let request = member.begin_sync().expect("one is asked at a time");
                let reply = SyncReply {
                    generation: Generation::new(generation),
                    seq: 1,
                    floor: 0,
                    last: true,
                    records,
                };
                assert!(member.sync_reply(&request, reply, true).verified);
            };
            answer("one", Vec::new());
            assert_eq!(world.ask(), 1);
            world.clock.advance(Duration::from_secs(2));
            let looking = world.clone();
            let looker = thread::spawn(move || {
                let found = looking.lookup();
                assert!(
                    !matches!(found, Lookup::Fresh { .. }),
                    "it was invalidated, or that is not known"
                );
            });
            let mark = world
                .engine
                .marks_of(&Invalidation::of_tags(vec!["t".into()]))
                .remove(0)
                .mark;
            answer(if new_generation { "two" } else { "one" }, vec![(mark, 1)]);
            looker.join().expect("the promise holds");
        });
    }
}

/// P1 at its root: what is being forgotten counts as gone, at every moment.
#[test]
fn a_target_that_is_being_forgotten_is_not_missed() {
    for by_glob in [false, true] {
        explore(move || {
            let (ledger, scope) = (Arc::new(Ledger::with_limit(100)), Arc::new(Scope::default()));
            if by_glob {
                ledger.raise(false, &[], &[], &[(&scope, Glob::new("*"))]);
            } else {
                ledger.raise(false, &[Target::Hash(tag_target(1, "t"))], &[], &[]);
            }
            let forgetting = (Arc::clone(&ledger), Arc::clone(&scope));
            let forgetter = thread::spawn(move || {
                let upto = forgetting.0.position();
                forgetting.0.trim(upto, std::iter::once(&*forgetting.1));
            });
            assert_eq!(judged(&ledger, &scope), Standing::Gone);
            forgetter.join().expect("the sweeper does not fail");
            assert_eq!(judged(&ledger, &scope), Standing::Gone);
        });
    }
}

/// P1 where the origin confirms whatever is there: a body from before an invalidation does not outlive it by being renewed.
#[test]
fn a_renewal_does_not_carry_an_old_value_past_an_invalidation() {
    explore(|| {
        let world = World::new();
        assert_eq!(world.ask(), 1);
        world.clock.advance(Duration::from_secs(61));
        let renewing = world.clone();
        let asker = thread::spawn(move || match renewing.lookup() {
            Lookup::Lead(lease) if lease.stale().is_some() => drop(lease.renew(meta(), &NoVariants)),
            _ => {}
        });
        let floor = world.change(false);
        asker.join().expect("no asker fails");
        let value = world.ask();
        assert!(value >= floor, "{value} is from before {floor}");
    });
}

/// P1 where the table of targets is so small that targets are forgotten all the time, and a sweeper walks meanwhile.
#[test]
fn forgetting_targets_never_brings_an_old_value_back() {
    explore(|| {
        let world = World::new();
        assert_eq!(world.ask(), 1);
        let sweeping = world.clone();
        let sweeper = thread::spawn(move || {
            let engine = &sweeping.engine;
            let position = engine.ledger.position();
            let upto = engine.flights.oldest().map_or(position, |oldest| oldest.min(position));
            engine.sweep();
            engine.ledger.trim(upto, std::iter::once(sweeping.namespace.scope()));
        });
        let asking = world.clone();
        let asker = thread::spawn(move || asking.ask());
        let floor = world.change(false);
        let value = world.ask();
        assert!(value >= floor, "{value} is from before {floor}");
        sweeper.join().expect("the sweeper does not fail");
        asker.join().expect("no asker fails");
        let value = world.ask();
        assert!(value >= floor, "{value} is from before {floor}, after the sweep");
    });
}

/// P3: without invalidations there is one load, however many ask, and all of them get its value.
#[test]
fn many_askers_make_one_load() {
    explore(|| {
        let world = World::new();
        let loads = Arc::new(AtomicU64::new(0));
        let askers: Vec<_> = (0..3)
            .map(|_| {
                let (world, loads) = (world.clone(), Arc::clone(&loads));
                thread::spawn(move || {
                    if let Lookup::Lead(lease) = world.lookup() {
                        loads.fetch_add(1, Ordering::SeqCst);
                        lease
                            .store(meta(), &Bytes::from_static(b"7"), &NoVariants)
                            .expect("it is small");
                    } else {
                        assert_eq!(world.ask(), 7);
                    }
                })
            })
            .collect();
        askers
            .into_iter()
            .for_each(|asker| asker.join().expect("no asker fails"));
        assert_eq!(loads.load(Ordering::SeqCst), 1, "one load");
        assert_eq!(world.ask(), 7);
    });
}

/// P3 while something is invalidated: two loads at once only if the second began after an invalidation that the first did not
/// know of.
#[test]
fn loads_at_once_are_of_different_positions() {
    explore(|| {
        let world = World::new();
        let current = Arc::new(Mutex::new(Vec::new()));
        let askers: Vec<_> = (0..3)
            .map(|_| {
                let (world, current) = (world.clone(), Arc::clone(&current));
                thread::spawn(move || {
                    let Lookup::Lead(lease) = world.lookup() else { return };
                    let position = lease.position();
                    let mut loading = current.lock();
                    assert!(!loading.contains(&position), "the same load twice");
                    loading.push(position);
                    drop(loading);
                    thread::yield_now();
                    current.lock().retain(|one| *one != position);
                    drop(lease);
                })
            })
            .collect();
        // By its key: an invalidation that a load is known to be reached by before its head is.
        block_on(
            world
                .engine
                .invalidate(&Invalidation::of_keys(vec![world.key().text().to_owned()])),
        );
        for asker in askers {
            asker.join().expect("no asker fails");
        }
    });
}

/// P3 and P6: a leader that goes away at any moment leaves nobody waiting, and one of those who wait leads.
#[test]
fn a_leader_that_goes_away_leaves_nobody_waiting() {
    explore(|| {
        let world = World::new();
        let deserter = {
            let world = world.clone();
            thread::spawn(move || match world.lookup() {
                Lookup::Lead(lease) => {
                    let fill = lease.fill(meta(), &NoVariants).expect("it is small");
                    fill.fail(crate::LoadFailure::Broken);
                }
                Lookup::Follow(follower) => drop(follower),
                _ => {}
            })
        };
        let other = {
            let world = world.clone();
            thread::spawn(move || {
                if let Lookup::Lead(lease) = world.lookup() {
                    drop(lease);
                }
            })
        };
        let waiting = world.clone();
        let asker = thread::spawn(move || {
            for _ in 0..8 {
                match waiting.lookup() {
                    Lookup::Follow(mut follower) => match block_on(follower.wait(&NoVariants)) {
                        Followed::Stream(mut reader) => while block_on(reader.next()).is_some() {},
                        Followed::Again | Followed::Failed(_) => {}
                        other => panic!("{other:?}"),
                    },
                    Lookup::Lead(lease) => {
                        lease
                            .store(meta(), &Bytes::from_static(b"9"), &NoVariants)
                            .expect("it is small");
                        return;
                    }
                    other => panic!("{other:?}"),
                }
            }
            panic!("it should have become a leader long ago");
        });
        for thread in [deserter, other, asker] {
            thread.join().expect("nobody fails");
        }
        assert_eq!(
            world.engine.statistics().loads_under_way,
            0,
            "no load is left in the table"
        );
        assert_eq!(world.ask(), 9);
    });
}

/// A write is never overwritten by a load that began before it.
#[test]
fn a_write_is_never_overwritten_by_an_older_load() {
    explore(|| {
        let world = World::new();
        let asking = world.clone();
        let asker = thread::spawn(move || asking.ask());
        let value = world.origin.fetch_add(9, Ordering::SeqCst) + 9;
        let options = crate::SetOptions {
            tags: vec!["t".into()],
            ..crate::SetOptions::default()
        };
        assert!(
            world
                .engine
                .set(&world.namespace, "a", value.to_string().into(), &options)
        );
        assert_eq!(world.ask(), value, "what was written is read");
        asker.join().expect("no asker fails");
        assert_eq!(world.ask(), value, "and stays");
    });
}

/// A reader that goes away at any moment holds up nobody, and a body that is not stored reaches those who stay.
#[test]
fn readers_that_come_and_go_hold_up_nobody() {
    explore(|| {
        let world = World::with(|settings| settings.cache.object_size_max = ByteSize::kib(1));
        let Lookup::Lead(lease) = world.lookup() else {
            panic!("it is the first")
        };
        let Lookup::Follow(mut leaving) = world.lookup() else {
            panic!("it is the second")
        };
        let mut fill = lease.fill(meta(), &NoVariants).expect("its length is not announced");
        let mut staying = fill.reader();
        let leaver = thread::spawn(move || {
            if let Followed::Stream(mut reader) = block_on(leaving.wait(&NoVariants)) {
                drop(block_on(reader.next()));
            }
        });
        let reader = thread::spawn(move || {
            let mut total = 0;
            while let Some(chunk) = block_on(staying.next()) {
                total += chunk.expect("it does not fail").len();
            }
            total
        });
        for _ in 0..4 {
            block_on(fill.push(Bytes::from(vec![0; 200 << 10]))).expect("somebody reads");
        }
        assert!(matches!(fill.finish(), crate::Finished::NotStored(_)));
        leaver.join().expect("nobody fails");
        assert_eq!(reader.join().expect("nobody fails"), 800 << 10);
        assert_eq!(world.engine.statistics().in_flight_bytes, 0, "nothing is held");
    });
}

#[test]
fn a_snapshot_brings_nothing_back_that_was_invalidated_before_it_was_read() {
    let here = crate::Provenance {
        stored: 1,
        source: 1,
        boot: 1,
    };
    let limits = crate::SnapshotLimits {
        size_max: u64::MAX,
        time_max: Duration::MAX,
    };
    explore(move || {
        let before = World::new();
        assert_eq!(before.ask(), 1);
        let mut bytes = Vec::new();
        before
            .engine
            .write_snapshot(&mut bytes, &here, &limits)
            .expect("memory takes everything");
        let world = World::new();
        let expecting = world.engine.expect_snapshot();
        let (changing, sweeping) = (world.clone(), world.clone());
        let threads = [
            thread::spawn(move || {
                let restored = expecting.load(std::io::Cursor::new(bytes), &here);
                assert!(restored.is_ok());
            }),
            thread::spawn(move || {
                let now = changing.change(false);
                assert!(changing.ask() >= now, "whoever invalidated gets nothing older");
            }),
            thread::spawn(move || sweeping.engine.sweep()),
        ];
        for thread in threads {
            thread.join().expect("nobody panics");
        }
        assert!(world.ask() >= 2);
    });
}
