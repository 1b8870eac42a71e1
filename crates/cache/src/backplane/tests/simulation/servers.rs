//! The servers of Redis: replication, `WAIT`, and questions that may be late or lost.

use super::twin::{Identity, Twin};
use super::{Heard, SECOND, Time, World};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// How long a primary waits for its replicas.
const WAIT_MAX: Time = 300_000;
/// When a node gives a question up.
const ANSWER_MAX: Time = 400_000;

/// A process.
pub(super) struct Server {
    pub(super) alive: bool,
    pub(super) frozen_until: Time,
    pub(super) is_primary: bool,
    pub(super) state: Twin,
    pub(super) run_id: u64,
    pub(super) replid: u64,
    pub(super) offset: u64,
    pub(super) acknowledged: HashMap<usize, u64>,
    pub(super) followers: Vec<usize>,
    pub(super) waiting: Vec<Waiting>,
    /// When the last piece of replication arrives here.
    pub(super) arriving: Time,
}

/// Goes on, and hears whether they did.
type Acknowledged = Box<dyn FnOnce(&mut World, bool)>;

/// Somebody who waits for replicas.
pub(super) struct Waiting {
    id: u64,
    offset: u64,
    wanted: usize,
    then: Acknowledged,
}

impl Server {
    pub(super) fn new(run_id: u64, replid: u64) -> Self {
        Self {
            alive: true,
            frozen_until: 0,
            is_primary: false,
            state: Twin::default(),
            run_id,
            replid,
            offset: 0,
            acknowledged: HashMap::new(),
            followers: Vec::new(),
            waiting: Vec::new(),
            arriving: 0,
        }
    }

    fn has_acknowledged(&self, offset: u64) -> usize {
        let there = |follower: &&usize| self.acknowledged.get(follower).is_some_and(|upto| *upto >= offset);
        self.followers.iter().filter(there).count()
    }
}

/// A question to one server; what it comes to is told with when it was executed and whether the replicas acknowledged it.
pub(super) struct Answer<T> {
    pub(super) reply: T,
    pub(super) acknowledged: bool,
    pub(super) executed: Time,
}

impl World {
    /// Makes `followers` replicas of `primary`, in sync.
    pub(super) fn attach(&mut self, primary: usize, followers: &[usize]) {
        let (state, offset) = (self.servers[primary].state.clone(), self.servers[primary].offset);
        self.servers[primary].followers = followers.to_vec();
        self.servers[primary].acknowledged = followers.iter().map(|follower| (*follower, offset)).collect();
        for follower in followers {
            let server = &mut self.servers[*follower];
            server.is_primary = false;
            server.state = state.clone();
            server.offset = offset;
            server.arriving = 0;
        }
    }

    /// `primary` wrote something, which goes to its replicas.
    pub(super) fn wrote(&mut self, primary: usize) {
        self.servers[primary].offset += 1;
        let (state, offset) = (self.servers[primary].state.clone(), self.servers[primary].offset);
        for follower in self.servers[primary].followers.clone() {
            let delay = if self.chance.percent(90) {
                self.chance.millis(0, 10)
            } else {
                self.chance.millis(0, 600)
            };
            let at = (self.now + delay).max(self.servers[follower].arriving);
            self.servers[follower].arriving = at;
            let state = state.clone();
            self.after(at - self.now, move |world| {
                world.replicate(primary, follower, offset, state)
            });
        }
    }

    fn replicate(&mut self, primary: usize, follower: usize, offset: u64, state: Twin) {
        let (from, to) = (&self.servers[primary], &self.servers[follower]);
        let connected = from.followers.contains(&follower) && !self.cut_servers.contains(&(primary, follower));
        if !(connected && from.alive && to.alive && !to.is_primary) {
            return;
        }
        if self.now < to.frozen_until {
            let wait = to.frozen_until - self.now;
            self.after(wait, move |world| world.replicate(primary, follower, offset, state));
            return;
        }
        self.servers[follower].state = state;
        self.servers[follower].offset = offset;
        let delay = self.chance.millis(0, 5);
        self.after(delay, move |world| {
            let server = &mut world.servers[primary];
            if server.alive && server.followers.contains(&follower) {
                let upto = server.acknowledged.entry(follower).or_default();
                *upto = (*upto).max(offset);
                world.wake(primary);
            }
        });
    }

    /// Those who have waited for enough replicas of `primary` go on.
    pub(super) fn wake(&mut self, primary: usize) {
        let server = &mut self.servers[primary];
        let waiting = std::mem::take(&mut server.waiting);
        let (done, left) = waiting
            .into_iter()
            .partition(|one| server.has_acknowledged(one.offset) >= one.wanted);
        server.waiting = left;
        for one in done {
            (one.then)(self, true);
        }
    }

    fn wait_for_replicas(&mut self, primary: usize, then: impl FnOnce(&mut World, bool) + 'static) {
        let (offset, wanted) = (self.servers[primary].offset, self.replicas);
        if self.servers[primary].has_acknowledged(offset) >= wanted {
            then(self, true);
            return;
        }
        let id = self.id();
        self.servers[primary].waiting.push(Waiting {
            id,
            offset,
            wanted,
            then: Box::new(then),
        });
        self.after(WAIT_MAX, move |world| {
            let waiting = &mut world.servers[primary].waiting;
            if let Some(at) = waiting.iter().position(|one| one.id == id) {
                let one = waiting.remove(at);
                (one.then)(world, false);
            }
        });
    }

    /// What a message takes: mostly little, sometimes nearly a second.
    fn on_the_way(&mut self) -> Time {
        if self.chance.percent(95) {
            200 + self.chance.millis(0, 5)
        } else {
            self.chance.millis(0, 800)
        }
    }

    /// Lets `server` run `script` for `node`. `heard` gets what came of it, or nothing; an answer that comes after that too.
    pub(super) fn ask<T: 'static>(
        &mut self,
        node: usize,
        server: usize,
        script: impl FnOnce(&mut Twin, Identity<'_>) -> T + 'static,
        heard: &Heard<Answer<T>>,
    ) {
        let settled = Rc::new(Cell::new(false));
        let delay = self.on_the_way();
        let (done, back) = (Rc::clone(&settled), Rc::clone(heard));
        self.after(delay, move |world| {
            world.arrive(node, server, Box::new(script), done, back)
        });
        let heard = Rc::clone(heard);
        self.after(ANSWER_MAX, move |world| world.give_up(node, &settled, &heard));
    }

    fn give_up<T: 'static>(&mut self, node: usize, settled: &Rc<Cell<bool>>, heard: &Heard<Answer<T>>) {
        if !settled.replace(true) {
            let heard = Rc::clone(heard);
            self.post(node, move |world| heard(world, None));
        }
    }

    #[expect(clippy::type_complexity, reason = "said once")]
    fn arrive<T: 'static>(
        &mut self,
        node: usize,
        at: usize,
        script: Box<dyn FnOnce(&mut Twin, Identity<'_>) -> T>,
        settled: Rc<Cell<bool>>,
        heard: Heard<Answer<T>>,
    ) {
        if !self.servers[at].alive {
            self.after(1000, move |world| world.give_up(node, &settled, &heard));
            return;
        }
        if self.cut.contains(&(node, at)) {
            return;
        }
        let frozen_until = self.servers[at].frozen_until;
        if self.now < frozen_until {
            let wait = frozen_until - self.now + self.chance.millis(0, 10);
            self.after(wait, move |world| world.arrive(node, at, script, settled, heard));
            return;
        }
        if !self.servers[at].is_primary {
            let delay = self.on_the_way();
            self.after(delay, move |world| world.give_up(node, &settled, &heard));
            return;
        }
        let server = &mut self.servers[at];
        let (run_id, replid) = (server.run_id.to_string(), server.replid.to_string());
        let who = Identity {
            run_id: &run_id,
            replid: &replid,
        };
        let reply = script(&mut server.state, who);
        self.wrote(at);
        let executed = self.now;
        self.wait_for_replicas(at, move |world, acknowledged| {
            if world.cut.contains(&(node, at)) || !world.servers[at].alive {
                return;
            }
            let delay = world.on_the_way();
            world.after(delay, move |world| {
                settled.set(true);
                let answer = Answer {
                    reply,
                    acknowledged,
                    executed,
                };
                world.post(node, move |world| heard(world, Some(answer)));
            });
        });
    }

    /// Another server becomes the primary. Its followers and the nodes learn of it by and by; the old one when it is told to.
    pub(super) fn promote(&mut self, new: usize, old: usize) -> bool {
        if !self.servers[new].alive || self.servers[new].is_primary {
            return false;
        }
        let replid = self.id();
        self.note(format!("server {new} takes over from {old}"));
        let server = &mut self.servers[new];
        server.is_primary = true;
        server.replid = replid;
        server.followers.clear();
        server.acknowledged.clear();
        self.servers[old].followers.retain(|follower| *follower != new);
        self.primary = new;
        for other in self.servers[old].followers.clone() {
            let delay = self.chance.millis(0, 3000);
            self.after(delay, move |world| {
                world.servers[old].followers.retain(|follower| *follower != other);
                if world.servers[new].is_primary {
                    world.follow(other, new);
                }
            });
        }
        for node in 0..self.nodes.len() {
            if self.chance.percent(70) {
                let delay = self.chance.millis(0, 2500);
                self.after(delay, move |world| {
                    world.post(node, move |world| world.switch(node, new))
                });
            }
        }
        true
    }

    /// `follower` becomes a replica of `primary` and takes its state.
    pub(super) fn follow(&mut self, follower: usize, primary: usize) {
        let (state, offset) = (self.servers[primary].state.clone(), self.servers[primary].offset);
        let replid = self.servers[primary].replid;
        let server = &mut self.servers[follower];
        server.is_primary = false;
        server.state = state;
        server.offset = offset;
        server.arriving = 0;
        server.replid = replid;
        server.followers.clear();
        server.waiting.clear();
        self.servers[primary].followers.push(follower);
        self.servers[primary].acknowledged.insert(follower, offset);
        self.wake(primary);
    }

    /// `old` hears that it was deposed, if it was and still is.
    pub(super) fn demote(&mut self, old: usize, new: usize) {
        if self.servers[old].alive && self.primary == new && old != new {
            self.note(format!("server {old} follows {new}"));
            self.follow(old, new);
        }
    }

    pub(super) fn seconds(&mut self, low_ms: u64, high_ms: u64) -> Time {
        debug_assert!(high_ms * 1000 <= 20 * SECOND);
        self.chance.millis(low_ms, high_ms)
    }
}
