//! Who wants to be looked at: the work of every request of a connection runs in the connection's task, and what wakes one of
//! them rings here with its number, so that only that one is polled.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// The bell of a connection.
#[derive(Default)]
pub(super) struct Bell(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    /// Each at most once for each [`Ring`] that is there.
    streams: Vec<u32>,
    /// The connection's task, while it waits.
    owner: Option<Waker>,
}

impl Bell {
    /// Those that have rung since the last time, put into `streams`, which is empty.
    pub(super) fn take(&self, streams: &mut Vec<u32>) {
        debug_assert!(streams.is_empty(), "who rang before has been looked at");
        std::mem::swap(streams, &mut self.0.lock().streams);
    }

    /// Wakes `owner` at the next ring; true when there was one already.
    pub(super) fn listen(&self, owner: &Waker) -> bool {
        let mut rung = self.0.lock();
        if !rung.owner.as_ref().is_some_and(|known| known.will_wake(owner)) {
            rung.owner = Some(owner.clone());
        }
        !rung.streams.is_empty()
    }
}

/// What a request's work rings with.
pub(super) struct Ring {
    stream: u32,
    bell: Arc<Bell>,
    /// Whether it has rung and was not looked at.
    rung: AtomicBool,
}

impl Ring {
    pub(super) fn new(stream: u32, bell: &Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            stream,
            bell: Arc::clone(bell),
            rung: AtomicBool::new(false),
        })
    }

    /// It is looked at now: what happens from here on rings again.
    pub(super) fn heard(&self) {
        // Reads what the last ring wrote, so that what came before it is seen.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut rung = self.bell.0.lock();
        rung.streams.push(self.stream);
        let owner = rung.owner.take();
        drop(rung);
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_rings_once_until_it_is_looked_at_and_the_owner_is_woken_once() {
        let (bell, counted) = (Arc::new(Bell::default()), Arc::new(Counted::default()));
        let owner = Waker::from(Arc::clone(&counted));
        let rings = [1, 3].map(|stream| Ring::new(stream, &bell));
        let wakers = rings.each_ref().map(|ring| Waker::from(Arc::clone(ring)));
        assert!(!bell.listen(&owner));
        for waker in [&wakers[0], &wakers[0], &wakers[1]] {
            waker.wake_by_ref();
        }
        assert_eq!(counted.0.load(Ordering::SeqCst), 1);
        assert!(bell.listen(&owner), "what rang before it listens is not lost");
        let mut streams = Vec::new();
        bell.take(&mut streams);
        assert_eq!(streams, [1, 3]);
        wakers[1].wake_by_ref();
        streams.clear();
        bell.take(&mut streams);
        assert!(streams.is_empty(), "it has not been looked at");
        rings[1].heard();
        wakers[1].wake_by_ref();
        bell.take(&mut streams);
        assert_eq!((streams, counted.0.load(Ordering::SeqCst)), (vec![3], 2));
    }
}
