//! A node: the real protocol, trust and ledger, and what it asks of Redis and tells it.

use super::history::{KEYS, NAMESPACE, Reached};
use super::servers::Answer;
use super::twin::Rows;
use super::{BOUND, Heard, Missing, SECOND, Time, World};
use crate::backplane::generation::{Generation, Stamp};
use crate::backplane::ground::Ground;
use crate::backplane::protocol::{Confirming, Effect, Node, PendingId, Rules, SyncRequest};
use crate::backplane::trust::ShardTrust;
use crate::backplane::wire::{self, Mark};
use crate::ledger::{Checked, Ledger, Position, Scope, Standing};
use peregrine_base::Instant;
use std::collections::HashMap;
use std::rc::Rc;

/// Something in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) loaded: Time,
    pub(super) lc: u64,
    /// By the node's clock; nothing where it came from Redis.
    pub(super) load_start: Option<Instant>,
}

/// A load under way.
pub(super) struct Load {
    pub(super) loaded: Time,
    pub(super) start: Instant,
    pub(super) position: Position,
    /// When those arrived who wait for it.
    pub(super) waiting: Vec<Time>,
}

pub(super) type Then = Box<dyn FnOnce(&mut World)>;

/// A node.
pub(super) struct SimNode {
    number: usize,
    missing: Missing,
    pub(super) frozen_until: Time,
    /// Raised when it is killed: what was under way then is not heard of again.
    pub(super) incarnation: u64,
    pub(super) protocol: Node,
    /// Effects are being applied: nobody else gets at the protocol.
    locked: bool,
    pub(super) ledger: Ledger,
    scope: Scope,
    pub(super) trust: ShardTrust,
    pub(super) memory: HashMap<usize, Kept>,
    pub(super) loads: HashMap<usize, Load>,
    /// The server that it believes to be the primary.
    target: usize,
    asking: Option<(usize, SyncRequest)>,
    /// Those who wait for the end of a question.
    pub(super) verifying: Vec<Then>,
    /// What is not confirmed, as the journal has it; with when it was called until it has returned.
    journal: HashMap<PendingId, (Reached, Option<Time>)>,
    pub(super) tick: Instant,
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
            whole_answers_are_heard: missing != Missing::WholeAnswers,
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
    pub(super) fn clock(&self, now: Time) -> Instant {
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
    pub(super) fn standing(&self, key: usize, lc: u64) -> Standing {
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

impl World {
    /// Lets `node` do something as soon as it can; nothing once it was killed.
    pub(super) fn post(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        let incarnation = self.nodes[node].incarnation;
        self.post_to(node, incarnation, Box::new(act));
    }

    pub(super) fn post_to(&mut self, node: usize, incarnation: u64, act: Then) {
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
    pub(super) fn step(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        let (moment, incarnation) = (self.chance.below(500), self.nodes[node].incarnation);
        self.after(moment, move |world| world.post_to(node, incarnation, Box::new(act)));
    }

    /// As [`World::step`], of a thread that others may push aside for seconds while the rest of the node goes on.
    pub(super) fn step_of_a_thread(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        if self.chance.percent(97) {
            self.step(node, act);
            return;
        }
        let (pause, incarnation) = (self.chance.millis(0, 2500), self.nodes[node].incarnation);
        self.after(pause, move |world| world.post_to(node, incarnation, Box::new(act)));
    }

    /// As [`World::post`], once nobody else is at the node's protocol.
    pub(super) fn with_lock(&mut self, node: usize, act: impl FnOnce(&mut World) + 'static) {
        if self.nodes[node].locked {
            self.step(node, move |world| world.with_lock(node, act));
        } else {
            act(self);
        }
    }

    /// Applies effects one after the other, with time between them, and then goes on.
    pub(super) fn apply(&mut self, node: usize, mut effects: Vec<Effect>, then: impl FnOnce(&mut World) + 'static) {
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

    pub(super) fn sync(&mut self, node: usize) {
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
        let asked = request.clone();
        let heard: Heard<Answer<_>> = Rc::new(move |world, answer| {
            let request = request.clone();
            world.with_lock(node, move |world| world.heard_of_sync(node, &request, answer));
        });
        self.ask(
            node,
            target,
            move |twin, who| twin.sync(who, (salt, missing), node, &asked, page),
            &heard,
        );
    }

    fn heard_of_sync(
        &mut self,
        node: usize,
        request: &SyncRequest,
        answer: Option<Answer<crate::backplane::scripts::SyncReply>>,
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
        self.with_lock(node, move |world| {
            let one = &mut world.nodes[node];
            let id = one.protocol.pend(vec![what.mark()]);
            one.journal.insert(id, (what, Some(called)));
            world.step(node, move |world| {
                world.nodes[node].raise(&what.mark());
                world.replay(node);
            });
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
        answer: Option<Answer<crate::backplane::scripts::InvalidateReply>>,
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
                if let Confirming::Confirmed(stamp) = confirming {
                    confirmed = true;
                    one.journal.remove(&id);
                    self.history.confirmed(what, answer.executed);
                    self.look_who_knows(node, what, stamp, answer.executed);
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

    /// Asks several times what the other nodes said that they know, for the receipt.
    fn look_who_knows(&mut self, node: usize, what: Reached, stamp: Stamp, executed: Time) {
        for pause in [2_000, 8_000, 32_000, 128_000, 512_000] {
            let incarnation = self.nodes[node].incarnation;
            let look = move |world: &mut Self| {
                let target = world.nodes[node].target;
                let heard: Heard<Answer<Rows>> = Rc::new(move |world, answer| {
                    let Some(answer) = answer else { return };
                    for (other, (known, cursor)) in answer.reply {
                        let known = known.as_ref().map(Generation::id);
                        if known == Some(stamp.generation) && cursor >= stamp.seq {
                            let now = world.now;
                            world.history.acknowledged(other, what, executed, now);
                        }
                    }
                });
                world.ask(node, target, |twin, _| twin.rows.clone(), &heard);
            };
            self.after(pause, move |world| world.post_to(node, incarnation, Box::new(look)));
        }
    }
}
