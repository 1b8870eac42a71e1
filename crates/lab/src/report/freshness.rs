//! What `verify freshness` has shown, as text: the nodes, how old their answers were, and each broken promise with what
//! had happened before.

use super::tables::{align, header, table};
use super::{Look, units};
use crate::freshness::{Bucket, FreshnessReport, Verdict};

/// Columns of the longest bar.
const BAR_WIDTH: u64 = 32;

/// The report as text.
#[must_use]
pub fn freshness(report: &FreshnessReport, look: &Look) -> String {
    let mut text = nodes(report, look);
    text.push_str("\n\n");
    text.push_str(&ages(report, look));
    text.push_str("\n\n");
    text.push_str(&totals(report));
    for violation in &report.examples {
        let (promise, node, answer) = (violation.promise.as_str(), &violation.node, &violation.answer);
        text.push_str(&format!(
            "\n\n{promise} broken by {node}, value {}: {answer}\n  {}",
            violation.key,
            violation.history.join("\n  ")
        ));
    }
    let verdict = match report.verdict {
        Verdict::Kept => paint("kept", "\x1b[32m", look),
        Verdict::Broken => paint("BROKEN", "\x1b[31m", look),
        Verdict::Inconclusive => paint("inconclusive", "\x1b[33m", look),
    };
    text.push_str(&format!("\n\n{verdict}: {}", report.because));
    text
}

fn paint(word: &str, colour: &str, look: &Look) -> String {
    if look.has_colour {
        format!("{colour}{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}

fn nodes(report: &FreshnessReport, look: &Look) -> String {
    let mut table = table(look);
    table.set_header(header(["node", "answers", "hits", "old", "unverified", "failed"], look));
    for node in &report.nodes {
        let other: u64 = node.unanswered.values().sum::<u64>() + node.refused.values().sum::<u64>();
        let counts = [node.reads, node.hits, node.stale, node.unverified, other].map(units::count);
        table.add_row(std::iter::once(node.url.clone()).chain(counts));
    }
    align(&mut table);
    table.trim_fmt()
}

/// How old answers were, with bars; rows in which nothing is at the end are left out.
fn ages(report: &FreshnessReport, look: &Look) -> String {
    let buckets = &report.staleness.buckets;
    let used = buckets
        .iter()
        .rposition(|bucket| bucket.reads > 0)
        .map_or(1, |last| last + 1);
    let largest = buckets.iter().map(|bucket| bucket.reads).max().unwrap_or(0).max(1);
    let mut table = table(look);
    table.set_header(header(["superseded for", "answers", ""], look));
    for bucket in &buckets[..used.min(buckets.len())] {
        let columns = (bucket.reads * BAR_WIDTH).div_ceil(largest);
        let bar: String = (0..columns).map(|_| '█').collect();
        table.add_row([range(bucket), units::count(bucket.reads), bar]);
    }
    align(&mut table);
    if let Some(bars) = table.column_mut(2) {
        bars.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    table.trim_fmt()
}

fn range(bucket: &Bucket) -> String {
    match bucket.up_to_ms {
        Some(0) => "current".to_owned(),
        Some(up_to_ms) => format!("≤ {up_to_ms} ms"),
        None => "longer".to_owned(),
    }
}

fn totals(report: &FreshnessReport) -> String {
    let told = &report.invalidations;
    let ages = &report.staleness;
    let mut text = format!(
        "superseded when asked for: p50 {}, p99 {}, longest {} (the bound is {})\n\
         {} changes; invalidations: {} confirmed (p50 {}, p99 {}), {} pending, {} failed",
        ms(ages.p50_ms),
        ms(ages.p99_ms),
        ms(ages.max_ms),
        ms(report.bound_ms),
        units::count(report.changes),
        units::count(told.confirmed),
        ms(told.p50_ms),
        ms(told.p99_ms),
        units::count(told.pending),
        units::count(told.failed),
    );
    if let Some(fault) = &told.fault {
        text.push_str(&format!("\nthe last failure: {fault}"));
    }
    text
}

fn ms(millis: f64) -> String {
    units::micros(millis * 1e3)
}
