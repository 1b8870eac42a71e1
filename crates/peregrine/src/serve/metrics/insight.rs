//! Metrics of history.

use super::Of;
use crate::serve::insight::Watching;
use peregrine_telemetry::Exposition;

/// Adds them.
pub(super) fn expose(watching: &Watching, out: &mut Exposition) {
    let is = watching.insight.status();
    let mut of = Of { out, labels: &[] };
    of.gauge("peregrine_insight_memory_bytes", is.memory_bytes);
    of.gauge("peregrine_insight_writes_waiting", is.writes_waiting);
    of.counter("peregrine_insight_writes_dropped_total", is.writes_dropped);
    of.counter("peregrine_insight_write_failures_total", watching.write_failures());
}
