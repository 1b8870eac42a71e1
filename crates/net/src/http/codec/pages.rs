//! Buffers that a thread's connections use in turn: who has nothing to read or write holds none, so that an idle connection
//! costs no buffer and a busy one finds it in the processor's cache.

use std::cell::RefCell;

/// The size of a buffer: a head of the usual size fits many times, and a read rarely needs a second one.
pub(crate) const PAGE_BYTES: usize = 16 << 10;
/// How many unused ones a thread keeps.
const PAGES_KEPT_MAX: usize = 16;

thread_local! {
    static PAGES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer of [`PAGE_BYTES`].
pub(crate) fn take() -> Vec<u8> {
    let kept = PAGES.try_with(|pages| pages.borrow_mut().pop());
    kept.ok().flatten().unwrap_or_else(|| Vec::with_capacity(PAGE_BYTES))
}

/// Gives `page` back; one that has grown, or was never taken, is freed.
pub(crate) fn give(mut page: Vec<u8>) {
    if !(PAGE_BYTES..2 * PAGE_BYTES).contains(&page.capacity()) {
        return;
    }
    page.clear();
    // A thread that ends keeps nothing.
    let _ = PAGES.try_with(|pages| {
        let mut pages = pages.borrow_mut();
        if pages.len() < PAGES_KEPT_MAX {
            pages.push(page);
        }
    });
}
