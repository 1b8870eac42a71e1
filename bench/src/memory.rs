//! Memory per entry beside its key, head and value. Each cache is filled in a process of its own, so that nothing of another
//! is counted.

use crate::allocations;
use crate::contender::{Contender, Contents, Foyer, FoyerPolicy, Moka, Peregrine};
use crate::render::number;
use crate::report::{Budget, Cell, Section, Table};
use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

const ENTRIES: u32 = 100_000;
/// Head and body of a small answer.
const VALUE_BYTES: usize = 1024;
/// The budget (DESIGN, section 9).
const BESIDE_BYTES_MAX: f64 = 150.0;

/// Whose memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Who {
    /// Peregrine's engine.
    Peregrine,
    /// The same with two tags for each entry.
    PeregrineTagged,
    /// moka.
    Moka,
    /// foyer with its default policy.
    Foyer,
}

/// What filling a cache took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    entries: u64,
    /// Their keys, heads and values.
    contents_bytes: u64,
    /// Anonymous memory that the system gave to the process.
    resident_bytes: i64,
    /// Bytes asked of the allocator and not given back.
    allocated_bytes: i64,
    /// What the cache itself says.
    accounted_bytes: Option<u64>,
}

impl Who {
    const ALL: [Self; 4] = [Self::Peregrine, Self::PeregrineTagged, Self::Moka, Self::Foyer];

    const fn name(self) -> &'static str {
        match self {
            Self::Peregrine => "Peregrine",
            Self::PeregrineTagged => "Peregrine, two tags (24 B)",
            Self::Moka => "moka",
            Self::Foyer => "foyer",
        }
    }

    /// Fills a cache in this process.
    pub(crate) fn fill(self) -> Growth {
        let contents = Contents::spread(ENTRIES, VALUE_BYTES);
        let (resident, allocated) = (resident_bytes(), allocations::live_bytes());
        let (capacity, mut contents_bytes) = (2 * ENTRIES, contents.bytes());
        let mut prefixed = |peregrine: Peregrine| -> Box<dyn Contender> {
            contents_bytes += peregrine.key_prefix_bytes() * u64::from(ENTRIES);
            Box::new(peregrine)
        };
        let cache: Box<dyn Contender> = match self {
            Self::Peregrine => prefixed(Peregrine::without_tags(&contents, u64::from(capacity))),
            Self::PeregrineTagged => prefixed(Peregrine::without_keys(&contents, u64::from(capacity))),
            Self::Moka => Box::new(Moka::new(&contents, u64::from(capacity))),
            Self::Foyer => {
                let capacity = usize::try_from(capacity).expect("32 bits fit");
                Box::new(Foyer::new(&contents, capacity, FoyerPolicy::Lru))
            }
        };
        (0..ENTRIES).for_each(|key| cache.put(key));
        Growth {
            entries: cache.entries(),
            contents_bytes,
            resident_bytes: resident_bytes() - resident,
            allocated_bytes: allocations::live_bytes() - allocated,
            accounted_bytes: cache.accounted_bytes(),
        }
    }

    /// Fills a cache in a process of its own.
    fn measure(self) -> Result<Growth, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = Command::new(program)
            .args(["memory-of", self.word()])
            .output()
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The word on the command line.
    const fn word(self) -> &'static str {
        match self {
            Self::Peregrine => "peregrine",
            Self::PeregrineTagged => "peregrine-tagged",
            Self::Moka => "moka",
            Self::Foyer => "foyer",
        }
    }
}

/// Measures all caches.
pub(crate) fn measure() -> Section {
    let mut section = Section::new(
        "memory",
        "Memory per entry",
        format!(
            "{} entries with keys of 50 B and {VALUE_BYTES} B of head and value (up to 15 B less, so that rounding is an \
             average), stored one after the other into an empty cache with room for twice as many, each cache in a process of \
             its own. Bytes per entry beside key, head and value; a key of Peregrine's has its namespace and tenant in it.",
            number(f64::from(ENTRIES), 0)
        ),
    );
    let columns = ["cache", "allocated", "resident growth", "accounted by itself"];
    let mut table = Table::new("", &columns);
    for who in Who::ALL {
        let cells = match who.measure() {
            Ok(growth) => {
                let beside = |bytes: f64| Some((bytes - float(growth.contents_bytes)) / float(growth.entries));
                let resident = beside(signed(growth.resident_bytes));
                if who == Who::Peregrine {
                    let name = "resident, beside key, head and value";
                    section
                        .budgets
                        .push(Budget::at_most(name, BESIDE_BYTES_MAX, "B per entry", resident));
                }
                let accounted = growth.accounted_bytes.and_then(|bytes| beside(float(bytes)));
                [beside(signed(growth.allocated_bytes)), resident, accounted]
            }
            Err(problem) => {
                section
                    .notes
                    .push(format!("{} was not measured: {problem}", who.name()));
                [None; 3]
            }
        };
        let cells = cells.map(|bytes| bytes.map_or(Cell::Missing, |bytes| Cell::Number(bytes, 0)));
        table.row(who.name(), cells.to_vec());
    }
    section.tables.push(table);
    section
}

#[expect(clippy::cast_precision_loss, reason = "memory is less than 2^53 bytes")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "memory is less than 2^53 bytes")]
fn signed(number: i64) -> f64 {
    number as f64
}

/// Anonymous memory of this process.
fn resident_bytes() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<i64>().ok());
    kib.unwrap_or(0) * 1024
}
