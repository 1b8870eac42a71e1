//! The cache, by namespace.

use super::{Metric, counter, gauge, histogram};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    counter(
        "peregrine_snapshot_entries_total",
        &["result"],
        "Entries of the snapshot from before, by what became of them.",
    ),
    counter(
        "peregrine_snapshot_refused_total",
        &["reason"],
        "Snapshots from before that were not used.",
    ),
    counter(
        "peregrine_tenant_hits_total",
        &["tenant"],
        "Answers from the cache for a tenant.",
    ),
    counter(
        "peregrine_tenant_misses_total",
        &["tenant"],
        "Lookups for a tenant that found nothing to serve at once.",
    ),
    counter(
        "peregrine_tenant_evictions_total",
        &["tenant", "reason"],
        "Entries of a tenant that left memory.",
    ),
    counter(
        "peregrine_tenant_invalidations_total",
        &["tenant"],
        "Invalidations that were limited to a tenant, or reached some of its entries.",
    ),
    histogram(
        "peregrine_tenant_invalidation_duration_seconds",
        &["tenant"],
        "From the request for one of these until it held in every layer and on every node.",
    ),
    gauge(
        "peregrine_tenant_bytes",
        &["tenant"],
        "Bytes that a tenant's entries occupy.",
    ),
    gauge("peregrine_tenant_entries", &["tenant"], "Entries of a tenant."),
    gauge(
        "peregrine_cache_memory_max_bytes",
        &[],
        "How many bytes all entries together may occupy.",
    ),
    gauge(
        "peregrine_cache_loads_under_way",
        &[],
        "Loads that have not come to an end.",
    ),
    gauge(
        "peregrine_cache_in_flight_bytes",
        &[],
        "Bytes of bodies that are being loaded.",
    ),
    counter(
        "peregrine_cache_invalidations_total",
        &[],
        "Invalidations that were asked of this node.",
    ),
    histogram(
        "peregrine_cache_invalidation_duration_seconds",
        &[],
        "From the request for an invalidation until it held in every layer and on every node; those that did not are left out.",
    ),
    counter(
        "peregrine_namespace_invalidations_total",
        &["namespace"],
        "Invalidations that reached entries of a namespace, where these were counted for a receipt, and those of writes.",
    ),
    histogram(
        "peregrine_namespace_invalidation_duration_seconds",
        &["namespace"],
        "From the request for one of these until it held in every layer and on every node.",
    ),
    gauge(
        "peregrine_route_bytes",
        &["route"],
        "Bytes that entries occupy that a route stored.",
    ),
    gauge("peregrine_route_entries", &["route"], "Entries that a route stored."),
    counter(
        "peregrine_route_evictions_total",
        &["route", "reason"],
        "Entries that a route stored and that left memory.",
    ),
    counter(
        "peregrine_route_invalidations_total",
        &["route"],
        "Invalidations that reached entries that a route stored, where these were counted for a receipt, and those of writes that change what it reads.",
    ),
    histogram(
        "peregrine_route_invalidation_duration_seconds",
        &["route"],
        "From the request for one of these until it held in every layer and on every node.",
    ),
    counter(
        "peregrine_cache_hits_total",
        &["namespace"],
        "Lookups that found something fresh.",
    ),
    counter(
        "peregrine_cache_stale_served_total",
        &["namespace"],
        "Lookups that served something stale.",
    ),
    counter(
        "peregrine_cache_coalesced_total",
        &["namespace"],
        "Misses that another's load answered.",
    ),
    counter(
        "peregrine_cache_refreshes_total",
        &["namespace"],
        "Loads that renewed an entry in the background.",
    ),
    counter(
        "peregrine_cache_loads_total",
        &["namespace"],
        "Loads that came to an end.",
    ),
    counter(
        "peregrine_cache_load_failures_total",
        &["namespace"],
        "Loads that failed.",
    ),
    counter(
        "peregrine_cache_stored_total",
        &["namespace"],
        "Answers that were stored.",
    ),
    counter(
        "peregrine_cache_served_bytes_total",
        &["namespace"],
        "Bytes of bodies served from memory.",
    ),
    counter(
        "peregrine_cache_load_seconds_total",
        &["namespace"],
        "Time that loads took together.",
    ),
    counter(
        "peregrine_cache_saved_seconds_total",
        &["namespace"],
        "Time that hits would have taken as loads.",
    ),
    gauge("peregrine_cache_bytes", &["namespace"], "Bytes that entries occupy."),
    gauge(
        "peregrine_cache_entries",
        &["namespace"],
        "Entries, with markers and selectors.",
    ),
    counter(
        "peregrine_cache_misses_total",
        &["namespace", "reason"],
        "Lookups that found nothing to serve at once.",
    ),
    counter(
        "peregrine_cache_passed_total",
        &["namespace", "reason"],
        "Answers that could not be stored.",
    ),
    counter(
        "peregrine_cache_encodings_total",
        &["namespace", "reason"],
        "Encodings of stored bodies by what came of them.",
    ),
    counter(
        "peregrine_cache_not_stored_total",
        &["namespace", "reason"],
        "Bodies that were to be stored and are not.",
    ),
    counter(
        "peregrine_cache_evictions_total",
        &["namespace", "reason"],
        "Entries that left memory.",
    ),
    counter(
        "peregrine_data_keys_created_total",
        &[],
        "Data keys that this node made.",
    ),
    counter(
        "peregrine_data_keys_opened_total",
        &[],
        "Data keys that a master key opened.",
    ),
    counter(
        "peregrine_data_keys_erased_total",
        &[],
        "Data keys that this node destroyed.",
    ),
    gauge("peregrine_data_keys_held", &[], "Owners whose data keys are in memory."),
    counter(
        "peregrine_data_key_failures_total",
        &["reason"],
        "Data keys that no master key in the ring opens, and questions that their place did not answer.",
    ),
    counter(
        "peregrine_sealed_values_total",
        &[],
        "Values that were sealed to leave memory.",
    ),
    counter(
        "peregrine_unsealed_values_total",
        &[],
        "Sealed values that were opened.",
    ),
    counter(
        "peregrine_seal_failures_total",
        &["reason"],
        "Values that could not be sealed or opened; each is a miss.",
    ),
];
