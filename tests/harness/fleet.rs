//! Several Peregrines that share a Redis, before an origin whose values have version numbers, with readers and writers at
//! work and every answer judged: the checker of `verify freshness`, while a scenario does harm.

use super::{Peregrine, until};
use peregrine_lab::freshness::{
    Checked, FreshnessReport, FreshnessSettings, Invalidate, Invalidating, Told, Verdict, VersionedOrigin, run,
};
use peregrine_lab::load::Target;
use peregrine_lab::progress::Show;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The freshness bound of these nodes: long for a busy machine, short for a test.
pub(crate) const BOUND: Duration = Duration::from_millis(1000);

/// Nodes, and what stands behind them.
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<Peregrine>,
    origin: Arc<VersionedOrigin>,
    settings: FreshnessSettings,
    runtime: Runtime,
}

impl Fleet {
    /// A node for each of `redis`, the URLs of the same Redis by different ways; `more` goes into every configuration.
    pub(crate) fn start(redis: &[String], more: &str) -> Self {
        Self::start_with(redis, more, |_| Vec::new())
    }

    /// As [`Fleet::start`], with an environment for each.
    pub(crate) fn start_with(
        redis: &[String],
        more: &str,
        environment: impl Fn(usize) -> Vec<(&'static str, String)>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let settings = FreshnessSettings {
            duration: Duration::from_secs(600), // a scenario says when it is over
            reads_per_s: 300.0,
            changes_per_s: 30.0,
            keys: 8,
            bound: BOUND,
            show: Show::Nothing,
            ..FreshnessSettings::default()
        };
        let entered = runtime.enter();
        let origin = VersionedOrigin::start((Ipv4Addr::LOCALHOST, 0).into(), &settings).unwrap();
        drop(entered);
        let start = |(number, url): (usize, &String)| {
            let rest = configuration(origin.address, url, more);
            Peregrine::start_with(tempfile::tempdir().unwrap(), &rest, &environment(number))
        };
        let nodes: Vec<Peregrine> = redis.iter().enumerate().map(start).collect();
        let fleet = Self {
            nodes,
            origin: Arc::new(origin),
            settings,
            runtime,
        };
        fleet.meet();
        fleet
    }

    /// `count` nodes that reach Redis at `url`.
    pub(crate) fn of(count: usize, url: &str) -> Self {
        Self::start(&vec![url.to_owned(); count], "")
    }

    /// Waits until every node is in step with Redis and knows of all others.
    pub(crate) fn meet(&self) {
        until("the nodes to know each other", || {
            self.nodes.iter().all(|node| {
                let seen = backplane(node, "/nodes");
                let seen = seen.as_array().map_or(0, Vec::len);
                seen == self.nodes.len() && backplane(node, "/shards/0/state") == "in_step"
            })
        });
    }

    /// Begins to change, invalidate, read and judge.
    pub(crate) fn watch(&self) -> Watch {
        let (stop, stopped) = watch::channel(false);
        let calls = Arc::new(Calls {
            admins: self.nodes.iter().map(|node| (node.admin, node.token.clone())).collect(),
            through: Mutex::new((0..self.nodes.len()).collect()),
            under_way: self.nodes.iter().map(|_| AtomicU64::new(0)).collect(),
            confirmed: AtomicU64::new(0),
            pending: AtomicU64::new(0),
        });
        let nodes = self.nodes.iter().map(|node| Checked {
            url: format!("http://{}", node.address),
            target: Target::plain(node.address),
        });
        let settings = FreshnessSettings {
            stop: Some(stopped),
            ..self.settings.clone()
        };
        let (origin, nodes, judged) = (self.origin.clone(), nodes.collect(), Arc::new(Shared(calls.clone())));
        let running = self
            .runtime
            .spawn(async move { run(&origin, nodes, judged, settings).await.unwrap() });
        let watch = Watch { calls, stop, running };
        watch.confirm(5);
        watch
    }

    /// Ends a watch: its report, after every answer was found to be as promised.
    #[track_caller]
    pub(crate) fn kept(&self, watch: Watch) -> FreshnessReport {
        watch.stop.send_replace(true);
        let report = self.runtime.block_on(watch.running).unwrap();
        let text = peregrine_lab::report::freshness(&report, &peregrine_lab::report::Look::PLAIN);
        assert_eq!(report.verdict, Verdict::Kept, "{text}");
        report
    }

    /// As [`Fleet::kept`], and nothing stayed unanswered either (P6).
    #[track_caller]
    pub(crate) fn kept_all(&self, watch: Watch) -> FreshnessReport {
        let report = self.kept(watch);
        for node in &report.nodes {
            assert!(node.unanswered.is_empty() && node.refused.is_empty(), "{node:#?}");
        }
        report
    }
}

/// Readers and writers at work.
pub(crate) struct Watch {
    calls: Arc<Calls>,
    stop: watch::Sender<bool>,
    running: JoinHandle<FreshnessReport>,
}

impl Watch {
    /// From now on only these nodes are asked to invalidate; what the others were asked is answered when this returns.
    pub(crate) fn invalidate_through(&self, nodes: &[usize]) {
        *self.calls.through.lock().unwrap() = nodes.to_vec();
        until("the answers of the others", || {
            let under_way = self.calls.under_way.iter().enumerate();
            under_way
                .filter(|(node, _)| !nodes.contains(node))
                .all(|(_, calls)| calls.load(Ordering::SeqCst) == 0)
        });
    }

    /// Waits until `count` more invalidations were confirmed.
    #[track_caller]
    pub(crate) fn confirm(&self, count: u64) {
        Self::wait("confirmed invalidations", &self.calls.confirmed, count);
    }

    /// Waits until `count` more invalidations were answered and not confirmed.
    #[track_caller]
    pub(crate) fn stay_pending(&self, count: u64) {
        Self::wait("pending invalidations", &self.calls.pending, count);
    }

    #[track_caller]
    fn wait(what: &str, counter: &AtomicU64, count: u64) {
        let before = counter.load(Ordering::Relaxed);
        until(what, || counter.load(Ordering::Relaxed) >= before + count);
    }
}

/// Invalidates through the admin APIs of the nodes, and counts what they say.
struct Calls {
    admins: Vec<(SocketAddr, String)>,
    /// The nodes that may be asked.
    through: Mutex<Vec<usize>>,
    /// What each of them is asked at the moment.
    under_way: Vec<AtomicU64>,
    confirmed: AtomicU64,
    pending: AtomicU64,
}

/// [`Calls`], shared with the calls that are under way.
struct Shared(Arc<Calls>);

impl Invalidate for Shared {
    fn count(&self) -> usize {
        self.0.admins.len()
    }

    fn invalidate(&self, through: usize, tag: &str) -> Invalidating {
        let (calls, body) = (self.0.clone(), json!({ "tags": [tag] }));
        let node = {
            let allowed = calls.through.lock().unwrap();
            let node = allowed[through % allowed.len()];
            calls.under_way[node].fetch_add(1, Ordering::SeqCst);
            node
        };
        let asked = tokio::task::spawn_blocking(move || {
            let (admin, token) = &calls.admins[node];
            let ask = || super::program::call(*admin, token, "POST", "/api/performance/cache/invalidate", Some(&body));
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask));
            calls.under_way[node].fetch_sub(1, Ordering::SeqCst);
            let answer = answer.map_err(|_| "it does not answer".to_owned())?;
            let told = Told::by_receipt(answer.json(), Some(node), calls.admins.len())?;
            let counter = if told.confirmed {
                &calls.confirmed
            } else {
                &calls.pending
            };
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(told)
        });
        Box::pin(async move { asked.await.unwrap_or_else(|_| Err("it does not answer".to_owned())) })
    }
}

/// What `cache/stats` of a node says of the backplane at `pointer`.
pub(crate) fn backplane(node: &Peregrine, pointer: &str) -> Value {
    let statistics = node.statistics();
    let found = statistics
        .get("backplane")
        .and_then(|backplane| backplane.pointer(pointer));
    found.cloned().unwrap_or(Value::Null)
}

fn configuration(origin: SocketAddr, redis: &str, more: &str) -> String {
    let bound_ms = BOUND.as_millis();
    format!(
        "[[upstream]]\nname = \"origin\"\ntargets = [\"http://{origin}\"]\n[[route]]\nupstream = \"origin\"\n\
         [redis]\nurl = \"{redis}\"\n[cache]\nfreshness_bound = \"{bound_ms}ms\"\n{more}\n"
    )
}
