//! The table of nodes of a shard, read for all who want to know at once.

use super::super::scripts::{NodeSeen, SILENT_BOUNDS};
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
    /// Rows that were there before, of nodes that did not say that they leave.
    lost: Vec<NodeSeen>,
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
        let silence_max = SILENCE_MAX.max(inner.config.freshness_bound * SILENT_BOUNDS);
        let read = inner.link.read(&shard.keys.nodes(silence_max)).await;
        let (rows, left) = match read {
            Ok(value) => (NodeSeen::parse_all(&value).ok()?, NodeSeen::left(&value)),
            Err(fault) => {
                inner.counts.fault(fault.kind);
                return None;
            }
        };
        let rows: Arc<[NodeSeen]> = rows.into();
        let mut last = self.last.lock();
        let passed = at.since(last.at);
        let before = last.rows.iter().chain(&last.lost).map(|row| NodeSeen {
            silent: row.silent + passed,
            ..row.clone()
        });
        let is_lost = |row: &NodeSeen| {
            let is_silent = row.silent > silence_max.max(row.bound * SILENT_BOUNDS);
            !is_silent && !left.contains(&row.name) && rows.iter().all(|now| now.name != row.name)
        };
        let lost = before.filter(is_lost).collect();
        *last = LastRead {
            at,
            rows: Arc::clone(&rows),
            lost,
        };
        Some(rows)
    }

    /// Nodes that were in the table, are not any more, and did not say that they leave: Redis may have lost the table, or
    /// their rows, and they are there all the same.
    pub(super) fn lost(&self) -> Vec<NodeSeen> {
        self.last.lock().lost.clone()
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
