//! Ending politely: whoever serves counts what is under way with a [`DrainWatch`]; whoever stops the program starts the
//! [`Drain`] and waits until nothing is left or the limit has passed.

use peregrine_base::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Starts the drain and waits for its end.
#[derive(Debug)]
pub struct Drain {
    started: watch::Sender<bool>,
    open: Arc<Open>,
}

/// Learns of the drain, and counts what it has to wait for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    started: watch::Receiver<bool>,
    open: Arc<Open>,
}

/// Something that the drain waits for; it is done when this is dropped.
#[derive(Debug)]
pub struct Active(Arc<Open>);

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// What was still under way when the limit passed; 0 when everything finished.
    pub open: usize,
}

#[derive(Debug, Default)]
struct Open {
    count: AtomicUsize,
    changed: Notify,
}

/// A drain and the watch that belongs to it.
#[must_use]
pub fn channel() -> (Drain, DrainWatch) {
    let (sender, receiver) = watch::channel(false);
    let open = Arc::new(Open::default());
    (
        Drain {
            started: sender,
            open: Arc::clone(&open),
        },
        DrainWatch {
            started: receiver,
            open,
        },
    )
}

impl Drain {
    /// Tells every watch; again does nothing.
    pub fn start(&self) {
        self.started.send_replace(true);
    }

    /// What is under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.count.load(Ordering::SeqCst)
    }

    /// Completes when nothing is under way any more, at the latest after `limit`.
    pub async fn finished(&self, limit: Duration, runtime: &dyn Runtime) -> Drained {
        tokio::select! {
            biased;
            () = self.empty() => Drained { open: 0 },
            () = runtime.sleep(limit) => Drained { open: self.open() },
        }
    }

    async fn empty(&self) {
        loop {
            let changed = self.open.changed.notified();
            if self.open() == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl DrainWatch {
    /// Whether the drain has started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        *self.started.borrow()
    }

    /// Completes when the drain starts; never when its [`Drain`] went away before it started.
    pub async fn started(&self) {
        let mut receiver = self.started.clone();
        if receiver.wait_for(|started| *started).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Counts one more thing under way.
    #[must_use]
    pub fn active(&self) -> Active {
        self.open.count.fetch_add(1, Ordering::SeqCst);
        Active(Arc::clone(&self.open))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_base::TokioRuntime;

    #[tokio::test]
    async fn waits_for_what_is_under_way() {
        let (drain, watch) = channel();
        let active = watch.active();
        drain.start();
        watch.started().await;
        assert!(watch.is_started());
        let (drained, ()) = tokio::join!(drain.finished(Duration::from_secs(60), &TokioRuntime), async {
            drop(active)
        });
        assert_eq!(drained, Drained { open: 0 });
    }

    #[tokio::test]
    async fn tells_what_is_left_at_the_limit() {
        let (drain, watch) = channel();
        let _active = (watch.active(), watch.active());
        drain.start();
        assert_eq!(drain.finished(Duration::ZERO, &TokioRuntime).await, Drained { open: 2 });
    }
}
