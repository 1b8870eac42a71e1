//! How many requests may be under way to a target. A reload may change the number while they are: what is more than the new
//! number is taken away as requests end.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// So many at once.
#[derive(Debug)]
pub(crate) struct Limit {
    semaphore: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    max: usize,
    /// How many permits are still to be taken away.
    debt: usize,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(crate) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    limit: Arc<Limit>,
}

impl Limit {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            semaphore: Arc::new(Semaphore::new(max)),
            state: Mutex::new(State { max, debt: 0 }),
        })
    }

    /// A permit, if one is free.
    pub(crate) fn take_now(self: &Arc<Self>) -> Option<Permit> {
        let permit = Arc::clone(&self.semaphore).try_acquire_owned().ok()?;
        Some(self.permit(permit))
    }

    /// Waits for a permit.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Permit, AcquireError> {
        let permit = Arc::clone(&self.semaphore).acquire_owned().await?;
        Ok(self.permit(permit))
    }

    fn permit(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Permit {
        Permit {
            permit: Some(permit),
            limit: Arc::clone(self),
        }
    }

    /// From now on `max` at once.
    pub(crate) fn resize(&self, max: usize) {
        let mut state = self.state.lock();
        if max > state.max {
            let more = max - state.max;
            let paid = more.min(state.debt);
            state.debt -= paid;
            self.semaphore.add_permits(more - paid);
        } else {
            let fewer = state.max - max;
            state.debt += fewer - self.semaphore.forget_permits(fewer);
        }
        state.max = max;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.limit.state.lock();
        if state.debt > 0 {
            state.debt -= 1;
            permit.forget();
        } else {
            // Before the lock is: whoever resizes must find it either held or free.
            drop(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(limit: &Arc<Limit>) -> Vec<Permit> {
        std::iter::from_fn(|| limit.take_now()).collect()
    }

    #[test]
    fn a_smaller_number_holds_once_those_under_way_have_ended() {
        let limit = Limit::new(4);
        let mut held = all(&limit);
        limit.resize(1);
        held.truncate(1);
        assert!(limit.take_now().is_none(), "three have ended, one is still under way");
        held.clear();
        assert_eq!(all(&limit).len(), 1);
        limit.resize(3);
        assert_eq!(all(&limit).len(), 3);
    }

    proptest! {
        #[test]
        fn whatever_happens_in_between_the_last_number_holds(
            steps in prop::collection::vec((0usize..9, any::<bool>()), 1..40),
        ) {
            let limit = Limit::new(3);
            let (mut held, mut last) = (Vec::new(), 3);
            for (number, resize) in steps {
                if resize {
                    limit.resize(number);
                    last = number;
                } else {
                    held.extend(limit.take_now());
                    held.truncate(number);
                }
            }
            drop(held);
            prop_assert_eq!(all(&limit).len(), last);
        }
    }
}
