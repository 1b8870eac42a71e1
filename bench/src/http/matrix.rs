//! Hits of many sizes over few and many connections: where a server's weakness lies when it is not at the usual point.

use crate::http::contest::{self, Contestant, contestants};
use crate::http::drive::{Asking, drive};
use crate::http::servers::{Cache, Servers, Setup};
use crate::http::{BARE, Effort, ORIGIN};
use crate::pinning;
use crate::report::{Cell, Section, Table};
use std::path::Path;

const SIZES: [(&str, usize); 5] = [
    ("16 B", 16),
    ("1 KiB", 1 << 10),
    ("10 KiB", 10 << 10),
    ("100 KiB", 100 << 10),
    ("1 MiB", 1 << 20),
];
const CONNECTIONS: [usize; 5] = [1, 16, 64, 256, 1000];

/// One number of a contestant, and what it is called.
type Measure = (&'static str, fn(&Contestant) -> f64, usize);

const MEASURES: [Measure; 4] = [
    ("Requests per second", Contestant::requests_per_s, 0),
    ("CPU µs per request", Contestant::processor_us, 2),
    ("p99 µs", Contestant::p99_us, 0),
    ("Resident MB after", Contestant::resident_mb, 1),
];

/// Measures every size over every number of connections. `binary` is Peregrine's program; without it, it is built.
pub(crate) fn measure(quick: bool, binary: Option<&Path>) -> Section {
    let effort = if quick {
        Effort::new(1, 300, 1)
    } else {
        Effort::new(3, 1000, 1)
    };
    let about = format!(
        "Hits in plain HTTP/1.1 with the twelve header fields of a browser, each server on one core and the load on the other. \
         The servers take turns, {} rounds of {} s for each size and number of connections; medians.",
        effort.rounds,
        effort.seconds()
    );
    let mut section = Section::new("matrix", "Hits of many sizes", about);
    if let Err(problem) = fill(&mut section, &effort, binary) {
        section.notes.push(format!("not measured to the end: {problem}"));
    }
    section
}

fn fill(section: &mut Section, effort: &Effort, binary: Option<&Path>) -> Result<(), String> {
    let servers = Servers::find(binary)?;
    section.notes.extend(servers.missing());
    let origin = servers.floor(ORIGIN, pinning::cores(), &[])?;
    let core = [pinning::first()];
    let setup = Setup::ample(origin.address, &core);
    let names: Vec<&str> = std::iter::once(BARE).chain(Cache::ALL.map(Cache::name)).collect();
    let columns: Vec<&str> = std::iter::once("body, connections")
        .chain(names.iter().copied())
        .collect();
    let mut tables = MEASURES.map(|(title, _, _)| Table::new(title, &columns));
    for (size, bytes) in SIZES {
        // Anew for each size, so that what is resident belongs to it.
        let mut running = vec![servers.floor(BARE, &core, &[])?];
        running.extend(servers.caches(&setup, &mut section.notes));
        let mut all = contestants(running);
        for connections in CONNECTIONS {
            all.iter_mut().for_each(Contestant::forget);
            contest::run(&mut all, effort.rounds, &mut section.notes, |server| {
                drive(server, Asking::Same(bytes), connections, effort.limit(), None)
            });
            for (table, (_, number, digits)) in tables.iter_mut().zip(MEASURES) {
                let cell = |name: &&str| {
                    let found = all.iter().find(|contestant| contestant.server.name == *name);
                    found.map_or(Cell::Missing, |contestant| Cell::Number(number(contestant), digits))
                };
                table.row(format!("{size}, {connections}"), names.iter().map(cell).collect());
            }
        }
    }
    section.tables.extend(tables);
    Ok(())
}
