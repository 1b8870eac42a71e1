//! A node: the real protocol, trust and ledger, with a memory, loads and clients around them. Between any two reads of a check
//! time may pass.

use super::super::ground::Ground;
use super::super::protocol::{Confirming, Effect, Node, PendingId, Rules, SyncRequest};
use super::super::records::ValueTargets;
use super::super::trust::ShardTrust;
use super::super::wire::{self, Mark};
use super::super::{NotGood, Stamp};
use super::history::{KEYS, NAMESPACE, Reached, Served};
use super::servers::Answer;
use super::{BOUND, Envelope, Heard, Missing, SECOND, Time, World};
use crate::ledger::{Checked, Ledger, Position, Scope, Standing};
use peregrine_base::Instant;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Something in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    loaded: Time,
    lc: u64,
    /// By the node's clock; nothing where it came from Redis.
    load_start: Option<Instant>,
}

/// A load under way.
struct Load {
    loaded: Time,
    start: Instant,
    position: Position,
    /// When those arrived who wait for it.
    waiting: Vec<Time>,
}

type Then = Box<dyn FnOnce(&mut World)>;

/// A node.
pub(super) struct SimNode {
    number: usize,
    missing: Missing,
    pub(super) frozen_until: Time,
    /// Raised when it is killed: what was under way then is not heard of again.
    incarnation: u64,
    protocol: Node,
    /// Effects are being applied: nobody else gets at the protocol.
    locked: bool,
    ledger: Ledger,
    scope: Scope,
    trust: ShardTrust,
    memory: HashMap<usize, Kept>,
    loads: HashMap<usize, Load>,
    /// The server that it believes to be the primary.
    target: usize,
    asking: Option<(usize, SyncRequest)>,
    /// Those who wait for the end of a question.
    verifying: Vec<Then>,
    /// What is not confirmed, as the journal has it; with when it was called until it has returned.
    journal: HashMap<PendingId, (Reached, Option<Time>)>,
    tick: Instant,
}

impl SimNode {
    pub(super) fn new(number: usize, missing: Missing) -> Self {
        let rules = Rules {
            late_replies_are_dropped: missing != Missing::LateReplies,
            replicas_acknowledge: missing != Missing::Replicas,
            verified_when_sent: missing != Missing::VerifiedWhenSent,
            confirmed_in_own_generation: missing != Missing::ConfirmedGeneration,
            values_of_own_generation: missing != Missing::ValueGeneration,
            values_above_floor: missing != Missing::ValueFloor,
            pending_reaches_values: missing != Missing::Pending,
            gaps_raise_the_floor: missing != Missing::GapFloor,
        };
        Self {
            number,
            missing,
            frozen_until: 0,
            incarnation: 0,
            protocol: Node::new(rules),
            locked: false,
            ledger: Ledger::with_limit(100),
            scope: Scope::default(),
            trust: ShardTrust::default(),
            memory: HashMap::new(),
            loads: HashMap::new(),
            target: 0,
            asking: None,
            verifying: Vec::new(),
            journal: HashMap::new(),
            tick: Instant::ZERO,
        }
    }

    /// Clocks of nodes say what they like.
    fn clock(&self, now: Time) -> Instant {
        Instant::from_nanos((now + (self.number as u64 + 1) * 900 * SECOND) * 1000)
    }

    fn apply(&self, effects: &[Effect]) {
        let scope = |id: u128| (id == wire::namespace_id(NAMESPACE)).then_some(&self.scope);
        Ground {
            ledger: &self.ledger,
            trust: &self.trust,
            scope: &scope,
        }
        .apply(effects);
    }

    fn raise(&self, mark: &Mark) {
        self.apply(&[Effect::Raise(vec![mark.clone()])]);
    }

    /// How something of `key` whose load began at `lc` stands.
    fn standing(&self, key: usize, lc: u64) -> Standing {
        let (text, tag) = KEYS[key];
        let checked = Checked {
            seed: wire::seed_of(NAMESPACE),
            scope: &self.scope,
            key: text,
            tags: std::iter::once(tag),
        };
        self.ledger.standing(checked, Position::local(lc), lc)
    }
}

/// What a memory check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checking {
    Absent,
    Gone,
    Good(Time),
    Doubtful(Time),
}

impl World {
    /// Lets `node` do something as soon as it can; nothing once it was killed.
    pub(super) fn post(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        let incarnation = self.nodes[node].incarnation;
        self.post_to(node, incarnation, Box::new(act));
    }

    fn post_to(&mut self, node: usize, incarnation: u64, act: Then) {
        if self.nodes[node].incarnation != incarnation {
            return;
        }
        let frozen_until = self.nodes[node].frozen_until;
        if self.now < frozen_until {
            let wait = frozen_until - self.now + self.chance.millis(0, 4);
            self.after(wait, move |world| world.post_to(node, incarnation, act));
        } else {
            act(self);
        }
    }

    /// As [`World::post`], after a moment in which others may do something.
    fn step(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        let (moment, incarnation) = (self.chance.below(500), self.nodes[node].incarnation);
        self.after(moment, move |world| world.post_to(node, incarnation, Box::new(act)));
    }

    /// As [`World::step`], of a thread that others may push aside for seconds while the rest of the node goes on.
    fn step_of_a_thread(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        if self.chance.percent(97) {
            self.step(node, act);
            return;
        }
        let (pause, incarnation) = (self.chance.millis(0, 2500), self.nodes[node].incarnation);
        self.after(pause, move |world| world.post_to(node, incarnation, Box::new(act)));
    }

    /// As [`World::post`], once nobody else is at the node's protocol.
    fn with_lock(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        if self.nodes[node].locked {
            self.step(node, move |world| world.with_lock(node, act));
        } else {
            act(self);
        }
    }

    /// Applies effects one after the other, with time between them, and then goes on.
    fn apply(&mut self, node: usize, mut effects: Vec<Effect>, then: impl FnOnce(&mut World) + 'static) {
        if effects.is_empty() {
            self.nodes[node].locked = false;
            then(self);
            return;
        }
        self.nodes[node].locked = true;
        let first = effects.remove(0);
        self.nodes[node].apply(&[first]);
        self.step(node, move |world| world.apply(node, effects, then));
    }

    pub(super) fn start_node(&mut self, node: usize) {
        let delay = self.chance.millis(0, 100);
        let incarnation = self.nodes[node].incarnation;
        self.after(delay, move |world| {
            world.post_to(node, incarnation, Box::new(move |world| world.keep_asking(node)))
        });
    }

    fn keep_asking(&mut self, node: usize) {
        let now = self.now;
        self.nodes[node].tick = self.nodes[node].clock(now);
        self.sync(node);
        let incarnation = self.nodes[node].incarnation;
        self.after(BOUND / 4, move |world| {
            world.post_to(node, incarnation, Box::new(move |world| world.keep_asking(node)));
        });
    }

    /// The process is killed and started again: what it knew is gone, but for its journal.
    pub(super) fn restart(&mut self, node: usize) {
        let (number, missing) = (self.nodes[node].number, self.nodes[node].missing);
        let mut new = SimNode::new(number, missing);
        let old = &mut self.nodes[node];
        new.incarnation = old.incarnation + 1;
        new.frozen_until = self.now;
        let mut journal: Vec<_> = old.journal.drain().collect();
        journal.sort_by_key(|(id, _)| *id);
        for (_, (what, _)) in journal {
            let id = new.protocol.pend(vec![what.mark()]);
            new.journal.insert(id, (what, None));
        }
        new.target = self.primary;
        self.nodes[node] = new;
        self.start_node(node);
    }

    /// The node hears of another primary.
    pub(super) fn switch(&mut self, node: usize, target: usize) {
        self.nodes[node].target = target;
        self.sync(node);
    }

    fn sync(&mut self, node: usize) {
        self.with_lock(node, move |world| world.sync_locked(node));
    }

    fn sync_locked(&mut self, node: usize) {
        let (now, page, missing) = (self.now, self.page, self.missing);
        let one = &mut self.nodes[node];
        let target = one.target;
        if let Some((asked, request)) = &one.asking {
            if *asked == target {
                return;
            }
            one.protocol.sync_failed(request);
        }
        let clock = one.clock(now);
        let request = one.protocol.begin_sync(clock).expect("none is outstanding");
        one.asking = Some((target, request.clone()));
        let salt = self.id();
        let (known, cursor) = (request.generation.clone(), request.cursor);
        let heard: Heard<Answer<_>> = Rc::new(move |world, answer| {
            let request = request.clone();
            world.with_lock(node, move |world| world.heard_of_sync(node, &request, answer));
        });
        self.ask(
            node,
            target,
            move |twin, who| twin.sync(who, (salt, missing), known.as_ref(), cursor, page),
            &heard,
        );
    }

    fn heard_of_sync(
        &mut self,
        node: usize,
        request: &SyncRequest,
        answer: Option<Answer<super::super::scripts::SyncReply>>,
    ) {
        let (now, primary) = (self.now, self.primary);
        let looks_again = self.chance.percent(50);
        let one = &mut self.nodes[node];
        let current = one.asking.as_ref().is_some_and(|(_, asking)| asking == request);
        if current {
            one.asking = None;
        }
        let clock = one.clock(now);
        let Some(answer) = answer else {
            one.protocol.sync_failed(request);
            if current && looks_again {
                one.target = primary;
            }
            if current {
                self.verified(node);
            }
            return;
        };
        let effects = one
            .protocol
            .sync_reply(request, answer.reply, answer.acknowledged, clock);
        let more = effects.contains(&Effect::More);
        self.apply(node, effects, move |world| {
            world.replay(node);
            if more {
                world.sync(node);
            } else {
                world.verified(node);
            }
        });
    }

    /// Those who waited for the end of a question go on.
    fn verified(&mut self, node: usize) {
        for then in std::mem::take(&mut self.nodes[node].verifying) {
            self.step(node, then);
        }
    }

    pub(super) fn invalidate(&mut self, node: usize, what: Reached) {
        let called = self.now;
        self.nodes[node].raise(&what.mark());
        self.with_lock(node, move |world| {
            let one = &mut world.nodes[node];
            let id = one.protocol.pend(vec![what.mark()]);
            one.journal.insert(id, (what, Some(called)));
            world.replay(node);
        });
    }

    /// Sends what was not sent, or has to be again.
    fn replay(&mut self, node: usize) {
        let (kept, missing, target) = (self.targets_kept, self.missing, self.nodes[node].target);
        for (id, marks) in self.nodes[node].protocol.unsent() {
            let salt = self.id();
            let heard: Heard<Answer<_>> = Rc::new(move |world, answer| {
                world.with_lock(node, move |world| world.heard_of_invalidate(node, id, answer));
            });
            self.ask(
                node,
                target,
                move |twin, who| twin.invalidate(who, (salt, missing), &marks, kept),
                &heard,
            );
        }
    }

    fn heard_of_invalidate(
        &mut self,
        node: usize,
        id: PendingId,
        answer: Option<Answer<super::super::scripts::InvalidateReply>>,
    ) {
        let one = &mut self.nodes[node];
        let Some((what, called)) = one.journal.get_mut(&id) else {
            return;
        };
        let (what, called) = (*what, called.take());
        let mut effects = Vec::new();
        let mut confirmed = false;
        match answer {
            None => one.protocol.invalidate_failed(id),
            Some(answer) => {
                let (confirming, raised) = one.protocol.invalidate_reply(id, &answer.reply, answer.acknowledged);
                effects = raised;
                if matches!(confirming, Confirming::Confirmed(_)) {
                    confirmed = true;
                    one.journal.remove(&id);
                    self.history.confirmed(what, answer.executed);
                }
            }
        }
        self.apply(node, effects, move |world| {
            if let Some(called) = called {
                let now = world.now;
                world.history.returned(node, what, called, now);
            }
            if !confirmed {
                world.sync(node);
            }
        });
    }

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
                    let load = (kept.lc, kept.load_start);
                    let bound = Duration::from_micros(BOUND);
                    if world.nodes[node].trust.admits(glance, load, now, bound) {
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
                self.take_anothers(node, key, arrived, (load.loaded, load.position.lc, load.start));
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

    fn take_anothers(&mut self, node: usize, key: usize, arrived: Time, (loaded, lc, start): (Time, u64, Instant)) {
        let glance = self.nodes[node].trust.glance();
        self.step_of_a_thread(node, move |world| {
            let one = &world.nodes[node];
            let reached = one.standing(key, lc) != Standing::Valid;
            let (now, bound) = (one.clock(world.now), Duration::from_micros(BOUND));
            let trusted =
                world.missing == Missing::FollowerTrust || one.trust.admits(glance, (lc, Some(start)), now, bound);
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
