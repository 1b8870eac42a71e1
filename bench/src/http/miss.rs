//! A miss: one connection asks for pages that nobody asked for before; what a cache adds to asking the origin itself.

use crate::http::Effort;
use crate::http::drive::{Asking, drive};
use crate::http::process::Server;
use crate::http::servers::{Cache, Servers, Setup};
use crate::pinning;
use crate::report::{Budget, Cell, Section, Table, median};
use peregrine_lab::load::Limit;
use std::time::Duration;

/// The budget (DESIGN, section 9).
const ADDED_US_MAX: f64 = 60.0;

/// Adds the table and its budget.
pub(super) fn measure(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
) -> Result<(), String> {
    let setup = Setup::ample(origin.address, pinning::cores());
    let through = servers.caches(&setup, &mut section.notes);
    let running: Vec<&Server> = std::iter::once(origin).chain(&through).collect();
    let mut latencies = vec![(Vec::new(), Vec::new()); running.len()];
    let limit = Limit::Time(Duration::from_millis(effort.millis.min(2000)));
    for _ in 0..effort.rounds {
        for (server, (p50, p99)) in running.iter().zip(&mut latencies) {
            let driven = drive(server, Asking::New, 1, limit, None)?;
            p50.push(driven.p50_us);
            p99.push(driven.p99_us);
        }
    }
    let direct = median(&latencies[0].0);
    let mut table = Table::new(
        "A miss: one connection, every page new",
        &["server", "p50 µs", "added to p50, µs", "p99 µs"],
    );
    let mut added_by_peregrine = None;
    for (server, (p50, p99)) in running.iter().zip(&latencies) {
        let added = median(p50) - direct;
        if server.name == Cache::Peregrine.name() {
            added_by_peregrine = Some(added);
        }
        table.row(
            server.name,
            vec![
                Cell::Number(median(p50), 1),
                Cell::Number(added, 1),
                Cell::Number(median(p99), 1),
            ],
        );
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "added to a miss, p50",
        ADDED_US_MAX,
        "µs",
        added_by_peregrine,
    ));
    section.notes.push(
        "At a miss nothing is pinned, and the difference to the direct way has a further hop over the loopback in it, which \
         every proxy needs: compare with the others."
            .to_owned(),
    );
    Ok(())
}
