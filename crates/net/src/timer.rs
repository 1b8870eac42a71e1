//! A deadline that moves often and rarely fires. Moving it costs nothing: the sleep underneath is only replaced when it
//! wakes too early or would wake too late, so a connection with thousands of requests sets a timer a few times.

use peregrine_base::runtime::Task;
use peregrine_base::{Clock, Instant, Runtime};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Waits for deadlines, one at a time.
pub(crate) struct Timer {
    clock: Arc<dyn Clock>,
    runtime: Arc<dyn Runtime>,
    sleep: Option<Sleep>,
}

struct Sleep {
    task: Task,
    wakes_at: Instant,
}

impl Timer {
    pub(crate) fn new(clock: Arc<dyn Clock>, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            clock,
            runtime,
            sleep: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Ready once `deadline` is reached; otherwise the task of `cx` is woken at the latest then.
    pub(crate) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == Instant::FAR {
            return Poll::Pending;
        }
        loop {
            let now = self.clock.now();
            if now >= deadline {
                return Poll::Ready(());
            }
            let runtime = &self.runtime;
            let start = || Sleep {
                task: runtime.sleep(deadline.since(now)),
                wakes_at: deadline,
            };
            if self.sleep.as_ref().is_some_and(|sleep| sleep.wakes_at > deadline) {
                self.sleep = None;
            }
            let sleep = self.sleep.get_or_insert_with(start);
            match Pin::new(&mut sleep.task).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.sleep = None,
            }
        }
    }

    /// Completes once `deadline` is reached.
    pub(crate) async fn until(&mut self, deadline: Instant) {
        std::future::poll_fn(|cx| self.poll_until(deadline, cx)).await;
    }
}
