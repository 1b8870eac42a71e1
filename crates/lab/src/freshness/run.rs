//! The run: writers that change and invalidate, readers that ask every node, and one place where all of it is counted.

use super::history::{Promise, Read, Told};
use super::origin::{Truth, VersionedOrigin};
use super::reader::{Heard, Reader};
use super::report::{self, FreshnessReport, Invalidations, NodeReport, Staleness, Verdict, Violation};
use crate::load::{Failure, Progress, Target};
use crate::progress::Show;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Random, SystemClock, SystemRandom};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Connections to each node that read all the time; writers have one more to each.
const READERS_PER_NODE: usize = 4;

/// How many keys are changed at the same time.
const WRITERS_MAX: usize = 4;

/// How many broken promises are kept with their history.
const EXAMPLES_MAX: usize = 5;

/// How long a writer waits for those whom it asks whether a change is known; who takes longer is heard later.
const LOOK_TIME_MAX: Duration = Duration::from_millis(250);

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// How a run is done.
#[derive(Clone, Debug)]
pub struct FreshnessSettings {
    /// How long.
    pub duration: Duration,
    /// Reads per second, of all nodes together.
    pub reads_per_s: f64,
    /// Changes per second, each followed by an invalidation.
    pub changes_per_s: f64,
    /// How many values there are.
    pub keys: usize,
    /// Within how long other nodes must know.
    pub bound: Duration,
    /// The name in `Host`: the same at every node, so that they mean the same value.
    pub host: String,
    /// The origin takes up to this long.
    pub origin_delay_max: Duration,
    /// Where progress is shown.
    pub show: Show,
    /// Ends the run early.
    pub stop: Option<watch::Receiver<bool>>,
}

impl Default for FreshnessSettings {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(60),
            reads_per_s: 600.0,
            changes_per_s: 20.0,
            keys: 16,
            bound: Duration::from_secs(1),
            host: "verify.peregrine.internal".to_owned(),
            origin_delay_max: Duration::from_millis(5),
            show: Show::Stderr,
            stop: None,
        }
    }
}

/// The answer to an invalidation; an error in words when there is none.
pub type Invalidating = Pin<Box<dyn Future<Output = Result<Told, String>> + Send>>;

/// Invalidates through the nodes.
pub trait Invalidate: Send + Sync + 'static {
    /// Through how many addresses that can be done.
    fn count(&self) -> usize;
    /// Invalidates `tag` through one of them. [`Told::returned`] is set by the caller.
    fn invalidate(&self, through: usize, tag: &str) -> Invalidating;
}

/// A node whose answers are checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// As it is called in the report.
    pub url: String,
    /// Where it listens.
    pub target: Target,
}

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum FreshnessError {
    /// A node does not answer at all.
    #[error("{node} does not answer ({})", failure.as_str())]
    Unreachable {
        /// Which.
        node: String,
        /// Why.
        failure: Failure,
    },
    /// A node does not lead to the origin.
    #[error("{node} does not lead to this command's origin: it answered {answer}")]
    NoRoute {
        /// Which.
        node: String,
        /// With what.
        answer: String,
    },
}

/// What is counted.
struct Counts {
    nodes: Vec<NodeReport>,
    staleness: Histogram<u64>,
    changes: u64,
    invalidations: Invalidations,
    receipts: Histogram<u64>,
    violations: BTreeMap<&'static str, u64>,
    examples: Vec<Violation>,
}

/// Everything that the tasks of a run share.
struct Run {
    truth: Arc<Truth>,
    settings: FreshnessSettings,
    nodes: Vec<Checked>,
    names: Vec<String>,
    start: Instant,
    is_over: AtomicBool,
    counts: Mutex<Counts>,
}

/// Changes, invalidates and reads for as long as `settings` say, and judges every answer.
///
/// # Errors
/// When a node does not lead to `origin`.
pub async fn run(
    origin: &VersionedOrigin,
    nodes: Vec<Checked>,
    invalidate: Arc<dyn Invalidate>,
    settings: FreshnessSettings,
) -> Result<FreshnessReport, FreshnessError> {
    for (number, node) in nodes.iter().enumerate() {
        let mut reader = Reader::new(number, node.target.clone(), &settings.host);
        let no_route = |answer| FreshnessError::NoRoute {
            node: node.url.clone(),
            answer,
        };
        match reader.read(0, &origin.truth).await {
            Heard::Value(..) => {}
            Heard::Refused(status, text) => return Err(no_route(format!("{status} {text}"))),
            Heard::Damaged(text) => return Err(no_route(text)),
            Heard::Nothing(failure) => {
                let node = node.url.clone();
                return Err(FreshnessError::Unreachable { node, failure });
            }
        }
    }
    let run = Arc::new(Run::new(origin.truth.clone(), nodes, settings));
    let mut tasks = tokio::task::JoinSet::new();
    for node in 0..run.nodes.len() {
        for _ in 0..READERS_PER_NODE {
            tasks.spawn(run.clone().read_on(node));
        }
    }
    let writers = WRITERS_MAX.min(run.truth.keys());
    for writer in 0..writers {
        tasks.spawn(run.clone().write_on(writer, writers, invalidate.clone()));
    }
    run.wait().await;
    run.is_over.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    // Nobody needs what was read; a node that does not do so has its bound to live with it.
    let _left = invalidate.invalidate(0, &run.truth.tag_of_all()).await;
    Ok(run.report())
}

impl Run {
    fn new(truth: Arc<Truth>, nodes: Vec<Checked>, settings: FreshnessSettings) -> Self {
        let names: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
        let counts = Counts {
            nodes: names
                .iter()
                .map(|url| NodeReport {
                    url: url.clone(),
                    ..NodeReport::default()
                })
                .collect(),
            staleness: report::histogram(),
            changes: 0,
            invalidations: Invalidations::default(),
            receipts: report::histogram(),
            violations: BTreeMap::new(),
            examples: Vec::new(),
        };
        Self {
            truth,
            settings,
            nodes,
            names,
            start: SystemClock.now(),
            is_over: AtomicBool::new(false),
            counts: Mutex::new(counts),
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn reader(&self, node: usize) -> Reader {
        Reader::new(node, self.nodes[node].target.clone(), &self.settings.host)
    }

    /// Lets the time pass, and tells how much has.
    async fn wait(&self) {
        let on_progress = self.settings.show.callback("verifying freshness");
        let mut stop = self.settings.stop.clone();
        let mut answers_before = 0;
        loop {
            let passed = SystemClock.now().since(self.start);
            let is_stopped = stop.as_mut().is_some_and(|stop| *stop.borrow_and_update());
            if is_stopped || passed >= self.settings.duration {
                return;
            }
            tokio::time::sleep(PROGRESS_INTERVAL.min(self.settings.duration.saturating_sub(passed))).await;
            if let Some(on_progress) = &on_progress {
                answers_before = self.tell(on_progress, answers_before);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
    fn tell(&self, on_progress: &crate::load::OnProgress, answers_before: u64) -> u64 {
        let counts = self.counts.lock();
        let sum = |of: fn(&NodeReport) -> u64| counts.nodes.iter().map(of).sum::<u64>();
        let (answers, hits) = (sum(|node| node.reads), sum(|node| node.hits));
        let passed = SystemClock.now().since(self.start);
        on_progress(&Progress {
            done: (passed.as_secs_f64() / self.settings.duration.as_secs_f64()).min(1.0),
            is_warming_up: false,
            answers,
            requests_per_s: (answers - answers_before) as f64 / PROGRESS_INTERVAL.as_secs_f64(),
            failures: sum(|node| node.unanswered.values().sum()) + counts.violations.values().sum::<u64>(),
            hit_ratio: (answers > 0).then(|| hits as f64 / answers as f64),
        });
        answers
    }

    /// Reads any key on one node, again and again.
    async fn read_on(self: Arc<Self>, node: usize) {
        let mut reader = self.reader(node);
        #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
        let per_s = self.settings.reads_per_s / (self.nodes.len() * READERS_PER_NODE) as f64;
        while !self.is_over() {
            pause(per_s).await;
            let key = draw(self.truth.keys());
            let heard = reader.read(key, &self.truth).await;
            self.hear(node, key, heard);
        }
    }

    /// Changes every `writers`th key by turns: makes a version, invalidates, and looks at once at every node whether it is
    /// gone; before the next change of a key, whether everybody knows of the last.
    async fn write_on(self: Arc<Self>, writer: usize, writers: usize, invalidate: Arc<dyn Invalidate>) {
        let mut looks = Looks::new(&self);
        let own: Vec<usize> = (writer..self.truth.keys()).step_by(writers).collect();
        #[expect(clippy::cast_precision_loss, reason = "a handful of writers")]
        let per_s = self.settings.changes_per_s / writers as f64;
        for &key in own.iter().cycle() {
            pause(per_s).await;
            if self.is_over() {
                return;
            }
            let confirmed = self.truth.confirmed_last(key);
            if confirmed.is_some_and(|at| at.after(self.settings.bound) < SystemClock.now()) {
                looks.at(key).await;
            }
            self.change(key, &*invalidate).await;
            looks.at(key).await;
        }
    }

    async fn change(&self, key: usize, invalidate: &dyn Invalidate) {
        let version = self.truth.change(key);
        let begun = SystemClock.now();
        let told = invalidate
            .invalidate(draw(invalidate.count()), &self.truth.tag(key))
            .await;
        let returned = SystemClock.now();
        let mut counts = self.counts.lock();
        counts.changes += 1;
        match told {
            Ok(told) => {
                if told.confirmed {
                    counts.invalidations.confirmed += 1;
                    report::count(&mut counts.receipts, returned.since(begun));
                } else {
                    counts.invalidations.pending += 1;
                }
                drop(counts);
                self.truth.told(key, version, Told { returned, ..told });
            }
            Err(fault) => {
                counts.invalidations.failed += 1;
                counts.invalidations.fault = Some(fault);
            }
        }
    }

    /// Counts and judges an answer.
    fn hear(&self, node: usize, key: usize, heard: Heard) {
        match heard {
            Heard::Value(read, is_hit) => self.judge(node, key, read, is_hit),
            Heard::Refused(status, text) => {
                let mut counts = self.counts.lock();
                *counts.nodes[node].refused.entry(status).or_default() += 1;
                drop(counts);
                // What else a node refuses (too many requests, say) is its own right.
                if status >= 500 {
                    self.blame(Promise::P6, node, key, format!("{status} {text}"));
                }
            }
            Heard::Damaged(text) => self.blame(Promise::Damaged, node, key, text),
            Heard::Nothing(failure) => {
                let mut counts = self.counts.lock();
                *counts.nodes[node].unanswered.entry(failure.as_str()).or_default() += 1;
            }
        }
    }

    fn judge(&self, node: usize, key: usize, read: Read, is_hit: bool) {
        let unverified = read.unverified;
        let answer = format!("version {} ({})", read.version, read.cache_status);
        let (behind, broken) = self.truth.read(key, read, self.settings.bound);
        let mut counts = self.counts.lock();
        let seen = &mut counts.nodes[node];
        seen.reads += 1;
        seen.hits += u64::from(is_hit);
        seen.unverified += u64::from(unverified);
        seen.stale += u64::from(!behind.is_zero());
        if !unverified {
            report::count(&mut counts.staleness, behind);
        }
        drop(counts);
        if let Some(promise) = broken {
            self.blame(promise, node, key, answer);
        }
    }

    fn blame(&self, promise: Promise, node: usize, key: usize, answer: String) {
        let mut counts = self.counts.lock();
        *counts.violations.entry(promise.as_str()).or_default() += 1;
        if counts.examples.len() < EXAMPLES_MAX {
            counts.examples.push(Violation {
                promise,
                node: self.names[node].clone(),
                key,
                answer,
                history: self.truth.tell(key, self.start, &self.names),
            });
        }
    }

    fn report(&self) -> FreshnessReport {
        let counts = self.counts.lock();
        let mut invalidations = counts.invalidations.clone();
        (invalidations.p50_ms, invalidations.p99_ms, invalidations.max_ms) = report::percentiles(&counts.receipts);
        let (verdict, because) = verdict(&counts, &invalidations);
        FreshnessReport {
            verdict,
            because,
            duration_s: SystemClock.now().since(self.start).as_secs_f64(),
            bound_ms: self.settings.bound.as_secs_f64() * 1e3,
            keys: self.truth.keys(),
            nodes: counts.nodes.clone(),
            changes: counts.changes,
            invalidations,
            staleness: Staleness::of(&counts.staleness),
            origin_requests: self.truth.requests(),
            violations: counts.violations.clone(),
            examples: counts.examples.clone(),
        }
    }
}

/// A writer's readers, one for each node. One that waits for its node is asked nothing else meanwhile.
struct Looks {
    run: Arc<Run>,
    idle: Vec<Option<Reader>>,
    asked: tokio::task::JoinSet<(usize, Reader)>,
}

impl Looks {
    fn new(run: &Arc<Run>) -> Self {
        Self {
            run: run.clone(),
            idle: (0..run.nodes.len()).map(|node| Some(run.reader(node))).collect(),
            asked: tokio::task::JoinSet::new(),
        }
    }

    /// Asks every node for `key` that has answered the last question.
    async fn at(&mut self, key: usize) {
        for node in 0..self.idle.len() {
            if let Some(mut reader) = self.idle[node].take() {
                let run = self.run.clone();
                self.asked.spawn(async move {
                    let heard = reader.read(key, &run.truth).await;
                    run.hear(node, key, heard);
                    (node, reader)
                });
            }
        }
        let answers = async {
            while let Some(Ok((node, reader))) = self.asked.join_next().await {
                self.idle[node] = Some(reader);
            }
        };
        let _late = tokio::time::timeout(LOOK_TIME_MAX, answers).await;
    }
}

/// What the counts amount to.
fn verdict(counts: &Counts, invalidations: &Invalidations) -> (Verdict, String) {
    let broken: u64 = counts.violations.values().sum();
    let silent = counts.nodes.iter().find(|node| node.reads == 0);
    let uncached = counts.nodes.iter().find(|node| node.hits == 0);
    if broken > 0 {
        let kinds: Vec<String> = counts
            .violations
            .iter()
            .map(|(kind, count)| format!("{kind}: {count}"))
            .collect();
        (
            Verdict::Broken,
            format!("{broken} answers broke a promise ({})", kinds.join(", ")),
        )
    } else if let Some(node) = silent {
        (Verdict::Inconclusive, format!("{} gave no answer", node.url))
    } else if let Some(node) = uncached {
        (
            Verdict::Inconclusive,
            format!("nothing was answered from the cache of {}", node.url),
        )
    } else if invalidations.confirmed == 0 {
        (Verdict::Inconclusive, "no invalidation was confirmed".to_owned())
    } else {
        (Verdict::Kept, "every answer was as new as promised".to_owned())
    }
}

/// Waits so that `per_s` pauses make a second, no two of them alike.
async fn pause(per_s: f64) {
    let mean = 1.0 / per_s.clamp(0.001, 1e6);
    tokio::time::sleep(Duration::from_secs_f64(mean * 2.0 * SystemRandom.next_unit())).await;
}

/// A number below `count`.
fn draw(count: usize) -> usize {
    let drawn = SystemRandom.next_u64() % (count.max(1) as u64);
    usize::try_from(drawn).unwrap_or(0)
}
