//! The program's one object: it holds the rooms while they serve.

use super::insight::Watching;
use super::listeners::{self, Listeners};
use super::notify::Notify;
use super::otlp::Collector;
use super::reload::Source;
use super::sharing::{self, Sharing};
use super::snapshot::Snapshots;
use crate::Failure;
use crate::config::{Loaded, Resolved, Settings};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use peregrine_admin::Audit;
use peregrine_admission::Permissive;
use peregrine_base::{Clock, Complaint, Instant, Random, Runtime, SystemRandom, TokioRuntime};
use peregrine_cache::{Engine, Files, Invalidation, KeyRing};
use peregrine_http::{Plane, RouteTable, Rules, Surroundings, TenantRules};
use peregrine_net::config::{ListenerConfig, UpstreamConfig};
use peregrine_net::drain::DrainWatch;
use peregrine_net::http::hygiene::TrustedProxies;
use peregrine_net::http::{ServeHandle, Server, Spoken};
use peregrine_net::listen::Listener;
use peregrine_net::upstream::{Upstream, UpstreamParts};
use peregrine_telemetry::Recorder;
use peregrine_telemetry::config::{Level, LogConfig};
use peregrine_telemetry::logs::LogHandle;
use peregrine_telemetry::system::SystemReader;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Upstreams by name.
pub(super) type Upstreams = BTreeMap<String, Arc<Upstream>>;

/// Where the wrapped data keys lie in the state directory, unless they lie in Redis.
const KEYS: &str = "keys";

/// The rooms, joined.
pub(super) struct Program {
    pub(super) engine: Arc<Engine>,
    pub(super) plane: Arc<Plane>,
    pub(super) server: Server,
    pub(super) upstreams: ArcSwap<Upstreams>,
    /// Who takes finished requests.
    pub(super) recorder: Arc<Recorder>,
    /// The way to an OpenTelemetry collector.
    pub(super) collector: Option<Arc<Collector>>,
    /// What the system says, for who asks for metrics.
    pub(super) system: Mutex<SystemReader>,
    pub(super) log: Option<LogHandle>,
    pub(super) source: Option<Source>,
    /// What holds now. Held while a reload is under way, so that two cannot cross.
    pub(super) loaded: Mutex<Loaded>,
    pub(super) started: Instant,
    /// What it was started with: what no reload changes is still so.
    pub(super) begun: Resolved,
    pub(super) draining: DrainWatch,
    /// What memory held before and will hold afterwards; nothing for a program that is to leave no trace.
    pub(super) snapshots: Option<Snapshots>,
    /// What sees what happens.
    pub(super) watching: Arc<Watching>,
    /// What the configuration file held when it was read last.
    read: Mutex<Option<u64>>,
    /// Why what it held was refused, where that may be over without another content.
    pub(super) refused: Mutex<Option<String>>,
    /// Where it listens.
    pub(super) listeners: Listeners,
    /// The service manager.
    pub(super) notify: Notify,
    /// What is shared with other nodes; nothing without Redis.
    pub(super) sharing: Option<Sharing>,
    /// Who changed what.
    pub(super) audit: OnceLock<Arc<Audit>>,
    /// Held while the configuration file is changed, so that two changes cannot cross.
    pub(super) steering: Mutex<()>,
    /// The log's level, where somebody changed it.
    pub(super) level: Mutex<Option<Level>>,
    /// Whether another process has taken over.
    pub(super) succeeded: AtomicBool,
    /// Changes for the last time when the program before has ended, where there was one.
    pub(super) before: OnceLock<watch::Receiver<()>>,
    /// What the chores run on.
    runtime: tokio::runtime::Handle,
    /// Itself, for work that outlives a call.
    this: Weak<Self>,
}

impl Program {
    /// The machine's clock.
    pub(super) fn clock() -> Arc<dyn Clock> {
        super::clock::clock()
    }

    pub(super) fn new(
        loaded: Loaded,
        source: Option<Source>,
        log: Option<LogHandle>,
        server: Server,
        draining: DrainWatch,
    ) -> Result<Arc<Self>, Failure> {
        let settings = &loaded.settings;
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let parts = peregrine_cache::Parts {
            clock: Self::clock(),
            runtime: Arc::clone(&runtime),
            random: Arc::clone(&random),
        };
        let engine = Engine::new(parts, settings.engine()).map_err(|error| Failure::Usage(error.to_string()))?;
        let ring = key_ring(settings)?;
        engine.keys().configure(ring, settings.encryption.key_refresh.get());
        engine.keys().trust_copies(settings.encryption.copy_max.get());
        if source.is_some() {
            let files = Files::new(settings.server.state_dir.join(KEYS), Arc::clone(&runtime));
            engine.keys().live_in(Arc::new(files));
        }
        let kept = source.as_ref().map(|_| settings.server.state_dir.as_path());
        let sharing = Sharing::join(&engine, &loaded, kept)?;
        let upstreams = upstreams(settings, None)?;
        let surroundings = Surroundings {
            engine: &engine,
            upstreams: &upstreams,
            before: None,
        };
        let table = RouteTable::new(&settings.routes, surroundings)
            .map_err(|complaints| loaded.resolved.refuse(&complaints))?;
        let recorder = Recorder::start(&settings.log);
        let recorder = Arc::new(recorder.map_err(|error| no_access_log(&settings.log, &error))?);
        let parts = peregrine_http::Parts {
            engine: Arc::clone(&engine),
            admit: Arc::new(Permissive),
            clock: Self::clock(),
            random,
            runtime,
            recorder: Arc::clone(&recorder),
            tenants: Arc::default(),
        };
        let rules = rules(settings, Arc::new(table))?;
        server.trust(rules.trusted.clone());
        let plane = Arc::new(Plane::new(parts, rules));
        plane.tenant_metrics().keep(tenants_max(settings));
        let started = Self::clock().now();
        let directory = &settings.server.state_dir;
        let notify = source.as_ref();
        let notify = notify.map(|source| Notify::of(|name| source.environment.get(name)));
        let collector = Collector::begin(settings, &recorder)?;
        let system = Mutex::new(SystemReader::new(directory));
        let snapshots = source.as_ref().map(|source| Snapshots::new(directory, &source.origin));
        let watching = Arc::new(Watching::new(&loaded, sharing.as_ref(), source.is_some()));
        let read = super::watch::fingerprint(loaded.resolved.written().as_bytes());
        Ok(Arc::new_cyclic(|this| Self {
            engine,
            plane,
            server,
            upstreams: ArcSwap::from_pointee(upstreams),
            recorder,
            collector,
            system,
            log,
            source,
            begun: loaded.resolved.clone(),
            loaded: Mutex::new(loaded),
            started,
            draining,
            snapshots,
            watching,
            read: Mutex::new(Some(read)),
            refused: Mutex::new(None),
            listeners: Listeners::default(),
            notify: notify.unwrap_or_default(),
            sharing,
            audit: OnceLock::new(),
            steering: Mutex::new(()),
            level: Mutex::new(None),
            succeeded: AtomicBool::new(false),
            before: OnceLock::new(),
            runtime: tokio::runtime::Handle::current(),
            this: this.clone(),
        }))
    }

    /// Serves what arrives at `listener`, which is configured as `config`, where `spoken` is spoken.
    pub(super) fn serve(&self, config: ListenerConfig, listener: Listener, spoken: Spoken) {
        // Not before the program before has given way.
        listeners::set_mode(&config, &listener);
        let handle = self.listen(listener, spoken);
        self.listeners.add(config, handle);
    }

    /// Serves what arrives at `listener`, where `spoken` is spoken.
    pub(super) fn listen(&self, listener: Listener, spoken: Spoken) -> ServeHandle {
        let (plane, drain) = (Arc::clone(&self.plane), self.draining.clone());
        self.server.serve_as(listener, spoken, plane, drain)
    }

    /// Takes over what the program before left, in the background, or only takes it away if that is not `wanted`. To be
    /// called before the first request.
    pub(super) fn restore(self: &Arc<Self>, wanted: bool) {
        let Some(snapshots) = &self.snapshots else { return };
        // Taken away even if it is not wanted now: once it is wanted again, it must not be this one.
        let file = snapshots.take();
        let cache = self.loaded.lock().settings.cache.clone();
        let Some(file) = file.filter(|_| wanted && cache.snapshot && cache.enabled) else {
            return;
        };
        let (program, expecting) = (Arc::clone(self), self.engine.expect_snapshot());
        TokioRuntime.spawn_blocking(Box::new(move || {
            if let Some(snapshots) = &program.snapshots {
                snapshots.load(expecting, file);
            }
        }));
    }

    /// Fetches the data keys that [`Program::leave_snapshot`] needs.
    pub(super) async fn fetch_keys(&self) {
        let cache = self.loaded.lock().settings.cache.clone();
        if self.snapshots.is_some() && cache.snapshot && cache.enabled && !self.succeeded.load(Ordering::SeqCst) {
            self.engine.fetch_keys().await;
        }
    }

    /// As [`Program::fetch_keys`], on a thread that is none of the runtime's; over at once where that has ended.
    pub(super) fn fetch_keys_now(self: &Arc<Self>) {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let program = Arc::clone(self);
        self.runtime.spawn(async move {
            program.fetch_keys().await;
            // Nobody waits any more when the thread has ended.
            let _ = tell.send(());
        });
        let _ = told.recv();
    }

    /// Waits until the program before, where there was one, has ended: what it invalidates concerns whoever gets the memory of
    /// this one. After `limit` nobody knows what that is, so everything is to be validated.
    pub(super) async fn hear_out(&self, limit: Duration) {
        let Some(mut before) = self.before.get().cloned() else {
            return;
        };
        let ended = async { while before.changed().await.is_ok() {} };
        if tokio::time::timeout(limit, ended).await.is_ok() {
            return;
        }
        // With others it tells them, whoever of this folder comes next among them.
        if self.sharing.is_none() {
            tracing::warn!("the program before has not ended: all that memory holds is left as stale");
            let everything = Invalidation {
                all: true,
                soft: true,
                ..Invalidation::default()
            };
            self.engine.invalidate_as_told(&everything, None);
        }
    }

    /// Leaves for the next start what memory holds. To be called when nothing else runs any more.
    pub(super) fn leave_snapshot(&self) {
        // What memory holds is the successor's, where there is one.
        if let Some(snapshots) = &self.snapshots
            && !self.succeeded.load(Ordering::SeqCst)
        {
            let cache = self.loaded.lock().settings.cache.clone();
            snapshots.write(&self.engine, &cache);
        }
    }

    /// Starts what runs beside the requests.
    pub(super) fn begin(self: &Arc<Self>) {
        self.engine.run_sweeper();
        self.notify.run_watchdog();
        take_over(&self.upstreams.load());
        super::advice::watch(Arc::downgrade(self));
        sharing::watch(&self.this);
        super::otlp::watch(&self.this);
        sharing::compare_keys(&self.this);
        super::watch::watch(self);
        super::insight::watch(self);
    }

    /// Notes what the configuration file holds: it is about to be read, so that what is written meanwhile is news.
    pub(super) fn note_content(&self) {
        *self.refused.lock() = None;
        *self.read.lock() = super::watch::file(self).and_then(|path| super::watch::content(&path).ok());
    }

    /// Whether the configuration file was never read with this content, be it good or bad.
    pub(super) fn is_news(&self, content: u64) -> bool {
        *self.read.lock() != Some(content)
    }

    /// Whether a change of the configuration file is to be applied by itself.
    pub(super) fn watches(&self) -> bool {
        self.loaded.lock().settings.server.watch_config
    }

    /// The host by which somebody on this machine asks for a path.
    pub(super) fn own_host(&self) -> Option<String> {
        let address = *self.listeners.addresses().first()?;
        Some(match address.port() {
            // A Unix socket.
            0 => "localhost".to_owned(),
            port if address.ip().is_unspecified() => format!("localhost:{port}"),
            _ => address.to_string(),
        })
    }

    /// The directory for what outlives a restart.
    pub(super) fn state_dir(&self) -> std::path::PathBuf {
        self.loaded.lock().settings.server.state_dir.clone()
    }

    /// Itself, for work that outlives a call.
    pub(super) fn shared(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// The targets of all upstreams, as people know them.
    pub(super) fn targets(&self) -> Vec<String> {
        self.loaded
            .lock()
            .settings
            .upstreams
            .iter()
            .flat_map(|upstream| upstream.targets.iter().map(|target| target.url.clone()))
            .collect()
    }

    pub(super) fn drain_delay(&self) -> Duration {
        self.loaded.lock().settings.limits.drain_delay.get()
    }

    pub(super) fn drain_time(&self) -> Duration {
        self.loaded.lock().settings.limits.drain_time.get()
    }
}

/// The upstreams of `settings`; those that `before` has with the same configuration go on as they are, and the others with
/// what is known of the targets that stay.
pub(super) fn upstreams(settings: &Settings, before: Option<&Upstreams>) -> Result<Upstreams, Failure> {
    let parts = || UpstreamParts {
        clock: Program::clock(),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    let running = |config: &UpstreamConfig| before?.get(&config.name).map(|upstream| &**upstream);
    let kept = |config: &UpstreamConfig| {
        let upstream = before?.get(&config.name)?;
        upstream.is_as(config).then(|| Arc::clone(upstream))
    };
    let make = |config: &UpstreamConfig| {
        let upstream = match kept(config) {
            Some(upstream) => Ok(upstream),
            None => Upstream::after(config, parts(), running(config)),
        };
        upstream.map(|upstream| (config.name.clone(), upstream))
    };
    settings
        .upstreams
        .iter()
        .map(make)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// From now on these are the upstreams.
pub(super) fn take_over(upstreams: &Upstreams) {
    for upstream in upstreams.values() {
        upstream.take_over();
    }
}

/// The access log cannot be written where the configuration says.
pub(super) fn no_access_log(config: &LogConfig, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("log.access_path {}: {error}", config.access_path))
}

/// The master keys.
pub(super) fn key_ring(settings: &Settings) -> Result<Option<KeyRing>, Failure> {
    KeyRing::open(&settings.encryption).map_err(in_words)
}

/// What the check of the configuration would have said, had it seen it.
fn in_words(complaints: Vec<Complaint>) -> Failure {
    let lines: Vec<_> = complaints
        .iter()
        .map(|complaint| format!("{} {} ({})", complaint.field, complaint.problem, complaint.help))
        .collect();
    Failure::Usage(lines.join("; "))
}

/// How many tenants have an account and counters of their own.
pub(super) fn tenants_max(settings: &Settings) -> usize {
    usize::try_from(settings.quotas.tracked_max).unwrap_or(usize::MAX)
}

/// What requests are received and routed by: `table` and what the settings say of clients.
pub(super) fn rules(settings: &Settings, table: Arc<RouteTable>) -> Result<Rules, Failure> {
    let networks = |name: &str, texts: &[String]| {
        let networks = TrustedProxies::parse(texts.iter().map(String::as_str));
        networks.map_err(|error| Failure::Usage(format!("server.{name}: {error}")))
    };
    Ok(Rules {
        table,
        trusted: networks("trusted_proxies", &settings.limits.trusted_proxies)?,
        purgers: networks("purge_from", &settings.limits.purge_from)?,
        tenants: TenantRules::new(&settings.tenants).map_err(in_words)?,
    })
}
