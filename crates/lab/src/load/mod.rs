//! The load generator: connections of its own that send what a plan says, in a closed or an open loop, and measure.
//!
//! It is meant to be cheaper than whatever it measures: buffers are kept, small answers cost two system calls and no
//! allocation, and nothing of an answer is looked at that nobody asked for. It uses the system's clock and real sockets, on
//! the tokio runtime in whose context [`run`] is called; with a current-thread runtime it stays on one core.
//!
//! # Latency and coordinated omission
//! In an **open loop** latency counts from when a request was due, not from when a connection was free to send it, so a stall of
//! the server shows in every request that it delayed; arrivals that were still waiting when the run ended count with the
//! time they had waited. In a **closed loop** latency is that of the requests that were sent, which leaves out those
//! that a stall kept from being sent; [`LoadReport::latency_corrected`] puts them back (see `record::corrected`).

mod cache_status;
pub(crate) mod connection;
mod plan;
mod record;
mod response;
mod schedule;
mod target;
mod worker;

#[cfg(test)]
mod response_tests;
#[cfg(test)]
mod tests;

pub use cache_status::{CacheUse, nearest};
pub use connection::Failure;
pub use plan::{Answer, BenchPlan, Observer, Plan, PlanError, Planned, write_request};
pub use record::Latency;
pub use response::{BodyReader, Framing, Head, Limits, Malformed};
pub use schedule::{Arrivals, Limit, Pace};
pub use target::{Roots, Target, TargetError};

use connection::Connection;
use peregrine_base::{Clock, Instant, SystemClock};
use record::Recorder;
use schedule::Schedule;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use worker::Shared;

/// The longest body that is held for an observer.
const OBSERVED_BODY_BYTES_MAX: u64 = 64 << 20;
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How a run is driven.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many connections.
    pub connections: usize,
    /// Closed or open loop.
    pub pace: Pace,
    /// What ends it.
    pub limit: Limit,
    /// How long it runs before it is measured.
    pub warm_up: Duration,
    /// How long connecting and one request may take together.
    pub request_time_max: Duration,
    /// How much of an answer is read.
    pub limits: Limits,
    /// For the closed loop's correction: the time between two requests that a connection would send to a server that never
    /// stalls. Without it, the mean latency stands in, which corrects outliers only.
    pub expected_interval: Option<Duration>,
    /// All chance comes from it.
    pub seed: u64,
}

impl Default for Settings {
    /// 64 connections in a closed loop for ten seconds after one second of warm-up; 30 s for a request.
    fn default() -> Self {
        Self {
            connections: 64,
            pace: Pace::Closed,
            limit: Limit::Time(Duration::from_secs(10)),
            warm_up: Duration::from_secs(1),
            request_time_max: Duration::from_secs(30),
            limits: Limits::default(),
            expected_interval: None,
            seed: 1,
        }
    }
}

/// Is told how far a run is.
pub type OnProgress = Box<dyn Fn(&Progress) + Send + Sync>;

/// A run before it starts.
pub struct Load<P, O> {
    /// How the report calls it.
    pub name: String,
    /// Where the requests go.
    pub target: Target,
    /// What is asked.
    pub plan: Arc<P>,
    /// Who sees the answers; `Arc::new(())` for nobody.
    pub observer: Arc<O>,
    /// How it is driven.
    pub settings: Settings,
    /// Told about ten times a second how far it is.
    pub on_progress: Option<OnProgress>,
    /// Ends the run early, with a report, when it becomes true.
    pub stop: Option<watch::Receiver<bool>>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// The share that is done, from 0 to 1.
    pub done: f64,
    /// Whether it still warms up.
    pub is_warming_up: bool,
    /// Answers so far, the warm-up's included.
    pub answers: u64,
    /// Answers per second since the last time.
    pub requests_per_s: f64,
    /// Requests without an answer so far.
    pub failures: u64,
    /// The share of answers that say they came from the cache; `None` when none says anything.
    pub hit_ratio: Option<f64>,
}

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Settings that make no sense together.
    #[error("{0}")]
    Settings(&'static str),
    /// The very first connection failed.
    #[error("cannot connect to {target} ({address}): {}", failure.as_str())]
    Unreachable {
        /// Where to.
        target: String,
        /// Its address.
        address: std::net::SocketAddr,
        /// What failed.
        failure: Failure,
    },
    /// The system gave no timer.
    #[error("cannot create a timer: {0}")]
    Timer(std::io::Error),
}

/// What a run showed. Counts are of requests that were due after the warm-up.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// What the run was called.
    pub name: String,
    /// Where the requests went.
    pub target: String,
    /// "closed" or "open".
    pub pace: &'static str,
    /// The rate of an open loop.
    pub rate_per_s: Option<f64>,
    /// How many connections.
    pub connections: usize,
    /// How long was measured.
    pub elapsed_s: f64,
    /// Complete answers, of whatever status.
    pub answers: u64,
    /// Answers that were complete within the measured time, per second of it.
    pub requests_per_s: f64,
    /// How long they took: from when they were due (open loop) or sent (closed loop).
    pub latency: Latency,
    /// With what coordinated omission left out put back; closed loop only.
    pub latency_corrected: Option<Latency>,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by kind.
    pub failures: BTreeMap<String, u64>,
    /// Arrivals of an open loop that found no free connection before the end.
    pub unsent: u64,
    /// Connections that had been closed while idle and were opened again.
    pub reconnects: u64,
    /// Answers that say in `Cache-Status` that the nearest cache had them.
    pub hits: u64,
    /// Answers that say there that they were forwarded.
    pub forwarded: u64,
    /// Bytes received, heads included.
    pub bytes_in: u64,
    /// Bytes of bodies received.
    pub body_bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Answers, the warm-up's included.
    pub answers_with_warm_up: u64,
    /// Bytes of bodies of these.
    pub body_bytes_with_warm_up: u64,
}

impl LoadReport {
    /// Requests that got no answer or an answer that blames the server (5xx).
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failures.values().sum::<u64>() + self.statuses.range(500..).map(|(_, count)| count).sum::<u64>()
    }

    /// The share of answers that came from the cache, of those that say anything about it.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        ratio(self.hits, self.hits + self.forwarded)
    }
}

/// `part` of `whole`; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "shares are for people")]
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Sends the load and waits for its end: the last answer, or its time limit. Dropping the future ends everything at once.
///
/// # Errors
/// When the settings make no sense or nobody listens at the target. What fails later is counted in the report.
pub async fn run<P, O>(load: Load<P, O>) -> Result<LoadReport, LoadError>
where
    P: Plan,
    O: Observer<P::Note>,
{
    let Load {
        name,
        mut target,
        plan,
        observer,
        mut settings,
        on_progress,
        stop,
    } = load;
    check(&settings)?;
    reach(&mut target, settings.request_time_max).await?;
    if O::KEEPS {
        settings.limits.body_bytes_max = settings.limits.body_bytes_max.min(OBSERVED_BODY_BYTES_MAX);
    }
    let start = SystemClock.now();
    let measure_from = start.after(settings.warm_up);
    let schedule = Schedule::new(settings.pace, settings.limit, start, settings.warm_up, settings.seed);
    let recorder = Recorder::new(measure_from, schedule.stop_at);
    let shared = Arc::new(Shared {
        target,
        plan,
        observer,
        settings,
        schedule,
        recorder,
    });

    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    for index in 0..settings.connections {
        connections.spawn(worker::work(shared.clone(), index, ended.clone()));
    }
    let watcher = Watcher {
        start,
        measure_from,
        settings,
        on_progress,
        stop,
    };
    watcher.watch(&shared.recorder, &mut connections, &ending).await?;
    Ok(shared.report(name, start))
}

/// Settings must allow a run.
fn check(settings: &Settings) -> Result<(), LoadError> {
    if settings.connections == 0 {
        return Err(LoadError::Settings("at least one connection is needed"));
    }
    if let Pace::Open { rate_per_s, .. } = settings.pace
        && !(rate_per_s > 0.0 && rate_per_s <= 10_000_000.0)
    {
        return Err(LoadError::Settings(
            "the rate must be more than 0 and at most 10,000,000 requests per second",
        ));
    }
    Ok(())
}

/// Makes sure that somebody listens, so that a wrong address is one clear error and not a report full of failures. A name may
/// lead to several addresses (`localhost` to IPv6 and IPv4): the run goes to the first that answers.
async fn reach(target: &mut Target, time_max: Duration) -> Result<(), LoadError> {
    let address = target.address;
    let mut failure = Failure::Connect;
    for candidate in std::iter::once(address).chain(std::mem::take(&mut target.alternatives)) {
        target.address = candidate;
        match tokio::time::timeout(time_max, Connection::open(target)).await {
            Ok(Ok(_connection)) => return Ok(()),
            Ok(Err(reason)) => failure = reason,
            Err(_elapsed) => failure = Failure::TimedOut,
        }
    }
    Err(LoadError::Unreachable {
        target: target.to_string(),
        address,
        failure,
    })
}

/// Tells progress and brings a run to its end.
struct Watcher {
    start: Instant,
    measure_from: Instant,
    settings: Settings,
    on_progress: Option<OnProgress>,
    stop: Option<watch::Receiver<bool>>,
}

impl Watcher {
    /// Returns when all connections are done.
    async fn watch(
        mut self,
        recorder: &Recorder,
        connections: &mut JoinSet<Result<(), LoadError>>,
        ending: &watch::Sender<bool>,
    ) -> Result<(), LoadError> {
        let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
        let mut last = (self.start, 0);
        loop {
            tokio::select! {
                done = connections.join_next() => match done {
                    None => return Ok(()),
                    Some(Ok(outcome)) => outcome?,
                    // A defect of a plan or an observer must be heard, not swallowed.
                    Some(Err(error)) => {
                        if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
                _ = tick.tick() => last = self.tell(recorder, last),
                () = stopped(&mut self.stop) => {
                    self.stop = None;
                    ending.send_replace(true);
                }
            }
        }
    }

    /// Calls the callback with what is new since `last`.
    #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
    fn tell(&self, recorder: &Recorder, last: (Instant, u64)) -> (Instant, u64) {
        let Some(on_progress) = &self.on_progress else {
            return last;
        };
        let now = SystemClock.now();
        let totals = recorder.totals();
        let answers = totals.answers_with_warm_up;
        let done = match self.settings.limit {
            Limit::Time(span) => now.since(self.start).as_secs_f64() / (span + self.settings.warm_up).as_secs_f64(),
            Limit::Requests(count) => answers as f64 / count.max(1) as f64,
        };
        on_progress(&Progress {
            done: done.min(1.0),
            is_warming_up: now < self.measure_from,
            answers,
            requests_per_s: (answers - last.1) as f64 / now.since(last.0).as_secs_f64().max(0.001),
            failures: totals.failures,
            hit_ratio: ratio(totals.hits, totals.hits + totals.forwarded),
        });
        (now, answers)
    }
}

/// Completes when the run is told to stop; never when nobody can tell it.
async fn stopped(stop: &mut Option<watch::Receiver<bool>>) {
    if let Some(receiver) = stop
        && receiver.wait_for(|is_stopped| *is_stopped).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
