//! The bound of memory (promise P4). `cache.memory` is divided among the namespaces' own parts, bodies under way and the
//! shared tier, which has what the others leave: when bodies under way need more, the shared tier makes room first, and only
//! then they get it.
//!
//! The shared tier is resized in steps of a thirty-second of the memory, so that small bodies under way, which come and go
//! all the time, never touch it. What is under way below a step is not taken from the tier: that is the tolerance of P4.
//!
//! What left the tiers and is still read ([`crate::lingering`]) takes from the shared tier too, up to half of the memory. From
//! there on no further body is stored while it arrives, so that it does not grow without end.

use crate::memory::MemoryTier;
use crate::sync::Mutex;
use std::sync::Arc;

/// Into how many steps the memory is divided for resizing.
const STEPS: u64 = 32;
/// What a piece of a body under way occupies beside its bytes.
pub(crate) const PIECE_OVERHEAD_BYTES: u64 = 80;

/// Who may use how much of the memory.
pub(crate) struct Budget {
    shared: Arc<dyn MemoryTier>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    bounds: Bounds,
    in_flight: u64,
    /// What of it is gathered: see [`Budget::gather`].
    gathered: u64,
    /// What left the tiers and is still read.
    lingering: u64,
    /// What the shared tier's capacity was last set to.
    capacity: u64,
}

/// The bounds, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Everything together.
    pub(crate) memory: u64,
    /// The namespaces' own parts together.
    pub(crate) parts: u64,
    /// Bodies under way.
    pub(crate) in_flight_max: u64,
}

impl Bounds {
    /// What is left for the shared tier when `in_flight` bytes are under way and `lingering` are still read.
    fn shared(self, in_flight: u64, lingering: u64) -> u64 {
        let step = (self.memory / STEPS).max(1);
        let taken = in_flight.saturating_add(lingering.min(self.lingering_max()));
        (self.memory - self.parts.min(self.memory)).saturating_sub(taken / step * step)
    }

    /// For how much that is still read the shared tier makes room.
    fn lingering_max(self) -> u64 {
        self.memory / 2
    }
}

impl Budget {
    /// `shared` was made with the capacity `bounds.shared(0, 0)`, which [`Budget::capacity`] tells.
    pub(crate) fn new(shared: Arc<dyn MemoryTier>, bounds: Bounds) -> Self {
        Self {
            shared,
            state: Mutex::new(State {
                bounds,
                in_flight: 0,
                gathered: 0,
                lingering: 0,
                capacity: bounds.shared(0, 0),
            }),
        }
    }

    /// The capacity of the shared tier while nothing is under way.
    pub(crate) fn capacity(bounds: Bounds) -> u64 {
        bounds.shared(0, 0)
    }

    /// Changes the bounds. What is under way stays, even if it is more than the new bound.
    pub(crate) fn configure(&self, bounds: Bounds) {
        let mut state = self.state.lock();
        state.bounds = bounds;
        let in_flight = state.in_flight;
        self.settle(&mut state, in_flight);
    }

    /// Bytes of bodies under way, from origins and to readers alone.
    pub(crate) fn in_flight(&self) -> u64 {
        let state = self.state.lock();
        state.in_flight + state.lingering
    }

    /// Takes `bytes` of the part of bodies under way that those have together that come as slowly as a client takes them; whether
    /// there was room.
    pub(crate) fn gather(&self, bytes: u64, part: u64) -> bool {
        let mut state = self.state.lock();
        let wanted = state.gathered.saturating_add(bytes);
        let fits = wanted <= state.bounds.in_flight_max / part;
        if fits {
            state.gathered = wanted;
        }
        fits
    }

    /// Gives back what [`Budget::gather`] took.
    pub(crate) fn end_gathering(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.gathered = state.gathered.saturating_sub(bytes);
    }

    /// So many bytes left the tiers and are still read.
    pub(crate) fn linger(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.lingering = bytes;
        let in_flight = state.in_flight;
        self.settle(&mut state, in_flight);
    }

    /// The bounds as they are now.
    pub(crate) fn bounds(&self) -> Bounds {
        self.state.lock().bounds
    }

    fn reserve(&self, bytes: u64) -> bool {
        let mut state = self.state.lock();
        let wanted = state.in_flight.saturating_add(bytes);
        if wanted > state.bounds.in_flight_max || state.lingering >= state.bounds.lingering_max() {
            return false;
        }
        // The tier makes room before the bytes are there.
        self.settle(&mut state, wanted);
        state.in_flight = wanted;
        true
    }

    fn release(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_sub(bytes);
        let in_flight = state.in_flight;
        self.settle(&mut state, in_flight);
    }

    fn settle(&self, state: &mut State, in_flight: u64) {
        let capacity = state.bounds.shared(in_flight, state.lingering);
        if capacity != state.capacity {
            self.shared.resize(capacity);
            state.capacity = capacity;
        }
    }
}

/// Bytes of one body under way, given back when this goes away.
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    /// Nothing yet.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Takes `bytes` more; whether there was room for them.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.budget.reserve(bytes);
        if granted {
            self.bytes += bytes;
        }
        granted
    }

    /// Gives `bytes` back.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if bytes > 0 {
            self.budget.release(bytes);
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.shrink(self.bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}
