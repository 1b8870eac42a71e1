//! Points of several series at the same times, the newest so many of them, in columns that grow as they fill. A column of
//! which nothing was ever known takes no room. A full ring of one series takes 4 bytes for each point; the times take 4 more.

use std::collections::VecDeque;

/// How many points more a ring gets room for when it is full.
const GROWTH: usize = 64;

/// The newest points.
#[derive(Debug)]
pub(crate) struct Ring {
    resolution_s: u32,
    capacity: usize,
    /// When each point's span ended, in seconds since 1970, ascending.
    times: VecDeque<u32>,
    /// Each as long as `times`, or empty while nothing is known.
    columns: Vec<VecDeque<f32>>,
}

impl Ring {
    /// A ring of `columns` series with at most `capacity` points of `resolution_s` seconds.
    pub(crate) fn new(columns: usize, resolution_s: u32, capacity: usize) -> Self {
        Self {
            resolution_s,
            capacity: capacity.max(1),
            times: VecDeque::new(),
            columns: (0..columns).map(|_| VecDeque::new()).collect(),
        }
    }

    pub(crate) fn resolution_s(&self) -> u32 {
        self.resolution_s
    }

    /// How many points there are.
    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    /// How far back it reaches when it is full, in seconds.
    pub(crate) fn span_s(&self) -> u64 {
        u64::from(self.resolution_s) * self.capacity as u64
    }

    /// Adds the point that ended at `at`. The clock may have been put back: points that would lie in the future go.
    pub(crate) fn push(&mut self, at: u32, values: &[f32]) {
        while self.times.back().is_some_and(|last| *last >= at) {
            self.times.pop_back();
            for column in &mut self.columns {
                column.pop_back();
            }
        }
        if self.times.len() >= self.capacity {
            self.times.pop_front();
            for column in &mut self.columns {
                column.pop_front();
            }
        }
        let points = self.times.len();
        for (column, value) in self.columns.iter_mut().zip(values) {
            if column.is_empty() && value.is_finite() && points > 0 {
                column.reserve_exact((points + GROWTH).min(self.capacity));
                column.resize(points, f32::NAN);
            }
            if value.is_finite() || !column.is_empty() {
                grow(column, self.capacity);
                column.push_back(*value);
            }
        }
        grow(&mut self.times, self.capacity);
        self.times.push_back(at);
    }

    /// The points that ended after `from` and at `until` at the latest, as places for [`Ring::at`] and [`Ring::value`].
    pub(crate) fn between(&self, from: u64, until: u64) -> std::ops::Range<usize> {
        let begin = self.times.partition_point(|at| u64::from(*at) <= from);
        let end = self.times.partition_point(|at| u64::from(*at) <= until);
        begin..end.max(begin)
    }

    /// When the point at `place` ended.
    pub(crate) fn at(&self, place: usize) -> u32 {
        self.times.get(place).copied().unwrap_or(0)
    }

    /// The value of a series at a point.
    pub(crate) fn value(&self, column: usize, place: usize) -> f32 {
        let value = self.columns.get(column).and_then(|column| column.get(place));
        value.copied().unwrap_or(f32::NAN)
    }

    /// When the newest point ended.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.times.back().copied()
    }

    /// Bytes that it occupies.
    pub(crate) fn bytes(&self) -> usize {
        let points = self.columns.iter().map(VecDeque::capacity).sum::<usize>() + self.times.capacity();
        points * size_of::<f32>() + self.columns.len() * size_of::<VecDeque<f32>>()
    }
}

/// Makes room for a few more, not for twice as many as a list would by itself, and for no more than there may be.
fn grow<T>(column: &mut VecDeque<T>, most: usize) {
    if column.len() == column.capacity() {
        let more = GROWTH + column.len() / 8;
        column.reserve_exact(more.min(most.saturating_sub(column.len())).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// It holds the newest points as they were given, whatever is known when, and forgets what lies in the future.
        #[test]
        fn holds_the_newest_points(
            points in prop::collection::vec((1u32..40, prop::option::of(-5.0f32..5.0), prop::option::of(0.0f32..1.0)), 0..120),
            capacity in 1usize..30,
        ) {
            let mut ring = Ring::new(2, 1, capacity);
            let mut reference: Vec<(u32, [f32; 2])> = Vec::new();
            let mut at = 1000u32;
            for (index, (step, one, two)) in points.into_iter().enumerate() {
                at = if index % 17 == 16 { at - step } else { at + step };
                let values = [one.unwrap_or(f32::NAN), two.unwrap_or(f32::NAN)];
                ring.push(at, &values);
                reference.retain(|(time, _)| *time < at);
                reference.push((at, values));
                if reference.len() > capacity { reference.remove(0); }
                let all = ring.between(0, u64::MAX);
                prop_assert_eq!(all.len(), reference.len());
                for (place, (time, values)) in reference.iter().enumerate() {
                    prop_assert_eq!(ring.at(place), *time);
                    for (column, value) in values.iter().enumerate() {
                        prop_assert_eq!(ring.value(column, place).to_bits(), value.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_never_known_takes_no_room_and_the_rest_little() {
        let mut ring = Ring::new(50, 1, 3600);
        for at in 0..10_000 {
            ring.push(at, &[1.0, f32::NAN]);
        }
        assert_eq!(ring.between(0, u64::MAX).len(), 3600);
        assert_eq!((ring.at(0), ring.newest()), (6400, Some(9999)));
        // One column and the times; an eighth and a bit to spare.
        assert!(
            ring.bytes() < 2 * 4 * (3600 + 3600 / 8 + 2 * GROWTH) + 50 * 32,
            "{}",
            ring.bytes()
        );
        assert_eq!(ring.between(9989, 9994), 3590..3595);
    }
}
