//! What sharing a Redis costs: a hit in it beside a bare GET, many keys at once, invalidations, receipts, a hundred nodes, and
//! what compression spares. Everything is the real thing: engines with the client and the backplane, as the program joins
//! them, in this process on one core, and redis-servers on the other.

mod compression;
mod hit;
mod invalidation;
mod many_nodes;
mod node;

use crate::pinning;
use crate::report::Section;
use peregrine_base::{Clock, SystemClock};
use peregrine_test_servers::RedisServer;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How much is done.
struct Effort {
    /// Rounds by turns, whose median is shown.
    rounds: usize,
    /// Reads one after the other in a round.
    reads: usize,
    /// Entries that one invalidation reaches.
    entries: u32,
    /// Invalidations one after the other.
    invalidations: usize,
    /// For how long many nodes are watched.
    watched: Duration,
    /// Pages that are compressed.
    pages: u32,
}

impl Effort {
    fn new(quick: bool) -> Self {
        if quick {
            Self {
                rounds: 2,
                reads: 200,
                entries: 10_000,
                invalidations: 20,
                watched: Duration::from_secs(1),
                pages: 50,
            }
        } else {
            Self {
                rounds: 9,
                reads: 4000,
                entries: 1_000_000,
                invalidations: 300,
                watched: Duration::from_secs(10),
                pages: 1000,
            }
        }
    }
}

/// Adds tables and budgets to a section; an error says why it could not.
type Part = fn(&mut Section, &Effort) -> Result<(), String>;

/// Measures all of it.
pub(crate) fn measure(quick: bool) -> Section {
    let mut section = Section::new(
        "redis",
        "Sharing a Redis",
        "Engines with the Redis client and the backplane as the program joins them, in this process on one core; redis-server \
         without persistence on the other; the loopback between them. Strategies keep values in Redis only where a hit in Redis \
         is measured.",
    );
    if !is_installed("redis-server") && !is_installed("valkey-server") {
        section
            .notes
            .push("redis-server is not installed: nothing was measured.".to_owned());
        return section;
    }
    let effort = Effort::new(quick);
    let parts: [(&str, Part); 4] = [
        ("hits", hit::measure),
        ("invalidations", invalidation::measure),
        ("many nodes", many_nodes::measure),
        ("compression", compression::measure),
    ];
    for (name, part) in parts {
        if let Err(problem) = part(&mut section, &effort) {
            section.notes.push(format!("{name}: not measured: {problem}"));
        }
    }
    section
}

fn is_installed(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// A redis-server on the core for whatever is measured.
fn server() -> RedisServer {
    pinning::on_cores(&[pinning::first()], || RedisServer::start(&[]))
}

/// Runs `work` on the other core, in a runtime of its own.
fn beside<T>(work: impl Future<Output = T>) -> Result<T, String> {
    pinning::on_cores(&[pinning::second()], || Ok(runtime()?.block_on(work)))
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

/// How long `work` takes.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let start = SystemClock.now();
    let done = work.await;
    (SystemClock.now().since(start), done)
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// The value below which the share `quantile` of `values` lies; of nothing, none.
fn quantile(values: &mut [f64], quantile: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of an index is an index"
    )]
    let at = (count(last) * quantile).round() as usize;
    values.get(at.min(last)).copied()
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is counted up to 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is counted up to 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Processor time of this process.
fn own_processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), Some(50.0));
        assert_eq!(quantile(&mut values, 0.99), Some(99.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }
}
