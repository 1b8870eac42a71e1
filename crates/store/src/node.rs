//! One server and the connections to it. Each connection has a supervisor, which connects, waits for the end, and connects
//! again after a pause that grows and is never the same twice. Nobody who asks waits for that: without a connection the answer
//! is [`StoreError::Away`], at once.
//!
//! **The circuit.** A request that got no reply within its limit, while the server said nothing at all, closes every connection
//! that has been as silent; what else waits there fails with it. New connections count only when the server has answered on
//! them. A server that is stopped thus costs those who were waiting one limit, and nobody after them. A server that says things,
//! only too late, is closed as well after some such requests in a row.

use crate::counters::{Counters, count};
use crate::dial::{Dialer, Role};
use crate::error::StoreError;
use crate::latency::Latency;
use crate::place::Address;
use crate::wire::{Ask, NoReply, Wire};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use peregrine_base::Instant;
use redis::Value;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// The pause before the second attempt to connect; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(25);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A connection that lasted so long was a good one: the next attempt is a first one.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// How long a connection may say nothing before it is asked whether it is still there.
pub(crate) const QUIET_MAX: Duration = Duration::from_secs(2);
/// How many requests in a row may be replied to too late before the connections are made anew.
const LATE_MAX: u32 = 8;

/// What nodes need of the whole.
pub(crate) struct Surroundings {
    pub(crate) dialer: Dialer,
    pub(crate) counters: Counters,
    pub(crate) links: usize,
    pub(crate) in_flight_max: u32,
    /// Grows whenever a connection or the map of servers changed.
    pub(crate) changed: watch::Sender<u64>,
    /// Grows whenever somebody has reason to doubt the map of servers.
    pub(crate) doubts: watch::Sender<u64>,
}

impl Surroundings {
    pub(crate) fn notice(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn doubt(&self) {
        self.doubts.send_modify(|doubts| *doubts += 1);
    }
}

/// A server.
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) role: Role,
    around: Arc<Surroundings>,
    links: Box<[ArcSwapOption<Wire>]>,
    next: AtomicUsize,
    late: AtomicU32,
    attached: AtomicU32,
    fault: Mutex<Arc<str>>,
    pub(crate) latency: Latency,
    stop: watch::Sender<bool>,
}

impl Node {
    /// A server whose connections are made in the background, until the node is dropped.
    pub(crate) fn start(address: Address, role: Role, around: &Arc<Surroundings>) -> Arc<Self> {
        let node = Arc::new(Self {
            address,
            role,
            around: Arc::clone(around),
            links: (0..around.links).map(|_| ArcSwapOption::empty()).collect(),
            next: AtomicUsize::new(0),
            late: AtomicU32::new(0),
            attached: AtomicU32::new(0),
            fault: Mutex::new("not connected yet".into()),
            latency: Latency::default(),
            stop: watch::Sender::new(false),
        });
        for link in 0..around.links {
            let supervisor = supervise(Arc::downgrade(&node), Arc::clone(around), link, node.stop.subscribe());
            around.dialer.parts.runtime.spawn(Box::pin(supervisor));
        }
        node
    }

    /// Whether there is a connection.
    pub(crate) fn is_up(&self) -> bool {
        self.links.iter().any(is_open)
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.links.iter().filter(|link| is_open(link)).count()
    }

    /// Why there is none.
    pub(crate) fn fault(&self) -> Arc<str> {
        Arc::clone(&self.fault.lock())
    }

    /// How many requests wait for their replies.
    pub(crate) fn in_flight(&self) -> u64 {
        let waiting = |link: &ArcSwapOption<Wire>| link.load().as_ref().map_or(0, |wire| wire.in_flight());
        self.links.iter().map(waiting).sum()
    }

    /// How many replicas it had when it was connected to.
    pub(crate) fn attached(&self) -> u32 {
        self.attached.load(Ordering::Relaxed)
    }

    pub(crate) fn away(&self) -> StoreError {
        StoreError::Away {
            server: self.address.shown(),
            why: self.fault(),
        }
    }

    /// Sends and waits at most `limit`. A server's own error is a value like others.
    pub(crate) async fn ask(&self, ask: Ask<'_>, limit: Duration) -> Result<Value, StoreError> {
        let wire = self.choose().ok_or_else(|| self.away())?;
        if wire.in_flight() + ask.count() > u64::from(self.around.in_flight_max) {
            return Err(StoreError::Busy {
                limit: self.around.in_flight_max,
            });
        }
        let parts = &self.around.dialer.parts;
        let began = parts.clock.now();
        let reply = wire.ask(ask, limit, parts).await;
        if reply.is_ok() {
            self.late.store(0, Ordering::Relaxed);
            self.latency.record(parts.clock.now().since(began));
        }
        reply.map_err(|none| self.explain(none, began, limit))
    }

    /// What it means that there was no reply; opens the circuit where that is due.
    pub(crate) fn explain(&self, none: NoReply, began: Instant, limit: Duration) -> StoreError {
        let server = self.address.shown();
        match none {
            NoReply::Lost(why) => StoreError::Lost { server, why },
            NoReply::TimedOut { silent } => {
                // In a small rest, because others had used up the most of it, silence says nothing about this one.
                if silent && limit >= self.around.dialer.operation_limit / 2 {
                    self.hang_up(began, &format!("said nothing for {limit:?}"));
                } else if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_MAX {
                    self.late.store(0, Ordering::Relaxed);
                    self.hang_up(
                        Instant::FAR,
                        &format!("replied later than {limit:?}, {LATE_MAX} times in a row"),
                    );
                }
                StoreError::TimedOut { server, limit }
            }
        }
    }

    /// Closes every connection that has said nothing since `since`.
    pub(crate) fn hang_up(&self, since: Instant, why: &str) {
        for link in &self.links {
            if let Some(wire) = link.load().as_ref().filter(|wire| wire.heard() < since) {
                wire.close(why);
            }
        }
        self.around.notice();
    }

    /// One after the other of those that are connected.
    fn choose(&self) -> Option<Arc<Wire>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let all = self.links.len();
        (0..all)
            .filter_map(|step| self.links[first.wrapping_add(step) % all].load_full())
            .find(|wire| wire.ended().is_none())
    }

    fn linked(&self, link: usize, wire: Option<Arc<Wire>>) {
        if let Some(wire) = &wire {
            self.attached.store(wire.replicas, Ordering::Relaxed);
        }
        self.links[link].store(wire);
        self.around.notice();
    }

    fn failed(&self, why: Arc<str>) {
        let mut fault = self.fault.lock();
        if *fault != why {
            tracing::warn!(server = %self.address, "redis {why}");
            *fault = why;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Whether there is a connection that has not ended; its supervisor notes the end a moment later.
fn is_open(link: &ArcSwapOption<Wire>) -> bool {
    link.load().as_ref().is_some_and(|wire| wire.ended().is_none())
}

/// Keeps one connection, until the node is dropped.
async fn supervise(node: Weak<Node>, around: Arc<Surroundings>, link: usize, mut stop: watch::Receiver<bool>) {
    let Some((address, role)) = node.upgrade().map(|node| (node.address.clone(), node.role)) else {
        return;
    };
    let parts = &around.dialer.parts;
    let mut attempts = 0;
    loop {
        let dialed = tokio::select! {
            dialed = around.dialer.dial(&address, role, None) => dialed,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match dialed {
            Ok(wire) => {
                let wire = Arc::new(wire);
                let since = parts.clock.now();
                let Some(strong) = node.upgrade() else { return };
                strong.linked(link, Some(Arc::clone(&wire)));
                drop(strong);
                tokio::select! {
                    () = attend(&wire, &around) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                count(&around.counters.reconnects);
                let Some(strong) = node.upgrade() else { return };
                strong.failed(wire.ended().unwrap_or_default());
                strong.linked(link, None);
                if parts.clock.now().since(since) > GOOD_AFTER {
                    attempts = 0;
                }
            }
            Err(why) => {
                let Some(strong) = node.upgrade() else { return };
                strong.failed(why);
                around.notice();
            }
        }
        around.doubt();
        let pause = pause(attempts, parts.random.next_unit());
        attempts += 1;
        tokio::select! {
            () = parts.runtime.sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Waits until a connection has ended, and asks it when it has been quiet: one that was cut without a word is found before
/// somebody needs it, and one whose askers all gave up early is found at all.
pub(crate) async fn attend(wire: &Wire, around: &Surroundings) {
    let dialer = &around.dialer;
    let parts = &dialer.parts;
    loop {
        tokio::select! {
            _ = wire.until_ended() => return,
            () = parts.runtime.sleep(QUIET_MAX) => {}
        }
        if parts.clock.now().since(wire.heard()) < QUIET_MAX {
            continue;
        }
        let ping = redis::cmd("PING");
        if let Err(NoReply::TimedOut { silent: true }) = wire.ask(Ask::One(&ping), dialer.operation_limit, parts).await
        {
            wire.close(&format!("said nothing for {:?}", dialer.operation_limit));
        }
    }
}

/// The pause after so many attempts: half of it is certain, half is chance, so that many nodes do not come back together.
pub(crate) fn pause(attempts: u32, chance: f64) -> Duration {
    let whole = PAUSE_MIN.saturating_mul(1 << attempts.min(10)).min(PAUSE_MAX);
    whole.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_somewhere() {
        assert_eq!(pause(0, 0.0), PAUSE_MIN / 2);
        assert!(pause(0, 0.99) < PAUSE_MIN);
        assert_eq!(pause(3, 0.0), PAUSE_MIN * 4);
        assert_eq!(pause(60, 0.0), PAUSE_MAX / 2);
        assert!(pause(u32::MAX, 0.99) <= PAUSE_MAX);
    }
}
