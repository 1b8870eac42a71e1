//! How things are: the summary, the metrics, and what was saved.

use crate::figures;
use crate::insight::{Insight, State};
use crate::kept;
use crate::model::{
    ApplicationMetrics, CacheMetrics, Causes, Figures, Kept, Metrics, NamespaceMetrics, ReasonCount, RouteFigures,
    Saved, SavedOfRoute, Status, StrategyFigures, Summary, SystemMetrics, TargetReport, UpstreamFigures,
    UpstreamReport,
};
use crate::reading::{KeptReading, NamespaceReading, Reading, RouteReading};
use crate::rings::About;
use crate::score;
use crate::series::{UPSTREAM, widen};
use crate::tally::{RouteTally, Tally, Tracked};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many routes a summary and a report name.
pub(crate) const ROUTES_SHOWN: usize = 10;
/// How many changes a summary shows.
const CHANGES_SHOWN: usize = 50;
/// How many bytes a gigabyte has, as networks are paid for.
const GIGABYTE: f64 = 1e9;

/// All routes and upstreams of a reading, whether or not they have a history.
struct Everything;

impl Tracked for Everything {
    fn route(&mut self, _: &Arc<str>) -> bool {
        true
    }

    fn upstream(&mut self, _: &Arc<str>) -> bool {
        false
    }
}

impl Insight {
    /// How things are, with the figures of the last `range`. Objectives and alerts are not filled in: they are handed in by
    /// whoever keeps them.
    #[must_use]
    pub fn summary(&self, range: Duration) -> Summary {
        let state = self.lock();
        let at = state.at();
        let total = state.ladder.total(at.as_secs(), range);
        let none = Reading::default();
        let reading = state.reading.as_deref().unwrap_or(&none);
        let mut top_routes = figures::of_routes(&total, reading);
        top_routes.truncate(ROUTES_SHOWN);
        Summary {
            at,
            range_s: range.as_secs(),
            version: self.version.to_owned(),
            node: self.node.clone(),
            uptime_s: reading.uptime.as_secs(),
            status: match (reading.failing, reading.complaints.is_empty()) {
                (true, _) => Status::Failing,
                (false, false) => Status::Degraded,
                (false, true) => Status::Ok,
            },
            complaints: reading.complaints.clone(),
            score: score::score(&total, state.threshold()),
            apdex: score::apdex(&total.all, state.threshold()),
            now: figures::of_all(&state.now),
            range: figures::of_all(&total),
            saved: state.saved(&total, at.before(range)),
            slos: Vec::new(),
            alerts: Vec::new(),
            top_routes,
            changes: state.changes.iter().rev().take(CHANGES_SHOWN).cloned().collect(),
        }
    }

    /// What the cache saved within the last `range`.
    #[must_use]
    pub fn saved(&self, range: Duration) -> Saved {
        let state = self.lock();
        let at = state.at();
        state.saved(&state.ladder.total(at.as_secs(), range), at.before(range))
    }

    /// Everything that is measured: now and since the start. Tenants are not filled in: they are handed in by whoever counts
    /// for them.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let state = self.lock();
        let none = Reading::default();
        let reading = state.reading.as_deref().unwrap_or(&none);
        Metrics {
            at: state.at(),
            system: reading.system.as_deref().cloned().unwrap_or_default(),
            application: state.application(reading),
            cache: state.cache(reading),
        }
    }

    /// The process and its machine.
    #[must_use]
    pub fn system(&self) -> SystemMetrics {
        let state = self.lock();
        let system = state
            .reading
            .as_ref()
            .and_then(|reading| reading.system.as_deref().cloned());
        system.unwrap_or_default()
    }

    /// Each route since the start, those that cost origins the most time first.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteFigures> {
        let state = self.lock();
        let reading = state.reading.clone();
        drop(state);
        reading.map_or_else(Vec::new, |reading| every_route(&reading))
    }

    /// Each route within the last `range`, those that cost origins the most time first.
    #[must_use]
    pub fn routes_within(&self, range: Duration) -> Vec<RouteFigures> {
        let state = self.lock();
        let total = state.ladder.total(state.at().as_secs(), range);
        let reading = state.reading.as_deref();
        reading.map_or_else(Vec::new, |reading| figures::of_routes(&total, reading))
    }

    /// Each route that has no history, because there are more than `insight.routes_max`: since the start, those that cost
    /// origins the most time first.
    #[must_use]
    pub fn routes_without_history(&self) -> Vec<RouteFigures> {
        let state = self.lock();
        let Some(reading) = state.reading.clone() else {
            return Vec::new();
        };
        let with: BTreeSet<String> = state
            .rings
            .subjects()
            .filter_map(|about| match about {
                About::Route(name) => Some(name.to_string()),
                About::All | About::Upstream(_) => None,
            })
            .collect();
        drop(state);
        let mut routes = every_route(&reading);
        routes.retain(|route| !with.contains(&route.route));
        routes
    }

    /// Each upstream with its targets.
    #[must_use]
    pub fn upstreams(&self) -> Vec<UpstreamReport> {
        let state = self.lock();
        let reading = state.reading.as_deref();
        let upstreams = reading.map_or(&[] as &[_], |reading| &reading.upstreams);
        let report = |upstream: &crate::reading::UpstreamReading| {
            let newest = state.newest(&About::Upstream(Arc::clone(&upstream.name)));
            let since = |url: &Arc<str>| {
                let known = state.healths.get(&(Arc::clone(&upstream.name), Arc::clone(url)));
                known.map(|(_, since)| *since)
            };
            UpstreamReport {
                name: upstream.name.to_string(),
                balance: upstream.balance.clone(),
                targets: upstream
                    .targets
                    .iter()
                    .map(|target| TargetReport {
                        url: target.url.to_string(),
                        health: target.health.to_owned(),
                        share: Some(target.share),
                        latency_ms: target.latency_ms,
                        in_flight: target.in_flight,
                        requests: target.requests,
                        errors: target.errors,
                        retries: target.retries,
                        last_error: target.last_error.as_deref().map(str::to_owned),
                        since: since(&target.url),
                    })
                    .collect(),
                figures: UPSTREAM
                    .iter()
                    .zip(newest)
                    .map(|(series, value)| (series.name.to_owned(), widen(value)))
                    .collect(),
            }
        };
        upstreams.iter().map(report).collect()
    }

    /// Each node of the cluster, this one alone where nothing is shared.
    #[must_use]
    pub fn nodes(&self) -> Vec<crate::model::NodeReport> {
        let state = self.lock();
        let sharing = state.reading.as_ref().and_then(|reading| reading.sharing.as_ref());
        match sharing.filter(|sharing| !sharing.nodes.is_empty()) {
            Some(sharing) => sharing.nodes.clone(),
            None => vec![crate::model::NodeReport {
                name: self.node.clone(),
                own: true,
                state: if sharing.is_some() { "away" } else { "alone" }.to_owned(),
                ..Default::default()
            }],
        }
    }
}

/// Each route of a reading since the start.
fn every_route(reading: &Reading) -> Vec<RouteFigures> {
    figures::of_routes(&Tally::between(reading, None, &mut Everything), reading)
}

/// What is made of the routes of `reading` that have the same name by `of`: what they did together, why, and what they stored.
/// Names whose routes did nothing are left out.
fn together<T>(
    reading: &Reading,
    total: &Tally,
    of: fn(&RouteReading) -> &str,
    make: fn(String, Figures, Causes, Kept) -> T,
) -> Vec<T> {
    let mut groups: BTreeMap<&str, Vec<&RouteReading>> = BTreeMap::new();
    for route in &reading.routes {
        groups.entry(of(route)).or_default().push(route);
    }
    let add = |(name, routes): (&str, Vec<&RouteReading>)| {
        let (mut all, mut kept) = (RouteTally::default(), KeptReading::default());
        for route in &routes {
            if let Some(did) = total.routes.get(&route.name) {
                all.merge(did);
            }
            if let Some(one) = &route.kept {
                kept.merge(one);
            }
        }
        (all.outcomes.total() > 0).then(|| {
            let figures = kept::counted(figures::of_route(&all, total.seconds), Some(&kept));
            let causes = figures::causes(routes.iter().map(|route| &*route.did));
            make(name.to_owned(), figures, causes, kept::of(&kept))
        })
    };
    groups.into_iter().filter_map(add).collect()
}

/// Texts in place of words, for JSON.
pub(crate) fn by_text(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(word, count)| ((*word).to_owned(), *count))
        .collect()
}

impl State {
    fn application(&self, reading: &Reading) -> ApplicationMetrics {
        let total = Tally::between(reading, None, &mut Everything);
        let mut reasons = BTreeMap::<&str, (u64, &str)>::new();
        for route in &reading.routes {
            for reason in &route.did.reasons {
                reasons.entry(reason.word).or_insert((0, reason.sentence)).0 += reason.count;
            }
        }
        let mut reasons: Vec<ReasonCount> = reasons
            .into_iter()
            .map(|(reason, (count, sentence))| ReasonCount {
                reason: reason.to_owned(),
                count,
                sentence: sentence.to_owned(),
            })
            .collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(str::to_owned);
        ApplicationMetrics {
            now: figures::of_all(&self.now),
            routes: figures::of_routes_since_start(&total, reading),
            strategies: together(
                reading,
                &total,
                |route| &route.strategy,
                |strategy, figures, causes, kept| StrategyFigures {
                    strategy,
                    figures,
                    causes,
                    kept,
                },
            ),
            upstreams: together(
                reading,
                &total,
                |route| &route.upstream,
                |upstream, figures, causes, kept| UpstreamFigures {
                    upstream,
                    figures,
                    causes,
                    kept,
                },
            ),
            tiers: figures::of_tiers(&total, reading),
            tenants: Vec::new(),
            statuses: classes.into_iter().zip(total.all.statuses).collect(),
            errors: figures::causes(reading.routes.iter().map(|route| &*route.did)).errors,
            reasons,
            connections: by_text(&reading.connections.counts),
            top_keys: reading.top_keys.clone(),
            total: figures::of_all(&total),
        }
    }

    fn cache(&self, reading: &Reading) -> CacheMetrics {
        let cache = &reading.cache;
        let namespace = |(name, of): (&String, &NamespaceReading)| NamespaceMetrics {
            namespace: name.clone(),
            kept: kept::of(&of.kept),
            memory_max: of.memory_max,
            hits: of.hits,
            misses: of.misses,
            stale_served: of.stale_served,
            coalesced: of.coalesced,
            loads: of.loads,
            load_failures: of.load_failures,
            misses_by_reason: by_text(&of.misses_by_reason),
        };
        CacheMetrics {
            bytes: cache.bytes,
            memory_max: cache.memory_max,
            used_ratio: figures::ratio(cache.bytes as f64, cache.memory_max as f64),
            entries: cache.entries,
            hit_ratio: figures::of_all(&self.now).hit_ratio,
            loads_under_way: cache.loads_under_way,
            namespaces: cache.namespaces.iter().map(namespace).collect(),
        }
    }

    /// What the cache saved within `total`, which began at `since`.
    pub(crate) fn saved(&self, total: &Tally, since: Time) -> Saved {
        let config = &self.config;
        let has_price = config.origin_second_cost.is_some() || config.gigabyte_cost.is_some();
        let money = |seconds: f64, bytes: u64| {
            let time = config.origin_second_cost.map(|cost| seconds * cost);
            let volume = config.gigabyte_cost.map(|cost| bytes as f64 / GIGABYTE * cost);
            has_price.then(|| time.unwrap_or(0.0) + volume.unwrap_or(0.0))
        };
        let seconds = total.all.seconds_saved();
        let mut routes: Vec<SavedOfRoute> = total
            .routes
            .iter()
            .map(|(name, did)| {
                let seconds = did.seconds_saved();
                SavedOfRoute {
                    route: name.to_string(),
                    origin_requests: did.saved_requests,
                    origin_seconds: seconds,
                    bytes: did.bytes_saved,
                    money: money(seconds, did.bytes_saved),
                }
            })
            .collect();
        routes.sort_by(|one, other| other.origin_seconds.total_cmp(&one.origin_seconds));
        Saved {
            // Nothing was counted before the program began.
            since,
            origin_requests: total.all.saved_requests,
            origin_seconds: seconds,
            bytes: total.all.bytes_saved,
            money: money(seconds, total.all.bytes_saved),
            currency: has_price.then(|| config.currency.clone()),
            how: self.how(has_price),
            routes,
        }
    }

    fn how(&self, has_price: bool) -> Vec<String> {
        let mut how = vec![
            "Origin requests: answers from a stored response, fresh or stale, and answers by another request's load. A \
             confirmation by the origin (304) is a request to it and not counted as saved."
                .to_owned(),
            "Origin seconds: for each of these answers the time that the load of that very entry took."
                .to_owned(),
            "Bytes: the bodies of answers for which the origin sent none.".to_owned(),
        ];
        let config = &self.config;
        if has_price {
            let prices = [
                ("origin second", config.origin_second_cost),
                ("gigabyte (10^9 bytes)", config.gigabyte_cost),
            ];
            let terms = prices
                .iter()
                .filter_map(|(what, price)| Some(format!("{} {} for each {what}", (*price)?, config.currency)));
            how.push(format!(
                "Money: {}, by [insight] of the configuration.",
                terms.collect::<Vec<_>>().join(" and ")
            ));
        } else {
            how.push("Money is shown once insight.origin_second_cost or insight.gigabyte_cost is set.".to_owned());
        }
        how
    }
}
