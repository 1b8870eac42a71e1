//! History and what is written of it.

use super::{Metric, counter, gauge};

pub(super) const ROWS: &[Metric] = &[
    gauge(
        "peregrine_insight_memory_bytes",
        &[],
        "Bytes that history occupies in memory.",
    ),
    gauge(
        "peregrine_insight_writes_waiting",
        &[],
        "Changes of history that wait to be written.",
    ),
    counter(
        "peregrine_insight_writes_dropped_total",
        &[],
        "Changes of history that were not written because too many waited.",
    ),
    counter(
        "peregrine_insight_write_failures_total",
        &[],
        "Times that history could not be written.",
    ),
];
