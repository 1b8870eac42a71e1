//! What clients of a node get: from memory, from Redis, from a load of their own or another's. Between any two reads of a check
//! time may pass.

use super::history::{KEYS, NAMESPACE, Served};
use super::node::{Kept, Load};
use super::{BOUND, Envelope, Missing, Time, World};
use crate::backplane::records::ValueTargets;
use crate::backplane::trust::Glance;
use crate::backplane::{NotGood, Stamp};
use crate::ledger::{Position, Standing};
use peregrine_base::Instant;
use std::time::Duration;

/// What a memory check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checking {
    Absent,
    Gone,
    Good(Time),
    Doubtful(Time),
}

impl World {
    /// A request for `key` arrives.
    pub(super) fn read(&mut self, node: usize, key: usize) {
        let arrived = self.now;
        self.check_memory(node, key, move |world, checking| match checking {
            Checking::Good(loaded) => world.serve(node, key, loaded, arrived, false, "memory"),
            Checking::Absent | Checking::Gone => world.miss(node, key, arrived),
            Checking::Doubtful(_) => {
                let again = move |world: &mut World| world.read_again(node, key, arrived);
                world.nodes[node].verifying.push(Box::new(again));
                world.sync(node);
            }
        });
    }

    /// After the other nodes were asked.
    fn read_again(&mut self, node: usize, key: usize, arrived: Time) {
        self.check_memory(node, key, move |world, checking| match checking {
            Checking::Good(loaded) => world.serve(node, key, loaded, arrived, false, "memory, verified"),
            Checking::Doubtful(loaded) if world.chance.percent(50) => {
                world.serve(node, key, loaded, arrived, true, "memory, unverified");
            }
            _ => world.load(node, key, arrived),
        });
    }

    /// The check of a memory entry, in the order of the rules, with time between its steps.
    fn check_memory(&mut self, node: usize, key: usize, then: impl FnOnce(&mut World, Checking) + 'static) {
        let cached = self.nodes[node].tick;
        let early = self.nodes[node].trust.glance();
        let stood = self.compare(node, key);
        self.step_of_a_thread(node, move |world| {
            let (glance, stood) = if world.missing == Missing::VerifiedFirst {
                (world.nodes[node].trust.glance(), stood)
            } else {
                (early, world.compare(node, key))
            };
            let now = if world.missing == Missing::ClockNow {
                cached
            } else {
                world.nodes[node].clock(world.now)
            };
            let checking = match stood {
                None => Checking::Absent,
                Some((kept, Standing::Valid)) => {
                    if world.admits(node, glance, (kept.lc, kept.load_start), now) {
                        Checking::Good(kept.loaded)
                    } else {
                        Checking::Doubtful(kept.loaded)
                    }
                }
                Some(_) => {
                    world.nodes[node].memory.remove(&key);
                    Checking::Gone
                }
            };
            then(world, checking);
        });
    }

    fn admits(&self, node: usize, glance: Glance, load: (u64, Option<Instant>), now: Instant) -> bool {
        let bound = Duration::from_micros(BOUND);
        let young = load.1.is_some_and(|start| now.since(start) <= bound);
        (self.missing == Missing::GapBeforeAge && young) || self.nodes[node].trust.admits(glance, load, now, bound)
    }

    fn compare(&self, node: usize, key: usize) -> Option<(Kept, Standing)> {
        let one = &self.nodes[node];
        let kept = *one.memory.get(&key)?;
        Some((kept, one.standing(key, kept.lc)))
    }

    fn serve(&mut self, node: usize, key: usize, loaded: Time, arrived: Time, labelled: bool, from: &'static str) {
        let now = self.now;
        let served = Served {
            node,
            key,
            loaded,
            arrived,
            labelled,
            from,
        };
        self.history.check(served, now);
    }

    /// Nothing in memory: Redis is asked, mostly.
    fn miss(&mut self, node: usize, key: usize, arrived: Time) {
        if self.chance.percent(15) {
            self.load(node, key, arrived);
            return;
        }
        let there = 200 + self.chance.millis(0, 5);
        self.after(there, move |world| {
            // A replica may answer, with what was there before.
            let versions = world.values.get(&key).cloned().unwrap_or_default();
            let value = if world.chance.percent(20) && !versions.is_empty() {
                Some(world.chance.pick(&versions))
            } else {
                versions.last().copied()
            };
            let back = 200 + world.chance.millis(0, 5);
            world.after(back, move |world| {
                world.post(node, move |world| world.read_value(node, key, arrived, value))
            });
        });
    }

    fn read_value(&mut self, node: usize, key: usize, arrived: Time, value: Option<Envelope>) {
        let Some(value) = value else {
            self.load(node, key, arrived);
            return;
        };
        let lc = self.nodes[node].ledger.position().lc;
        self.step_of_a_thread(node, move |world| {
            world.with_lock(node, move |world| {
                if world.check_value(node, key, value.stamp) == Ok(Standing::Valid) {
                    let kept = Kept {
                        loaded: value.loaded,
                        lc,
                        load_start: None,
                    };
                    world.nodes[node].memory.insert(key, kept);
                    world.serve(node, key, value.loaded, arrived, false, "redis");
                } else {
                    world.load(node, key, arrived);
                }
            });
        });
    }

    fn check_value(&self, node: usize, key: usize, stamp: Stamp) -> Result<Standing, NotGood> {
        let one = &self.nodes[node];
        let (text, tag) = KEYS[key];
        let targets = ValueTargets::new(NAMESPACE, text, std::iter::once(tag));
        let bound = Duration::from_micros(BOUND);
        one.protocol.check(stamp, &targets, one.clock(self.now), bound)
    }

    /// The origin is asked, or somebody who asks it is waited for.
    fn load(&mut self, node: usize, key: usize, arrived: Time) {
        let now = self.now;
        let one = &mut self.nodes[node];
        if let Some(load) = one.loads.get_mut(&key) {
            load.waiting.push(arrived);
            return;
        }
        let load = Load {
            loaded: now,
            start: one.clock(now),
            position: Position {
                stamp: one.trust.stand(),
                ..one.ledger.position()
            },
            waiting: vec![now],
        };
        one.loads.insert(key, load);
        let takes = if self.chance.percent(70) {
            self.chance.millis(5, 100)
        } else {
            self.chance.millis(0, 2500)
        };
        let incarnation = self.nodes[node].incarnation;
        self.after(takes, move |world| {
            world.post_to(node, incarnation, Box::new(move |world| world.loaded(node, key)));
        });
    }

    fn loaded(&mut self, node: usize, key: usize) {
        let missing = self.missing;
        let one = &mut self.nodes[node];
        let Some(load) = one.loads.remove(&key) else { return };
        let position = if missing == Missing::CapturedBefore {
            Position {
                stamp: one.trust.stand(),
                ..one.ledger.position()
            }
        } else {
            load.position
        };
        if one.standing(key, position.lc) == Standing::Valid {
            let kept = Kept {
                loaded: load.loaded,
                lc: position.lc,
                load_start: Some(load.start),
            };
            one.memory.insert(key, kept);
        }
        for arrived in load.waiting {
            // Whoever came before the load began may take it.
            if arrived <= load.loaded || missing == Missing::FollowerCheck {
                self.serve(node, key, load.loaded, arrived, false, "load");
            } else {
                self.take_of_another(node, key, arrived, (load.loaded, load.position.lc, load.start));
            }
        }
        if let Some(stamp) = position.stamp {
            let envelope = Envelope {
                stamp,
                loaded: load.loaded,
            };
            let written = if self.chance.percent(70) {
                self.chance.millis(0, 10)
            } else {
                self.chance.millis(0, 2500)
            };
            self.after(written, move |world| world.put(key, envelope));
        }
    }

    fn take_of_another(&mut self, node: usize, key: usize, arrived: Time, (loaded, lc, start): (Time, u64, Instant)) {
        let glance = self.nodes[node].trust.glance();
        self.step_of_a_thread(node, move |world| {
            let one = &world.nodes[node];
            let reached = one.standing(key, lc) != Standing::Valid;
            let now = one.clock(world.now);
            let trusted = world.missing == Missing::FollowerTrust || world.admits(node, glance, (lc, Some(start)), now);
            if trusted && !reached {
                world.serve(node, key, loaded, arrived, false, "another's load");
            } else {
                world.load(node, key, arrived);
            }
        });
    }

    /// A value reaches Redis, unless a later one of its generation is there.
    fn put(&mut self, key: usize, value: Envelope) {
        const VERSIONS: usize = 4;
        let versions = self.values.entry(key).or_default();
        let newer =
            |there: &Envelope| there.stamp.generation == value.stamp.generation && there.stamp.seq > value.stamp.seq;
        if versions.last().is_some_and(newer) {
            return;
        }
        versions.push(value);
        let over = versions.len().saturating_sub(VERSIONS);
        versions.drain(..over);
    }
}
