//! Buffers that a thread's connections use in turn: who has nothing to read or write holds none, so that an idle connection
//! costs no buffer and a busy one finds it in the processor's cache.

use std::cell::RefCell;
use std::thread::LocalKey;

/// The size of a buffer: a head of the usual size fits many times, and a read rarely needs a second one.
pub(crate) const PAGE_BYTES: usize = 16 << 10;
/// How many unused ones of each kind a thread keeps.
const PAGES_KEPT_MAX: usize = 16;

type Kept = RefCell<Vec<Vec<u8>>>;

thread_local! {
    static EMPTY: Kept = const { RefCell::new(Vec::new()) };
    static FULL: Kept = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`PAGE_BYTES`], to be written to.
pub(crate) fn take_empty() -> Vec<u8> {
    take(&EMPTY).unwrap_or_else(|| Vec::with_capacity(PAGE_BYTES))
}

/// Gives such a buffer back; one that has grown, or was never taken, is freed.
pub(crate) fn give_empty(mut page: Vec<u8>) {
    if is_page(page.capacity()) {
        page.clear();
        give(&EMPTY, page);
    }
}

/// [`PAGE_BYTES`] of whatever was there before, to be read into: nothing has to be cleared for that each time.
pub(crate) fn take_full() -> Vec<u8> {
    take(&FULL).unwrap_or_else(|| vec![0; PAGE_BYTES])
}

/// Gives such a buffer back; one that has grown, or was never taken, is freed.
pub(crate) fn give_full(page: Vec<u8>) {
    if is_page(page.len()) {
        give(&FULL, page);
    }
}

fn is_page(bytes: usize) -> bool {
    (PAGE_BYTES..2 * PAGE_BYTES).contains(&bytes)
}

fn take(kept: &'static LocalKey<Kept>) -> Option<Vec<u8>> {
    kept.try_with(|pages| pages.borrow_mut().pop()).ok().flatten()
}

fn give(kept: &'static LocalKey<Kept>, page: Vec<u8>) {
    // A thread that ends keeps nothing.
    let _ = kept.try_with(|pages| {
        let mut pages = pages.borrow_mut();
        if pages.len() < PAGES_KEPT_MAX {
            pages.push(page);
        }
    });
}
