//! HTTP over sockets: a hit, a miss, the start and an idle program, beside nginx and a bare responder.

mod drive;
mod floor;
mod hit;
mod miss;
mod process;
mod servers;
mod start;

pub(crate) use floor::Floor;

use crate::pinning;
use crate::report::Section;
use process::Server;
use servers::Servers;
use std::path::Path;

/// How much is done.
struct Effort {
    /// How often each server has its turn.
    rounds: usize,
    /// How long a turn is.
    seconds: u64,
    /// How often each program is started.
    starts: usize,
}

/// Measures everything over sockets. `binary` is Peregrine's program; without it, it is built.
pub(crate) fn measure(quick: bool, binary: Option<&Path>) -> Section {
    let effort = if quick {
        Effort {
            rounds: 1,
            seconds: 1,
            starts: 3,
        }
    } else {
        Effort {
            rounds: 5,
            seconds: 4,
            starts: 15,
        }
    };
    let about = format!(
        "GET over HTTP/1.1 with the twelve header fields of a browser, answers with a body of 1 KiB, access logs off, one worker \
         for each core. The servers take turns, {} rounds of {} s; medians. The bare responder, a loop over epoll that reads, \
         finds the end of the head and writes, is what answering costs at least; the same program is the origin.",
        effort.rounds, effort.seconds
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
    for missing in [&servers.peregrine, &servers.nginx] {
        section
            .notes
            .extend(missing.as_ref().err().map(|problem| format!("not measured: {problem}")));
    }
    let origin = servers.floor("the origin itself", pinning::cores())?;
    hit::measure(section, effort, &servers, &origin)?;
    miss::measure(section, effort, &servers, &origin)?;
    start::measure(section, effort, &servers, &origin)
}

/// Starts the caches that are there before `origin`, on `cores`.
fn caches(servers: &Servers, origin: &Server, cores: &[usize]) -> Result<Vec<Server>, String> {
    let mut running = Vec::new();
    if servers.peregrine.is_ok() {
        running.push(servers.peregrine(origin.address, cores)?);
    }
    if servers.nginx.is_ok() {
        running.push(servers.nginx(origin.address, cores)?);
    }
    Ok(running)
}
