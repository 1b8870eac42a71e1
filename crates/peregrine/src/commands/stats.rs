//! `peregrine stats`: what the cache holds and did, and why it did not do more.

mod sharing;

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::print;
use crate::{Failure, commands};
use clap::Args;
use peregrine_admin::api::statistics::ReasonShare;
use peregrine_lab::report::units;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What can be said to `stats`.
#[derive(Debug, Args)]
#[command(
    about = "What the cache holds and did, and why it did not do more",
    long_about = "Shows for every namespace what was answered from the cache, what was not and why, and what it saved; and the \
                  reasons why requests did not come from the cache, each with what would change it. With Redis also how it is, and \
                  the nodes that share it with how far each is behind.",
    after_help = "Examples:\n  \
        peregrine stats\n  \
        peregrine stats --json | jq .cache.total.hits"
)]
pub struct Arguments {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// The part of the answer that people read.
#[derive(Debug, Deserialize)]
struct Report {
    uptime_s: u64,
    requests: u64,
    reasons: Vec<ReasonShare>,
    cache: Cache,
    #[serde(default)]
    backplane: Option<sharing::Backplane>,
    #[serde(default)]
    redis: Option<sharing::Redis>,
}

#[derive(Debug, Deserialize)]
struct Cache {
    total: Namespace,
    namespaces: BTreeMap<String, Namespace>,
    memory_max: u64,
}

#[derive(Debug, Deserialize)]
struct Namespace {
    hits: u64,
    misses: u64,
    stale_served: u64,
    coalesced: u64,
    bypassed: u64,
    bytes_served: u64,
    load_time_saved_ms: u64,
    bytes: u64,
    entries: u64,
    evictions_by_cause: BTreeMap<String, u64>,
}

impl Namespace {
    /// Lookups that were answered without asking the origin for each.
    fn answered(&self) -> u64 {
        self.hits + self.stale_served + self.coalesced
    }

    /// All lookups. A coalesced one was a miss before another's load answered it.
    fn lookups(&self) -> u64 {
        self.hits + self.stale_served + self.misses + self.bypassed
    }

    /// Entries that left although they were good, because others needed the room. That an entry is replaced, invalidated or
    /// out of date is no sign that memory is short.
    fn made_room(&self) -> u64 {
        let of = |cause| self.evictions_by_cause.get(cause).copied().unwrap_or(0);
        of("capacity") + of("quota")
    }
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    let answer: Value = commands::block_on(client.get("cache/stats"))??;
    // What a tenant's token shows is a handful of numbers.
    if arguments.output.json || answer.get("tenant").is_some() {
        return print::json(&answer);
    }
    let report = Report::deserialize(answer)
        .map_err(|error| Failure::Failed(format!("the answer is of another version of Peregrine: {error}")))?;
    print::line(&in_words(&report))
}

fn in_words(report: &Report) -> String {
    let total = &report.cache.total;
    let mut text = format!(
        "{} requests in {}; {} of lookups answered from the cache; {} of {} in use by {} entries\n\n",
        units::count(report.requests),
        print::time(Duration::from_secs(report.uptime_s)),
        print::share_of(total.answered(), total.lookups()),
        units::bytes(total.bytes),
        units::bytes(report.cache.memory_max),
        units::count(total.entries),
    );
    let mut table = print::table([
        "namespace",
        "hit ratio",
        "hits",
        "stale",
        "coalesced",
        "misses",
        "bypassed",
        "made room",
        "bytes served",
        "time saved",
    ]);
    let mut add = |name: &str, namespace: &Namespace| {
        table.add_row([
            name.to_owned(),
            print::share_of(namespace.answered(), namespace.lookups()),
            units::count(namespace.hits),
            units::count(namespace.stale_served),
            units::count(namespace.coalesced),
            units::count(namespace.misses),
            units::count(namespace.bypassed),
            units::count(namespace.made_room()),
            units::bytes(namespace.bytes_served),
            print::time(Duration::from_millis(namespace.load_time_saved_ms)),
        ]);
    };
    report
        .cache
        .namespaces
        .iter()
        .for_each(|(name, namespace)| add(name, namespace));
    if report.cache.namespaces.len() > 1 {
        add("all", total);
    }
    text.push_str(&table.trim_fmt());
    text.push('\n');
    if let Some(backplane) = &report.backplane {
        sharing::describe(backplane, report.redis.as_ref(), &mut text);
    }
    if !report.reasons.is_empty() {
        text.push_str("\nWhy requests did not come from the cache:\n");
    }
    for reason in &report.reasons {
        let _ = writeln!(
            text,
            "  {:>6}  {} ({})",
            units::share(reason.share),
            reason.sentence,
            reason.reason
        );
        if let Some(advice) = &reason.advice {
            let _ = writeln!(text, "          {advice}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn statistics_read_as_a_table_with_reasons_and_advice() {
        let namespace = json!({
            "hits": 80, "misses": 20, "stale_served": 0, "coalesced": 10, "bypassed": 0, "bytes_served": 2048,
            "load_time_saved_ms": 90_000, "bytes": 4096, "entries": 3,
            "evictions_by_cause": { "capacity": 7, "quota": 6, "replaced": 10_000 },
        });
        let report = Report::deserialize(json!({
            "uptime_s": 60, "requests": 1234,
            "reasons": [{ "reason": "no_freshness", "count": 1000, "share": 0.81, "sentence": "no freshness from the origin",
                          "advice": "`freshness = \"fallback\"` would cache these" }],
            "cache": { "total": namespace, "namespaces": { "default": namespace }, "memory_max": 1 << 28 },
        }));
        let text = in_words(&report.unwrap());
        for expected in [
            "1,234 requests in 1m; 90.0% of lookups answered from the cache; 4 KiB of 256 MiB in use by 3 entries",
            "default",
            "1m30s",
            "│        13 │",
            " 81.0%  no freshness from the origin (no_freshness)\n          `freshness = \"fallback\"` would cache these",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }
}
