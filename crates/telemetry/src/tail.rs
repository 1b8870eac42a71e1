//! The tail of requests: the last ones that finished, and whoever watches them live.
//!
//! A plane offers each finished request once ([`Tail::wants`], then [`Tail::record`]). While nobody watches, about
//! [`RATE_PER_S`] a second are kept for [`Tail::recent`], and as many again of those that failed or were slow, so that these
//! are not lost among many others; the rest costs one relaxed load and one addition, and is counted. A watcher has a filter,
//! a pace and a bounded queue of its own: it never makes a request wait, and hears how many it did not get.
//!
//! Secrets are taken out before anything is kept or compared: a filter cannot be used to guess them.

mod event;
mod filter;
mod pace;
#[cfg(test)]
mod tests;

pub use event::RequestEvent;
pub use filter::{Filter, StatusFilter};
pub(crate) use pace::Pace;

use crate::access::{Access, Redaction};
use crate::{Counter, Exposition};
use arc_swap::ArcSwap;
use peregrine_base::Instant;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many requests a second are kept, and how many each watcher gets: more than a person can read, and few enough that
/// building them does not show in a profile.
pub const RATE_PER_S: u32 = 50;
/// How many finished requests are kept: twenty seconds at the full rate, under a megabyte.
pub const KEPT_MAX: usize = 1000;
/// How many may watch at once.
pub const WATCHERS_MAX: usize = 64;
/// How many requests wait for one watcher; what comes on top is counted as skipped.
const QUEUE_MAX: usize = 256;
/// A request that takes longer is kept as those that failed are.
const SLOW: Duration = Duration::from_secs(1);

/// The last finished requests.
#[derive(Debug)]
pub struct Tail {
    usual: Pace,
    notable: Pace,
    skipped: Counter,
    kept: Counter,
    missed: Counter,
    watching: AtomicUsize,
    watchers: ArcSwap<Vec<Arc<Watcher>>>,
    redaction: ArcSwap<Redaction>,
    recent: Mutex<VecDeque<Arc<RequestEvent>>>,
}

/// What the tail did so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailStatistics {
    /// Requests that were kept.
    pub kept: u64,
    /// Requests that were not, because there were too many.
    pub skipped: u64,
    /// Requests that watchers did not get, because there were too many or they did not keep up.
    pub missed: u64,
    /// How many watch.
    pub watchers: usize,
}

/// Somebody who watches.
#[derive(Debug)]
struct Watcher {
    filter: Filter,
    pace: Pace,
    skipped: AtomicU64,
    queue: mpsc::Sender<Arc<RequestEvent>>,
}

/// Requests as they finish. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watching {
    tail: Arc<Tail>,
    watcher: Arc<Watcher>,
    queue: mpsc::Receiver<Arc<RequestEvent>>,
}

impl Tail {
    /// A tail without requests, which hides what `redaction` says.
    #[must_use]
    pub fn new(redaction: Redaction) -> Self {
        Self {
            usual: Pace::new(RATE_PER_S),
            notable: Pace::new(RATE_PER_S),
            skipped: Counter::new(),
            kept: Counter::new(),
            missed: Counter::new(),
            watching: AtomicUsize::new(0),
            watchers: ArcSwap::default(),
            redaction: ArcSwap::from_pointee(redaction),
            recent: Mutex::default(),
        }
    }

    /// Hides what `redaction` says from now on.
    pub fn redact(&self, redaction: Redaction) {
        self.redaction.store(Arc::new(redaction));
    }

    /// Whether a request that finished at `now` is to be recorded; one that is not is counted.
    #[inline]
    #[must_use]
    pub fn wants(&self, now: Instant, status: u16, duration: Duration) -> bool {
        if self.watching.load(Ordering::Relaxed) > 0 || self.pace(status, duration).is_due(now) {
            return true;
        }
        self.skipped.increment();
        false
    }

    /// The pace of requests that ended so.
    fn pace(&self, status: u16, duration: Duration) -> &Pace {
        if status >= 500 || duration >= SLOW {
            &self.notable
        } else {
            &self.usual
        }
    }

    /// Keeps a request that finished at `now` and hands it to who watches. To be called when [`Tail::wants`] says so.
    pub fn record(&self, now: Instant, access: &Access<'_>) {
        let redaction = self.redaction.load();
        // Built once, by whoever needs it first.
        let mut built = None;
        let mut build = || Arc::clone(built.get_or_insert_with(|| Arc::new(RequestEvent::of(access, &redaction))));
        if self.watching.load(Ordering::Relaxed) > 0 {
            for watcher in self.watchers.load().iter() {
                if watcher.filter.matches_access(access, &redaction) {
                    let sent = watcher.pace.take(now) && watcher.queue.try_send(build()).is_ok();
                    if !sent {
                        watcher.skipped.fetch_add(1, Ordering::Relaxed);
                        self.missed.increment();
                    }
                }
            }
        }
        if self.pace(access.status, access.duration).take(now) {
            let event = build();
            let mut recent = self.lock();
            if recent.len() >= KEPT_MAX {
                recent.pop_front();
            }
            recent.push_back(event);
            drop(recent);
            self.kept.increment();
        } else {
            self.skipped.increment();
        }
    }

    /// At most `limit` of the kept requests that pass `filter`, the newest first.
    #[must_use]
    pub fn recent(&self, filter: &Filter, limit: usize) -> Vec<Arc<RequestEvent>> {
        let recent = self.lock();
        let passing = recent.iter().rev().filter(|event| filter.matches(event));
        passing.take(limit).cloned().collect()
    }

    /// Watches what finishes from now on and passes `filter`; nothing while [`WATCHERS_MAX`] others do.
    #[must_use]
    pub fn watch(self: &Arc<Self>, filter: Filter) -> Option<Watching> {
        let taken = self
            .watching
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < WATCHERS_MAX).then_some(count + 1)
            });
        taken.ok()?;
        let (send, queue) = mpsc::channel(QUEUE_MAX);
        let watcher = Arc::new(Watcher {
            filter,
            pace: Pace::new(RATE_PER_S),
            skipped: AtomicU64::new(0),
            queue: send,
        });
        self.watchers.rcu(|watchers| {
            let mut watchers = Vec::clone(watchers);
            watchers.push(Arc::clone(&watcher));
            watchers
        });
        Some(Watching {
            tail: Arc::clone(self),
            watcher,
            queue,
        })
    }

    /// What it did so far.
    #[must_use]
    pub fn statistics(&self) -> TailStatistics {
        TailStatistics {
            kept: self.kept.value(),
            skipped: self.skipped.value(),
            missed: self.missed.value(),
            watchers: self.watching.load(Ordering::Relaxed),
        }
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        let is = self.statistics();
        for (outcome, count) in [("kept", is.kept), ("skipped", is.skipped), ("missed", is.missed)] {
            exposition.counter("peregrine_tail_requests_total", &[("outcome", outcome)], count);
        }
        exposition.gauge("peregrine_tail_watchers", &[], is.watchers);
    }

    /// What is kept. A thread that panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<RequestEvent>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// The next request. Cancelling loses none.
    pub async fn next(&mut self) -> Option<Arc<RequestEvent>> {
        self.queue.recv().await
    }

    /// The next request, if there is one already.
    pub fn try_next(&mut self) -> Option<Arc<RequestEvent>> {
        self.queue.try_recv().ok()
    }

    /// How many requests it did not get since this was asked last.
    #[must_use]
    pub fn take_skipped(&self) -> u64 {
        self.watcher.skipped.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.tail.watchers.rcu(|watchers| {
            let others = watchers.iter().filter(|other| !Arc::ptr_eq(other, &self.watcher));
            others.cloned().collect::<Vec<_>>()
        });
        self.tail.watching.fetch_sub(1, Ordering::Relaxed);
    }
}
