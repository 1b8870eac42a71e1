//! The lease of all nodes: who holds it loads for everybody. It lies in Redis for a moment only and is extended while the load
//! goes on, so that one whose holder is gone lapses soon. It spares loads and promises nothing: what keeps an old value from
//! being taken for a new one is the position that it carries.

use super::names::Name;
use super::tier::RedisTier;
use crate::promise::{Giver, Promise, promise};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How often it is extended while it lives.
const EXTENSIONS: u32 = 3;
/// For how long nobody waits after a load that stored nothing: long enough for those who wait to see it.
pub(super) const PASS_FOR: Duration = Duration::from_secs(1);

/// The lease, held by a load. When it is dropped, those who wait for it on other nodes load for themselves.
pub(crate) struct ClusterLease {
    pub(super) name: Name,
    pub(super) token: String,
    /// Ends the keeper.
    keeper: Option<Giver<()>>,
}

impl ClusterLease {
    /// Takes over what `token` has just taken in Redis, and keeps it.
    pub(super) fn keep(tier: &Arc<RedisTier>, name: Name, token: String) -> Self {
        let (keeper, ended) = promise();
        let lease = Self {
            name,
            token: token.clone(),
            keeper: Some(keeper),
        };
        let keeping = Arc::clone(tier);
        tier.parts.runtime.spawn(Box::pin(async move {
            keep(&keeping, name, &token, ended).await;
        }));
        lease
    }

    /// What it was taken for is written, which gave it back.
    pub(super) fn fulfilled(mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.give(());
        }
    }
}

/// Extends the lease until its holder is done with it. Where that brought nothing, it says so.
async fn keep(tier: &RedisTier, name: Name, token: &str, mut ended: Promise<()>) {
    loop {
        let mut pause = tier.parts.runtime.sleep(tier.config.lease / EXTENSIONS);
        let over = poll_fn(|cx| {
            if let Poll::Ready(said) = std::pin::Pin::new(&mut ended).poll(cx) {
                return Poll::Ready(Some(said));
            }
            pause.as_mut().poll(cx).map(|()| None)
        })
        .await;
        match over {
            Some(Some(())) => return,
            Some(None) => return tier.pass(name, token).await,
            // One that cannot be extended lapses, which is what it is for.
            None => tier.extend(name, token).await,
        }
    }
}
