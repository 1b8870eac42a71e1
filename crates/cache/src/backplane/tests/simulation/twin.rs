//! The twin of the scripts: the same state and the same steps in Rust.

use super::Missing;
use crate::backplane::generation::Generation;
use crate::backplane::protocol::SyncRequest;
use crate::backplane::scripts::{InvalidateReply, SyncReply};
use crate::backplane::wire::Mark;
use std::collections::BTreeMap;

/// What each node said that it knows.
pub(super) type Rows = BTreeMap<usize, (Option<Generation>, u64)>;

/// The control keys of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Twin {
    pub(super) salt: Option<u64>,
    pub(super) seq: u64,
    pub(super) floor: u64,
    pub(super) count: usize,
    /// In the order of the numbers.
    pub(super) targets: Vec<(Mark, u64)>,
    pub(super) rows: Rows,
}

/// Who runs the scripts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub(super) run_id: &'a str,
    pub(super) replid: &'a str,
}

impl Twin {
    /// What every script does first: begins a new generation where something is missing, and names it.
    fn open(&mut self, who: Identity<'_>, salt: u64, missing: Missing) -> Generation {
        let counted = self.count == self.targets.len() || missing == Missing::Count;
        if self.salt.is_none() && missing == Missing::Salt {
            self.salt = Some(0);
        } else if self.salt.is_none() || !counted {
            *self = Self {
                salt: Some(salt),
                seq: self.seq,
                floor: self.seq,
                rows: std::mem::take(&mut self.rows),
                ..Self::default()
            };
        }
        let replid = if missing == Missing::Replid { "" } else { who.replid };
        let salt = crate::backplane::scripts::salt_text(self.salt.unwrap_or_default());
        Generation::new(&format!("{}:{replid}:{salt}", who.run_id))
    }

    /// INVALIDATE.
    pub(super) fn invalidate(
        &mut self,
        who: Identity<'_>,
        (salt, missing): (u64, Missing),
        marks: &[Mark],
        kept: usize,
    ) -> InvalidateReply {
        let generation = self.open(who, salt, missing);
        let mut before = Vec::new();
        for mark in marks {
            self.seq += 1;
            let stood = self.targets.iter().find(|(known, _)| known == mark);
            before.push(stood.map_or(0, |(_, seq)| *seq));
            self.targets.retain(|(known, _)| known != mark);
            self.targets.push((mark.clone(), self.seq));
        }
        let over = self.targets.len().saturating_sub(kept);
        if let Some((_, seq)) = self.targets.drain(..over).next_back() {
            self.floor = self.floor.max(seq);
        }
        self.count = self.targets.len();
        InvalidateReply {
            generation,
            seq: self.seq,
            before,
        }
    }

    /// SYNC.
    pub(super) fn sync(
        &mut self,
        who: Identity<'_>,
        (salt, missing): (u64, Missing),
        node: usize,
        request: &SyncRequest,
        page: usize,
    ) -> SyncReply {
        self.rows.insert(node, (request.generation.clone(), request.heard));
        let generation = self.open(who, salt, missing);
        let above = if request.generation.as_ref() == Some(&generation) {
            request.cursor
        } else {
            0
        };
        let mut records = self.targets.iter().filter(|(_, seq)| *seq > above).cloned();
        let first: Vec<(Mark, u64)> = records.by_ref().take(page).collect();
        SyncReply {
            generation,
            seq: self.seq,
            floor: self.floor,
            last: records.next().is_none(),
            records: first,
        }
    }
}
