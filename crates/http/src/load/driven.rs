//! A load that is driven by who waits for it, until there is something to answer with: no task has to have its turn for that,
//! neither to ask the origin nor to hear from it, while others wait for theirs. Then, and when who waited has gone, it goes on
//! by itself. A connection lets its handler think whenever anything happens, whatever its client reads, so a slow client holds
//! up nobody who waits for the same load. What a load waits for must take the waker of each poll, because it is polled by two
//! tasks, one after the other.

#[cfg(test)]
mod tests;

use super::Loaded;
use crate::failure::Failure;
use peregrine_base::{Runtime, Task};
use peregrine_cache::LoadFailure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// What a load gives, for who waits for it.
pub(crate) struct Driven {
    load: Option<Task>,
    take: oneshot::Receiver<Loaded>,
    runtime: Arc<dyn Runtime>,
}

impl Driven {
    /// Of `load`, which gives what `take` takes and is then run by `runtime`.
    pub(super) fn new(load: Task, take: oneshot::Receiver<Loaded>, runtime: &Arc<dyn Runtime>) -> Self {
        Self {
            load: Some(load),
            take,
            runtime: Arc::clone(runtime),
        }
    }

    fn let_go(&mut self) {
        if let Some(load) = self.load.take() {
            self.runtime.spawn(load);
        }
    }
}

impl Future for Driven {
    type Output = Loaded;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Loaded> {
        if let Some(load) = &mut self.load {
            // One that panics fails, and takes nothing of who waits for it along.
            let polled = catch_unwind(AssertUnwindSafe(|| load.as_mut().poll(context)));
            if !matches!(polled, Ok(Poll::Pending)) {
                self.load = None;
            }
        }
        // Only the load gives, and it has taken the waker. To poll this too would fail where a fast body has used up what the
        // runtime lets a task do in one go, and keep the answer from its client.
        let loaded = match self.take.try_recv() {
            Err(TryRecvError::Empty) => return Poll::Pending,
            taken => taken,
        };
        self.let_go();
        Poll::Ready(loaded.unwrap_or(Loaded::Failed(Failure::Load(LoadFailure::Abandoned), None)))
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.let_go();
    }
}
