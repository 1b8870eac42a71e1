//! Interim responses: what a handler tells the client before the answer, such as 103 with `Link` fields (RFC 8297).

use ::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

/// The most interim responses to one request; further ones are dropped. RFC 9110 §15.2 knows no limit, memory does.
const INTERIM_MAX: usize = 16;

/// An extension of a request: sends interim responses to the client who asked. Cheap to clone; after the final answer, and
/// for a client of HTTP/1.0, it does nothing.
#[derive(Clone, Debug, Default)]
pub struct Interim(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    heads: VecDeque<(StatusCode, HeaderMap)>,
    sent: usize,
    over: bool,
    waker: Option<Waker>,
}

impl Interim {
    /// Sends `status` with `headers`, unless it is no 1xx, is 101 (which is final), or there were too many.
    pub fn send(&self, status: StatusCode, headers: HeaderMap) {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let mut waiting = self.0.lock();
        if waiting.over || waiting.sent >= INTERIM_MAX {
            return;
        }
        waiting.sent += 1;
        waiting.heads.push_back((status, headers));
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next one to write; without one the task of `cx` is woken when there is.
    pub(crate) fn next(&self, cx: &Context<'_>) -> Option<(StatusCode, HeaderMap)> {
        let mut waiting = self.0.lock();
        let next = waiting.heads.pop_front();
        if next.is_none() {
            waiting.waker = Some(cx.waker().clone());
        }
        next
    }

    /// The final answer is there: what comes now comes too late.
    pub(crate) fn end(&self) {
        let mut waiting = self.0.lock();
        waiting.over = true;
        waiting.heads.clear();
        waiting.waker = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_and_only_interim_ones_before_the_end() {
        let interim = Interim::default();
        let cx = Context::from_waker(Waker::noop());
        for status in [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS] {
            interim.send(status, HeaderMap::new());
        }
        assert!(interim.next(&cx).is_none());
        for _ in 0..20 {
            interim.send(StatusCode::EARLY_HINTS, HeaderMap::new());
        }
        assert_eq!(std::iter::from_fn(|| interim.next(&cx)).count(), INTERIM_MAX);
        let late = Interim::default();
        late.end();
        late.send(StatusCode::EARLY_HINTS, HeaderMap::new());
        assert!(late.next(&cx).is_none());
    }
}
