//! The table of nodes of a shard, read for all who want to know at once.

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
        *self.last.lock() = LastRead {
            at,
            rows: Arc::clone(&rows),
        };
        Some(rows)
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
