//! Counts what is allocated. Everything goes to the system's allocator, which the program uses too; the counts of a thread
//! are its own, so that counting costs two additions and no shared cache line.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator with counters.
pub(crate) struct Counting;

/// How often this thread has asked for memory so far.
pub(crate) fn count() -> u64 {
    COUNT.get()
}

/// How many bytes this thread has asked for and not given back so far; what it gave back for others counts too.
pub(crate) fn live_bytes() -> i64 {
    LIVE_BYTES.get()
}

fn took(bytes: usize) {
    // A thread that ends may allocate after its counters are gone; nobody asks for its counts any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    changed(i64::try_from(bytes).unwrap_or(i64::MAX));
}

fn changed(bytes: i64) {
    let _ = LIVE_BYTES.try_with(|live| live.set(live.get().wrapping_add(bytes)));
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written without; this one only counts and hands on"
)]
// SAFETY: every call goes to the system's allocator with the very arguments that came in.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the system's as well.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size);
        changed(-i64::try_from(layout.size()).unwrap_or(i64::MAX));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        changed(-i64::try_from(layout.size()).unwrap_or(i64::MAX));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_given_back_is_counted() {
        let (count_before, live_before) = (count(), live_bytes());
        let bytes = std::hint::black_box(vec![0u8; 1000]);
        assert_eq!((count() - count_before, live_bytes() - live_before), (1, 1000));
        drop(bytes);
        assert_eq!((count() - count_before, live_bytes() - live_before), (1, 0));
    }
}
