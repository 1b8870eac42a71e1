//! Records that nodes share, with a copy on this machine for the time when what they share cannot be reached: a node that
//! starts then opens its snapshot.
//!
//! Guarantees: the shared place decides. What it does not have is taken out of the copy when the two next meet, and nothing
//! goes the other way but what was erased: a key that this node remembers as erased is none, wherever it turns up again, and
//! the shared place is told so. A copy alone opens nothing when it was not compared for longer than `encryption.copy_max`:
//! that bounds what a node can open that was stopped or cut off while a key was erased.

use super::files::Files;
use super::place::{KeyPlace, Listed, PlaceFault, Placing};
use super::record;
use peregrine_base::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place that nodes share, and a copy of it.
pub(super) struct Copied {
    shared: Arc<dyn KeyPlace>,
    copy: Files,
    clock: Arc<dyn Clock>,
    copy_max_ms: Arc<AtomicU64>,
}

impl Copied {
    pub(super) fn new(
        shared: Arc<dyn KeyPlace>,
        copy: Files,
        clock: Arc<dyn Clock>,
        copy_max_ms: Arc<AtomicU64>,
    ) -> Self {
        Self {
            shared,
            copy,
            clock,
            copy_max_ms,
        }
    }

    /// The record of `owner` by what the shared place has and the copy remembers.
    async fn meet(&self, owner: &str, there: Option<String>) -> Result<Option<String>, PlaceFault> {
        let (name, known) = (owner.to_owned(), there.clone());
        let copied = self.copy.away(move |copy| copy.copy_now(&name, known.as_deref())).await;
        let copied = match copied {
            Ok(copied) => copied,
            Err(fault) => {
                tracing::warn!(%fault, "the copy of a data key was not brought up to date");
                return Ok(there);
            }
        };
        let Some(known) = there else { return Ok(None) };
        if record::knows_more(&copied, &known) && self.shared.replace(owner, Some(&known), &copied).await? {
            tracing::warn!(
                owner,
                "that a data key was erased had been forgotten, and is known again"
            );
        }
        Ok(Some(copied))
    }

    /// The copy of the record of `owner`, while it may be used alone.
    async fn alone(&self, owner: &str, fault: PlaceFault) -> Result<Option<String>, PlaceFault> {
        let (now, limit) = (self.clock.wall().as_millis(), self.copy_max_ms.load(Ordering::Relaxed));
        let owner = owner.to_owned();
        self.copy
            .away(move |copy| {
                // A clock that was set back says nothing.
                let ago = copy.confirmed_ms().and_then(|confirmed| now.checked_sub(confirmed));
                let record = match ago {
                    Some(ago) if ago < limit => copy.get_now(&owner)?,
                    _ => None,
                };
                record.map(Some).ok_or(fault)
            })
            .await
    }
}

impl KeyPlace for Copied {
    fn name(&self) -> String {
        format!("{}, copied to {}", self.shared.name(), self.copy.name())
    }

    fn get<'a>(&'a self, owner: &'a str) -> Placing<'a, Option<String>> {
        Box::pin(async move {
            match self.shared.get(owner).await {
                Ok(there) => self.meet(owner, there).await,
                Err(fault) => self.alone(owner, fault).await,
            }
        })
    }

    fn replace<'a>(&'a self, owner: &'a str, was: Option<&'a str>, now: &'a str) -> Placing<'a, bool> {
        Box::pin(async move {
            let replaced = self.shared.replace(owner, was, now).await?;
            if replaced {
                self.meet(owner, Some(now.to_owned())).await?;
            }
            Ok(replaced)
        })
    }

    fn list<'a>(&'a self, cursor: &'a str) -> Placing<'a, Listed> {
        self.shared.list(cursor)
    }

    fn tidy(&self) -> Placing<'_, ()> {
        Box::pin(async move {
            let asked_ms = self.clock.wall().as_millis();
            let mut cursor = String::new();
            loop {
                let listed = self.copy.list(&cursor).await?;
                for found in listed.records {
                    let there = self.shared.get(&found.owner).await?;
                    self.meet(&found.owner, there).await?;
                }
                let Some(next) = listed.next else { break };
                cursor = next;
            }
            self.copy.away(move |copy| copy.confirm_now(asked_ms)).await
        })
    }
}
