//! The metrics of encryption: data keys, and what is sealed by them.

use super::Of;
use peregrine_cache::KeysStatistics;
use peregrine_telemetry::Exposition;

/// Adds them.
pub(super) fn expose(is: &KeysStatistics, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    let help = "Data keys that this node made.";
    of.counter("peregrine_data_keys_created_total", help, is.created);
    let help = "Data keys that a master key opened.";
    of.counter("peregrine_data_keys_opened_total", help, is.unwrapped);
    let help = "Data keys that this node destroyed.";
    of.counter("peregrine_data_keys_erased_total", help, is.erased);
    let help = "Owners whose data keys are in memory.";
    of.gauge("peregrine_data_keys_held", help, is.held);
    let failures = [("unreadable", is.unreadable), ("unreachable", is.unreachable)];
    let help = "Data keys that no master key in the ring opens, and questions that their place did not answer.";
    of.counters("peregrine_data_key_failures_total", help, "reason", failures);
    let help = "Values that were sealed to leave memory.";
    of.counter("peregrine_sealed_values_total", help, is.sealed);
    let help = "Sealed values that were opened.";
    of.counter("peregrine_unsealed_values_total", help, is.opened);
    let failures = [("no_key", is.no_key), ("damaged", is.damaged)];
    let help = "Values that could not be sealed or opened; each is a miss.";
    of.counters("peregrine_seal_failures_total", help, "reason", failures);
}
