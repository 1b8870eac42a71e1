//! What everything here shares: the map of servers, the way of a request to the one that owns its slot, and the redirections of
//! a cluster.
//!
//! A request follows at most [`REDIRECTS_MAX`] redirections and is never sent again after it may have been executed.

use crate::config::ReadFrom;
use crate::counters::count;
use crate::error::StoreError;
use crate::map::{Atlas, Map};
use crate::node::{Node, Surroundings};
use crate::place::{Address, Place};
use crate::reply::Reply;
use crate::status::State;
use crate::wire::Ask;
use parking_lot::Mutex;
use peregrine_base::Instant;
use redis::{Cmd, Pipeline, ServerError, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How many redirections a request follows.
pub(crate) const REDIRECTS_MAX: usize = 5;

/// Shared by the handle, the control connections, the nudges and the watchers.
pub(crate) struct Core {
    pub(crate) place: Place,
    pub(crate) read_from: ReadFrom,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) atlas: Atlas,
    pub(crate) stop: watch::Sender<bool>,
    /// Why the map could not be drawn.
    pub(crate) fault: Mutex<Option<Arc<str>>>,
    /// Since when not every primary is connected to, in nanoseconds; 0: they are.
    pub(crate) away_since: AtomicU64,
}

/// Where a server sends a request.
pub(crate) enum Redirect {
    /// The slot has another owner.
    Moved { slot: u16, host: String, port: u16 },
    /// This key is with another one already.
    Ask { host: String, port: u16 },
}

impl Redirect {
    pub(crate) fn of(error: &ServerError, asked: &Address) -> Option<Self> {
        let code = error.code();
        if code != "MOVED" && code != "ASK" {
            return None;
        }
        let mut words = error.details()?.split_ascii_whitespace();
        let slot = words.next()?.parse().ok()?;
        let (host, port) = Address::of_redirection(words.next()?)?;
        // A node that does not know its own name means the address that it was asked at.
        let host = if host.is_empty() { asked.host() } else { host }.to_owned();
        Some(if code == "MOVED" {
            Self::Moved { slot, host, port }
        } else {
            Self::Ask { host, port }
        })
    }
}

impl Core {
    /// The time limit of an operation.
    pub(crate) fn limit(&self) -> Duration {
        self.around.dialer.operation_limit
    }

    pub(crate) fn now(&self) -> Instant {
        self.around.dialer.parts.clock.now()
    }

    /// The primary that owns `slot`.
    pub(crate) fn primary(&self, map: &Map, slot: u16) -> Result<Arc<Node>, StoreError> {
        let shard = map.shard(slot).and_then(|shard| shard.primary.as_ref());
        shard.cloned().ok_or_else(|| self.nobody())
    }

    /// Who serves reads of `slot`: a replica that is connected to, by chance; else the primary.
    pub(crate) fn reader(&self, map: &Map, slot: u16, from: ReadFrom) -> Result<Arc<Node>, StoreError> {
        if from == ReadFrom::Replica
            && let Some(shard) = map.shard(slot)
        {
            let up: Vec<&Arc<Node>> = shard.replicas.iter().filter(|node| node.is_up()).collect();
            let chance = usize::try_from(self.around.dialer.parts.random.next_u64() >> 33).unwrap_or(0);
            if let Some(node) = up.get(chance % up.len().max(1)) {
                return Ok(Arc::clone(node));
            }
        }
        self.primary(map, slot)
    }

    /// Nobody is known who could be asked.
    pub(crate) fn nobody(&self) -> StoreError {
        let why = self.fault.lock().clone();
        StoreError::Away {
            server: self.place.hosts.first().map_or_else(|| "redis".into(), Address::shown),
            why: why.unwrap_or_else(|| "its servers are not known yet".into()),
        }
    }

    /// One command to whoever owns `slot`.
    pub(crate) async fn route(&self, slot: u16, from: ReadFrom, command: &Cmd) -> Result<Reply, StoreError> {
        let until = self.now().after(self.limit());
        let mut from = from;
        let mut last: Option<Arc<Node>> = None;
        for _ in 0..=REDIRECTS_MAX {
            let map = self.atlas.map();
            let node = self.reader(&map, slot, from)?;
            let value = node.ask(Ask::One(command), self.left(until)).await?;
            let Some(redirect) = redirect_of(&value, &node.address) else {
                return self.understood(value, &node);
            };
            count(&self.around.counters.redirects);
            from = ReadFrom::Primary;
            match redirect {
                Redirect::Moved { slot, host, port } => self.follow(&map, slot, &host, port, until).await,
                Redirect::Ask { host, port } => {
                    if let Some(value) = self.ask_other(&map, &host, port, command, until).await? {
                        return Reply::from_value(value, &node.address);
                    }
                }
            }
            last = Some(node);
        }
        Err(self.sent_around(last.as_ref()))
    }

    pub(crate) fn sent_around(&self, last: Option<&Arc<Node>>) -> StoreError {
        StoreError::Redirected {
            server: last.map_or_else(|| "cluster".into(), |node| node.address.shown()),
        }
    }

    /// What a reply says; one by which a primary says that it is none any more makes its watcher look.
    pub(crate) fn understood(&self, value: Value, node: &Node) -> Result<Reply, StoreError> {
        let reply = Reply::from_value(value, &node.address);
        if let Err(StoreError::Refused { code, .. }) = &reply
            && matches!(&**code, "READONLY" | "MASTERDOWN" | "CLUSTERDOWN")
        {
            if &**code == "READONLY" {
                node.hang_up(Instant::FAR, "is a replica, not a primary");
            }
            self.around.doubt();
        }
        reply
    }

    /// Takes in that `slot` is elsewhere; where that is not known, waits until the map names that owner, or another
    /// one than before.
    pub(crate) async fn follow(&self, map: &Map, slot: u16, host: &str, port: u16, until: Instant) {
        if self.atlas.moved(slot, host, port) {
            return;
        }
        let mut changed = self.around.changed.subscribe();
        let another = async {
            let owner = |map: &Map| Some(map.shard(slot)?.primary.as_ref()?.address.clone());
            let before = owner(map);
            loop {
                let now = self.atlas.map();
                if now.primary_at(host, port).is_some() || owner(&now) != before || changed.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = another => {}
            () = self.around.dialer.parts.runtime.sleep(self.left(until)) => {}
        }
    }

    /// Asks the node that a key is being moved to. `None` where that node is not known.
    async fn ask_other(
        &self,
        map: &Map,
        host: &str,
        port: u16,
        command: &Cmd,
        until: Instant,
    ) -> Result<Option<Value>, StoreError> {
        let Some(node) = map.primary_at(host, port) else {
            self.around.doubt();
            return Ok(None);
        };
        let mut both = Pipeline::new();
        both.cmd("ASKING").ignore();
        both.add_command(command.clone());
        match node.ask(Ask::Many(&both), self.left(until)).await? {
            Value::Array(mut values) => Ok(values.pop()),
            _ => Ok(None),
        }
    }

    pub(crate) fn left(&self, until: Instant) -> Duration {
        until.since(self.now())
    }

    /// How much of the map is connected to.
    pub(crate) fn state(&self) -> State {
        let map = self.atlas.map();
        let (mut up, mut down) = (0, 0);
        for shard in &map.shards {
            if shard.primary.as_ref().is_some_and(|node| node.is_up()) {
                up += 1;
            } else {
                down += 1;
            }
        }
        match (up, down) {
            (0, _) => State::Down,
            (_, 0) if map.is_whole() => State::Up,
            _ => State::Partly,
        }
    }

    /// Follows the state, so that it can be said since when it has been bad.
    pub(crate) async fn keep_state(self: Arc<Self>) {
        let mut changed = self.around.changed.subscribe();
        let mut stop = self.stop.subscribe();
        let mut before = State::Down;
        loop {
            let state = self.state();
            if state != before {
                tracing::info!(state = state.as_str(), mode = self.place.mode.as_str(), "redis");
                before = state;
            }
            if state == State::Up {
                self.away_since.store(0, Ordering::Relaxed);
            } else {
                let now = self.now().as_nanos();
                let _ = self
                    .away_since
                    .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
            }
            tokio::select! {
                changed = changed.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// Where a reply sends the request.
pub(crate) fn redirect_of(value: &Value, asked: &Address) -> Option<Redirect> {
    match value {
        Value::ServerError(error) => Redirect::of(error, asked),
        _ => None,
    }
}
