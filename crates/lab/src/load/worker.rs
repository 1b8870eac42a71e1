//! What one connection does during a run, and the report at the end.

use crate::load::connection::{Connection, Failure, Kept, Received};
use crate::load::plan::{Answer, Observer, Plan, Planned};
use crate::load::record::{Latency, Measured, Recorder, corrected};
use crate::load::schedule::{Pace, PreciseTimer, Schedule};
use crate::load::target::Target;
use crate::load::{LoadError, LoadReport, Settings};
use peregrine_base::{Clock, Instant, SystemClock};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Sleep;

/// What the connections of a run have in common.
pub(crate) struct Shared<P, O> {
    pub(crate) target: Target,
    pub(crate) plan: Arc<P>,
    pub(crate) observer: Arc<O>,
    pub(crate) settings: Settings,
    pub(crate) schedule: Schedule,
    pub(crate) recorder: Recorder,
}

/// The first wait after a connection could not be made; doubles up to [`CONNECT_WAIT_MAX`].
const CONNECT_WAIT_MIN: Duration = Duration::from_millis(10);
/// The longest wait between two attempts to connect.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Sends requests over one connection, opened again when it closes, until the schedule ends or `ended` becomes true.
pub(crate) async fn work<P, O>(
    shared: Arc<Shared<P, O>>,
    index: usize,
    mut ended: watch::Receiver<bool>,
) -> Result<(), LoadError>
where
    P: Plan,
    O: Observer<P::Note>,
{
    let timer = match shared.settings.pace {
        Pace::Closed => None,
        Pace::Open { .. } => Some(PreciseTimer::new().map_err(LoadError::Timer)?),
    };
    let mut line = Line {
        shared: &shared,
        index,
        connection: None,
        kept: Kept::default(),
        deadline: Deadline::new(),
        connect_wait: CONNECT_WAIT_MIN,
    };
    let mut rng = fastrand::Rng::with_seed(shared.settings.seed.wrapping_add(index as u64));
    let mut wire = Vec::with_capacity(1024);
    while let Some(due) = shared.schedule.claim(SystemClock.now()) {
        if let Some(timer) = &timer {
            tokio::select! {
                biased;
                _ = ended.wait_for(|is_ended| *is_ended) => return Ok(()),
                waited = timer.until(due) => waited.map_err(LoadError::Timer)?,
            }
        } else if *ended.borrow() {
            return Ok(());
        }
        wire.clear();
        let planned = shared.plan.next(&mut rng, &mut wire);
        line.ask(planned, &wire, due).await;
        if line.connection.is_none() && line.connect_wait > CONNECT_WAIT_MIN {
            // Nobody listens: asking at full speed would measure nothing and keep a core busy.
            tokio::select! {
                _ = ended.wait_for(|is_ended| *is_ended) => return Ok(()),
                () = tokio::time::sleep(line.connect_wait) => {}
            }
        }
    }
    Ok(())
}

/// One connection and what it keeps between requests.
struct Line<'a, P, O> {
    shared: &'a Shared<P, O>,
    index: usize,
    connection: Option<Connection>,
    kept: Kept,
    deadline: Deadline,
    connect_wait: Duration,
}

impl<P: Plan, O: Observer<P::Note>> Line<'_, P, O> {
    /// Sends one request and records what comes of it.
    async fn ask(&mut self, planned: Planned<P::Note>, wire: &[u8], due: Instant) {
        let Shared {
            observer,
            recorder,
            settings,
            ..
        } = self.shared;
        let started = SystemClock.now();
        let limit = started.after(settings.request_time_max);
        let exchange = exchange(
            self.shared,
            self.index,
            &mut self.connection,
            O::KEEPS.then_some(&mut self.kept),
            (wire, planned.to_head, planned.is_repeatable),
        );
        let outcome = self
            .deadline
            .race(limit, exchange)
            .await
            .unwrap_or(Err(Failure::TimedOut));
        let answered = SystemClock.now();
        match outcome {
            Ok(received) => {
                if !received.reusable {
                    self.connection = None;
                }
                self.connect_wait = CONNECT_WAIT_MIN;
                recorder.answer(
                    self.index,
                    &Measured {
                        received,
                        bytes_out: wire.len() as u64,
                        due,
                        answered,
                    },
                );
                if O::KEEPS {
                    let (head, body) = (self.kept.head.as_slice(), self.kept.body.as_slice());
                    observer.answer(
                        planned.note,
                        &Answer {
                            status: received.status,
                            head,
                            body,
                            started,
                            answered,
                        },
                    );
                }
            }
            Err(failure) => {
                self.connection = None;
                if matches!(failure, Failure::Connect | Failure::Tls) {
                    self.connect_wait = (self.connect_wait * 2).min(CONNECT_WAIT_MAX);
                }
                recorder.failure(self.index, failure, due);
                observer.failure(planned.note, failure);
            }
        }
    }
}

/// Sends a request over the open connection or a new one. A kept-alive connection may have been closed by the server in the
/// meantime, as any client must expect (RFC 9112 §9.3.1): if not a byte came back, a repeatable request goes out once more.
async fn exchange<P, O>(
    shared: &Shared<P, O>,
    index: usize,
    connection: &mut Option<Connection>,
    mut keep: Option<&mut Kept>,
    (wire, to_head, is_repeatable): (&[u8], bool, bool),
) -> Result<Received, Failure> {
    let limits = &shared.settings.limits;
    if let Some(open) = connection {
        match open.exchange(wire, to_head, limits, keep.as_deref_mut()).await {
            Err(Failure::Closed) if is_repeatable => shared.recorder.reconnect(index),
            outcome => return outcome,
        }
    }
    let open = connection.insert(Connection::open(&shared.target).await?);
    open.exchange(wire, to_head, limits, keep).await
}

/// A time limit that costs next to nothing per request: one timer per connection, moved only when it fires too early.
struct Deadline {
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    fn new() -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    /// The output of `work`, or `None` when `limit` comes first.
    async fn race<F: Future>(&mut self, limit: Instant, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            while self.sleep.as_mut().poll(cx).is_ready() {
                let left = limit.since(SystemClock.now());
                if left.is_zero() {
                    return Poll::Ready(None);
                }
                self.sleep.set(tokio::time::sleep(left));
            }
            Poll::Pending
        })
        .await
    }
}

impl<P, O> Shared<P, O> {
    /// The report of a run that began at `start` and whose connections are all done.
    pub(crate) fn report(&self, name: String, start: Instant) -> LoadReport {
        let Self {
            target,
            settings,
            schedule,
            recorder,
            ..
        } = self;
        let ended = SystemClock.now().min(schedule.stop_at);
        let unsent = schedule.unsent(ended);
        if let Some((count, first_due)) = unsent {
            recorder.unsent(count, first_due, ended);
        }
        let totals = recorder.totals();
        let collected = recorder.collect();
        let elapsed_s = ended.since(start.after(settings.warm_up)).as_secs_f64();
        let latency = Latency::of(&collected.latency);
        let (pace, rate_per_s) = match settings.pace {
            Pace::Closed => ("closed", None),
            Pace::Open { rate_per_s, .. } => ("open", Some(rate_per_s)),
        };
        let mean = Duration::try_from_secs_f64(latency.mean_us / 1e6).unwrap_or_default();
        let interval = settings.expected_interval.unwrap_or(mean);
        let is_correctable = rate_per_s.is_none() && !interval.is_zero();
        #[expect(clippy::cast_precision_loss, reason = "rates are for people")]
        let requests_per_s = if elapsed_s > 0.0 {
            totals.answers_in_time as f64 / elapsed_s
        } else {
            0.0
        };
        LoadReport {
            name,
            target: target.to_string(),
            pace,
            rate_per_s,
            connections: settings.connections,
            elapsed_s,
            answers: totals.answers,
            requests_per_s,
            latency,
            latency_corrected: is_correctable.then(|| corrected(&collected.latency, interval)),
            statuses: collected.statuses,
            failures: collected.failures,
            unsent: unsent.map_or(0, |(count, _)| count),
            reconnects: totals.reconnects,
            hits: totals.hits,
            forwarded: totals.forwarded,
            bytes_in: totals.bytes_in,
            body_bytes_in: totals.body_bytes_in,
            bytes_out: totals.bytes_out,
            answers_with_warm_up: totals.answers_with_warm_up,
            body_bytes_with_warm_up: totals.body_bytes_with_warm_up,
        }
    }
}
