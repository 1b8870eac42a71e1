//! The throughput of hits with telemetry off and on, in one run of one program.

use super::contest::{self, contestants};
use super::drive::{Asking, drive};
use super::hit::CONNECTIONS;
use super::servers::{Servers, Setup};
use super::{Effort, ORIGIN};
use crate::pinning;
use crate::report::{Budget, Section};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

/// The budget (issue 5): so much of the throughput is left with everything on.
const LEFT_MIN: f64 = 0.97;
const OFF: &str = "everything off";
const ON: &str = "all on, 1% logged";
const LOGGED: &str = "all on, each request logged";

/// Adds the table and its budget.
pub(crate) fn measure(section: &mut Section, quick: bool, binary: Option<&Path>) -> Result<(), String> {
    let effort = if quick {
        Effort::new(1, 1000, 1)
    } else {
        // Short rounds of many starts: what is looked for is small beside what a machine changes within a minute, and beside
        // what differs from start to start.
        Effort::new(4, 500, 20)
    };
    let servers = Servers::find(binary)?;
    let origin = servers.floor(ORIGIN, pinning::cores(), &[])?;
    let core = [pinning::first()];
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // Somebody else's work: not on the server's core.
    let collector = pinning::on_cores(&[pinning::second()], sink).map_err(|error| format!("no collector: {error}"))?;
    let path = folder.path().join("access.log");
    let log =
        |sample: &str| format!("access = \"json\"\naccess_path = {path:?}\naccess_sample = {sample}\nslow = \"1s\"\n");
    let otlp = format!("[otlp]\nendpoint = \"http://{collector}\"\ninterval = \"1s\"\nsample = 0.01\n\n");
    let (sampled, whole) = (log("0.01"), log("1.0"));
    let start = |name, log, more| {
        let setup = Setup {
            log,
            more,
            ..Setup::ample(origin.address, &core)
        };
        servers.peregrine(name, &setup)
    };
    let mut run = |servers| {
        let mut contest = contestants(servers);
        contest::run(&mut contest, effort.rounds, &mut section.notes, |server| {
            drive(server, Asking::Same(1024), CONNECTIONS, effort.limit(), None)
        });
        contest
    };
    let mut all = Vec::new();
    for _ in 0..effort.starts {
        // Joined at once: of the pairs only the first goes on running.
        all.extend(run(vec![start(OFF, "", "")?, start(ON, &*sampled, &*otlp)?]));
        all = contest::joined(all);
    }
    // For itself: its load is another, and a core is faster for a while after it.
    all.extend(run(vec![start(LOGGED, &*whole, &*otlp)?]));
    let title = format!("A hit of 1 KiB with telemetry: {CONNECTIONS} connections, the server on one core");
    section.tables.push(contest::table(&title, &effort, &all));
    let left = contest::beside_best(&all, ON, |name| name == OFF, contest::Contestant::requests_per_s, true);
    let left = left.map(|(ratio, _)| ratio);
    section.budgets.push(Budget::at_least(
        "requests/s with all telemetry on",
        LEFT_MIN,
        "× with it off",
        left,
    ));
    section.notes.push(
        "All on: the access log as JSON into a file, warnings of slow requests, the live tail, and over OTLP all metrics each second \
         and 1% of the traces, to a collector that takes everything. What the threads of the log and of OTLP do is done on the \
         server's core. Off and on are started twenty times each, by pairs, and take turns, there and back."
            .to_owned(),
    );
    Ok(())
}

/// A collector that takes all and keeps nothing; where it listens.
fn sink() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || take(stream));
        }
    });
    Ok(address)
}

/// Answers each request of a connection with 200, until it ends.
fn take(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0u64);
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let field = line.to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink())?;
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}
