//! What memory holds of a route, a strategy, a tenant or a namespace, what left it, and which invalidations reached it.

use crate::answers::by_text;
use crate::figures::latency;
use crate::model::{Figures, Kept};
use crate::reading::{CacheReading, KeptReading};
use crate::spread::Spread;
use crate::tally::for_room;
use peregrine_telemetry::HistogramSnapshot;

impl KeptReading {
    /// Adds what `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.entries += other.entries;
        for (cause, count) in &other.evictions_by_cause {
            *self.evictions_by_cause.entry(cause).or_default() += count;
        }
        self.invalidations += other.invalidations;
        if let Some(lag) = &other.invalidation_lag {
            self.invalidation_lag
                .get_or_insert_with(HistogramSnapshot::default)
                .merge(lag);
        }
    }
}

/// The whole memory. An invalidation counts once, whatever it reached.
pub(crate) fn of_memory(cache: &CacheReading) -> KeptReading {
    let mut all = KeptReading::default();
    cache
        .namespaces
        .values()
        .for_each(|namespace| all.merge(&namespace.kept));
    KeptReading {
        bytes: cache.bytes,
        entries: cache.entries,
        invalidations: cache.invalidations,
        invalidation_lag: cache.invalidation_lag.clone(),
        ..all
    }
}

/// As people see it.
pub(crate) fn of(reading: &KeptReading) -> Kept {
    let lag = reading.invalidation_lag.as_ref();
    Kept {
        bytes: reading.bytes,
        entries: reading.entries,
        evictions_by_cause: by_text(&reading.evictions_by_cause),
        invalidations: reading.invalidations,
        invalidation_ms: lag.map_or_else(Default::default, |lag| latency(&Spread::between(lag, None))),
    }
}

/// `figures` with what was counted of entries, if it was.
pub(crate) fn counted(figures: Figures, kept: Option<&KeptReading>) -> Figures {
    Figures {
        evictions: kept.map(|kept| for_room(&kept.evictions_by_cause) as f64),
        invalidations: kept.map(|kept| kept.invalidations as f64),
        ..figures
    }
}
