//! More pages than there is room for: nine of ten requests ask for one of a few popular pages, the tenth for one of very many.
//! Once as fast as each server can, and once with the same number of requests per second for all: only there does what they
//! let wait compare, because whoever answers faster is asked more.

use crate::http::Effort;
use crate::http::contest::{self, Contestant, contestants};
use crate::http::drive::{Asking, drive, drive_steadily};
use crate::http::hit::CONNECTIONS;
use crate::http::process::Server;
use crate::http::servers::{Servers, Setup};
use crate::pinning;
use crate::report::Section;

/// What a cache may hold, in MiB: the popular pages and a few of the others.
const MEMORY_MIB: u32 = 64;
const POPULAR: u64 = 2_000;
const RARE: u64 = 100_000;
const BODY_BYTES: usize = 10 << 10;
/// What all are asked for in a second: about half of what the slowest can do.
const DEMAND_PER_S: f64 = 15_000.0;

/// Adds the table.
pub(super) fn measure(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
) -> Result<(), String> {
    let core = [pinning::first()];
    let setup = Setup {
        memory_mib: MEMORY_MIB,
        ..Setup::ample(origin.address, &core)
    };
    let mut all = contestants(servers.caches(&setup, &mut section.notes));
    let asking = Asking::Mixed {
        popular: POPULAR,
        rare: RARE,
        bytes: BODY_BYTES,
    };
    contest::run(&mut all, effort.rounds, &mut section.notes, |server| {
        drive(server, asking, CONNECTIONS, effort.limit(), None)
    });
    let title = format!(
        "Nine hits to one page of a working set of 1 GB, caches of {MEMORY_MIB} MiB, bodies of 10 KiB: {CONNECTIONS} connections"
    );
    section.tables.push(contest::table(&title, effort, &all));

    all.iter_mut().for_each(Contestant::forget);
    contest::run(&mut all, effort.rounds, &mut section.notes, |server| {
        drive_steadily(server, asking, DEMAND_PER_S, CONNECTIONS, effort.limit())
    });
    let title = format!("The same with {DEMAND_PER_S:.0} requests a second for each, as users send them (Poisson)");
    section.tables.push(contest::table(&title, effort, &all));
    section.notes.push(
        "In the mix nginx's bound is that of its files, which the system holds in memory beside; what is resident is not all it \
         occupies. The origin shares the core of the load."
            .to_owned(),
    );
    Ok(())
}
