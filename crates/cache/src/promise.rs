//! One value from one task to another.

use crate::sync::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

struct State<T> {
    value: Option<T>,
    waiting: Option<Waker>,
    given: bool,
}

/// The side that gives the value. When it is dropped, the other side gets nothing.
pub(crate) struct Giver<T>(Arc<Mutex<State<T>>>);

/// The side that waits.
pub(crate) struct Promise<T>(Arc<Mutex<State<T>>>);

/// A promise and the one who can keep it.
pub(crate) fn promise<T>() -> (Giver<T>, Promise<T>) {
    let state = Arc::new(Mutex::new(State {
        value: None,
        waiting: None,
        given: false,
    }));
    (Giver(Arc::clone(&state)), Promise(state))
}

impl<T> Giver<T> {
    /// Gives the value.
    pub(crate) fn give(self, value: T) {
        self.0.lock().value = Some(value);
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.given = true;
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl<T> Future for Promise<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        if state.given {
            return Poll::Ready(state.value.take());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}
