//! A miss: one connection asks for pages that nobody asked for before; what a cache adds to asking the origin itself.
//!
//! It is measured twice. With cache and origin on one core and the load on the other, as hits are, everybody is woken from as far
//! away: what differs is the caches' own work. Where the system places everybody as it likes, whoever ends up on one core with
//! its neighbours is spared waking a core that sleeps, four times for each miss: that is much of such a number, and changes
//! from round to round.

use crate::http::Effort;
use crate::http::ORIGIN;
use crate::http::drive::{Asking, drive};
use crate::http::process::Server;
use crate::http::servers::{Cache, Servers, Setup};
use crate::pinning;
use crate::report::{Budget, Cell, Section, Table, median};
use peregrine_lab::load::Limit;
use std::time::Duration;

/// The budget (DESIGN, section 9).
const ADDED_US_MAX: f64 = 60.0;

/// Adds the tables and the budget.
pub(super) fn measure(section: &mut Section, effort: &Effort, servers: &Servers) -> Result<(), String> {
    let (first, second) = ([pinning::first()], [pinning::second()]);
    let added = contest(
        section,
        effort,
        servers,
        ("cache and origin on one core, the load on the other", &first, &second),
    )?;
    contest(
        section,
        effort,
        servers,
        ("nothing in a fixed place", pinning::cores(), pinning::cores()),
    )?;
    section
        .budgets
        .push(Budget::at_most("added to a miss, p50", ADDED_US_MAX, "µs", added));
    section.notes.push(
        "In the difference to the direct way of a miss is a further hop over the loopback, which every proxy needs: compare with \
         the others."
            .to_owned(),
    );
    Ok(())
}

/// Everybody's rounds in turn, servers and load on these cores; what Peregrine adds to the median, in microseconds.
fn contest(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    (place, served, driven): (&str, &[usize], &[usize]),
) -> Result<Option<f64>, String> {
    let origin = servers.floor(ORIGIN, served, &[])?;
    let through = servers.caches(&Setup::ample(origin.address, served), &mut section.notes);
    let running: Vec<&Server> = std::iter::once(&origin).chain(&through).collect();
    let mut latencies = vec![(Vec::new(), Vec::new()); running.len()];
    let limit = Limit::Time(Duration::from_millis(effort.millis.min(2000)));
    for _ in 0..effort.rounds {
        for (server, (p50, p99)) in running.iter().zip(&mut latencies) {
            let driven = pinning::on_cores(driven, || drive(server, Asking::New, 1, limit, None))?;
            p50.push(driven.p50_us);
            p99.push(driven.p99_us);
        }
    }
    let direct = median(&latencies[0].0);
    let mut table = Table::new(
        format!("A miss: one connection, every page new; {place}"),
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
    Ok(added_by_peregrine)
}
