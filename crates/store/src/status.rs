//! What `stats` and the metrics show.

use crate::core::Core;
use crate::dial::Role;
use crate::error::ErrorKind;
use crate::place::Mode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// How much of Redis can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RedisState)]
pub enum State {
    /// Every primary is connected to, and every slot has one.
    Up,
    /// Some are.
    Partly,
    /// None is.
    Down,
}

impl State {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Partly => "partly",
            Self::Down => "down",
        }
    }
}

/// A picture of the client at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RedisStatus {
    /// How the servers belong together.
    pub mode: Mode,
    /// How much of them can be used.
    pub state: State,
    /// The primary; `None` in a cluster and while it is not known.
    pub primary: Option<String>,
    /// The servers.
    pub nodes: Vec<NodeStatus>,
    /// Operations that were asked for, with those that failed.
    pub commands: u64,
    /// Those that failed, by kind.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = BTreeMap<String, u64>)]
    pub errors: Vec<(ErrorKind, u64)>,
    /// Connections that ended and were to be made again.
    pub reconnects: u64,
    /// Primaries that another one replaced.
    pub failovers: u64,
    /// Requests that a node of a cluster sent elsewhere.
    pub redirects: u64,
    /// How often sentinels or nodes were asked who is who.
    pub refreshes: u64,
    /// Requests that wait for their replies.
    pub in_flight: u64,
    /// The recent time of a reply, the worst primary's; `None` before the first.
    pub latency_ms: Option<f64>,
    /// Since when the state has not been `up`, in seconds; `None` while it is.
    pub away_since_s: Option<f64>,
    /// What is wrong, while something is.
    pub fault: Option<String>,
}

/// A server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RedisNode)]
pub struct NodeStatus {
    /// Host and port.
    pub address: String,
    /// `primary` or `replica`.
    pub role: &'static str,
    /// Connections that are there.
    pub connections: u64,
    /// Requests that wait for its replies.
    pub in_flight: u64,
    /// The recent time of its replies.
    pub latency_ms: Option<f64>,
    /// Why there is no connection, while there is none.
    pub fault: Option<String>,
}

fn by_name<S: serde::Serializer>(errors: &[(ErrorKind, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let table: BTreeMap<&str, u64> = errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    table.serialize(serializer)
}

impl Core {
    /// The picture now.
    pub(crate) fn status(&self) -> RedisStatus {
        let map = self.atlas.map();
        let counters = &self.around.counters;
        let state = self.state();
        let nodes: Vec<NodeStatus> = map.nodes().map(|node| node_status(node)).collect();
        let slowest = map
            .primaries()
            .filter_map(|node| node.latency.milliseconds())
            .max_by(f64::total_cmp);
        let since = (state != State::Up).then(|| match self.away_since.load(Ordering::Relaxed) {
            // It ended just now; who keeps the time notes it a moment later.
            0 => 0.0,
            since => self
                .now()
                .since(peregrine_base::Instant::from_nanos(since))
                .as_secs_f64(),
        });
        let broken = nodes.iter().find_map(|node| {
            let fault = node.fault.as_ref()?;
            Some(format!("{} {fault}", node.address))
        });
        let fault = (state != State::Up).then(|| {
            let unknown = self.fault.lock().as_ref().map(ToString::to_string);
            broken
                .or(unknown)
                .unwrap_or_else(|| "its servers are not known yet".to_owned())
        });
        let alone = !map.is_divided() && self.place.mode != Mode::Cluster;
        RedisStatus {
            mode: self.place.mode,
            state,
            primary: map
                .primaries()
                .next()
                .filter(|_| alone)
                .map(|node| node.address.to_string()),
            commands: counters.commands.load(Ordering::Relaxed),
            errors: counters.errors(),
            reconnects: counters.reconnects.load(Ordering::Relaxed),
            failovers: counters.failovers.load(Ordering::Relaxed),
            redirects: counters.redirects.load(Ordering::Relaxed),
            refreshes: counters.refreshes.load(Ordering::Relaxed),
            in_flight: nodes.iter().map(|node| node.in_flight).sum(),
            latency_ms: slowest,
            away_since_s: since,
            fault,
            nodes,
        }
    }
}

fn node_status(node: &crate::node::Node) -> NodeStatus {
    let connections = node.connections();
    NodeStatus {
        address: node.address.to_string(),
        role: match node.role {
            Role::Replica { .. } => "replica",
            _ => "primary",
        },
        connections: u64::try_from(connections).unwrap_or(u64::MAX),
        in_flight: node.in_flight(),
        latency_ms: node.latency.milliseconds(),
        fault: (connections == 0).then(|| node.fault().to_string()),
    }
}
