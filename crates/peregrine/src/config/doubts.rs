//! What is set and can be, but hardly means what it seems to: told as warnings.

use super::node::Source;
use super::{Resolved, Settings};
use peregrine_cache::Freshness;
use peregrine_http::config::{MatchConfig, RouteConfig};

/// What `[cache]` says about sharing.
const OF_SHARING: [&str; 5] = [
    "cache.freshness_bound",
    "cache.node_name",
    "cache.control_shards",
    "cache.replicas_min",
    "cache.lease",
];

/// The doubts about `settings`, which `resolved` became.
pub(super) fn of(settings: &Settings, resolved: &Resolved) -> Vec<String> {
    let mut doubts = if settings.redis.is_on() {
        with_redis(settings)
    } else {
        without_redis(resolved)
    };
    doubts.extend(lifetimes(settings, resolved));
    doubts.extend(never_taken(settings));
    doubts
}

/// Lifetimes that nothing gets.
fn lifetimes(settings: &Settings, resolved: &Resolved) -> Vec<String> {
    let mut doubts = Vec::new();
    for (name, strategy) in &settings.strategies {
        let place = |field: &str| {
            let source = &resolved.root.at(&format!("strategy.{name}.{field}"))?.source;
            (*source != Source::Default).then(|| resolved.text.place(source))
        };
        if strategy.freshness == Freshness::Origin
            && let Some(place) = place("ttl")
        {
            doubts.push(format!(
                "strategy.{name}.ttl ({place}) is no lifetime of responses while strategy.{name}.freshness is \"origin\": \
                 \"fallback\" uses it where the origin gives none"
            ));
        }
        if strategy.negative_ttl.get().is_zero()
            && let Some(place) = place("negative_statuses")
        {
            doubts.push(format!(
                "strategy.{name}.negative_statuses ({place}) has no effect while strategy.{name}.negative_ttl is 0s"
            ));
        }
    }
    doubts
}

/// Routes behind one that takes every request.
fn never_taken(settings: &Settings) -> Option<String> {
    let takes_all = |route: &RouteConfig| {
        let MatchConfig {
            host,
            path,
            methods,
            headers,
        } = &route.matches;
        host == "*" && matches!(&**path, "*" | "/*") && methods.is_empty() && headers.is_empty()
    };
    let first = settings.routes.iter().position(takes_all)?;
    let behind = settings.routes.len() - first - 1;
    (behind > 0).then(|| {
        format!(
            "route[{first}] takes every request, so nothing reaches the {behind} behind it: routes are tried in the order of \
             the file"
        )
    })
}

fn without_redis(resolved: &Resolved) -> Vec<String> {
    let set = OF_SHARING.iter().filter_map(|field| {
        let source = &resolved.root.at(field)?.source;
        (*source != Source::Default).then(|| (field, resolved.text.place(source)))
    });
    set.map(|(field, place)| format!("{field} ({place}) has no effect without redis.url"))
        .collect()
}

fn with_redis(settings: &Settings) -> Vec<String> {
    let (cache, redis) = (&settings.cache, &settings.redis);
    let mut doubts = Vec::new();
    if cache.freshness_bound < redis.operation_timeout {
        doubts.push(format!(
            "cache.freshness_bound ({}) is shorter than redis.operation_timeout ({}): one answer that takes its time makes \
             all of memory doubtful",
            cache.freshness_bound, redis.operation_timeout
        ));
    }
    if !cache.enabled {
        doubts.push("redis.url is set, but cache.enabled is false: nothing is kept there".to_owned());
    }
    doubts
}
