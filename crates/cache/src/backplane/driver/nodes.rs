//! The table of nodes of a shard, read for all who want to know at once.

use super::super::generation::Gen;
use super::super::scripts::NodeSeen;
use super::{Inner, Shard};
use crate::sync::Mutex;
use peregrine_base::Instant;
use std::sync::Arc;
use std::time::Duration;

/// A node that said nothing for so long, and for ten of this node's bounds, is struck out.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The rows that were read last, and who reads now.
#[derive(Default)]
pub(super) struct NodeTable {
    reading: tokio::sync::Mutex<()>,
    last: Mutex<LastRead>,
}

#[derive(Default)]
struct LastRead {
    /// When it began.
    at: Instant,
    rows: Arc<[NodeSeen]>,
    /// Rows that were there before.
    departed: Vec<NodeSeen>,
}

impl NodeTable {
    /// The rows as they are now: those of a look that begins after this call, one for all who wait for it. Nothing where that
    /// failed.
    pub(super) async fn rows(&self, inner: &Inner, shard: &Shard) -> Option<Arc<[NodeSeen]>> {
        let wanted = inner.now();
        let _one = self.reading.lock().await;
        {
            let last = self.last.lock();
            if last.at >= wanted {
                return Some(Arc::clone(&last.rows));
            }
        }
        let at = inner.now();
        let silence_max = SILENCE_MAX.max(inner.config.freshness_bound * 10);
        let read = inner.link.read(&shard.keys.nodes(silence_max)).await;
        let rows = match read {
            Ok(value) => NodeSeen::parse_all(&value).ok()?,
            Err(fault) => {
                inner.counts.fault(fault.kind);
                return None;
            }
        };
        let rows: Arc<[NodeSeen]> = rows.into();
        let mut last = self.last.lock();
        let passed = at.since(last.at);
        let before = last.rows.iter().chain(&last.departed).map(|row| NodeSeen {
            silent: row.silent + passed,
            ..row.clone()
        });
        let departed = before
            .filter(|row| row.silent <= silence_max && rows.iter().all(|now| now.name != row.name))
            .collect();
        *last = LastRead {
            at,
            rows: Arc::clone(&rows),
            departed,
        };
        Some(rows)
    }

    /// Nodes that were in the table, are not any more, and did not know `generation` when they asked last: they need not have
    /// left, because Redis may have lost the table when that generation began.
    pub(super) fn lost(&self, generation: Gen) -> Vec<NodeSeen> {
        let last = self.last.lock();
        let lost = last.departed.iter().filter(|row| row.generation != generation);
        lost.cloned().collect()
    }

    /// The rows that were read last.
    pub(super) fn last(&self) -> Arc<[NodeSeen]> {
        Arc::clone(&self.last.lock().rows)
    }

    /// When they were read.
    pub(super) fn read_at(&self) -> Instant {
        self.last.lock().at
    }
}
