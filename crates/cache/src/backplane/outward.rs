//! The way from the engine to other nodes: what somebody who talks to Redis does for it.

use super::generation::Stamp;
use super::wire::Shared;
use crate::engine::Engine;
use crate::invalidation::{Invalidation, Layer};
use crate::key::Key;
use crate::namespace::Namespace;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How many answers are waited for: one may be on its way, and the next is to a later question.
const ANSWERS_MAX: usize = 2;

/// Carries what holds here to other nodes, and asks whether anything happened there.
pub trait Outward: Send + Sync + 'static {
    /// Asks `shard` what this node does not know. Ready when an answer has come, or after at most 100 ms without one. Many who
    /// ask at once share a question that is sent after each of them asked.
    fn verify(&self, shard: u32) -> Verifying;

    /// Tells others of an invalidation that reaches `marks` and holds in the ledger already. Before this returns, the marks are
    /// pending in every shard that they reach ([`super::Member::pend`]). It must not wait, and the rest of the work goes on when
    /// the future is dropped.
    fn tell(&self, marks: Vec<Shared>) -> Telling;

    /// As [`Outward::tell`] of what lies under a key, which is written over or taken out: whoever writes waits for Redis alone.
    fn tell_of_write(&self, mark: Shared) -> Stamping;
}

/// See [`Outward::verify`].
pub type Verifying = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See [`Outward::tell`].
pub type Telling = Pin<Box<dyn Future<Output = Told> + Send>>;

/// See [`Outward::tell_of_write`]: the stamp of the mark where Redis has it, for who then writes a value there that is newer.
pub type Stamping = Pin<Box<dyn Future<Output = Option<Stamp>> + Send>>;

/// What came of telling others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Where it holds, beside this node's memory.
    pub layers: Vec<Layer>,
    /// Whether it only stands in this node's journal so far.
    pub journaled: bool,
}

/// How an engine becomes one of several nodes.
pub struct Joining {
    /// Into how many control shards namespaces are divided.
    pub shards: u32,
    /// How old something may be that was invalidated elsewhere.
    pub bound: Duration,
    /// Who talks to Redis.
    pub outward: Arc<dyn Outward>,
}

impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joining")
            .field("shards", &self.shards)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Waits until this node has heard of everything that concerns `key` and happened before the call, at most 100 ms. What
    /// came of it the next lookup shows. Without other nodes there is nothing to wait for.
    pub async fn verify(&self, key: &Key) {
        if let Some(membership) = self.membership.get() {
            membership.outward.verify(self.control_shard(key.namespace())).await;
        }
    }

    /// Whether it is one of several nodes.
    pub(crate) fn has_others(&self) -> bool {
        self.membership.get().is_some()
    }

    /// Waits until this node has heard of everything that concerns `namespace` and happened before the call; as
    /// [`Engine::verify`], but an answer that was on its way by then is not enough.
    pub(crate) async fn hear(self: &Arc<Self>, namespace: &Namespace) {
        let Some(membership) = self.membership.get() else {
            return;
        };
        let shard = self.control_shard(namespace);
        let (called, member) = (self.parts.clock.now(), self.member(shard));
        for _ in 0..ANSWERS_MAX {
            membership.outward.verify(shard).await;
            if member.standing().verified_at >= Some(called) {
                return;
            }
        }
    }

    /// Tells other nodes of `request`. From now on nothing that lies in Redis and is reached by it is taken for good here.
    pub(crate) fn tell_nodes(&self, request: &Invalidation) -> Option<Telling> {
        let membership = self.membership.get().filter(|_| !request.dry_run)?;
        let marks = self.marks_of(request);
        (!marks.is_empty()).then(|| membership.outward.tell(marks))
    }

    /// Tells other nodes that what lies under `key` is about to be written over or taken out.
    pub(crate) fn tell_nodes_of_key(&self, key: &Key) -> Option<Stamping> {
        let membership = self.membership.get()?;
        Some(membership.outward.tell_of_write(self.mark_of_key(key)))
    }
}
