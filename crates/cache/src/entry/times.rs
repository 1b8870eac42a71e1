//! Times in few bits: there are a million entries in memory.

use peregrine_base::Instant;
use std::time::Duration;

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
