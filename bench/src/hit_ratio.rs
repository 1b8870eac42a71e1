//! How many requests each policy answers, on generated workloads, beside an exact LRU and the optimum.

mod reference;
mod workload;

use crate::contender::{Contender, Contents, Foyer, FoyerPolicy, Moka, Peregrine};
use crate::render::number;
use crate::report::{Cell, Section, Table};
use std::sync::Arc;
use workload::{Trace, Workload};

/// Sizes of the caches, as shares of the keys that a workload comes back to.
const SHARES: [f64; 3] = [0.01, 0.05, 0.2];
/// A loop that is longer than the cache by far is lost for everybody, so sizes nearer to it are asked for.
const SHARES_OF_LOOP: [f64; 3] = [0.25, 0.5, 0.9];
/// The value of all keys: large enough that the smallest cache is not below the least memory that an engine takes.
const VALUE_BYTES: usize = 1024;
const SEED: u64 = 20_240_229;

/// Measures all of them.
pub(crate) fn measure(quick: bool) -> Section {
    let requests = if quick { 100_000 } else { 1_000_000 };
    let mut section = Section::new(
        "hit-ratio",
        "Hit ratios",
        format!(
            "{} requests each, from an empty cache. Every cache has room for the same number of entries of {VALUE_BYTES} \
             bytes and is used by one thread: look up, store what is missing. \"Peregrine\" is the engine's memory tier with \
             all that belongs to it. LRU is exact; the optimum knows the future (Belady) and may refuse a newcomer.",
            number(count(requests), 0)
        ),
    );
    let columns = [
        "workload, entries",
        "Peregrine",
        "LRU",
        "moka",
        "foyer LRU",
        "foyer S3-FIFO",
        "foyer LFU",
        "optimum",
    ];
    let mut table = Table::new("", &columns);
    for workload in Workload::ALL {
        let trace = workload.generate(requests, SEED);
        let contents = Contents::new(trace.universe, VALUE_BYTES);
        for share in if matches!(workload, Workload::Loop) {
            SHARES_OF_LOOP
        } else {
            SHARES
        } {
            let capacity = entries(workload.footprint(), share);
            let cells = ratios(&trace, &contents, capacity).map(Cell::Share).to_vec();
            table.row(format!("{}, {}", workload.name(), number(count(capacity), 0)), cells);
        }
    }
    section.tables.push(table);
    section.notes.push(
        "zipf S: popularity by Zipf's law with that skew over 100,000 keys. scan: zipf 0.99, and after every 50,000 requests \
         25,000 keys that nobody asks for again. loop: 20,000 keys in turn. shifting: zipf 0.99 whose popular keys change \
         at once, twenty times. mixed: of ten requests six by zipf 0.9, two from the loop, two for keys asked for once."
            .to_owned(),
    );
    section
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of keys is one too"
)]
fn entries(footprint: u32, share: f64) -> usize {
    (f64::from(footprint) * share) as usize
}

/// The hit ratios in the order of the columns.
fn ratios(trace: &Trace, contents: &Arc<Contents>, capacity: usize) -> [f64; 7] {
    let foyer = |policy| hits(trace, &Foyer::new(contents, capacity, policy));
    let hits = [
        hits(trace, &Peregrine::new(contents, capacity as u64)),
        reference::lru_hits(trace, capacity),
        hits(trace, &Moka::new(contents, capacity as u64)),
        foyer(FoyerPolicy::Lru),
        foyer(FoyerPolicy::S3Fifo),
        foyer(FoyerPolicy::Lfu),
        reference::optimum_hits(trace, capacity),
    ];
    hits.map(|hits| count(hits) / count(trace.keys.len()))
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 requests")]
fn count(number: usize) -> f64 {
    number as f64
}

fn hits(trace: &Trace, contender: &dyn Contender) -> usize {
    trace.keys.iter().filter(|key| contender.ask(**key)).count()
}
