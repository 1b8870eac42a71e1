//! Measures Peregrine against the budgets of its design and against its peers, all in one run, since only ratios of numbers
//! from one run mean anything. `make bench` calls it; docs/performance.md says how the numbers are made.
//!
//! Nothing here is a test: a budget that is not met is said plainly and changes no exit code.

mod allocations;
mod arguments;
mod contender;
mod engine;
mod hit_ratio;
mod http;
mod machine;
mod memory;
mod pinning;
mod redis;
mod render;
mod report;
mod soak;
mod telemetry;
mod zipf;

use arguments::{Arguments, Part, Subject};
use clap::Parser as _;
use machine::Machine;
use report::{Report, Section};
use std::io::{self, Write as _};
use std::path::Path;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    // Before anything is pinned.
    pinning::cores();
    match &arguments.part {
        Some(Part::Floor(floor)) => return floor.run(),
        Some(Part::Soak(soak)) => return soak.run(),
        Some(Part::MemoryOf { who }) => {
            let growth = serde_json::to_string(&who.fill())?;
            return writeln!(io::stdout(), "{growth}");
        }
        None => {}
    }
    let machine = Machine::find_out();
    let sections = arguments
        .subject
        .each()
        .iter()
        .map(|subject| measure(*subject, &arguments))
        .collect();
    show(
        &Report {
            machine,
            quick: arguments.quick,
            sections,
        },
        &arguments,
    )
}

fn measure(subject: Subject, arguments: &Arguments) -> Section {
    let _ = writeln!(io::stderr(), "bench: measuring {subject:?}");
    match subject {
        Subject::Engine => engine::measure(arguments.quick),
        Subject::Memory => memory::measure(),
        Subject::HitRatio => hit_ratio::measure(arguments.quick),
        Subject::Http => http::measure(arguments.quick, arguments.binary.as_deref()),
        Subject::Matrix => http::matrix::measure(arguments.quick, arguments.binary.as_deref()),
        Subject::Idle => http::idle::measure(arguments.quick, arguments.binary.as_deref()),
        Subject::Redis => redis::measure(arguments.quick),
        Subject::Telemetry => telemetry::measure(arguments.quick, arguments.binary.as_deref()),
        Subject::All => unreachable!("`each` gives the subjects one by one"),
    }
}

fn show(report: &Report, arguments: &Arguments) -> io::Result<()> {
    let json = arguments.json.as_deref();
    let is_for_programs = json == Some(Path::new("-"));
    if let Some(path) = json.filter(|_| !is_for_programs) {
        std::fs::write(path, render::json(report))?;
    }
    let text = match (is_for_programs, arguments.markdown) {
        (true, _) => render::json(report),
        (false, true) => render::markdown(report),
        (false, false) => render::terminal(report),
    };
    io::stdout().write_all(text.as_bytes())
}
