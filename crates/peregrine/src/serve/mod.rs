//! The wiring: from settings to a running Peregrine. What is decided about traffic is decided in the rooms; here they are
//! made, joined, told of reloads and drained.

mod admin;
mod advice;
mod alerting;
mod clock;
mod control;
mod cores;
mod handover;
mod insight;
mod keys;
mod listeners;
mod metrics;
mod node;
mod notify;
mod otlp;
mod program;
mod reload;
mod sharing;
mod signals;
mod snapshot;
pub(crate) mod spoken;
mod steer;
mod watch;

use crate::Failure;
use crate::config::{Environment, Loaded, Origin, Overrides};
use crate::print;
use cores::{Cores, Threads};
use handover::{Inherited, Offer, Predecessor, Role, Takeover};
use peregrine_admin::token;
use peregrine_base::{Complaint, Runtime, Secret, TokioRuntime};
use peregrine_net::config::ListenerConfig;
use peregrine_net::drain::{self, Drain};
use peregrine_net::http::{Server, ServerLimits, ServerParts};
use peregrine_net::listen::{Address, BindError, Listener};
use peregrine_telemetry::logs;
use program::Program;
use signals::{Cause, Signals};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) use otlp::check as check_otlp;
pub use reload::Source;

/// How long the last lines of the access log may take to be written at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// How long a call of the admin API may go on after the last request.
const ADMIN_DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// How long a program that serves already waits until it can be replaced before it says that it serves.
const OFFER_LIMIT: Duration = Duration::from_secs(1);

/// How long what was cut off may take to notice.
const CUT_OFF_LIMIT: Duration = Duration::from_secs(2);

/// How long a connection without a request is kept open for one more, once a successor takes the new ones.
const RETIREMENT_MAX: Duration = Duration::from_secs(5);

/// How much longer than `server.drain_time` a program takes to end that was replaced: its retirement, and what follows its drain.
const PREDECESSOR_MORE: Duration = Duration::from_secs(12);

/// Why a program did not end as it should.
#[derive(Clone, Copy, Debug)]
pub enum Stopped {
    /// Some requests were still under way when the limit had passed.
    CutOff {
        /// How many.
        open: usize,
        /// The limit.
        limit: Duration,
    },
    /// A second signal did not let the requests under way finish.
    AtOnce,
    /// The system does not say when to stop.
    NoSignals,
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(match stopped {
            Stopped::CutOff { open, limit } => {
                format!("{open} requests were still under way after server.drain_time ({limit:?}) and were cut off")
            }
            Stopped::AtOnce => "stopped at once by a second signal; requests under way were cut off".to_owned(),
            Stopped::NoSignals => "cannot listen to signals".to_owned(),
        })
    }
}

/// How the command line calls what chooses addresses, for errors about ports that are taken.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// For the listener.
    pub listen: &'static str,
    /// For the admin API.
    pub admin: &'static str,
}

/// The flags of `serve`.
const SERVE_FLAGS: Flags = Flags {
    listen: "--listen ADDRESS",
    admin: "--admin ADDRESS",
};

/// A Peregrine that serves.
pub struct Running {
    /// Where it takes requests, in the order of the listeners.
    pub addresses: Vec<SocketAddr>,
    /// Where its admin API is; nothing when it is off.
    pub admin: Option<SocketAddr>,
    /// The token of the admin API.
    pub token: Option<token::Token>,
    /// With this a browser logs in once, within ten minutes.
    login_code: Option<String>,
    program: Arc<Program>,
    drains: Arc<Drains>,
    /// The way to replace it.
    offer: Option<Offer>,
    signals: Signals,
    /// What the connections run on, until those that are left are cut off.
    threads: Option<Threads>,
}

/// How it ends.
struct Drains {
    requests: Drain,
    /// The admin API ends after the requests: whoever balances load has to hear that this one is draining.
    admin: Drain,
}

/// Serves what `loaded` configures until it is told to stop; the other arguments are for reading it again.
///
/// # Errors
/// When it cannot start, or requests were cut off at its end.
pub fn run(
    loaded: Loaded,
    origin: Origin,
    overrides: Overrides,
    environment: &Environment,
    take_over: bool,
) -> Result<(), Failure> {
    let sockets = handover::of_service_manager();
    let log = logs::init(&loaded.settings.log).map_err(|error| Failure::Failed(error.to_string()))?;
    let source = Source {
        origin,
        overrides,
        environment: environment.clone(),
    };
    raise_file_limit();
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let before = match take_over {
            true => Predecessor::find(&loaded.settings.server.state_dir)?,
            false => None,
        };
        if take_over && before.is_none() {
            tracing::warn!("there is no running program to take over from; starting as usual");
        }
        let takes_over = before.is_some();
        let running = start_after(loaded, Some(source), Some(log), SERVE_FLAGS, before, sockets).await?;
        match running.announce() {
            // Nobody else serves any more.
            Err(failure) if takes_over => tracing::warn!(%failure, "the standard output takes nothing"),
            announced => announced?,
        }
        running.program.notify.ready();
        let program = Arc::clone(&running.program);
        Ok::<_, Failure>((program, running.until_stopped().await))
    });
    let (program, ended) = match served {
        Ok(served) => served,
        Err(failure) => {
            // A thread may still wait for the program before.
            runtime.shutdown_background();
            return Err(failure);
        }
    };
    // Nothing may be stored or invalidated any more while what there is is written.
    runtime.shutdown_timeout(CUT_OFF_LIMIT);
    if !matches!(ended, Err(Stopped::AtOnce)) {
        program.leave_snapshot();
    }
    ended.map_err(Failure::from)
}

/// Lets the process open as many files as the system allows it: each connection is one, and the usual soft limit of 1024 is
/// for programs that wait with `select`.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, limit = limit.current, "the limit of open files stays as it is");
    }
}

/// How many threads there are for all that is not a connection of a client: those have loops of their own.
const CHORE_THREADS: usize = 2;

/// The runtime of the listeners, the admin API and the chores.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CHORE_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))
}

/// Starts what `loaded` configures. With `source` it can be reloaded, with `log` a reload changes the level.
///
/// # Errors
/// When an address is taken, a file cannot be used, or a name in the configuration leads nowhere.
pub async fn start(
    loaded: Loaded,
    source: Option<Source>,
    log: Option<logs::LogHandle>,
    flags: Flags,
) -> Result<Running, Failure> {
    start_after(loaded, source, log, flags, None, Vec::new()).await
}

/// As [`start`], in the place of the program `before`, or with the `sockets` of a service manager.
async fn start_after(
    loaded: Loaded,
    source: Option<Source>,
    log: Option<logs::LogHandle>,
    flags: Flags,
    mut before: Option<Predecessor>,
    sockets: Vec<OwnedFd>,
) -> Result<Running, Failure> {
    let warnings = &loaded.resolved.warnings;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut signals = Signals::listen()?;
    let settings = loaded.settings.clone();
    let (drain, watch) = drain::channel();
    let (admin_drain, admin_watch) = drain::channel();
    let parts = ServerParts {
        clock: Program::clock(),
        runtime: Arc::new(TokioRuntime),
    };
    let (cores, threads) = Cores::start(settings.server.workers)?;
    let server = Server::new(
        ServerLimits::from(&settings.limits),
        ServerParts {
            runtime: cores,
            ..parts.clone()
        },
    );
    let spoken = spoken::all(&settings.listeners).map_err(|complaints| loaded.resolved.refuse(&complaints))?;
    let program = Program::new(loaded, source, log, server, watch.clone())?;
    // Everything that can fail comes before the first listener is served: nobody is to be answered by a program that then does
    // not start.
    let mut inherited = match &mut before {
        Some(before) => std::mem::take(&mut before.inherited),
        None => Inherited::from_service_manager(sockets),
    };
    let listeners = bind_all(&settings.listeners, &mut inherited, flags)?;
    let admin = match settings.admin.enabled {
        true => Some((
            bind_admin(settings.admin.address, &mut inherited, flags)?,
            admin_token(&program, &settings.server.state_dir)?,
        )),
        false => None,
    };
    for address in inherited.rest() {
        tracing::warn!(%address, "a socket that was handed over is configured for nothing and was closed");
    }
    let takeover = match &before {
        Some(before) => Some(unless_stopped(&mut signals, before.warm(&program)).await?),
        None => None,
    };
    let audit = admin::open_audit(&program, &settings)?;
    let _ = program.audit.set(audit);
    let handler = |token: &token::Token| admin::open(&program, &settings, token.secret.clone(), admin_watch.clone());
    let opened = admin.map(|(listener, token)| handler(&token).map(|handler| (listener, handler, token)));
    let admin = opened.transpose()?;
    let from_snapshot = takeover.is_none();
    if let Some(takeover) = takeover {
        relieve(takeover, &program, &mut signals).await?;
    }
    // Last, because one that does not start must not take it away. Where there was a program before, its memory is here, so
    // whatever it still leaves would be of yesterday.
    program.restore(from_snapshot);
    for ((config, listener), spoken) in listeners.into_iter().zip(spoken) {
        program.serve(config, listener, spoken);
    }
    let (token, login_code) = admin
        .map(|(listener, handler, token)| {
            let code = handler.login_code();
            let handle = Server::new(ServerLimits::default(), parts).serve(listener, Arc::new(handler), admin_watch);
            program.listeners.set_admin(settings.admin.address.to_string(), handle);
            (token, code)
        })
        .unzip();
    program.begin();
    let drains = Arc::new(Drains {
        requests: drain,
        admin: admin_drain,
    });
    Ok(Running {
        addresses: program.listeners.addresses(),
        admin: program.listeners.admin(),
        token,
        login_code: login_code.flatten(),
        offer: offer(&program, &drains).await,
        signals,
        program,
        drains,
        threads: Some(threads),
    })
}

/// Completes when the program before has given way to this one.
///
/// # Errors
/// When it goes on, or this one was told to stop before.
async fn relieve(takeover: Takeover, program: &Program, signals: &mut Signals) -> Result<(), Failure> {
    unless_stopped(signals, takeover.ready(&program.state_dir())).await?
}

/// What comes of `work`, unless a signal says stop before.
async fn unless_stopped<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = signals.stop() => Err(Failure::Failed("told to stop before it took over".to_owned())),
        done = work => Ok(done),
    }
}

/// Lets a successor take over, unless this program is to leave no trace.
async fn offer(program: &Arc<Program>, drains: &Arc<Drains>) -> Option<Offer> {
    let directory = program.snapshots.as_ref()?.directory();
    let drains = Arc::clone(drains);
    let retire = move || {
        drains.requests.retire();
        drains.admin.retire();
    };
    let offer = Offer::open(program, directory, retire)?;
    // Whoever hears that this program serves may want to replace it.
    offer.opened(OFFER_LIMIT).await;
    Some(offer)
}

fn bind_all(
    listeners: &[ListenerConfig],
    inherited: &mut Inherited,
    flags: Flags,
) -> Result<Vec<(ListenerConfig, Listener)>, Failure> {
    let taken = listeners.iter().map(|config| {
        let listener = match inherited.take(Role::Listener, &config.address) {
            Some(listener) => listener,
            None => bind_listener(config, listeners, flags.listen)?,
        };
        Ok((config.clone(), listener))
    });
    taken.collect()
}

/// Binds what `config`, which is one of `all`, says; an error names `option` as the way to choose another address.
fn bind_listener(config: &ListenerConfig, all: &[ListenerConfig], option: &str) -> Result<Listener, Failure> {
    let usage = |complaint: Complaint| Failure::Usage(format!("{} {}", complaint.field, complaint.problem));
    match config.place().map_err(usage)? {
        Address::Ip(address) => {
            let bound = match config.is_beside_ipv4(all) {
                true => Listener::bind_ipv6_only(address),
                false => Listener::bind(address),
            };
            bound.map_err(|error| taken(&error, option, "listener[].address"))
        }
        Address::Unix(path) => {
            let bound = Listener::bind_unix(&path, config.file_mode().map_err(usage)?);
            bound.map_err(|error| Failure::Failed(error.to_string()))
        }
    }
}

fn bind_admin(address: SocketAddr, inherited: &mut Inherited, flags: Flags) -> Result<Listener, Failure> {
    match inherited.take(Role::Admin, &address.to_string()) {
        Some(listener) => Ok(listener),
        None => Listener::bind(address).map_err(|error| taken(&error, flags.admin, "admin.address")),
    }
}

/// The token of the admin API: the environment's, or the file's, which is made at the first start.
fn admin_token(program: &Program, state_dir: &Path) -> Result<token::Token, Failure> {
    let environment = program.source.as_ref().map(|source| &source.environment);
    let given = environment.and_then(|environment| environment.get("PEREGRINE_ADMIN_TOKEN").map(Secret::new));
    token::load_or_create(state_dir, given).map_err(|error| Failure::Failed(error.to_string()))
}

/// An address that cannot be bound, with the option and the field that choose another.
fn taken(error: &BindError, option: &str, field: &str) -> Failure {
    Failure::Failed(format!(
        "{error}\n  choose another with {option} or {field} in the configuration; port 0 takes any free one"
    ))
}

impl Running {
    /// Says where it serves, for people and for scripts that wait for it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn announce(&self) -> Result<(), Failure> {
        let targets = self.program.targets().join(", ");
        print::line(&format!("Peregrine {}", env!("CARGO_PKG_VERSION")))?;
        for place in self.program.listeners.places() {
            print::line(&format!("  serving  {place} in front of {targets}"))?;
        }
        if let (Some(address), Some(token)) = (self.admin, &self.token) {
            let place = match &token.source {
                token::TokenSource::Environment => "token from PEREGRINE_ADMIN_TOKEN".to_owned(),
                token::TokenSource::File(path) | token::TokenSource::Created(path) => {
                    format!("token in {}", path.display())
                }
            };
            print::line(&format!("  admin    http://{address} ({place})"))?;
        }
        if let Some(link) = self.dashboard() {
            print::line(&format!("  dashboard  {link}"))?;
        }
        print::line("  ready    Ctrl-C to stop, SIGHUP to reload")
    }

    /// A link to the dashboard, which logs in once; nothing without an admin API.
    #[must_use]
    pub fn dashboard(&self) -> Option<String> {
        let login = self.login_code.as_ref().map(|code| format!("#login={code}"));
        let address = self.admin?;
        Some(format!(
            "http://{address}/dashboard/performance{}",
            login.unwrap_or_default()
        ))
    }

    /// Serves until a signal says stop, then stops; a further signal ends `server.drain_delay`, and one more the waiting for
    /// requests under way. Where a successor took over, the first signal finds it stopping already and changes nothing.
    ///
    /// # Errors
    /// As [`Running::stop`], and when a second signal came.
    pub async fn until_stopped(mut self) -> Result<(), Stopped> {
        let cause = self.signals.until_stopped(&self.program, self.offer.as_ref()).await;
        if cause == Cause::Told {
            self.leave().await;
        }
        let (program, offer) = (&self.program, self.offer.as_ref());
        tokio::select! {
            drained = wind_down(program, &self.drains, offer, &mut self.threads) => return drained,
            () = self.signals.stop_at_once(cause) => {}
        }
        cut_off(&mut self.threads).await;
        tell_of_end(program, offer, CUT_OFF_LIMIT).await;
        program.recorder.access_log.flush(FLUSH_LIMIT);
        Err(Stopped::AtOnce)
    }

    /// Serves on for `server.drain_delay`, until a further signal at most, so that whoever balances the load moves over.
    async fn leave(&mut self) {
        let delay = self.program.drain_delay();
        // A successor takes the clients already.
        if delay.is_zero() || self.program.succeeded.load(Ordering::SeqCst) {
            return;
        }
        tracing::info!(
            delay_s = delay.as_secs(),
            "told to stop: serving on for server.drain_delay"
        );
        self.program.notify.stopping();
        // One that is to end lets no successor in.
        self.offer.iter().for_each(Offer::withdraw);
        self.drains.requests.leave();
        tokio::select! {
            () = TokioRuntime.sleep(delay) => {}
            () = self.signals.stop() => {}
        }
    }

    /// Lets requests under way finish, within `server.drain_time`, and ends.
    ///
    /// # Errors
    /// When some had to be cut off.
    pub async fn stop(mut self) -> Result<(), Stopped> {
        wind_down(&self.program, &self.drains, self.offer.as_ref(), &mut self.threads).await
    }
}

/// Ends what is still under way. A write that is cut off has perhaps been done: what it would have invalidated is invalidated
/// now, while there is somebody to be told.
async fn cut_off(threads: &mut Option<Threads>) {
    if let Some(threads) = threads.take() {
        let ended = tokio::task::spawn_blocking(move || drop(threads));
        let _ = tokio::time::timeout(CUT_OFF_LIMIT, ended).await;
    }
}

/// Tells other nodes and the successor, as far as there are any, what was invalidated here last.
async fn tell_of_end(program: &Program, offer: Option<&Offer>, limit: Duration) {
    if let Some(sharing) = &program.sharing {
        sharing.backplane.leave().await;
    }
    if let Some(offer) = offer {
        offer.finish(limit).await;
    }
}

/// Lets requests under way finish, within `server.drain_time`, then the admin API.
async fn wind_down(
    program: &Program,
    drains: &Drains,
    offer: Option<&Offer>,
    threads: &mut Option<Threads>,
) -> Result<(), Stopped> {
    let (limit, began) = (program.drain_time(), Program::clock().now());
    let Drains { requests, admin } = drains;
    tracing::info!(open = requests.open(), limit_s = limit.as_secs(), "draining");
    if program.succeeded.load(Ordering::SeqCst) {
        // Whoever sends a request now gets its answer, and with it the word to connect anew.
        requests.finished(limit.min(RETIREMENT_MAX), &TokioRuntime).await;
    } else {
        program.notify.stopping();
        // One that drains lets no successor in, and a new program can wait for its own.
        offer.iter().for_each(|offer| offer.withdraw());
    }
    requests.start();
    let drained = requests.finished(limit, &TokioRuntime).await;
    let tunnels = usize::try_from(program.server.status().tunnels_open).unwrap_or(usize::MAX);
    if drained.open > 0 {
        cut_off(threads).await;
    }
    let left = limit.saturating_sub(Program::clock().now().since(began));
    program.hear_out(left + PREDECESSOR_MORE).await;
    admin.start();
    let _ = admin.finished(ADMIN_DRAIN_LIMIT, &TokioRuntime).await;
    program.watching.finish().await;
    program.fetch_keys().await;
    tell_of_end(program, offer, FLUSH_LIMIT).await;
    // A collector that does not answer does not hold up the end.
    let _ = tokio::time::timeout(FLUSH_LIMIT, program.send_last_spans()).await;
    program.recorder.access_log.flush(FLUSH_LIMIT);
    program.close_audit();
    match drained.open.saturating_sub(tunnels) {
        0 => {
            // Nobody knows when a changed protocol, such as a WebSocket, is done: it has had its time.
            tracing::info!(tunnels_closed = drained.open, "stopped");
            Ok(())
        }
        open => Err(Stopped::CutOff { open, limit }),
    }
}
