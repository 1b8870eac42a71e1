//! The metrics of what left memory and of invalidations, by whose entries they were.

use super::Of;
use peregrine_cache::{InvalidationStatistics, RouteStatistics};
use peregrine_telemetry::Exposition;
use std::collections::BTreeMap;

/// How the metrics are called.
pub(super) struct Names {
    evictions: &'static str,
    invalidations: &'static str,
    lag: &'static str,
}

pub(super) const OF_NAMESPACE: Names = Names {
    evictions: "peregrine_cache_evictions_total",
    invalidations: "peregrine_namespace_invalidations_total",
    lag: "peregrine_namespace_invalidation_duration_seconds",
};

pub(super) const OF_TENANT: Names = Names {
    evictions: "peregrine_tenant_evictions_total",
    invalidations: "peregrine_tenant_invalidations_total",
    lag: "peregrine_tenant_invalidation_duration_seconds",
};

const OF_ROUTE: Names = Names {
    evictions: "peregrine_route_evictions_total",
    invalidations: "peregrine_route_invalidations_total",
    lag: "peregrine_route_invalidation_duration_seconds",
};

/// Those of whatever `of` is labelled with. A distribution of nothing is left out: there may be many tenants.
pub(super) fn expose(
    names: &Names,
    evictions: &BTreeMap<&'static str, u64>,
    invalidations: &InvalidationStatistics,
    of: &mut Of<'_>,
) {
    let evictions = evictions.iter().map(|(cause, count)| (*cause, *count));
    of.counters(names.evictions, "reason", evictions);
    of.counter(names.invalidations, invalidations.count);
    expose_lag(names.lag, invalidations, of);
}

/// Those of a route, and what it holds.
pub(super) fn of_route(route: &str, is: &RouteStatistics, out: &mut Exposition) {
    let labels = [("route", route)];
    let mut of = Of { out, labels: &labels };
    of.gauge("peregrine_route_bytes", is.bytes);
    of.gauge("peregrine_route_entries", is.entries);
    expose(&OF_ROUTE, &is.evictions_by_cause, &is.invalidations, &mut of);
}

/// All invalidations that this node was asked for.
pub(super) fn of_all(invalidations: &InvalidationStatistics, of: &mut Of<'_>) {
    of.counter("peregrine_cache_invalidations_total", invalidations.count);
    expose_lag("peregrine_cache_invalidation_duration_seconds", invalidations, of);
}

fn expose_lag(name: &str, invalidations: &InvalidationStatistics, of: &mut Of<'_>) {
    if let Some(lag) = &invalidations.lag {
        of.histogram(name, &lag.all);
    }
}
