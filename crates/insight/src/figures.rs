//! From a tally to what people see: the values of a point, and the figures of a span.

use crate::kept;
use crate::model::{Causes, Figures, HitRatio, Latency, RouteFigures, TenantFigures, TierFigures};
use crate::reading::{MEMORY, Reading, RequestsReading, RouteReading, TIERS, TenantReading, TierReading};
use crate::score;
use crate::series::{GLOBAL, HEAT, HEAT_BOUNDS_MS, ROUTE, Row, UPSTREAM, narrow};
use crate::spread::Spread;
use crate::tally::{RouteTally, Tally, UpstreamTally, counter};
use std::time::Duration;

/// A part of something; nothing of nothing.
pub(crate) fn ratio(part: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| part / of)
}

/// The values of all global series, and behind them the columns of the heat map.
pub(crate) fn global_row(tally: &Tally, threshold: Duration) -> Vec<f32> {
    let (all, outcomes) = (&tally.all, tally.all.outcomes);
    let per_s = |count: f64| ratio(count, tally.seconds);
    let of_counter = |place: usize| per_s(tally.counters[place]);
    let hits = hit_ratio(all);
    let mut row = Row::new(GLOBAL);
    row.put("requests_per_s", per_s(outcomes.total() as f64));
    row.put("error_ratio", ratio(all.failed() as f64, outcomes.total() as f64));
    row.put("latency_p50_ms", all.duration.quantile_ms(0.5));
    row.put("latency_p95_ms", all.duration.quantile_ms(0.95));
    row.put("latency_p99_ms", all.duration.quantile_ms(0.99));
    row.put("latency_mean_ms", all.duration.mean_ms());
    row.put("upstream_p50_ms", all.upstream_time.quantile_ms(0.5));
    row.put("upstream_p95_ms", all.upstream_time.quantile_ms(0.95));
    row.put("upstream_p99_ms", all.upstream_time.quantile_ms(0.99));
    row.put("queue_p50_ms", all.queue_time.quantile_ms(0.5));
    row.put("queue_p95_ms", all.queue_time.quantile_ms(0.95));
    row.put("queue_p99_ms", all.queue_time.quantile_ms(0.99));
    row.put("hit_ratio", hits.total);
    row.put("hit_ratio_memory", hits.memory);
    row.put("hit_ratio_redis", hits.redis);
    row.put("stale_ratio", ratio(outcomes.stale as f64, outcomes.asked() as f64));
    row.put("bypass_ratio", ratio(outcomes.bypass as f64, outcomes.total() as f64));
    row.put("coalesced_per_s", per_s(outcomes.collapsed as f64));
    row.put("origin_requests_per_s", per_s(all.origin_requests as f64));
    row.put("origin_seconds_saved_per_s", per_s(all.seconds_saved()));
    row.put("bytes_sent_per_s", per_s(all.bytes_sent as f64));
    row.put("bytes_saved_per_s", per_s(all.bytes_saved as f64));
    row.put("evictions_per_s", of_counter(counter::EVICTIONS));
    row.put("invalidations_per_s", of_counter(counter::INVALIDATIONS));
    for name in [
        "invalidation_lag_ms",
        "cache_bytes",
        "cache_entries",
        "cache_used_ratio",
        "connections_open",
        "tunnels_open",
        "http2_connections",
        "in_flight",
        "origin_in_flight",
    ] {
        row.put(name, tally.gauge(name));
    }
    row.put("retries_per_s", of_counter(counter::RETRIES));
    row.put("targets_unhealthy", tally.gauge("targets_unhealthy"));
    row.put("dependencies_down", tally.gauge("dependencies_down"));
    row.put("apdex", score::apdex(all, threshold).value);
    row.put("score", score::score_value(tally, threshold));
    for name in [
        "cpu_ratio",
        "machine_cpu_ratio",
        "load_1m",
        "memory_bytes",
        "memory_ratio",
        "machine_memory_ratio",
        "disk_used_ratio",
    ] {
        row.put(name, tally.gauge(name));
    }
    row.put("disk_read_per_s", of_counter(counter::DISK_READ));
    row.put("disk_written_per_s", of_counter(counter::DISK_WRITTEN));
    row.put("network_in_per_s", of_counter(counter::NETWORK_IN));
    row.put("network_out_per_s", of_counter(counter::NETWORK_OUT));
    row.put("open_files", tally.gauge("open_files"));
    row.put("open_files_ratio", tally.gauge("open_files_ratio"));
    let mut values = row.finish();
    values.extend(heat(&all.duration).map(|count| {
        if count == 0 {
            f32::NAN
        } else {
            narrow(Some(count as f64))
        }
    }));
    values
}

/// The columns of the heat map. A bucket lies in a column as a whole, because the bounds are edges of buckets, but for the
/// microsecond that an edge lies below the power of two.
fn heat(durations: &Spread) -> [u64; HEAT] {
    let mut counts = [0u64; HEAT];
    for (edge_ms, count) in durations.buckets() {
        let column = HEAT_BOUNDS_MS.partition_point(|bound| *bound < edge_ms);
        counts[column.min(HEAT - 1)] += count;
    }
    counts
}

/// The values of a route's series.
pub(crate) fn route_row(tally: &RouteTally, seconds: f64) -> Vec<f32> {
    let outcomes = tally.outcomes;
    let mut row = Row::new(ROUTE);
    row.put("requests_per_s", ratio(outcomes.total() as f64, seconds));
    row.put("error_ratio", ratio(tally.failed() as f64, outcomes.total() as f64));
    row.put("latency_p50_ms", tally.duration.quantile_ms(0.5));
    row.put("latency_p95_ms", tally.duration.quantile_ms(0.95));
    row.put("latency_p99_ms", tally.duration.quantile_ms(0.99));
    row.put("hit_ratio", ratio(outcomes.spared() as f64, outcomes.asked() as f64));
    row.put("origin_requests_per_s", ratio(tally.origin_requests as f64, seconds));
    row.put("origin_seconds_per_s", ratio(tally.origin_seconds(), seconds));
    row.put("bytes_sent_per_s", ratio(tally.bytes_sent as f64, seconds));
    row.put("upstream_p95_ms", tally.upstream_time.quantile_ms(0.95));
    row.put("queue_p95_ms", tally.queue_time.quantile_ms(0.95));
    row.finish()
}

/// The values of an upstream's series.
pub(crate) fn upstream_row(tally: &UpstreamTally, seconds: f64) -> Vec<f32> {
    let mut row = Row::new(UPSTREAM);
    row.put("requests_per_s", ratio(tally.requests as f64, seconds));
    row.put("latency_ms", tally.latency_ms.value());
    row.put("errors_per_s", ratio(tally.errors as f64, seconds));
    row.put("retries_per_s", ratio(tally.retries as f64, seconds));
    row.put("in_flight", tally.in_flight.value());
    row.put("healthy_ratio", tally.healthy_ratio.value());
    row.finish()
}

fn hit_ratio(tally: &RouteTally) -> HitRatio {
    let (asked, spared) = (tally.outcomes.asked() as f64, tally.outcomes.spared() as f64);
    let redis = tally.redis_hits as f64;
    HitRatio {
        total: ratio(spared, asked),
        memory: ratio((spared - redis).max(0.0), asked),
        redis: ratio(redis, asked),
    }
}

pub(crate) fn latency(spread: &Spread) -> Latency {
    Latency {
        p50: spread.quantile_ms(0.5),
        p95: spread.quantile_ms(0.95),
        p99: spread.quantile_ms(0.99),
        mean: spread.mean_ms(),
    }
}

/// The figures of what one route, or several together, did within `seconds`.
pub(crate) fn of_route(tally: &RouteTally, seconds: f64) -> Figures {
    let outcomes = tally.outcomes;
    let total = outcomes.total() as f64;
    Figures {
        requests: Some(total),
        requests_per_s: ratio(total, seconds),
        error_ratio: ratio(tally.failed() as f64, total),
        latency_ms: latency(&tally.duration),
        upstream_ms: latency(&tally.upstream_time),
        queue_ms: latency(&tally.queue_time),
        hit_ratio: hit_ratio(tally),
        stale_ratio: ratio(outcomes.stale as f64, outcomes.asked() as f64),
        bypass_ratio: ratio(outcomes.bypass as f64, total),
        coalesced: Some(outcomes.collapsed as f64),
        origin_requests: Some(tally.origin_requests as f64),
        origin_seconds: Some(tally.origin_seconds()),
        origin_seconds_saved: Some(tally.seconds_saved()),
        bytes_sent: Some(tally.bytes_sent as f64),
        bytes_saved: Some(tally.bytes_saved as f64),
        ..Figures::default()
    }
}

/// The figures of everything within `tally`.
pub(crate) fn of_all(tally: &Tally) -> Figures {
    Figures {
        evictions: Some(tally.counters[counter::EVICTIONS]),
        invalidations: Some(tally.counters[counter::INVALIDATIONS]),
        connections_open: tally.gauge("connections_open"),
        in_flight: tally.gauge("in_flight"),
        cpu_ratio: tally.gauge("cpu_ratio"),
        memory_bytes: tally.gauge("memory_bytes"),
        memory_ratio: tally.gauge("memory_ratio"),
        ..of_route(&tally.all, tally.seconds)
    }
}

/// The figures of the routes of `tally`, those that cost origins the most time first; `reading` knows what they belong to.
pub(crate) fn of_routes(tally: &Tally, reading: &Reading) -> Vec<RouteFigures> {
    let mut routes: Vec<RouteFigures> = tally
        .routes
        .iter()
        .map(|(name, did)| {
            let known = reading.routes.iter().find(|route| route.name == *name);
            let text = |of: fn(&RouteReading) -> &str| known.map_or_else(String::new, |route| of(route).to_owned());
            RouteFigures {
                route: name.to_string(),
                strategy: text(|route| &route.strategy),
                upstream: text(|route| &route.upstream),
                namespace: text(|route| &route.namespace),
                share_of_origin_time: ratio(did.origin_seconds(), tally.all.origin_seconds()),
                figures: of_route(did, tally.seconds),
                causes: None,
                kept: None,
            }
        })
        .collect();
    let time = |route: &RouteFigures| route.figures.origin_seconds.unwrap_or(0.0);
    routes.sort_by(|one, other| {
        time(other)
            .total_cmp(&time(one))
            .then_with(|| one.route.cmp(&other.route))
    });
    routes
}

/// The same since the start, with what stands behind them.
pub(crate) fn of_routes_since_start(total: &Tally, reading: &Reading) -> Vec<RouteFigures> {
    let mut routes = of_routes(total, reading);
    for figures in &mut routes {
        if let Some(known) = reading.routes.iter().find(|route| *route.name == *figures.route) {
            figures.figures = kept::counted(std::mem::take(&mut figures.figures), known.kept.as_ref());
            figures.causes = Some(causes([&*known.did]));
            figures.kept = known.kept.as_ref().map(kept::of);
        }
    }
    routes
}

/// The figures of a tier: of what it answered on all routes of `reading`, of which `total` is the tally since the start.
pub(crate) fn of_tiers(total: &Tally, reading: &Reading) -> Vec<TierFigures> {
    let of_tier = |tier: &'static str| {
        let all = reading.routes.iter().filter_map(|route| route.did.tiers.get(tier));
        let mut did = TierReading::default();
        for one in all {
            did.hits += one.hits;
            did.duration.merge(&one.duration);
            did.bytes_sent += one.bytes_sent;
            did.saved_micros += one.saved_micros;
        }
        let hits = did.hits as f64;
        let figures = Figures {
            requests: Some(hits),
            requests_per_s: ratio(hits, total.seconds),
            latency_ms: latency(&Spread::between(&did.duration, None)),
            hit_ratio: HitRatio {
                total: ratio(hits, total.all.outcomes.asked() as f64),
                ..HitRatio::default()
            },
            origin_seconds_saved: Some(Duration::from_micros(did.saved_micros).as_secs_f64()),
            bytes_sent: Some(did.bytes_sent as f64),
            ..Figures::default()
        };
        let kept = (tier == MEMORY).then(|| kept::of_memory(&reading.cache));
        TierFigures {
            tier: tier.to_owned(),
            figures: kept::counted(figures, kept.as_ref()),
            kept: kept.as_ref().map(kept::of),
        }
    };
    TIERS.into_iter().map(of_tier).collect()
}

/// The figures of a tenant since the start, or since it has counters: how long that is nobody notes, so nothing is told for each
/// second.
#[must_use]
pub fn of_tenant(tenant: &str, reading: &TenantReading) -> TenantFigures {
    let found = |did: &RequestsReading| of_route(&RouteTally::of_requests(did, None), 0.0);
    let looked = || Figures {
        hit_ratio: HitRatio {
            total: ratio(reading.hits as f64, (reading.hits + reading.misses) as f64),
            ..HitRatio::default()
        },
        ..Figures::default()
    };
    let figures = reading.did.as_deref().map_or_else(looked, found);
    TenantFigures {
        tenant: tenant.to_owned(),
        figures: kept::counted(figures, reading.kept.as_ref()),
        causes: reading.did.as_deref().map(|did| causes([did])),
        kept: reading.kept.as_ref().map(kept::of),
    }
}

/// Why requests failed, and what was decided of them.
pub(crate) fn causes<'a>(of: impl IntoIterator<Item = &'a RequestsReading>) -> Causes {
    let mut causes = Causes::default();
    for did in of {
        for (kind, count) in &did.error_kinds {
            *causes.errors.entry((*kind).to_owned()).or_insert(0) += count;
        }
        for reason in &did.reasons {
            *causes.reasons.entry(reason.word.to_owned()).or_insert(0) += reason.count;
        }
    }
    causes
}
