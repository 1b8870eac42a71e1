//! Namespace and cost of an entry in four bytes: there are a million of them in memory.

use std::time::Duration;

/// Where an entry comes from, in 32 bits: the number of its namespace, and how long its load took in microseconds, as 17 bits
/// exactly times a power of two, rounded down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(u32);

impl Origin {
    const EXACT_BITS: u32 = 17;
    pub(super) const COST_BITS: u32 = Self::EXACT_BITS + 5;

    pub(super) fn of(namespace: u16, cost: Duration) -> Self {
        let micros = u32::try_from(cost.as_micros()).unwrap_or(u32::MAX);
        let shift = (u32::BITS - micros.leading_zeros()).saturating_sub(Self::EXACT_BITS);
        Self(u32::from(namespace) << Self::COST_BITS | shift << Self::EXACT_BITS | micros >> shift)
    }

    pub(super) fn namespace(self) -> u16 {
        u16::try_from(self.0 >> Self::COST_BITS).unwrap_or(u16::MAX)
    }

    pub(super) fn cost_us(self) -> u64 {
        let shift = self.0 >> Self::EXACT_BITS & 0b1_1111;
        u64::from(self.0 & ((1 << Self::EXACT_BITS) - 1)) << shift
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_load_took_is_kept_to_five_digits() {
        for (micros, kept) in [
            (0, 0),
            (131_071, 131_071),
            (250_000, 250_000),
            (3_600_000_001, 3_599_990_784),
        ] {
            let origin = Origin::of(1023, Duration::from_micros(micros));
            assert_eq!((origin.cost_us(), origin.namespace()), (kept, 1023));
        }
        let most = Origin::of(0, Duration::MAX).cost_us();
        assert!(most <= u64::from(u32::MAX) && most > u64::from(u32::MAX) - (1 << 16));
    }
}
