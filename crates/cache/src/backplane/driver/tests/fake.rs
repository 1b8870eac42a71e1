//! A Redis that answers the calls of the backplane from memory, and does what a test says to harm them.

use super::super::super::link::{Answer, Bell, Line, Link, LinkFault};
use super::super::super::scripts::{Call, ControlKeys, Value};
use crate::sync::Mutex;
use peregrine_base::{Clock, Instant, Runtime, SystemClock};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What it holds of each shard, by the name of the shard's first key.
#[derive(Default)]
struct Shard {
    seq: u64,
    targets: BTreeMap<Vec<u8>, u64>,
    nodes: BTreeMap<String, (String, Instant)>,
}

struct State {
    shards: BTreeMap<Vec<u8>, Shard>,
    generation: String,
    away: bool,
    replicas: u32,
    acknowledged: u32,
    /// Nodes whose questions get no answer.
    frozen: Vec<String>,
    invalidations: u64,
    told: Vec<usize>,
    /// How long a question and its answer are on the way, and by whose time.
    away_by: Option<(Arc<dyn Runtime>, Duration)>,
    /// How much later than others the answer to an invalidation comes.
    confirms_after: Duration,
}

/// The server.
#[derive(Clone)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    bell: watch::Sender<u64>,
}

impl Fake {
    pub(super) fn new() -> Self {
        let state = State {
            shards: BTreeMap::new(),
            generation: "first".to_owned(),
            away: false,
            replicas: 0,
            acknowledged: 0,
            frozen: Vec::new(),
            invalidations: 0,
            told: Vec::new(),
            away_by: None,
            confirms_after: Duration::ZERO,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            bell: watch::Sender::new(0),
        }
    }

    /// From now on it answers nobody, or everybody again.
    pub(super) fn away(&self, away: bool) {
        self.state.lock().away = away;
    }

    /// It has `replicas` replicas, of which `acknowledged` have what is written.
    pub(super) fn replicas(&self, replicas: u32, acknowledged: u32) {
        let mut state = self.state.lock();
        (state.replicas, state.acknowledged) = (replicas, acknowledged);
    }

    /// Questions and answers together take `round_trip` from now on.
    pub(super) fn far(&self, runtime: Arc<dyn Runtime>, round_trip: Duration) {
        self.state.lock().away_by = Some((runtime, round_trip));
    }

    /// The answers to invalidations come so much later than others.
    pub(super) fn confirms_after(&self, later: Duration) {
        self.state.lock().confirms_after = later;
    }

    async fn travel(&self) {
        let away_by = self.state.lock().away_by.clone();
        if let Some((runtime, round_trip)) = away_by {
            runtime.sleep(round_trip / 2).await;
        }
    }

    /// The questions of `node` get no answer any more.
    pub(super) fn freeze(&self, node: &str) {
        self.state.lock().frozen.push(node.to_owned());
    }

    /// It restarts with nothing in it.
    pub(super) fn restart_empty(&self) {
        let mut state = self.state.lock();
        state.shards.clear();
        state.generation.push('\'');
    }

    /// Somebody's eviction takes the table of nodes.
    pub(super) fn forget_nodes(&self) {
        self.state
            .lock()
            .shards
            .values_mut()
            .for_each(|shard| shard.nodes.clear());
    }

    /// How many marks the calls that told it of invalidations had.
    pub(super) fn told(&self) -> Vec<usize> {
        self.state.lock().told.clone()
    }

    /// How many targets it was told of.
    pub(super) fn seq(&self) -> u64 {
        self.state.lock().shards.values().map(|shard| shard.seq).sum()
    }

    /// The targets that it holds.
    pub(super) fn targets(&self) -> Vec<String> {
        let state = self.state.lock();
        let targets = state.shards.values().flat_map(|shard| shard.targets.keys());
        targets
            .map(|target| String::from_utf8_lossy(target).into_owned())
            .collect()
    }

    /// The nodes in its tables.
    pub(super) fn nodes(&self) -> Vec<String> {
        let state = self.state.lock();
        state
            .shards
            .values()
            .flat_map(|shard| &shard.nodes)
            .filter(|(_, (row, _))| !row.starts_with("left "))
            .map(|(node, _)| node.clone())
            .collect()
    }

    fn answer(&self, call: &Call) -> Result<(Value, u32), LinkFault> {
        let mut state = self.state.lock();
        let away = || LinkFault {
            kind: "away",
            text: "the test says so".to_owned(),
        };
        if state.away {
            return Err(away());
        }
        let (generation, acknowledged) = (state.generation.clone(), state.acknowledged);
        let name = shard_of(&call.keys[0]);
        let value = match call.script.name {
            "invalidate" => {
                state.invalidations += 1;
                state.told.push(call.args.len() - 3);
                let shard = state.shards.entry(name).or_default();
                let mut before = Vec::new();
                for mark in &call.args[3..] {
                    shard.seq += 1;
                    let stood = shard.targets.insert(mark.clone(), shard.seq);
                    before.push(text(&stood.unwrap_or_default().to_string()));
                }
                let seq = shard.seq;
                drop(state);
                self.bell.send_modify(|rung| *rung += 1);
                Value::Array(vec![text(&generation), text(&seq.to_string()), Value::Array(before)])
            }
            "sync" => {
                let word = |at: usize| String::from_utf8_lossy(&call.args[at]).into_owned();
                let (node, known, cursor, bound) = (word(1), word(2), word(3), word(4));
                if state.frozen.contains(&node) {
                    return Err(away());
                }
                let shard = state.shards.entry(name).or_default();
                let row = format!("{known} {cursor} {bound} 0");
                shard.nodes.insert(node, (row, SystemClock.now()));
                let above: u64 = if known == generation {
                    cursor.parse().unwrap()
                } else {
                    0
                };
                let mut records: Vec<_> = shard.targets.iter().filter(|(_, seq)| **seq > above).collect();
                records.sort_by_key(|(_, seq)| **seq);
                let records = records
                    .into_iter()
                    .flat_map(|(mark, seq)| [Value::Bytes(mark.clone()), text(&seq.to_string())]);
                Value::Array(vec![
                    text(&generation),
                    text(&shard.seq.to_string()),
                    text("0"),
                    Value::Int(1),
                    Value::Array(records.collect()),
                ])
            }
            "leave" => {
                let node = String::from_utf8_lossy(&call.args[0]).into_owned();
                let shard = state.shards.entry(name).or_default();
                shard.nodes.insert(node, ("left 0".to_owned(), SystemClock.now()));
                Value::Int(1)
            }
            _ => {
                let shard = state.shards.entry(name).or_default();
                let rows = shard.nodes.iter().flat_map(|(node, (row, seen))| {
                    let silent = SystemClock.now().since(*seen).as_millis().to_string();
                    [text(node), text(row), text(&silent)]
                });
                Value::Array(rows.collect())
            }
        };
        Ok((value, acknowledged))
    }
}

fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

/// The part of a key that all keys of a shard have.
fn shard_of(key: &[u8]) -> Vec<u8> {
    key[..key.len() - 1].to_vec()
}

impl Link for Fake {
    fn line(&self, _: &ControlKeys) -> Box<dyn Line> {
        Box::new(self.clone())
    }

    fn bell(&self, _: &ControlKeys) -> Box<dyn Bell> {
        Box::new(FakeBell(self.bell.subscribe()))
    }

    fn read<'a>(&'a self, call: &'a Call) -> Answer<'a, Value> {
        Box::pin(async move { self.answer(call).map(|(value, _)| value) })
    }

    fn replicas_known(&self) -> u32 {
        self.state.lock().replicas
    }
}

impl Line for Fake {
    fn ask<'a>(&'a mut self, call: &'a Call, _: u32, _: Duration) -> Answer<'a, (Value, u32)> {
        Box::pin(async move {
            self.travel().await;
            let answer = self.answer(call);
            self.travel().await;
            let (away_by, later) = {
                let state = self.state.lock();
                (state.away_by.clone(), state.confirms_after)
            };
            if let Some((runtime, _)) = away_by.filter(|_| call.script.name == "invalidate") {
                runtime.sleep(later).await;
            }
            answer
        })
    }

    fn replicas(&mut self) -> Answer<'_, u32> {
        Box::pin(async move {
            let state = self.state.lock();
            match state.away {
                true => Err(LinkFault {
                    kind: "away",
                    text: String::new(),
                }),
                false => Ok(state.replicas),
            }
        })
    }
}

struct FakeBell(watch::Receiver<u64>);

impl Bell for FakeBell {
    fn rung(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
