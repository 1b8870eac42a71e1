//! Filling: the leader's load passes the body on as it arrives, and at its end the body is stored, if it is whole and nothing
//! has overtaken it.

use crate::entry::{BodyDraft, Kind, PACKED_MAX};
use crate::flight::{Closed, Offered};
use crate::follower::Reader;
use crate::hit::Hit;
use crate::lease::{Held, Variant};
use crate::lookup::{Meta, PartMeta};
use crate::outcome::{Abandoned, LoadFailure, NotStored};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// A body under way, as its source sees it. Dropping it before [`Fill::finish`] fails it for those who read.
#[must_use = "a fill that is dropped fails for everybody who reads it"]
pub struct Fill {
    held: Option<Held>,
    meta: Meta,
    variant: Variant,
    /// The largest body that is stored.
    limit: u64,
    /// Whether others may still join.
    listed: bool,
    received: u64,
}

/// How a fill ended.
#[derive(Clone, Debug)]
pub enum Finished {
    /// The body is stored.
    Stored(Hit),
    /// It is not.
    NotStored(NotStored),
}

impl Fill {
    pub(crate) fn new(held: Held, meta: Meta, variant: Variant, limit: u64) -> Self {
        Self {
            held: Some(held),
            meta,
            variant,
            limit,
            listed: true,
            received: 0,
        }
    }

    fn held(&self) -> &Held {
        self.held.as_ref().expect("only consuming methods take it")
    }

    /// A reader from the first byte on. To be taken before the first [`Fill::push`]: later, bytes may have gone already, and
    /// the reader says [`LoadFailure::Abandoned`].
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.held().flight))
    }

    /// Passes `chunk` on to all readers and keeps a copy. Returns at once as long as the body is being stored. Once it is
    /// larger than may be held, it is no longer stored and nobody joins; then this waits until the slowest reader has caught
    /// up to a quarter of a mebibyte, and cuts off readers who take nothing for longer than `cache.reader_stall_max`.
    ///
    /// # Errors
    /// The body is not stored and nobody reads it: the source may as well stop.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), Abandoned> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.received += chunk.len() as u64;
        let mut chunk = chunk;
        loop {
            match self.held().flight.offer(chunk, self.limit) {
                Offered::Taken { storing } => {
                    self.unlist_unless(storing);
                    return Ok(());
                }
                Offered::Wait(same) => {
                    self.unlist_unless(false);
                    self.wait_for_room(same.len()).await;
                    chunk = same;
                }
                Offered::Abandoned => {
                    self.unlist_unless(false);
                    return Err(Abandoned);
                }
            }
        }
    }

    fn unlist_unless(&mut self, storing: bool) {
        if self.listed && !storing {
            self.listed = false;
            if let Some(held) = &mut self.held {
                held.unlist();
                // Nobody on another node is to wait for what will not lie in Redis.
                held.cluster = None;
            }
        }
    }

    /// Waits until readers have caught up; those who do not are cut off in the end.
    async fn wait_for_room(&self, length: usize) {
        let held = self.held();
        held.flight.watch();
        let mut limit = held.engine.parts.runtime.sleep(held.engine.reader_stall_max());
        poll_fn(|cx| {
            if held.flight.poll_room(length, cx).is_ready() {
                return Poll::Ready(());
            }
            if limit.as_mut().poll(cx).is_ready() {
                held.flight.cut_off_stalled();
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Takes another head in place of the one that it began with: what came after the body belongs to it. Who reads already has
    /// the other.
    pub fn set_head(&mut self, head: Bytes) {
        self.meta.head = head;
    }

    /// The body is complete. A body whose length is not what its head announced is never stored, and its readers see a
    /// failure.
    pub fn finish(mut self) -> Finished {
        let mut held = self.held.take().expect("only consuming methods take it");
        if self.meta.length.is_some_and(|length| length != self.received) {
            held.close(Closed::Failed(LoadFailure::Broken), Some(NotStored::LengthMismatch));
            return Finished::NotStored(NotStored::LengthMismatch);
        }
        self.grow_older(&held);
        let stored = self.store_received(&held);
        if stored.is_err() {
            held.unlist();
        }
        held.count(stored.as_ref().map(|_| ()).map_err(|why| *why));
        let start = self.meta.part.as_ref().map_or(0, |part| part.start);
        let chunks = stored.as_ref().ok().map(|hit| hit.from(start, self.received));
        held.flight.end(Ok(()), chunks);
        match stored {
            Ok(hit) => {
                if hit.0.kind() == Kind::Value {
                    held.written(&self.variant, &hit);
                }
                Finished::Stored(hit)
            }
            Err(why) => Finished::NotStored(why),
        }
    }

    /// Age and lifetime count from when the head arrived, not from when the body was there (RFC 9111 §4.2.3).
    fn grow_older(&mut self, held: &Held) {
        let arrived = held.flight.head().map(|head| head.arrived);
        let took = arrived.map_or(Duration::ZERO, |arrived| held.engine.parts.clock.now().since(arrived));
        self.meta.grow_older(took);
    }

    /// Makes an entry of what was received and puts it into memory.
    fn store_received(&self, held: &Held) -> Result<Hit, NotStored> {
        let body = self.take_received(held)?;
        let entry = match &self.meta.part {
            Some(part) => {
                let mut shard = held.engine.flights.lock(held.key.hash());
                return held
                    .engine
                    .enter_part(&mut shard, held, (&self.meta, &self.variant), part, &body)
                    .map(Hit);
            }
            None if self.received <= PACKED_MAX as u64 => BodyDraft::Packed(&body),
            None => BodyDraft::Segments(body.into()),
        };
        let entry = held
            .engine
            .new_entry(held, &self.meta, &self.variant, entry)
            .ok_or(NotStored::NoRoom)?;
        let mut shard = held.engine.flights.lock(held.key.hash());
        held.engine.enter(&mut shard, held, &self.variant, &entry)?;
        Ok(Hit(entry))
    }

    /// What was received, in segments where it is long.
    fn take_received(&self, held: &Held) -> Result<Vec<Bytes>, NotStored> {
        let packed = self.received <= PACKED_MAX as u64;
        let received = held.flight.with_stream(|stream| {
            let storing = stream.storing();
            let body = if packed {
                stream.pieces()
            } else {
                stream.segments().into_vec()
            };
            storing.then_some(body)
        });
        received.flatten().ok_or(if self.received > self.limit {
            NotStored::TooLarge
        } else {
            NotStored::NoRoom
        })
    }

    /// The body broke off. Its readers see the failure; what came of it is kept as a part of the version that `validator`
    /// names (RFC 9111 §3.3), where its whole length was announced.
    pub fn cut(mut self, failure: LoadFailure, validator: Option<Vec<u8>>) {
        if let Some(held) = self.held.take() {
            self.keep_beginning(&held, validator);
            self.held = Some(held);
        }
        self.give_up(failure);
    }

    fn keep_beginning(&mut self, held: &Held, validator: Option<Vec<u8>>) {
        let announced = self.meta.length.filter(|length| (1..*length).contains(&self.received));
        let (Some(complete), Some(validator)) = (announced, validator) else {
            return;
        };
        let part = self.meta.part.clone().unwrap_or(PartMeta {
            start: 0,
            complete,
            validator: Some(validator),
        });
        let Ok(body) = self.take_received(held) else { return };
        self.grow_older(held);
        let mut shard = held.engine.flights.lock(held.key.hash());
        // Where it is refused the part is gone: a miss.
        let _ = held
            .engine
            .enter_part(&mut shard, held, (&self.meta, &self.variant), &part, &body);
    }

    /// The body broke off. Nothing is stored, and its readers see the failure.
    pub fn fail(mut self, failure: LoadFailure) {
        self.give_up(failure);
    }

    fn give_up(&mut self, failure: LoadFailure) {
        if let Some(held) = self.held.take() {
            held.key.namespace().counters().load_failures.increment();
            held.close(Closed::Failed(failure), Some(NotStored::Failed));
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.give_up(LoadFailure::Abandoned);
    }
}

impl fmt::Debug for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fill")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
