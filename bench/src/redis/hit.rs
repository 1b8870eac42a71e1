//! A hit in Redis beside a bare GET of the same bytes through the same client, and many keys at once.

use super::node::{Keeping, Node, client};
use super::{Effort, beside, count, float, micros, own_processor_time, server, timed};
use crate::pinning;
use crate::report::{Budget, Cell, Section, Table, median};
use bytes::Bytes;
use peregrine_test_servers::{RedisCluster, RedisServer};
use std::sync::Arc;
use std::time::Duration;

/// Values, and how large they are.
const KEYS: usize = 1000;
const VALUE_BYTES: usize = 1024;
/// Readers at the same time.
const READERS: usize = 64;
/// Keys that are read at once.
const MANY: usize = 100;
/// How often many keys are read from a cluster.
const CLUSTER_READS: u64 = 200;
/// The budget (DESIGN, section 9).
const BESIDE_A_GET_MAX: f64 = 1.2;

/// Adds tables and budgets.
pub(super) fn measure(section: &mut Section, effort: &Effort) -> Result<(), String> {
    let server = server();
    beside(async {
        let node = Arc::new(Node::start(&server, "a", Keeping::IN_REDIS).await?);
        fill(&node).await?;
        let subjects = Subjects {
            names: (0..KEYS).map(name).collect(),
            keys: server
                .ask(&["KEYS", "pg:v:*"])
                .list()
                .iter()
                .map(|key| Bytes::from(key.text()))
                .collect(),
            node,
        };
        let subjects = Arc::new(subjects);
        single(section, effort, &subjects).await?;
        many(section, effort, &subjects, &server).await
    })??;
    let cluster = pinning::on_cores(&[pinning::first()], RedisCluster::start);
    let trips = beside(in_a_cluster(&cluster))??;
    let worst = trips.iter().copied().fold(0.0, f64::max);
    // A tenth for what else servers read meanwhile: their replicas report every second.
    section.budgets.push(Budget::at_most(
        "100 keys at once from a cluster of three",
        1.1,
        "reads from its sockets by each server",
        Some(worst),
    ));
    Ok(())
}

fn name(number: usize) -> String {
    format!("item-{number:06}")
}

async fn fill(node: &Node) -> Result<(), String> {
    for number in 0..KEYS {
        let value = vec![b'a' + u8::try_from(number % 26).unwrap_or(0); VALUE_BYTES];
        node.load(&name(number), value.into(), vec!["some".to_owned()]).await?;
    }
    node.stored(KEYS as u64).await
}

/// What is read.
struct Subjects {
    node: Arc<Node>,
    names: Vec<String>,
    /// Their keys in Redis, in any order.
    keys: Vec<Bytes>,
}

/// A way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Get,
    Load,
    ByName,
}

impl Subjects {
    async fn read(&self, way: Way, number: usize) -> Result<(), String> {
        let at = number % KEYS;
        let (name, key) = (&self.names[at], &self.keys[at]);
        let there = match way {
            Way::Get => self
                .node
                .redis
                .get(key)
                .await
                .map_err(|error| error.to_string())?
                .is_some(),
            Way::Load => self.node.read(name).await?.length() == VALUE_BYTES as u64,
            Way::ByName => self
                .node
                .engine
                .get_shared(&self.node.namespace, "", name)
                .await
                .is_some(),
        };
        if there {
            Ok(())
        } else {
            Err(format!("{way:?} found nothing"))
        }
    }

    /// Microseconds for each of `reads`, one after the other.
    async fn one_by_one(&self, way: Way, reads: usize) -> Result<f64, String> {
        let (took, read) = timed(async {
            for number in 0..reads {
                self.read(way, number).await?;
            }
            Ok::<(), String>(())
        })
        .await;
        read.map(|()| micros(took) / count(reads))
    }

    /// Reads per second by many at the same time, and the processor time of each in microseconds.
    async fn together(self: &Arc<Self>, way: Way, reads: usize) -> Result<(f64, f64), String> {
        let before = own_processor_time();
        let (took, read) = timed(async {
            let reader = |reader: usize| {
                let subjects = Arc::clone(self);
                tokio::spawn(async move {
                    for number in (reader..reads).step_by(READERS) {
                        subjects.read(way, number).await?;
                    }
                    Ok::<(), String>(())
                })
            };
            let readers: Vec<_> = (0..READERS).map(reader).collect();
            for reader in readers {
                reader.await.map_err(|error| error.to_string())??;
            }
            Ok::<(), String>(())
        })
        .await;
        read?;
        let processor = own_processor_time().saturating_sub(before);
        Ok((count(reads) / took.as_secs_f64(), micros(processor) / count(reads)))
    }
}

async fn single(section: &mut Section, effort: &Effort, subjects: &Arc<Subjects>) -> Result<(), String> {
    let ways = [
        (Way::Get, "GET, bare"),
        (Way::Load, "a request that misses memory"),
        (Way::ByName, "`cache/operation` get"),
    ];
    let mut alone = [const { Vec::new() }; 3];
    let mut rates = [const { Vec::new() }; 3];
    let mut processor = [const { Vec::new() }; 3];
    for _ in 0..effort.rounds {
        for (at, (way, _)) in ways.into_iter().enumerate() {
            alone[at].push(subjects.one_by_one(way, effort.reads).await?);
            let (rate, each) = subjects.together(way, effort.reads * 2).await?;
            rates[at].push(rate);
            processor[at].push(each);
        }
    }
    let columns = [
        "what",
        "µs, one at a time",
        "beside GET",
        "reads/s, 64 at a time",
        "beside GET",
        "µs of CPU each",
    ];
    let mut table = Table::new("A hit in Redis, 1 KiB", &columns);
    for (at, (_, name)) in ways.into_iter().enumerate() {
        let (took, rate) = (median(&alone[at]), median(&rates[at]));
        let cells = vec![
            Cell::Number(took, 1),
            Cell::Ratio(took / median(&alone[0])),
            Cell::Number(rate, 0),
            Cell::Ratio(rate / median(&rates[0])),
            Cell::Number(median(&processor[at]), 1),
        ];
        table.row(name, cells);
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "a hit in Redis",
        BESIDE_A_GET_MAX,
        "× the time of a bare GET",
        Some(median(&alone[1]) / median(&alone[0])),
    ));
    Ok(())
}

async fn many(section: &mut Section, effort: &Effort, subjects: &Subjects, server: &RedisServer) -> Result<(), String> {
    let node = &subjects.node;
    let (mut gets, mut bare, mut named) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = effort.reads / MANY;
    let before = (server.calls("mget"), server.calls("get"));
    for round in 0..rounds.max(1) {
        let from = (round * MANY) % KEYS;
        let (names, keys) = (&subjects.names[from..from + MANY], &subjects.keys[from..from + MANY]);
        let (took, read) = timed(node.redis.mget(keys)).await;
        read.map_err(|error| error.to_string())?;
        bare.push(micros(took));
        let (took, read) = timed(node.engine.mget_shared(&node.namespace, "", names)).await;
        if read.iter().any(Option::is_none) {
            return Err("mget found less than there is".to_owned());
        }
        named.push(micros(took));
        gets.push(subjects.one_by_one(Way::ByName, MANY).await? * count(MANY));
    }
    let trips = float(server.calls("mget") - before.0) / count(rounds.max(1) * 2);
    let singles = float(server.calls("get") - before.1) / count(rounds.max(1));
    let mut table = Table::new("100 values at once", &["what", "µs", "round trips"]);
    for (name, took, trips) in [
        ("MGET, bare", &bare, trips),
        ("`cache/operation` mget", &named, trips),
        ("`cache/operation` get, 100 times", &gets, singles),
    ] {
        table.row(name, vec![Cell::Number(median(took), 0), Cell::Number(trips, 1)]);
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "100 keys at once from one server",
        1.0,
        "round trips",
        Some(trips),
    ));
    Ok(())
}

/// How often each server has to read from its sockets for a read of many keys.
async fn in_a_cluster(cluster: &RedisCluster) -> Result<Vec<f64>, String> {
    let redis = client(&cluster.url()).await?;
    let keys: Vec<Bytes> = (0..MANY).map(|number| Bytes::from(name(number))).collect();
    for key in &keys {
        let set = redis.set(key, b"value", Duration::from_secs(60)).await;
        set.map_err(|error| error.to_string())?;
    }
    let reads = |node: &RedisServer| node.info("total_reads_processed").parse::<u64>().unwrap_or(0);
    let trips = || cluster.nodes().iter().map(reads).collect::<Vec<_>>();
    let before = trips();
    for _ in 0..CLUSTER_READS {
        let found = redis.mget(&keys).await.map_err(|error| error.to_string())?;
        if found.iter().any(Option::is_none) {
            return Err("the cluster lost keys".to_owned());
        }
    }
    let after = trips().into_iter().zip(before);
    Ok(after
        .map(|(after, before)| float(after - before) / float(CLUSTER_READS))
        .collect())
}
