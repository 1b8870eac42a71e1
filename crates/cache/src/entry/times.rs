//! Times in few bits: there are a million entries in memory. And what follows from them: when an entry's freshness ends, and
//! its use.

use super::{Entry, Kind};
use peregrine_base::Instant;
use std::time::Duration;

/// How long an entry is kept past its last window, because the origin may find it unchanged.
const KEPT_FOR_VALIDATION: Duration = Duration::from_secs(600);
/// Milliseconds in entries are this much later than they are: half of what 48 bits hold, four thousand years.
pub(super) const BIAS_MS: i64 = 1 << 47;
/// Beginnings of loads are told up to a multiple of this many milliseconds; see [`super::Entry::load_start`].
pub(super) const LOAD_STARTS: u64 = u32::MAX as u64;
pub(super) const NANOS_PER_MS: i64 = 1_000_000;

/// `span` in 32 bits: milliseconds up to 24 days, seconds up to 68 years, rounded down.
pub(super) fn pack(span: Duration) -> u32 {
    const SECONDS: u32 = 1 << 31;
    match u32::try_from(span.as_millis()) {
        Ok(millis) if millis < SECONDS => millis,
        _ => u32::try_from(span.as_secs()).unwrap_or(u32::MAX).min(SECONDS - 2) | SECONDS,
    }
}

/// The inverse of [`pack`].
pub(super) fn unpack(packed: u32) -> Duration {
    const SECONDS: u32 = 1 << 31;
    if packed & SECONDS == 0 {
        Duration::from_millis(u64::from(packed))
    } else {
        Duration::from_secs(u64::from(packed & !SECONDS))
    }
}

/// 48 bits in two pieces; more does not come up in the life of a process.
pub(super) fn split(number: u64) -> (u32, u16) {
    let high = u16::try_from(number >> 32).unwrap_or(u16::MAX);
    (u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX), high)
}

/// The inverse of [`split`].
#[inline]
pub(super) fn join(low: u32, high: u16) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[inline]
pub(super) fn signed(instant: Instant) -> i64 {
    i64::try_from(instant.as_nanos()).unwrap_or(i64::MAX)
}

/// The beginning of a load in 32 bits; never zero.
pub(super) fn pack_start(start: Instant) -> u32 {
    u32::try_from(start.as_nanos() / 1_000_000 % LOAD_STARTS + 1).unwrap_or(0)
}

impl Entry {
    #[inline]
    pub(crate) fn fresh_until(&self) -> Instant {
        self.until(Duration::ZERO)
    }

    /// When its freshness has been over for `window`: counted from its end even where that was before the clock's zero.
    #[inline]
    pub(crate) fn until(&self, window: Duration) -> Instant {
        let span = self.lifetime().saturating_add(window);
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Instant::from_nanos(u64::try_from(self.created_ns().saturating_add(span)).unwrap_or(0))
    }

    /// For how long its freshness has been over, though that may have been before the clock's zero.
    pub(crate) fn stale_for(&self, now: Instant) -> Duration {
        self.age(now).saturating_sub(self.lifetime())
    }

    /// When it is of no use to anybody.
    pub(crate) fn useless_from(&self) -> Instant {
        match self.kind() {
            Kind::Value | Kind::Part => {
                let grace = self.stale_while_revalidate().max(self.stale_if_error());
                self.until(grace).after(KEPT_FOR_VALIDATION)
            }
            Kind::Selector | Kind::Marker(_) => self.fresh_until(),
        }
    }
}
