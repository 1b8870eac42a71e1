//! What is set and can be, but hardly means what it seems to: told as warnings.

use super::node::Source;
use super::{Resolved, Settings};

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
    if settings.redis.is_on() {
        with_redis(settings)
    } else {
        without_redis(resolved)
    }
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
