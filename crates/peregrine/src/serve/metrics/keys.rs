//! The metrics of encryption: data keys, and what is sealed by them.

use super::Of;
use peregrine_cache::KeysStatistics;
use peregrine_telemetry::Exposition;

/// Adds them.
pub(super) fn expose(is: &KeysStatistics, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    of.counter("peregrine_data_keys_created_total", is.created);
    of.counter("peregrine_data_keys_opened_total", is.unwrapped);
    of.counter("peregrine_data_keys_erased_total", is.erased);
    of.gauge("peregrine_data_keys_held", is.held);
    let failures = [("unreadable", is.unreadable), ("unreachable", is.unreachable)];
    of.counters("peregrine_data_key_failures_total", "reason", failures);
    of.counter("peregrine_sealed_values_total", is.sealed);
    of.counter("peregrine_unsealed_values_total", is.opened);
    let failures = [("no_key", is.no_key), ("damaged", is.damaged)];
    of.counters("peregrine_seal_failures_total", "reason", failures);
}
