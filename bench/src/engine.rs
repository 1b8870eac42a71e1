//! The engine in process: lookups per second beside the peers, what one fresh hit costs, and what invalidation costs.

use crate::allocations;
use crate::contender::{ByName, COMMON_TAG, Contender, Contents, Foyer, FoyerPolicy, Map, Moka, Operation, Peregrine};
use crate::pinning;
use crate::render::number;
use crate::report::{Budget, Cell, Section, Table, median};
use crate::zipf::Zipf;
use peregrine_base::{Clock, SystemClock};
use peregrine_cache::Invalidation;
use std::sync::Barrier;
use std::time::Duration;

const ENTRIES: u32 = 100_000;
const VALUE_BYTES: usize = 1024;
const SKEW: f64 = 0.99;
/// One in this many operations is an insert.
const INSERT_EVERY: usize = 20;
/// Room in every cache: nothing is evicted, so all do the same work.
const CAPACITY: u32 = 2 * ENTRIES;
/// The budget (DESIGN, section 9).
const LOOKUPS_PER_S_MIN: f64 = 5e6;

/// How much is done.
struct Effort {
    operations: usize,
    rounds: usize,
}

/// A cache and what was measured of it, one number per round.
struct Subject<'a> {
    name: &'static str,
    contender: &'a dyn Contender,
    one_thread: Vec<f64>,
    two_threads: Vec<f64>,
    lookup_ns: Vec<f64>,
    hot_ns: Vec<f64>,
    allocations: f64,
}

/// Measures all of it.
pub(crate) fn measure(quick: bool) -> Section {
    let effort = if quick {
        Effort {
            operations: 1 << 19,
            rounds: 3,
        }
    } else {
        Effort {
            operations: 1 << 22,
            rounds: 7,
        }
    };
    let mut section = Section::new(
        "engine",
        "Engine, in process",
        format!(
            "{} entries of {VALUE_BYTES} B under keys of 50 B, asked for by Zipf {SKEW}; one operation in {INSERT_EVERY} \
             stores a new copy of its value. Each lookup reads the clock and touches the value. Peregrine's entries have two \
             tags, deadlines and statistics; the peers have a lifetime and neither of the others, and the \
             map, which is no cache, shows what memory alone costs. The caches take turns, {} rounds of {} operations; medians. Lookups per second count the lookups only, though the time is that of the \
             inserts too. Time is processor time where one thread works, and the clock's where two do.",
            number(f64::from(ENTRIES), 0),
            effort.rounds,
            number(count(effort.operations), 0)
        ),
    );
    let contents = Contents::new(ENTRIES, VALUE_BYTES);
    let peregrine = Peregrine::new(&contents, u64::from(CAPACITY));
    let by_name = ByName(&peregrine);
    let moka = Moka::new(&contents, u64::from(CAPACITY));
    let capacity = usize::try_from(CAPACITY).expect("32 bits fit");
    let foyer = Foyer::new(&contents, capacity, FoyerPolicy::Lru);
    let s3_fifo = Foyer::new(&contents, capacity, FoyerPolicy::S3Fifo);
    let map = Map::new(&contents);
    let mut subjects = [
        Subject::new("Peregrine, key made for each lookup", &by_name),
        Subject::new("Peregrine, key in hand", &peregrine),
        Subject::new("moka", &moka),
        Subject::new("foyer, LRU", &foyer),
        Subject::new("foyer, S3-FIFO", &s3_fifo),
        Subject::new("HashMap behind a lock", &map),
    ];
    for subject in &subjects {
        (0..ENTRIES).for_each(|key| subject.contender.put(key));
    }
    compare(&effort, &mut subjects);
    section.tables.push(mixed(&subjects));
    section.tables.push(hits_only(&subjects));
    section.budgets = budgets(&subjects);
    section.tables.push(invalidation(&peregrine));
    section
}

impl<'a> Subject<'a> {
    fn new(name: &'static str, contender: &'a dyn Contender) -> Self {
        let empty = Vec::new;
        Self {
            name,
            contender,
            one_thread: empty(),
            two_threads: empty(),
            lookup_ns: empty(),
            hot_ns: empty(),
            allocations: f64::NAN,
        }
    }
}

/// Fills in the numbers of all subjects.
fn compare(effort: &Effort, subjects: &mut [Subject<'_>]) {
    let mixed: Vec<_> = (0..2)
        .map(|seed| operations(effort.operations, Some(INSERT_EVERY), seed))
        .collect();
    let lookups = operations(effort.operations, None, 2);
    let hot = vec![Operation::lookup(0); effort.operations / 4];
    let share_of_lookups = 1.0 - 1.0 / count(INSERT_EVERY);
    for _ in 0..effort.rounds {
        for subject in &mut *subjects {
            let cache = subject.contender;
            let per_s = |rate: f64| rate * share_of_lookups;
            subject.one_thread.push(per_s(rate(cache, &mixed[..1])));
            subject.two_threads.push(per_s(rate(cache, &mixed)));
            let allocated = allocations::count();
            subject.lookup_ns.push(nanos_each(cache, &lookups));
            subject.allocations = float(allocations::count() - allocated) / count(lookups.len());
            subject.hot_ns.push(nanos_each(cache, &hot));
        }
    }
}

/// Lookups by Zipf; every so many operations an insert instead.
fn operations(number: usize, insert_every: Option<usize>, seed: u64) -> Vec<Operation> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut keys: Vec<u32> = (0..ENTRIES).collect();
    // The same popularity for every seed, and no order in memory.
    fastrand::Rng::with_seed(99).shuffle(&mut keys);
    let zipf = Zipf::new(keys.len(), SKEW);
    let operation = |_| {
        let key = keys[zipf.draw(&mut rng)];
        let is_insert = insert_every.is_some_and(|every| rng.usize(0..every) == 0);
        if is_insert {
            Operation::insert(key)
        } else {
            Operation::lookup(key)
        }
    };
    (0..number).map(operation).collect()
}

/// Operations per second of all threads together, one thread and one core for each list of operations.
fn rate(cache: &dyn Contender, work: &[Vec<Operation>]) -> f64 {
    let barrier = Barrier::new(work.len());
    let one = |core: usize, operations: &[Operation]| {
        pinning::on_cores(&[core], || {
            barrier.wait();
            let mut took = (Duration::ZERO, Duration::ZERO);
            took.0 = timed(|| took.1 = processor_timed(|| cache.replay(operations)));
            // Alone a thread waits for nobody, so its processor time is its time, whatever else the machine does.
            let seconds = if work.len() == 1 { took.1 } else { took.0 }.as_secs_f64();
            count(operations.len()) / seconds
        })
    };
    let cores = [pinning::second(), pinning::first()];
    std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter()
            .zip(cores)
            .map(|(operations, core)| scope.spawn(move || one(core, operations)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a replay does not panic"))
            .sum()
    })
}

/// Nanoseconds for each of `lookups`, all of which must hit.
fn nanos_each(cache: &dyn Contender, lookups: &[Operation]) -> f64 {
    pinning::on_cores(&[pinning::second()], || {
        let mut hits = 0;
        let took = processor_timed(|| hits = cache.replay(lookups));
        assert_eq!(hits, lookups.len() as u64, "everything is held, so every lookup hits");
        took.as_secs_f64() * 1e9 / count(lookups.len())
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = SystemClock.now();
    std::hint::black_box(work());
    SystemClock.now().since(start)
}

/// Processor time of this thread.
fn processor_timed<T>(work: impl FnOnce() -> T) -> Duration {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
    };
    let start = now();
    std::hint::black_box(work());
    now().saturating_sub(start)
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is counted up to 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is counted up to 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

fn mixed(subjects: &[Subject<'_>]) -> Table {
    let columns = [
        "cache",
        "lookups/s, 1 thread",
        "beside it",
        "lookups/s, 2 threads",
        "beside it",
        "2 threads / 1 thread",
    ];
    let mut table = Table::new("95% lookups, 5% inserts", &columns);
    let base = &subjects[0];
    for subject in subjects {
        let (one, two) = (median(&subject.one_thread), median(&subject.two_threads));
        let cells = vec![
            Cell::Number(one, 0),
            Cell::Ratio(one / median(&base.one_thread)),
            Cell::Number(two, 0),
            Cell::Ratio(two / median(&base.two_threads)),
            Cell::Ratio(two / one),
        ];
        table.row(subject.name, cells);
    }
    table
}

fn hits_only(subjects: &[Subject<'_>]) -> Table {
    let columns = [
        "cache",
        "ns per lookup, Zipf",
        "ns per lookup, one key",
        "allocations per lookup",
    ];
    let mut table = Table::new("Lookups only, all of them hits, 1 thread", &columns);
    for subject in subjects {
        let cells = vec![
            Cell::Number(median(&subject.lookup_ns), 0),
            Cell::Number(median(&subject.hot_ns), 0),
            Cell::Number(subject.allocations, 2),
        ];
        table.row(subject.name, cells);
    }
    table
}

fn budgets(subjects: &[Subject<'_>]) -> Vec<Budget> {
    let at_least = |name: &str, measured: f64| Budget::at_least(name, LOOKUPS_PER_S_MIN, "lookups/s", Some(measured));
    vec![
        at_least("one core, key made for each lookup", median(&subjects[0].one_thread)),
        at_least(
            "each of two cores, key made for each lookup",
            median(&subjects[0].two_threads) / 2.0,
        ),
        Budget::at_most(
            "allocations of a fresh hit, key in hand",
            0.0,
            "per lookup",
            Some(subjects[1].allocations),
        ),
    ]
}

/// What invalidations cost while all entries are there.
fn invalidation(peregrine: &Peregrine) -> Table {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O needs nothing");
    let micros = |request: &Invalidation| {
        let mut matched = None;
        let took = timed(|| matched = runtime.block_on(peregrine.engine.invalidate(request)).matched.memory);
        (took.as_secs_f64() * 1e6, matched)
    };
    let tag = |tag: String| Invalidation::of_tags(vec![tag]);
    let mut table = Table::new(
        format!("Invalidation among {} entries", number(f64::from(ENTRIES), 0)),
        &["what", "µs", "entries reached"],
    );
    let mut add = |name: &str, took: f64, matched: Option<u64>| {
        table.row(
            name,
            vec![
                Cell::Number(took, 0),
                matched.map_or(Cell::Missing, |count| Cell::Number(float(count), 0)),
            ],
        );
    };

    let took: Vec<_> = (0..20)
        .map(|other| micros(&tag(format!("elsewhere-{other}"))).0)
        .collect();
    add("a tag that nothing has", median(&took), Some(0));
    let many = Invalidation::of_tags((0..10_000).map(|other| format!("elsewhere-{other}")).collect());
    let (took, matched) = micros(&many);
    add("10,000 tags that nothing has, at once", took, matched);
    let lookups = operations(1 << 19, None, 3);
    nanos_each(peregrine, &lookups);
    add("1,000 lookups after these", nanos_each(peregrine, &lookups), None);
    let (took, matched) = micros(&Invalidation {
        dry_run: true,
        ..tag(COMMON_TAG.to_owned())
    });
    add("a tag that everything has, dry run", took, matched);
    let some: Vec<_> = (0..20)
        .map(|group| micros(&tag(format!("product-{group:04}"))))
        .collect();
    let took: Vec<_> = some.iter().map(|(took, _)| *took).collect();
    add(
        "a tag that one in a thousand has",
        median(&took),
        some.first().and_then(|(_, matched)| *matched),
    );
    let prefix = Invalidation {
        prefixes: vec!["https://shop.example/api/products/v2/item-0009".to_owned()],
        ..Invalidation::default()
    };
    let (took, matched) = micros(&prefix);
    add("a prefix", took, matched);
    let (took, matched) = micros(&tag(COMMON_TAG.to_owned()));
    add("a tag that everything has", took, matched);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_their_share_of_inserts() {
        let all = operations(100_000, Some(INSERT_EVERY), 1);
        let inserts = all.iter().filter(|operation| operation.is_insert()).count();
        assert!((4_500..5_500).contains(&inserts), "{inserts}");
        assert!(!operations(1000, None, 1).iter().any(|operation| operation.is_insert()));
    }
}
