//! Time as an argument. [`Instant`] counts nanoseconds of `CLOCK_BOOTTIME`, which goes on while the machine is suspended:
//! a node that slept must not believe that its entries are still fresh. [`WallTime`] is for dates in headers and logs only
//! and never decides about freshness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A point in monotonic time: nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The earliest instant there is.
    pub const ZERO: Self = Self(0);
    /// An instant that is never reached.
    pub const FAR: Self = Self(u64::MAX);

    /// The instant that lies `nanos` nanoseconds after [`Instant::ZERO`].
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since [`Instant::ZERO`].
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This instant moved later by `span`; stops at [`Instant::FAR`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(span)))
    }

    /// This instant moved earlier by `span`; stops at [`Instant::ZERO`].
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_nanos(span)))
    }

    /// How long after `earlier` this instant is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// `span` in nanoseconds, at most `u64::MAX` (584 years).
fn saturating_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A point in civil time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// A time that nobody asked for.
    pub const UNKNOWN: Self = Self(0);

    /// The time that lies `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, the resolution of HTTP dates.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time, counting suspension.
    fn now(&self) -> Instant;
    /// Civil time, for dates that people and headers read.
    fn wall(&self) -> WallTime;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Instant(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    fn wall(&self) -> WallTime {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let millis = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
        WallTime(
            u64::try_from(time.tv_sec)
                .unwrap_or(0)
                .saturating_mul(1000)
                .saturating_add(millis),
        )
    }
}

/// A clock that stands still until it is told to move, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    wall: AtomicU64,
}

impl ManualClock {
    /// A clock that starts one day after zero, at the civil time `wall`.
    #[must_use]
    pub fn new(wall: WallTime) -> Self {
        Self {
            now: AtomicU64::new(86_400_000_000_000),
            wall: AtomicU64::new(wall.as_millis()),
        }
    }

    /// Moves both clocks later by `span`.
    pub fn advance(&self, span: Duration) {
        self.now.fetch_add(saturating_nanos(span), Ordering::SeqCst);
        self.wall
            .fetch_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Starts at 2026-01-01 00:00:00 UTC.
    fn default() -> Self {
        Self::new(WallTime::from_millis(1_767_225_600_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant(self.now.load(Ordering::SeqCst))
    }

    fn wall(&self) -> WallTime {
        WallTime(self.wall.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_at_both_ends() {
        assert_eq!(Instant::FAR.after(Duration::MAX), Instant::FAR);
        assert_eq!(Instant::ZERO.before(Duration::from_secs(1)), Instant::ZERO);
        assert_eq!(Instant::ZERO.since(Instant::FAR), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_moves_forward_and_knows_the_century() {
        let clock = SystemClock;
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(clock.wall().as_secs() > 1_700_000_000);
    }
}
