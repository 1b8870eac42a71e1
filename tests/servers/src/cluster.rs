//! A Redis Cluster of six: three primaries, each with a replica.

use crate::redis::RedisServer;
use crate::resp::Said;
use crate::tls::{self, TlsFiles};
use crate::wait::{eventually, until};

/// Primaries, and as many replicas.
const PRIMARIES: usize = 3;

/// Slots of a cluster.
const SLOTS: usize = 16_384;

/// What each is started with.
const NODE: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-node-timeout", "3000"];

/// Six nodes.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

/// A line of `CLUSTER NODES`.
struct Known {
    id: String,
    port: u16,
    flags: String,
    primary: String,
    link: String,
}

impl RedisCluster {
    /// Starts six nodes and joins them; all of them agree, and the replicas are in sync, when this returns.
    pub fn start() -> Self {
        Self::of(|| RedisServer::start(&NODE))
    }

    /// The same, and all of them speak TLS with clients and with each other.
    pub fn start_tls() -> Self {
        let authority = tls::make();
        let arguments = [&NODE[..], &["--tls-cluster", "yes", "--tls-replication", "yes"]].concat();
        Self::of(|| RedisServer::start_tls_by(&authority, &arguments))
    }

    fn of(start: impl Fn() -> RedisServer) -> Self {
        let nodes: Vec<RedisServer> = (0..2 * PRIMARIES).map(|_| start()).collect();
        for (number, node) in nodes.iter().enumerate() {
            done(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        for (number, node) in nodes.iter().take(PRIMARIES).enumerate() {
            let (first, next) = (number * SLOTS / PRIMARIES, (number + 1) * SLOTS / PRIMARIES);
            done(
                node,
                &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(next - 1).to_string()],
            );
        }
        for node in &nodes[1..] {
            let port = node.plain_port();
            let (port, bus) = (port.to_string(), (port + 10_000).to_string());
            done(&nodes[0], &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        until("six nodes that know each other", || {
            nodes
                .iter()
                .all(|node| known(node).iter().filter(|other| other.is_met()).count() == 6)
        });
        for (number, node) in nodes.iter().enumerate().skip(PRIMARIES) {
            let primary = nodes[number - PRIMARIES].ask(&["CLUSTER", "MYID"]).text();
            done(node, &["CLUSTER", "REPLICATE", &primary]);
        }
        let cluster = Self { nodes };
        cluster.wait_for("a cluster that is whole", |_| true);
        cluster
    }

    /// The URL of the three that were primaries first.
    pub fn url(&self) -> String {
        let first = self.nodes.iter().take(PRIMARIES);
        let addresses: Vec<String> = first.map(|one| one.address().to_string()).collect();
        let scheme = if self.tls().is_some() { "rediss" } else { "redis" };
        format!("{scheme}+cluster://{}", addresses.join(","))
    }

    /// The files of a client of a cluster with TLS.
    pub fn tls(&self) -> Option<&TlsFiles> {
        self.nodes[0].tls()
    }

    /// All six.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The primary that owns the slot of `key`.
    pub fn primary_of(&self, key: &str) -> &RedisServer {
        self.node(self.owner(key).0)
    }

    /// The replica of that.
    pub fn replica_of(&self, key: &str) -> &RedisServer {
        let owner = self.owner(key).1;
        let view = known(self.primary_of(key));
        let found = view.iter().find(|node| node.primary == owner);
        self.node(found.expect("each primary has a replica").port)
    }

    /// Has the replica of the primary that owns `key` take over; all agree when this returns.
    pub fn failover(&self, key: &str) {
        let (replica, id) = (
            self.replica_of(key),
            self.replica_of(key).ask(&["CLUSTER", "MYID"]).text(),
        );
        until("a replica that takes over", || {
            replica.ask(&["CLUSTER", "FAILOVER"]);
            eventually("an answer to that", || {
                let role = replica.info("role");
                (!role.is_empty()).then_some(role)
            }) == "master"
        });
        let slot = self.slot(key);
        self.wait_for("the failover", |node| owner_in(node, slot).1 == id);
    }

    /// Moves the slot of `key`, with what is in it, to another primary.
    pub fn move_slot(&self, key: &str) {
        let slot = self.slot(key).to_string();
        let from = self.primary_of(key);
        let view = known(from);
        let other = view
            .iter()
            .find(|node| node.is_primary() && node.port != from.plain_port())
            .expect("there are three primaries");
        let to = self.node(other.port);
        let (from_id, to_id) = (from.ask(&["CLUSTER", "MYID"]).text(), other.id.clone());
        done(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        done(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
        let port = to.plain_port().to_string();
        loop {
            let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).list();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let said = from.ask(&["MIGRATE", "127.0.0.1", &port, &key.text(), "0", "5000", "REPLACE"]);
                assert!(!matches!(said, Said::Error(_)), "{said:?}");
            }
        }
        done(to, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
        done(from, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
        let slot = self.slot(key);
        self.wait_for("the slot to have moved", |node| owner_in(node, slot).1 == to_id);
    }

    /// Waits until every node that runs calls the cluster whole, its replicas are in sync, and `more` holds for it.
    fn wait_for(&self, what: &str, more: impl Fn(&RedisServer) -> bool) {
        until(what, || {
            self.nodes.iter().all(|node| {
                let Ok(Said::Text(state)) = node.try_ask(&["CLUSTER", "INFO"]) else {
                    return false;
                };
                let state = String::from_utf8_lossy(&state).into_owned();
                let in_sync = match node.info("role").as_str() {
                    "slave" => node.info("master_link_status") == "up",
                    role => role == "master" && node.info("connected_slaves") == "1",
                };
                state.contains("cluster_state:ok") && in_sync && sees_pairs(node) && more(node)
            })
        });
    }

    fn slot(&self, key: &str) -> i64 {
        self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]).int()
    }

    /// The port and the id of the primary that owns the slot of `key`, as the first node that answers sees it.
    fn owner(&self, key: &str) -> (u16, String) {
        let slot = self.slot(key);
        owner_in(&self.nodes[0], slot)
    }

    fn node(&self, port: u16) -> &RedisServer {
        let found = self.nodes.iter().find(|node| node.plain_port() == port);
        found.expect("the cluster has no other nodes")
    }
}

impl Known {
    fn is_met(&self) -> bool {
        !self.flags.contains("handshake") && (self.flags.contains("myself") || self.link == "connected")
    }

    fn is_primary(&self) -> bool {
        self.flags.contains("master")
    }
}

/// What `node` knows of all.
fn known(node: &RedisServer) -> Vec<Known> {
    let text = node.ask(&["CLUSTER", "NODES"]).text();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let port = words[1].split([':', '@']).nth(1).unwrap().parse().unwrap();
        Known {
            id: words[0].to_owned(),
            port,
            flags: words[2].to_owned(),
            primary: words[3].to_owned(),
            link: words[7].to_owned(),
        }
    };
    text.lines().map(line).collect()
}

/// Whether `node` has heard that each primary has a replica; gossip takes its time.
fn sees_pairs(node: &RedisServer) -> bool {
    let view = known(node);
    let mut primaries = view.iter().filter(|node| node.is_primary());
    primaries.clone().count() == PRIMARIES
        && primaries.all(|primary| view.iter().filter(|node| node.primary == primary.id).count() == 1)
}

/// Who owns `slot` in the eyes of `node`.
fn owner_in(node: &RedisServer, slot: i64) -> (u16, String) {
    for range in node.ask(&["CLUSTER", "SLOTS"]).list() {
        let range = range.list();
        if (range[0].int()..=range[1].int()).contains(&slot) {
            let owner = range[2].clone().list();
            return (u16::try_from(owner[1].int()).unwrap(), owner[2].text());
        }
    }
    panic!("nobody owns slot {slot}");
}

#[track_caller]
fn done(node: &RedisServer, words: &[&str]) {
    let said = node.ask(words);
    assert_eq!(said, Said::Text(b"OK".to_vec()), "{words:?}");
}
