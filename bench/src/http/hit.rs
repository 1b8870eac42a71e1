//! A hit: many connections ask for one stored page, in plain HTTP/1.1, over TLS, and with a validator that still holds.

use crate::http::contest::{self, Contestant, beside_best, contestants};
use crate::http::drive::{Asking, drive};
use crate::http::process::Server;
use crate::http::servers::{Cache, Certificate, Servers, Setup};
use crate::http::{BARE, Effort};
use crate::pinning;
use crate::report::{Budget, Section};

pub(crate) const CONNECTIONS: usize = 64;
const BODY_BYTES: usize = 1024;
/// The budgets (DESIGN, section 9).
const PROCESSOR_RATIO_MAX: f64 = 1.25;
const REQUESTS_RATIO_MIN: f64 = 1.2;
const P99_RATIO_MAX: f64 = 1.0;

/// Adds the tables and their budgets.
pub(super) fn measure(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
) -> Result<(), String> {
    let core = [pinning::first()];
    let setup = Setup::ample(origin.address, &core);
    // Some percent hang on where a program's memory came to lie, so each round is of servers that were just started; there and
    // back, as in every contest.
    let mut all = Vec::new();
    for round in 0..effort.rounds {
        let mut running = vec![servers.floor(BARE, &core, &[])?];
        running.extend(servers.caches(&setup, &mut section.notes));
        if round % 2 == 1 {
            running.reverse();
        }
        let mut round = contestants(running);
        contest::run(&mut round, 1, &mut section.notes, |server| {
            drive(server, Asking::Same(BODY_BYTES), CONNECTIONS, effort.limit(), None)
        });
        all.extend(round);
        all = contest::joined(all);
    }
    let title = format!(
        "A hit of 1 KiB: {CONNECTIONS} connections, the server on one core, the load on the other, started anew for each round"
    );
    section.tables.push(contest::table(&title, effort, &all));
    section.budgets.extend(budgets(&all));

    // The bare responder of 304s in place of the one of pages.
    all.retain(|contestant| contestant.server.name != BARE);
    all.iter_mut().for_each(Contestant::forget);
    all.insert(
        0,
        contestants(vec![servers.floor(BARE, &core, &["--not-modified"])?]).remove(0),
    );
    contest::run(&mut all, effort.rounds, &mut section.notes, |server| {
        drive(server, Asking::Changed, CONNECTIONS, effort.limit(), None)
    });
    let title = format!("A 304 to a validator that holds: {CONNECTIONS} connections");
    section.tables.push(contest::table(&title, effort, &all));
    Ok(())
}

/// The same hit over TLS 1.3, on connections that are kept.
pub(super) fn over_tls(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
    certificate: &Certificate,
) -> Result<(), String> {
    let core = [pinning::first()];
    let setup = Setup {
        certificate: Some(certificate),
        ..Setup::ample(origin.address, &core)
    };
    let mut all = contestants(servers.caches(&setup, &mut section.notes));
    contest::run(&mut all, effort.rounds, &mut section.notes, |server| {
        let asking = Asking::Same(BODY_BYTES);
        drive(server, asking, CONNECTIONS, effort.limit(), Some(certificate))
    });
    let title = format!("A hit of 1 KiB over TLS 1.3: {CONNECTIONS} kept connections");
    section.tables.push(contest::table(&title, effort, &all));
    Ok(())
}

fn budgets(all: &[Contestant]) -> Vec<Budget> {
    let own = Cache::Peregrine.name();
    let is_peer = |name: &str| name != BARE;
    let processor = beside_best(all, own, |name| name == BARE, Contestant::processor_us, false);
    let requests = beside_best(all, own, is_peer, Contestant::requests_per_s, true);
    let p99 = beside_best(all, own, is_peer, Contestant::p99_us, false);
    let name = |what: &str, beside: Option<(f64, &str)>| match beside {
        Some((_, best)) => format!("{what} (the best peer: {best})"),
        None => what.to_owned(),
    };
    let ratio = |beside: Option<(f64, &str)>| beside.map(|(ratio, _)| ratio);
    vec![
        Budget::at_most(
            "CPU of a hit",
            PROCESSOR_RATIO_MAX,
            "× bare responder",
            ratio(processor),
        ),
        Budget::at_least(
            name("requests/s of a hit", requests),
            REQUESTS_RATIO_MIN,
            "× the best peer",
            ratio(requests),
        ),
        Budget::at_most(name("p99 of a hit", p99), P99_RATIO_MAX, "× the best peer", ratio(p99)),
    ]
}
