//! Telemetry: what it costs to record one request in process, and what everything together takes from the throughput of hits.

use crate::http;
use crate::pinning;
use crate::report::{Budget, Cell, Section, Table, median};
use peregrine_base::{Clock as _, Instant, SystemClock};
use peregrine_http::RouteMetrics;
use peregrine_http::measuring::record_hit;
use peregrine_telemetry::Recorder;
use peregrine_telemetry::config::{AccessFormat, Level, LogConfig, LogFormat};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// The budget (DESIGN, section 9).
const RECORDING_NS_MAX: f64 = 50.0;

/// Measures both. `binary` is Peregrine's program; without it, it is built.
pub(crate) fn measure(quick: bool, binary: Option<&Path>) -> Section {
    let about = "Recording is everything that is counted of one hit: outcome, status, tier, bytes, what was saved and the \
                 duration for its route, whether the live tail, the log, the most wanted keys or a trace want more of it, and \
                 for one request in sixteen its key. The clock is not read in it, because the answer has read it, and no line \
                 of the log is written. The throughput is that of hits of 1 KiB.";
    let mut section = Section::new("telemetry", "Telemetry", about);
    let mut table = Table::new(
        "Recording one hit, in process",
        &["who records", "ns", "ns, the slowest round"],
    );
    let mut slowest_ns = None::<f64>;
    for threads in [1, pinning::cores().len().max(1)] {
        let rounds = recorded(
            threads,
            if quick { 3 } else { 9 },
            if quick { 1 << 20 } else { 1 << 23 },
        );
        let most = rounds.iter().copied().fold(0.0, f64::max);
        table.row(
            format!("{threads} threads"),
            vec![Cell::Number(median(&rounds), 1), Cell::Number(most, 1)],
        );
        slowest_ns = Some(slowest_ns.unwrap_or(0.0).max(median(&rounds)));
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "recording one request",
        RECORDING_NS_MAX,
        "ns",
        slowest_ns,
    ));
    if let Err(problem) = http::telemetry::measure(&mut section, quick, binary) {
        section.notes.push(format!("not measured to the end: {problem}"));
    }
    section
}

/// Nanoseconds for each request, by round, while so many threads record into the same handles.
fn recorded(threads: usize, rounds: usize, requests: u32) -> Vec<f64> {
    let log = LogConfig {
        level: Level::Info,
        format: LogFormat::Text,
        access: AccessFormat::Off,
        access_path: String::new(),
        access_sample: 1.0,
        slow: None,
        redact: Vec::new(),
    };
    let (Ok(recorder), metrics) = (Recorder::start(&log), RouteMetrics::default()) else {
        return Vec::new();
    };
    let clock = SystemClock;
    let one = |requests: u32| {
        let (began, keys) = (clock.now(), recorder.top_keys.top(0));
        for number in 0..requests {
            // Two hundred thousand a second.
            let now = Instant::from_nanos(began.as_nanos() + u64::from(number) * 5_000);
            if record_hit(&metrics, &recorder, now, "0123456789abcdef0123456789abcdef") && number % 16 == 0 {
                recorder.top_keys.count("GET https://shop.example/products?page=2");
            }
        }
        black_box(keys);
        clock.now().since(began)
    };
    let round = || {
        let times: Vec<Duration> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(|| one(requests))).collect();
            started.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let slowest = times.into_iter().max().unwrap_or_default();
        slowest.as_secs_f64() * 1e9 / f64::from(requests)
    };
    (0..rounds).map(|_| round()).collect()
}
