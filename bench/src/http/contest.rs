//! A contest: servers take turns at the same load, the server on one core and the load on another, and the medians of their
//! rounds stand side by side.

use crate::http::Effort;
use crate::http::drive::Driven;
use crate::http::process::Server;
use crate::pinning;
use crate::report::{Cell, Table, median};

/// A server with what its rounds gave.
pub(crate) struct Contestant {
    /// The server.
    pub(crate) server: Server,
    rounds: Vec<Driven>,
}

impl Contestant {
    /// The median of a number over the rounds.
    fn median(&self, number: impl Fn(&Driven) -> f64) -> f64 {
        median(&self.rounds.iter().map(number).collect::<Vec<_>>())
    }

    pub(crate) fn requests_per_s(&self) -> f64 {
        self.median(|driven| driven.requests_per_s)
    }

    pub(crate) fn processor_us(&self) -> f64 {
        self.median(|driven| driven.processor_us)
    }

    fn p50_us(&self) -> f64 {
        self.median(|driven| driven.p50_us)
    }

    pub(crate) fn p99_us(&self) -> f64 {
        self.median(|driven| driven.p99_us)
    }

    #[expect(clippy::cast_precision_loss, reason = "memory is less than 2^53 bytes")]
    pub(crate) fn resident_mb(&self) -> f64 {
        self.median(|driven| driven.resident_bytes as f64 / 1e6)
    }

    /// Drops the rounds so far; the server goes on running.
    pub(crate) fn forget(&mut self) {
        self.rounds.clear();
    }
}

/// The contestants, none of whom has run yet.
pub(crate) fn contestants(servers: Vec<Server>) -> Vec<Contestant> {
    let fresh = |server| Contestant {
        server,
        rounds: Vec::new(),
    };
    servers.into_iter().map(fresh).collect()
}

/// Everybody's rounds, in turn, there and back: nobody always comes after the same one, because what a processor did just
/// before shows by some percent in what it does next. A server that cannot do it leaves the contest, and `notes` says why.
pub(crate) fn run(
    contestants: &mut Vec<Contestant>,
    rounds: usize,
    notes: &mut Vec<String>,
    drive: impl Fn(&Server) -> Result<Driven, String>,
) {
    for round in 0..rounds {
        let back = round % 2 == 1;
        if back {
            contestants.reverse();
        }
        contestants.retain_mut(|contestant| {
            match pinning::on_cores(&[pinning::second()], || drive(&contestant.server)) {
                Ok(driven) => contestant.rounds.push(driven),
                Err(problem) => {
                    notes.push(format!("{} left a contest: {problem}", contestant.server.name));
                    return false;
                }
            }
            true
        });
        if back {
            contestants.reverse();
        }
    }
}

/// The same for the effort's number of rounds, as a table in which all are compared with the first.
pub(crate) fn table(title: &str, effort: &Effort, contestants: &[Contestant]) -> Table {
    let beside = contestants
        .first()
        .map_or_else(String::new, |first| format!("CPU beside {}", first.server.name));
    let columns = [
        "server",
        "requests/s",
        "CPU µs per request",
        &beside,
        "p50 µs",
        "p99 µs",
        "resident MB",
    ];
    let title = format!("{title} ({} rounds of {} s)", effort.rounds, effort.seconds());
    let mut table = Table::new(title, &columns);
    for contestant in contestants {
        let cells = vec![
            Cell::Number(contestant.requests_per_s(), 0),
            Cell::Number(contestant.processor_us(), 2),
            Cell::Ratio(contestant.processor_us() / contestants[0].processor_us()),
            Cell::Number(contestant.p50_us(), 0),
            Cell::Number(contestant.p99_us(), 0),
            Cell::Number(contestant.resident_mb(), 1),
        ];
        table.row(contestant.server.name, cells);
    }
    table
}

/// How the contestant called `one` compares with the best of `others` in `number`: their ratio, and the other's name.
pub(crate) fn beside_best(
    contestants: &[Contestant],
    one: &str,
    others: impl Fn(&str) -> bool,
    number: fn(&Contestant) -> f64,
    larger_is_better: bool,
) -> Option<(f64, &'static str)> {
    let own = number(contestants.iter().find(|contestant| contestant.server.name == one)?);
    let best = contestants
        .iter()
        .filter(|contestant| contestant.server.name != one && others(contestant.server.name))
        .map(|contestant| (number(contestant), contestant.server.name))
        .reduce(|best, next| {
            if (next.0 > best.0) == larger_is_better {
                next
            } else {
                best
            }
        })?;
    Some((own / best.0, best.1))
}

/// Contestants of one name as one that has the rounds of all of them. Where a program's memory comes to lie differs from start
/// to start, and with it some percent of what it does: who is told apart by little is started several times.
pub(crate) fn joined(contestants: Vec<Contestant>) -> Vec<Contestant> {
    let mut joined: Vec<Contestant> = Vec::new();
    for contestant in contestants {
        match joined
            .iter_mut()
            .find(|known| known.server.name == contestant.server.name)
        {
            Some(known) => known.rounds.extend(contestant.rounds),
            None => joined.push(contestant),
        }
    }
    joined
}
