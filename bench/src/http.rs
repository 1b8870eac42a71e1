//! HTTP over sockets: hits, misses, the start and an idle program, beside other caches and a bare responder.

mod contest;
mod drive;
mod floor;
mod hit;
mod http2;
pub(crate) mod idle;
pub(crate) mod matrix;
mod miss;
mod mixed;
mod process;
mod servers;
mod start;
pub(crate) mod telemetry;

pub(crate) use floor::Floor;
pub(crate) use process::{free_address, get};
pub(crate) use servers::build_peregrine;

use crate::pinning;
use crate::report::Section;
use peregrine_lab::load::Limit;
use servers::{Certificate, Servers};
use std::path::Path;
use std::time::Duration;

/// The name of the one that all others are compared with.
const BARE: &str = "bare responder";
/// What stands behind the caches.
const ORIGIN: &str = "the origin itself";

/// How much is done.
struct Effort {
    /// How often each server has its turn.
    rounds: usize,
    /// How long a turn is, in milliseconds.
    millis: u64,
    /// How often each program is started.
    starts: usize,
}

impl Effort {
    const fn new(rounds: usize, millis: u64, starts: usize) -> Self {
        Self { rounds, millis, starts }
    }

    const fn limit(&self) -> Limit {
        Limit::Time(Duration::from_millis(self.millis))
    }

    fn seconds(&self) -> f64 {
        Duration::from_millis(self.millis).as_secs_f64()
    }
}

/// Measures everything over sockets. `binary` is Peregrine's program; without it, it is built.
pub(crate) fn measure(quick: bool, binary: Option<&Path>) -> Section {
    let effort = if quick {
        Effort::new(1, 1000, 2)
    } else {
        Effort::new(5, 3000, 9)
    };
    let about = format!(
        "GET over HTTP/1.1 with the twelve header fields of a browser, answers with a body of 1 KiB, access logs off, one worker \
         for each core. The servers take turns, {} rounds of {} s; medians. The bare responder, a loop over epoll that reads, \
         finds the end of the head and writes, is what answering costs at least; the same program is the origin.",
        effort.rounds,
        effort.seconds()
    );
    let mut section = Section::new("http", "HTTP over sockets", about);
    if let Err(problem) = fill(&mut section, &effort, binary) {
        section.notes.push(format!("not measured to the end: {problem}"));
    }
    if pinning::cores().len() < 2 {
        section
            .notes
            .push("server and load share the only core: the numbers say little".to_owned());
    }
    section
}

fn fill(section: &mut Section, effort: &Effort, binary: Option<&Path>) -> Result<(), String> {
    let servers = Servers::find(binary)?;
    section.notes.extend(servers.missing());
    section.notes.extend(servers.without_tls());
    let certificate = Certificate::new()?;
    let origin = servers.floor(ORIGIN, pinning::cores(), &[])?;
    hit::measure(section, effort, &servers, &origin)?;
    hit::over_tls(section, effort, &servers, &origin, &certificate)?;
    http2::measure(section, effort, &servers, &origin, &certificate)?;
    mixed::measure(section, effort, &servers, &origin)?;
    miss::measure(section, effort, &servers)?;
    start::measure(section, effort, &servers, &origin)
}
