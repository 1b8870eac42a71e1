//! The twin of the scripts: the same state and the same steps in Rust.

use super::super::generation::Generation;
use super::super::scripts::{InvalidateReply, SyncReply};
use super::super::wire::Mark;
use super::Missing;

/// The control keys of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Twin {
    pub(in super::super) salt: Option<u64>,
    pub(in super::super) seq: u64,
    pub(in super::super) floor: u64,
    pub(in super::super) count: usize,
    /// In the order of the numbers.
    pub(in super::super) targets: Vec<(Mark, u64)>,
}

/// Who runs the scripts.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Identity<'a> {
    pub(in super::super) run_id: &'a str,
    pub(in super::super) replid: &'a str,
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
                ..Self::default()
            };
        }
        let replid = if missing == Missing::Replid { "" } else { who.replid };
        let salt = super::super::scripts::salt_text(self.salt.unwrap_or_default());
        Generation::new(&format!("{}:{replid}:{salt}", who.run_id))
    }

    /// INVALIDATE.
    pub(in super::super) fn invalidate(
        &mut self,
        who: Identity<'_>,
        (salt, missing): (u64, Missing),
        marks: &[Mark],
        kept: usize,
    ) -> InvalidateReply {
        let generation = self.open(who, salt, missing);
        for mark in marks {
            self.seq += 1;
            self.targets.retain(|(known, _)| known != mark);
            self.targets.push((mark.clone(), self.seq));
        }
        let over = self.targets.len().saturating_sub(kept);
        if let Some((_, seq)) = self.targets.drain(..over).last() {
            self.floor = self.floor.max(seq);
        }
        self.count = self.targets.len();
        InvalidateReply {
            generation,
            seq: self.seq,
        }
    }

    /// SYNC, but for the table of nodes.
    pub(in super::super) fn sync(
        &mut self,
        who: Identity<'_>,
        (salt, missing): (u64, Missing),
        known: Option<&Generation>,
        cursor: u64,
        page: usize,
    ) -> SyncReply {
        let generation = self.open(who, salt, missing);
        let above = if known == Some(&generation) { cursor } else { 0 };
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
