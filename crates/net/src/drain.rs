//! Ending politely: whoever serves counts what is under way with a [`DrainWatch`]; whoever stops the program starts the
//! [`Drain`] and waits until nothing is left or the limit has passed.
//!
//! Closing a connection that a client keeps open meets the request that is already on its way: the client sees a failure. Who
//! has a successor therefore retires first: connections are no longer taken, those that are open are answered as ever, and
//! each answer says that it is the last one. The drain that follows closes what is left. Who has something before it that sends
//! clients elsewhere leaves first of all: connections are still taken until that has noticed.

use peregrine_base::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Starts the drain and waits for its end.
#[derive(Debug)]
pub struct Drain {
    phase: watch::Sender<Phase>,
    open: Arc<Open>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Leaving,
    Retiring,
    Draining,
}

/// Learns of the drain, and counts what it has to wait for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    phase: watch::Receiver<Phase>,
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
    /// As in the channel, for those who ask with every request: looking there takes a lock that all threads share.
    phase: AtomicU8,
    count: AtomicUsize,
    changed: Notify,
}

/// A drain and the watch that belongs to it.
#[must_use]
pub fn channel() -> (Drain, DrainWatch) {
    let (sender, receiver) = watch::channel(Phase::Serving);
    let open = Arc::new(Open::default());
    (
        Drain {
            phase: sender,
            open: Arc::clone(&open),
        },
        DrainWatch { phase: receiver, open },
    )
}

impl Drain {
    /// Goes on as before, and lets it be known that this will end.
    pub fn leave(&self) {
        self.advance(Phase::Leaving);
    }

    /// Takes no further connections; lets every answer from now on be the last of its connection.
    pub fn retire(&self) {
        self.advance(Phase::Retiring);
    }

    /// Tells every watch; again does nothing.
    pub fn start(&self) {
        self.advance(Phase::Draining);
    }

    fn advance(&self, to: Phase) {
        self.open.phase.fetch_max(to as u8, Ordering::SeqCst);
        self.phase.send_if_modified(|phase| {
            let later = *phase < to;
            *phase = to.max(*phase);
            later
        });
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
        self.open.phase.load(Ordering::SeqCst) == Phase::Draining as u8
    }

    /// Whether clients had better go elsewhere: over HTTP/1 answers are the last of their connections.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.open.phase.load(Ordering::SeqCst) >= Phase::Leaving as u8
    }

    /// Whether answers are to be the last of their connections, and no further ones are taken.
    #[must_use]
    pub fn is_retiring(&self) -> bool {
        self.open.phase.load(Ordering::SeqCst) >= Phase::Retiring as u8
    }

    /// Completes when the drain starts; never when its [`Drain`] went away before it started.
    pub async fn started(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Completes when no further connections are to be taken; never when its [`Drain`] went away before.
    pub async fn retiring(&self) {
        self.reached(Phase::Retiring).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut receiver = self.phase.clone();
        if receiver.wait_for(|phase| *phase >= wanted).await.is_err() {
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
    async fn leaves_and_retires_before_it_drains_and_never_goes_back() {
        let (drain, watch) = channel();
        assert!(!watch.is_leaving());
        drain.leave();
        assert!(watch.is_leaving() && !watch.is_retiring());
        drain.retire();
        watch.retiring().await;
        assert!(watch.is_retiring() && !watch.is_started());
        drain.start();
        watch.started().await;
        drain.leave();
        assert!(watch.is_leaving() && watch.is_retiring() && watch.is_started());
    }

    #[tokio::test]
    async fn tells_what_is_left_at_the_limit() {
        let (drain, watch) = channel();
        let _active = (watch.active(), watch.active());
        drain.start();
        assert_eq!(drain.finished(Duration::ZERO, &TokioRuntime).await, Drained { open: 2 });
    }
}
