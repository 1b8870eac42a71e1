//! Insight in the program: once a second the rooms are read and the core is told, what it wants to keep is written on a
//! thread that may wait, and what an earlier program kept is read before the first second. None of it is on the way of a
//! request, and a store that does not work costs history, nothing else.

mod kept;
mod reading;
mod tenants;

use super::program::Program;
use super::sharing::Sharing;
use crate::config::{Loaded, TABLE};
use kept::{Kept, Opened};
use parking_lot::Mutex;
use peregrine_base::{Clock, Fallback, Runtime, TokioRuntime};
use peregrine_cache::Invalidation;
use peregrine_insight::model::{ChangeKind, ChangeNote};
use peregrine_insight::report::Configured;
use peregrine_insight::store::{Store, Write};
use peregrine_insight::{Alerting, Insight, Time};
use reading::Rooms;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The file of history, in the state directory.
const FILE: &str = "insight.redb";
/// How soon the file is tried again while another program has it, and for how long: the one before lets go of it as soon as
/// this one has taken over.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
const BUSY_MAX: u32 = 150;
/// How long the last writes may take when the program ends.
const FINISH_LIMIT: Duration = Duration::from_secs(5);
/// How long after the beginning of a second it is read, so that a timer that is early is not in the second before.
const INTO_SECOND: Duration = Duration::from_millis(5);

/// What sees what happens.
pub(super) struct Watching {
    /// The core.
    pub(super) insight: Arc<Insight>,
    /// What is watched, and who is told.
    pub(super) alerting: Arc<Alerting>,
    /// What this node is called.
    node: String,
    /// Where history is kept; nothing until it is open, and where nothing is kept.
    store: Mutex<Option<Arc<Kept>>>,
    /// The file; nothing for a program that is to leave no trace.
    path: Option<PathBuf>,
    enabled: bool,
}

impl Watching {
    /// What `loaded` configures, for the node that `sharing` gave a name; `keeps` says whether anything is to outlive the
    /// program.
    pub(super) fn new(loaded: &Loaded, sharing: Option<&Sharing>, keeps: bool) -> Self {
        let (config, server) = (&loaded.settings.insight, &loaded.settings.server);
        let node = match sharing {
            Some(sharing) => sharing.backplane.status().node,
            None => super::node::given_or_machine(loaded.settings.cache.node_name.as_deref()),
        };
        let keeps = keeps && config.enabled && config.persist;
        let config = peregrine_insight::InsightConfig {
            persist: keeps,
            ..config.clone()
        };
        let watched = super::alerting::config(&loaded.settings, &node);
        Self {
            enabled: config.enabled,
            alerting: Arc::new(Alerting::new(watched)),
            insight: Arc::new(Insight::new(config, env!("CARGO_PKG_VERSION"), node.clone())),
            node,
            store: Mutex::new(None),
            path: keeps.then(|| server.state_dir.join(FILE)),
        }
    }

    /// Takes over what a reload can change.
    pub(super) fn reconfigure(&self, loaded: &Loaded) {
        let mut config = loaded.settings.insight.clone();
        config.persist = self.path.is_some();
        self.insight.reconfigure(config);
        let watched = super::alerting::config(&loaded.settings, &self.node);
        self.alerting.configure(watched);
    }

    /// Notes on the ribbon that something was changed here.
    pub(super) fn note(&self, kind: ChangeKind, text: impl Into<String>, id: Option<String>) {
        let at = Time::from(Program::clock().wall());
        let (text, by) = (text.into(), None);
        self.insight.note(ChangeNote { at, kind, text, by, id });
    }

    /// Writes, and says so once where that does not work any more, and once where it does again.
    fn write(&self, writes: &[Write]) {
        let store = self.store.lock().clone();
        if let Some(store) = store.filter(|_| !writes.is_empty()) {
            store.write(writes);
        }
    }

    /// How often history could not be written.
    pub(super) fn write_failures(&self) -> u64 {
        self.store.lock().as_ref().map_or(0, |store| store.failures())
    }

    /// Writes what there is, and lets go of the file. A disk that does not take it holds nobody up for long.
    pub(super) async fn finish(self: &Arc<Self>) {
        let own = Arc::clone(self);
        let finished = tokio::task::spawn_blocking(move || {
            own.write(&own.insight.take_all_writes());
            own.write(&own.alerting.take_writes());
            own.store.lock().take();
        });
        // Otherwise it fails only if it panicked, which was told.
        if tokio::time::timeout(FINISH_LIMIT, finished).await.is_err() {
            tracing::warn!("the disk is too slow: what was observed last may be missing from the history");
        }
    }

    /// Opens the file and reads it; gives up after a while if another program has it.
    async fn open(self: &Arc<Self>) {
        let Some(path) = self.path.clone() else { return };
        for attempt in 0..=BUSY_MAX {
            let (own, file) = (Arc::clone(self), path.clone());
            let opened = tokio::task::spawn_blocking(move || own.open_now(&file)).await;
            match opened {
                Ok(Opened::Busy) if attempt < BUSY_MAX => TokioRuntime.sleep(BUSY_PAUSE).await,
                Ok(Opened::Busy) => {
                    tracing::warn!(path = %path.display(), "another program keeps its history here: this one's is not kept");
                }
                Ok(Opened::Refused | Opened::Open(_)) | Err(_) => return,
            }
        }
    }

    fn open_now(&self, path: &std::path::Path) -> Opened {
        let opened = Kept::open(path);
        if let Opened::Open(store) = &opened {
            let now = Time::from(Program::clock().wall());
            match self.insight.restore(&**store as &dyn Store, now) {
                Ok(restored) => tracing::info!(
                    points = restored.points,
                    unreadable = restored.unreadable,
                    since = restored.oldest.map(|oldest| oldest.to_string()),
                    "history of before is there"
                ),
                Err(error) => tracing::error!(%error, "history of before cannot be read"),
            }
            super::alerting::restore(&self.alerting, &**store);
            *self.store.lock() = Some(Arc::clone(store));
        }
        opened
    }
}

/// Watches until the program ends, or another one takes over.
pub(super) fn watch(program: &Arc<Program>) {
    let watching = Arc::clone(&program.watching);
    if !watching.enabled {
        return;
    }
    let mut rooms = Rooms::new(&program.state_dir());
    let program = Arc::downgrade(program);
    TokioRuntime.spawn(Box::pin(async move {
        watching.open().await;
        watching.note(
            ChangeKind::Start,
            format!("Peregrine {} started", env!("CARGO_PKG_VERSION")),
            None,
        );
        while look(&program, &watching, &mut rooms).await {
            TokioRuntime.sleep(until_next_second(&*Program::clock())).await;
        }
        watching.finish().await;
    }));
}

/// Reads the rooms once; false when the program ends.
async fn look(program: &Weak<Program>, watching: &Arc<Watching>, rooms: &mut Rooms) -> bool {
    let Some(program) = program.upgrade() else {
        return false;
    };
    // What happens from now on is the successor's to tell, and the file is its.
    if program.succeeded.load(Ordering::SeqCst) {
        return false;
    }
    watching.insight.tick(rooms.read(&program));
    super::alerting::look(&watching.alerting, &watching.insight);
    let watched = || (watching.alerting.slos(), watching.alerting.firing());
    if let Some(report) = watching.insight.report_if_due(|| configured(&program), watched) {
        tracing::debug!(id = report.id, title = report.title, "report");
    }
    drop(program);
    let mut writes = watching.insight.take_writes();
    writes.extend(watching.alerting.take_writes());
    if !writes.is_empty() {
        let own = Arc::clone(watching);
        let written = tokio::task::spawn_blocking(move || own.write(&writes));
        // It fails only if it panicked, which was told.
        let _ = written.await;
    }
    super::alerting::send(&watching.alerting);
    true
}

/// What the configuration says now, for recommendations.
pub(super) fn configured(program: &Program) -> Configured {
    let loaded = program.loaded.lock();
    let values = loaded.resolved.effective().into_iter();
    let defaults = TABLE.iter().flat_map(|rows| rows.iter());
    Configured {
        values: values.map(|effective| (effective.field, effective.value)).collect(),
        defaults: defaults
            .filter_map(|row| match row.fallback {
                Fallback::Toml(text) => Some((row.name, text)),
                Fallback::Required | Fallback::Absent => None,
            })
            .collect(),
    }
}

fn until_next_second(clock: &dyn Clock) -> Duration {
    let into = Duration::from_millis(clock.wall().as_millis() % 1000);
    Duration::from_secs(1).saturating_sub(into) + INTO_SECOND
}

/// How many of the things that an invalidation names stand on the ribbon.
const NAMED_MAX: usize = 3;

/// What an invalidation reaches, for the ribbon, which lies on the disk: where names `are_sealed`, only how many.
pub(super) fn in_words(invalidation: &Invalidation, are_sealed: bool) -> String {
    let lists = [
        ("tag", &invalidation.tags),
        ("key", &invalidation.keys),
        ("prefix", &invalidation.prefixes),
        ("pattern", &invalidation.patterns),
    ];
    let mut named: Vec<String> = lists
        .iter()
        .flat_map(|(what, list)| {
            let names = list.iter().map(move |name| format!("{what} {name}"));
            let count = (!list.is_empty()).then(|| format!("{what} × {}", list.len()));
            names.filter(move |_| !are_sealed).chain(count.filter(|_| are_sealed))
        })
        .collect();
    if named.is_empty() {
        named = invalidation
            .namespaces
            .iter()
            .map(|name| format!("namespace {name}"))
            .collect();
    }
    let more = named.len().saturating_sub(NAMED_MAX);
    named.truncate(NAMED_MAX);
    let how = if invalidation.soft { "made stale" } else { "invalidated" };
    match (named.is_empty(), more) {
        (true, _) => format!("{how}: everything"),
        (false, 0) => format!("{how}: {}", named.join(", ")),
        (false, more) => format!("{how}: {} and {more} more", named.join(", ")),
    }
}
