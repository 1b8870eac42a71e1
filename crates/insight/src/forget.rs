//! Forgetting what was measured, so that figures begin anew: after a load test, or once a fault is mended.

use crate::insight::Insight;
use crate::ladder::Ladder;
use crate::rings::Rings;
use crate::tally::Tally;

impl Insight {
    /// Forgets every point and every figure of the past: at once in memory, and with the next write in the file. What counts
    /// since the start goes on, and so do alerts; what was changed and the reports that were made stay. Answers how many
    /// points there were.
    pub fn forget(&self) -> u64 {
        let mut state = self.lock();
        let state = &mut *state;
        let points = state.rings.count();
        let config = &state.config;
        state.rings = Rings::new(config.retention.get(), config.routes_max, config.upstreams_max);
        state.ladder = Ladder::default();
        state.tens = None;
        state.now = Tally::default();
        state.keeping.forget();
        u64::try_from(points).unwrap_or(u64::MAX)
    }
}
