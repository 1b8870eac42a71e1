//! Deadlines of connections, kept coarsely: they are long (seconds), move with every request and rarely fire. One task turns
//! a wheel of slots; a connection that waits stands in the slot of its deadline and is woken when the wheel gets there, never
//! early and at most two ticks late. Against a timer of the runtime for each connection this costs no call to the system and
//! no allocation when a deadline moves: an [`Alarm`] that is set for an earlier time already is left alone, and its owner
//! sets it anew when it rings too early.

use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Runtime};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How exact deadlines are.
const TICK: Duration = Duration::from_nanos(TICK_NANOS);
const TICK_NANOS: u64 = 50_000_000;
/// How far the wheel reaches; who waits longer is woken in between. More than the usual time to keep a connection.
const SLOTS: u64 = 2048;
/// No node.
const NONE: u32 = u32::MAX;

/// Wakes tasks at their deadlines.
pub(crate) struct Wheel {
    clock: Arc<dyn Clock>,
    runtime: Arc<dyn Runtime>,
    turning: Mutex<Turning>,
    this: Weak<Self>,
}

/// The slots: lists of nodes, linked by their numbers, so that setting and taking out cost the same for any number of them.
struct Turning {
    /// The tick that was reached: the slots up to it are empty.
    tick: u64,
    first: Vec<u32>,
    nodes: Vec<Node>,
    unused: Vec<u32>,
    /// How many nodes are in a slot.
    set: usize,
    /// Whether a task turns the wheel; nobody does while no alarm is set.
    turned: bool,
}

#[derive(Default)]
struct Node {
    /// There while the node is in a slot.
    place: Option<Place>,
}

struct Place {
    slot: usize,
    before: u32,
    after: u32,
    waker: Waker,
}

impl Wheel {
    pub(crate) fn new(clock: Arc<dyn Clock>, runtime: Arc<dyn Runtime>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            clock,
            runtime,
            turning: Mutex::new(Turning {
                tick: 0,
                first: vec![NONE; slot(SLOTS - 1) + 1],
                nodes: Vec::new(),
                unused: Vec::new(),
                set: 0,
                turned: false,
            }),
            this: this.clone(),
        })
    }

    /// Wakes everybody who has an alarm set, so that they look around.
    pub(crate) fn wake_all(&self) {
        let turning = self.turning.lock();
        let places = turning.nodes.iter().filter_map(|node| node.place.as_ref());
        let wakers: Vec<Waker> = places.map(|place| place.waker.clone()).collect();
        drop(turning);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Puts the node (a new one without `key`) where its task is woken at `tick`, or in between; its number and the tick.
    fn set(&self, key: Option<u32>, tick: u64, now: Instant, waker: &Waker) -> (u32, u64) {
        let mut turning = self.turning.lock();
        if !turning.turned {
            turning.turned = true;
            turning.tick = now.as_nanos() / TICK_NANOS;
            let wheel = self.this.clone();
            self.runtime.spawn(Box::pin(turn(wheel)));
        }
        let key = key.unwrap_or_else(|| turning.make());
        let tick = tick.clamp(turning.tick + 1, turning.tick + SLOTS - 1);
        turning.take_out(key);
        turning.put(key, slot(tick), waker.clone());
        (key, tick)
    }

    fn remove(&self, key: u32) {
        let mut turning = self.turning.lock();
        turning.take_out(key);
        turning.unused.push(key);
    }

    /// Wakes those whose time has come; whether anybody still waits.
    fn advance(&self) -> bool {
        let now = self.clock.now().as_nanos() / TICK_NANOS;
        let mut due = Vec::new();
        let mut turning = self.turning.lock();
        for tick in (turning.tick + 1..=now).take(slot(SLOTS - 1) + 1) {
            while let Some(waker) = turning.pop(slot(tick)) {
                due.push(waker);
            }
        }
        turning.tick = now.max(turning.tick);
        turning.turned = turning.set > 0;
        let goes_on = turning.turned;
        drop(turning);
        due.into_iter().for_each(Waker::wake);
        goes_on
    }
}

/// Turns a wheel as long as it is there and somebody waits.
async fn turn(wheel: Weak<Wheel>) {
    while let Some(sleep) = wheel.upgrade().map(|wheel| wheel.runtime.sleep(TICK)) {
        sleep.await;
        if !wheel.upgrade().is_some_and(|wheel| wheel.advance()) {
            return;
        }
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS).expect("there are few slots")
}

impl Turning {
    fn make(&mut self) -> u32 {
        self.unused.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            u32::try_from(self.nodes.len() - 1).expect("there are fewer connections")
        })
    }

    fn node(&mut self, key: u32) -> &mut Option<Place> {
        &mut self.nodes[key as usize].place
    }

    fn put(&mut self, key: u32, slot: usize, waker: Waker) {
        let after = std::mem::replace(&mut self.first[slot], key);
        if let Some(Some(place)) = (after != NONE).then(|| self.node(after)) {
            place.before = key;
        }
        *self.node(key) = Some(Place {
            slot,
            before: NONE,
            after,
            waker,
        });
        self.set += 1;
    }

    fn take_out(&mut self, key: u32) -> Option<Waker> {
        let place = self.node(key).take()?;
        self.set -= 1;
        match (place.before != NONE).then(|| self.node(place.before)) {
            Some(Some(before)) => before.after = place.after,
            _ => self.first[place.slot] = place.after,
        }
        if let Some(Some(after)) = (place.after != NONE).then(|| self.node(place.after)) {
            after.before = place.before;
        }
        Some(place.waker)
    }

    fn pop(&mut self, slot: usize) -> Option<Waker> {
        let first = self.first[slot];
        (first != NONE).then(|| self.take_out(first))?
    }
}

/// One task's place in the wheel. It must always be polled by the same task.
pub(crate) struct Alarm {
    wheel: Arc<Wheel>,
    key: Option<u32>,
    /// The tick at which it rings, or has rung.
    rings_at: u64,
}

impl Alarm {
    pub(crate) fn new(wheel: Arc<Wheel>) -> Self {
        Self {
            wheel,
            key: None,
            rings_at: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.wheel.clock.now()
    }

    /// Ready once `deadline` is reached; otherwise the task of `cx` is woken soon after it, and perhaps before.
    pub(crate) fn poll_until(&mut self, deadline: Instant, cx: &Context<'_>) -> Poll<()> {
        let now = self.now();
        if now >= deadline {
            return Poll::Ready(());
        }
        self.set(deadline, now, cx);
        Poll::Pending
    }

    /// Sees to it that the task of `cx` is woken soon after `deadline`, which lies after `now`, and perhaps before.
    pub(crate) fn set(&mut self, deadline: Instant, now: Instant, cx: &Context<'_>) {
        let tick = deadline.as_nanos().div_ceil(TICK_NANOS);
        let is_set = self.rings_at > now.as_nanos() / TICK_NANOS;
        if !is_set || self.rings_at > tick {
            let (key, rings_at) = self.wheel.set(self.key, tick, now, cx.waker());
            (self.key, self.rings_at) = (Some(key), rings_at);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.wheel.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
