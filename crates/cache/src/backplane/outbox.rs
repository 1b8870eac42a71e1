//! What one control shard has still to be told: a mark for each target, however often it was invalidated.
//!
//! A mark that waits is sent once for all who asked for it meanwhile; one that is on the way is not touched, because what is
//! asked for now may not be carried by a message from before. There is room for a limited number of marks; past that a new
//! one becomes its namespace as a whole, which is never too little. So what waits while Redis is away stays small, whatever
//! arrives.
//!
//! The protocol's own list of what is pending ([`Node::pend`](super::protocol::Node)) is kept in step: one of its numbers for
//! each entry here, given and taken back under the lock of this list.

use super::protocol::PendingId;
use super::receipts::Ticket;
use super::wire::{Mark, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How many marks wait for one shard before new ones become namespaces.
pub(crate) const MARKS_MAX: usize = 10_000;

/// One mark that Redis has not confirmed.
#[derive(Debug)]
struct Entry {
    mark: Mark,
    /// Who waits to hear what became of it.
    tickets: Vec<Arc<Ticket>>,
}

/// What all entries with the same mark share.
#[derive(Debug, Default)]
struct Held {
    /// How many there are: those that are on the way, and one that waits.
    entries: usize,
    /// Whether the mark stands in the journal.
    journaled: bool,
}

/// One mark on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) id: PendingId,
    pub(crate) mark: Mark,
}

/// What one control shard has still to be told.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    entries: BTreeMap<PendingId, Entry>,
    /// Those that are not on the way.
    waiting: HashMap<Mark, PendingId>,
    held: HashMap<Mark, Held>,
    /// See [`Outbox::take_new`].
    new: BTreeSet<PendingId>,
    marks_max: usize,
    overflows: u64,
}

impl Outbox {
    /// An empty one with room for `marks_max` marks.
    pub(crate) fn new(marks_max: usize) -> Self {
        Self {
            marks_max,
            ..Self::default()
        }
    }

    /// Takes in `shared` for `ticket`; `pend` makes a new entry of the protocol's. The entry where it waits with others.
    pub(crate) fn put(
        &mut self,
        shared: &Shared,
        ticket: &Arc<Ticket>,
        pend: impl FnOnce(Mark) -> PendingId,
    ) -> Option<PendingId> {
        let fits = self.entries.len() < self.marks_max || self.waiting.contains_key(&shared.mark);
        let mark = if fits {
            shared.mark.clone()
        } else {
            self.overflows += 1;
            shared.whole().mark
        };
        ticket.expect_one();
        if let Some(id) = self.waiting.get(&mark) {
            let entry = self.entries.get_mut(id).expect("what waits is an entry");
            entry.tickets.push(Arc::clone(ticket));
            self.new.insert(*id);
            return Some(*id);
        }
        let id = self.enter(mark, vec![Arc::clone(ticket)], pend);
        self.new.insert(id);
        None
    }

    /// Takes in a mark that an ended program left, and that was `added` to the journal already unless that failed; whether it
    /// stood there for this outbox before, so that it was added once too often.
    pub(crate) fn put_back(&mut self, mark: Mark, added: bool, pend: impl FnOnce(Mark) -> PendingId) -> bool {
        let id = match self.waiting.get(&mark) {
            Some(id) => *id,
            None => self.enter(mark.clone(), Vec::new(), pend),
        };
        if !added {
            self.new.insert(id);
            return false;
        }
        !self.written(&[mark]).is_empty()
    }

    fn enter(&mut self, mark: Mark, tickets: Vec<Arc<Ticket>>, pend: impl FnOnce(Mark) -> PendingId) -> PendingId {
        let id = pend(mark.clone());
        self.held.entry(mark.clone()).or_default().entries += 1;
        self.waiting.insert(mark.clone(), id);
        self.entries.insert(id, Entry { mark, tickets });
        id
    }

    /// What was asked for since the last look, or came back without standing in the journal. It goes on waiting.
    pub(crate) fn take_new(&mut self) -> Vec<Parcel> {
        let parcel = |id| {
            let mark = self.entries.get(&id)?.mark.clone();
            Some(Parcel { id, mark })
        };
        std::mem::take(&mut self.new).into_iter().filter_map(parcel).collect()
    }

    /// The next look finds `parcels` again.
    pub(crate) fn put_back_new(&mut self, parcels: &[Parcel]) {
        self.new.extend(parcels.iter().map(|parcel| parcel.id));
    }

    /// `ids` are on the way from now on.
    pub(crate) fn send(&mut self, ids: impl Iterator<Item = PendingId>) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for id in ids {
            let Some(entry) = self.entries.get(&id) else { continue };
            self.new.remove(&id);
            if self.waiting.get(&entry.mark) == Some(&id) {
                self.waiting.remove(&entry.mark);
            }
            parcels.push(Parcel {
                id,
                mark: entry.mark.clone(),
            });
        }
        parcels
    }

    /// Those marks of `parcels` that do not stand in the journal.
    pub(crate) fn unwritten(&self, parcels: &[Parcel]) -> Vec<Mark> {
        let marks = parcels.iter().map(|parcel| &parcel.mark);
        let unwritten = marks.filter(|mark| self.held.get(*mark).is_some_and(|held| !held.journaled));
        unwritten.cloned().collect()
    }

    /// `marks` were added to the journal; those of them that stood there already were added once too often.
    pub(crate) fn written(&mut self, marks: &[Mark]) -> Vec<Mark> {
        let mut stood = |mark: &&Mark| {
            let held = self.held.get_mut(*mark);
            held.is_none_or(|held| std::mem::replace(&mut held.journaled, true))
        };
        marks.iter().filter(|mark| stood(mark)).cloned().collect()
    }

    /// Redis has confirmed `id`: its mark, if it stands in the journal and nothing else here needs it there, and who waits.
    pub(crate) fn confirm(&mut self, id: PendingId) -> (Option<Mark>, Vec<Arc<Ticket>>) {
        let Some(Entry { mark, tickets }) = self.entries.remove(&id) else {
            return (None, Vec::new());
        };
        if self.waiting.get(&mark) == Some(&id) {
            self.waiting.remove(&mark);
        }
        let held = self.held.get_mut(&mark).expect("an entry's mark is held");
        held.entries -= 1;
        if held.entries > 0 {
            return (None, tickets);
        }
        let journaled = held.journaled;
        self.held.remove(&mark);
        (journaled.then_some(mark), tickets)
    }

    /// Redis has not confirmed `id`: it waits again.
    pub(crate) fn put_off(&mut self, id: PendingId) {
        if let Some(entry) = self.entries.get(&id) {
            // Another one may wait with the same mark; then this one stays alone and is sent beside it.
            self.waiting.entry(entry.mark.clone()).or_insert(id);
            if self.held.get(&entry.mark).is_some_and(|held| !held.journaled) {
                self.new.insert(id);
            }
        }
    }

    /// Whoever waits for `id` is to wait no longer: who, and whether its mark stands in the journal.
    pub(crate) fn take_tickets(&mut self, id: PendingId) -> (Vec<Arc<Ticket>>, bool) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return (Vec::new(), false);
        };
        let journaled = self.held.get(&entry.mark).is_some_and(|held| held.journaled);
        (std::mem::take(&mut entry.tickets), journaled)
    }

    /// Whether all marks for which `ticket` waits here stand in the journal.
    pub(crate) fn is_journaled(&self, ticket: &Arc<Ticket>) -> bool {
        let waits = |entry: &Entry| entry.tickets.iter().any(|one| Arc::ptr_eq(one, ticket));
        let journaled = |entry: &Entry| self.held.get(&entry.mark).is_some_and(|held| held.journaled);
        self.entries.values().all(|entry| !waits(entry) || journaled(entry))
    }

    /// Whoever waits for a mark that stands in the journal, or for any if `all`, is to wait no longer.
    pub(crate) fn take_journaled_tickets(&mut self, all: bool) -> Vec<Arc<Ticket>> {
        let mut taken = Vec::new();
        for entry in self.entries.values_mut() {
            if all || self.held.get(&entry.mark).is_some_and(|held| held.journaled) {
                taken.append(&mut entry.tickets);
            }
        }
        taken
    }

    /// How many marks there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many marks became namespaces for want of room.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;
