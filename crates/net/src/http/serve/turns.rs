//! Turns of TLS handshakes, of which there are so many at once. One costs its client nothing but a first message, so whoever
//! begins many and ends none would hold up everybody else until they are late. Where all turns are taken, whoever waits has
//! the one give way that was taken first, once it has had enough time for an honest client far away.

use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Runtime};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// How long a turn is nobody else's: several round trips to the other side of the earth.
const OWN_FOR: Duration = Duration::from_secs(2);

/// The turns of a server.
pub(super) struct Turns {
    free: Semaphore,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// By number: the first is the oldest.
    turns: BTreeMap<u64, Holder>,
    so_far: u64,
}

struct Holder {
    since: Instant,
    /// Whether it was told to give way.
    told: bool,
    way: Arc<Notify>,
}

/// Leave to go on, until it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    number: u64,
    way: Arc<Notify>,
    _permit: SemaphorePermit<'a>,
}

impl Turns {
    /// So many at once.
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: Semaphore::new(count.min(Semaphore::MAX_PERMITS)),
            taken: Mutex::default(),
        }
    }

    /// Waits for a turn, for as long as the caller likes.
    pub(super) async fn take(&self, clock: &dyn Clock, runtime: &dyn Runtime) -> Turn<'_> {
        let mut free = pin!(self.free.acquire());
        let permit = tokio::select! {
            biased;
            permit = &mut free => permit,
            // Each who waits makes room for one.
            () = self.make_way(clock, runtime) => free.await,
        };
        let way = Arc::new(Notify::new());
        let mut taken = self.taken.lock();
        taken.so_far += 1;
        let number = taken.so_far;
        let holder = Holder {
            since: clock.now(),
            told: false,
            way: Arc::clone(&way),
        };
        taken.turns.insert(number, holder);
        Turn {
            turns: self,
            number,
            way,
            _permit: permit.expect("nobody closes it"),
        }
    }

    /// Tells the oldest that was not told yet, once its time is over.
    async fn make_way(&self, clock: &dyn Clock, runtime: &dyn Runtime) {
        loop {
            let rest = {
                let mut taken = self.taken.lock();
                match taken.turns.values_mut().find(|holder| !holder.told) {
                    None => OWN_FOR,
                    Some(holder) => {
                        let rest = OWN_FOR.saturating_sub(clock.now().since(holder.since));
                        if rest.is_zero() {
                            holder.told = true;
                            holder.way.notify_one();
                            return;
                        }
                        rest
                    }
                }
            };
            runtime.sleep(rest).await;
        }
    }
}

impl Turn<'_> {
    /// Completes when somebody else needs it.
    pub(super) async fn wanted(&self) {
        self.way.notified().await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken.lock().turns.remove(&self.number);
    }
}
