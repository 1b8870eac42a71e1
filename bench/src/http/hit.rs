//! A hit: many connections ask for one stored page, the server on one core and the load on the other.

use crate::http::drive::{Asking, Driven, drive};
use crate::http::process::Server;
use crate::http::servers::{NGINX, PEREGRINE, Servers};
use crate::http::{Effort, caches};
use crate::pinning;
use crate::report::{Budget, Cell, Section, Table, median};
use peregrine_lab::load::Limit;
use std::time::Duration;

const CONNECTIONS: usize = 64;
/// The name of the one that all others are compared with.
const BARE: &str = "bare responder";
/// The budgets (DESIGN, section 9).
const PROCESSOR_RATIO_MAX: f64 = 1.25;
const REQUESTS_RATIO_MIN: f64 = 1.2;
const P99_RATIO_MAX: f64 = 1.0;

/// A server with what its rounds gave.
struct Contestant {
    server: Server,
    rounds: Vec<Driven>,
}

impl Contestant {
    /// The median of a number over the rounds.
    fn median(&self, number: impl Fn(&Driven) -> f64) -> f64 {
        median(&self.rounds.iter().map(number).collect::<Vec<_>>())
    }

    fn requests_per_s(&self) -> f64 {
        self.median(|driven| driven.report.requests_per_s)
    }

    fn processor_us(&self) -> f64 {
        self.median(|driven| driven.processor_us)
    }

    fn p50_us(&self) -> f64 {
        self.median(|driven| driven.report.latency.p50_us)
    }

    fn p99_us(&self) -> f64 {
        self.median(|driven| driven.report.latency.p99_us)
    }
}

/// Adds the table and its budgets.
pub(super) fn measure(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
) -> Result<(), String> {
    let core = [pinning::first()];
    let mut running = vec![servers.floor(BARE, &core)?];
    running.extend(caches(servers, origin, &core)?);
    let mut contestants: Vec<_> = running
        .into_iter()
        .map(|server| Contestant {
            server,
            rounds: Vec::new(),
        })
        .collect();
    let limit = Limit::Time(Duration::from_secs(effort.seconds));
    for _ in 0..effort.rounds {
        for contestant in &mut contestants {
            let driven = pinning::on_cores(&[pinning::second()], || {
                drive(&contestant.server, Asking::Same, CONNECTIONS, limit)
            });
            contestant.rounds.push(driven?);
        }
    }
    let columns = [
        "server",
        "requests/s",
        "CPU µs per request",
        "beside the bare one",
        "p50 µs",
        "p99 µs",
    ];
    let title = format!("A hit: {CONNECTIONS} connections, the server on one core, the load on the other");
    let mut table = Table::new(title, &columns);
    for contestant in &contestants {
        let cells = vec![
            Cell::Number(contestant.requests_per_s(), 0),
            Cell::Number(contestant.processor_us(), 2),
            Cell::Ratio(contestant.processor_us() / contestants[0].processor_us()),
            Cell::Number(contestant.p50_us(), 0),
            Cell::Number(contestant.p99_us(), 0),
        ];
        table.row(contestant.server.name, cells);
    }
    section.tables.push(table);
    section.budgets.extend(budgets(&contestants));
    Ok(())
}

fn budgets(contestants: &[Contestant]) -> Vec<Budget> {
    let ratio = |one: &str, other: &str, number: fn(&Contestant) -> f64| {
        let of = |name: &str| {
            contestants
                .iter()
                .find(|contestant| contestant.server.name == name)
                .map(number)
        };
        Some(of(one)? / of(other)?)
    };
    let processor = ratio(PEREGRINE, BARE, Contestant::processor_us);
    let requests = ratio(PEREGRINE, NGINX, Contestant::requests_per_s);
    let p99 = ratio(PEREGRINE, NGINX, Contestant::p99_us);
    vec![
        Budget::at_most("CPU of a hit", PROCESSOR_RATIO_MAX, "× bare responder", processor),
        Budget::at_least("requests/s of a hit", REQUESTS_RATIO_MIN, "× nginx", requests),
        Budget::at_most("p99 of a hit", P99_RATIO_MAX, "× nginx", p99),
    ]
}
