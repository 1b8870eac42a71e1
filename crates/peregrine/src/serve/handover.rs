//! Replacing the program while it serves. A new one (`peregrine serve --take-over`, or SIGUSR2 to the old one) asks the old
//! one for its sockets over a Unix socket in `server.state_dir`:
//!
//! ```text
//! new: take_over ─► old: sockets          both could take connections; only the old one does
//! new: warm      ─► old: memory           what memory holds, as a file without a name; invalidations are told from here on
//! new: ready     ─► old: retiring         the old one takes no connections any more, each answer is the last of its own
//! ```
//!
//! A socket is always listened on by one of both, so no client is refused. Until it says `ready` the new one may fail: the
//! old one goes on as if nothing had happened. While both serve, each tells the other of its invalidations at once: they are
//! two nodes for a moment, and promise P2 holds between them within milliseconds. The old one writes no snapshot at its end:
//! what memory holds has gone over already.

mod channel;
mod inherited;
mod telling;

use super::program::Program;
use crate::Failure;
pub(super) use channel::Role;
use channel::{Channel, Door, Message, VERSION};
pub(super) use inherited::{Inherited, Shared, of_service_manager};
use peregrine_cache::Expecting;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use telling::Telling;
use tokio::sync::{oneshot, watch};

/// The name of the socket.
const FILE: &str = "handover.sock";
/// How long either side may take to answer what takes no work.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the successor may take until it is ready, and the predecessor to write what memory holds.
const WORK_TIME_MAX: Duration = Duration::from_secs(60);
/// How long the successor waits for what memory held before it takes connections; what comes later is read while it serves.
const WARM_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to leave the socket alone when nobody can be let in.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);

/// Waits for a successor as long as the program lives.
#[derive(Debug)]
pub(super) struct Offer {
    path: PathBuf,
    /// What tells the successor of invalidations, when there is one.
    succeeded: watch::Receiver<Option<Arc<Telling>>>,
}

impl Offer {
    /// Begins to wait in `directory`; nothing where that cannot be. `retire` is called when a successor is ready.
    pub(super) fn open(program: &Arc<Program>, directory: &Path, retire: impl Fn() + Send + 'static) -> Option<Self> {
        let path = directory.join(FILE);
        let door = match Door::open(&path) {
            Ok(door) => door,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "this program cannot be replaced while it serves");
                return None;
            }
        };
        let (sender, succeeded) = watch::channel(None);
        let program = Arc::clone(program);
        let wait = move || wait(&program, door, &sender, &retire);
        let thread = std::thread::Builder::new().name("hand-over".to_owned()).spawn(wait);
        thread.ok().map(|_| Self { path, succeeded })
    }

    /// Completes when a successor has taken over.
    pub(super) async fn succeeded(&self) {
        let mut succeeded = self.succeeded.clone();
        if succeeded.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Nobody can take over any more.
    pub(super) fn withdraw(&self) {
        if self.succeeded.borrow().is_none() {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Sees to it that a successor, if there is one, knows of all that was invalidated here.
    pub(super) async fn finish(&self, limit: Duration) {
        let telling = self.succeeded.borrow().clone();
        if let Some(telling) = telling
            && !telling.finished(limit).await
        {
            tracing::error!("the successor does not listen: it was not told of all that was invalidated here");
        }
    }
}

/// Lets successors in, one after the other, until one of them is ready.
fn wait(program: &Arc<Program>, door: Door, succeeded: &watch::Sender<Option<Arc<Telling>>>, retire: &dyn Fn()) {
    loop {
        let channel = match door.next() {
            Ok(channel) => Arc::new(channel),
            Err(error) => {
                tracing::error!(%error, "a successor cannot be let in");
                std::thread::sleep(EXHAUSTED_PAUSE);
                continue;
            }
        };
        match let_in(program, &channel) {
            Ok(Some(telling)) => {
                // From here on the place is the successor's.
                drop(door);
                program.succeeded.store(true, Ordering::SeqCst);
                retire();
                if let Some(process) = channel.peer() {
                    tracing::info!(process, "a successor has taken over");
                    program.notify.main_process(process);
                }
                telling.retire();
                succeeded.send_replace(Some(telling));
                return hear(program, &channel);
            }
            Ok(None) => tracing::warn!("the successor went away before it was ready; this program goes on"),
            Err(error) => tracing::warn!(%error, "the successor could not take over; this program goes on"),
        }
        program.engine.mirror_invalidations(None);
    }
}

/// Gives a successor what it needs; what tells it of invalidations, when it is ready.
fn let_in(program: &Arc<Program>, channel: &Arc<Channel>) -> io::Result<Option<Arc<Telling>>> {
    channel.patience(Some(ANSWER_TIME_MAX))?;
    match channel.receive()? {
        Some((Message::TakeOver { version: VERSION }, _)) => {}
        Some(_) => {
            let why = "the running program speaks another version; stop it and start the new one".to_owned();
            channel.send(&Message::Refused { why }, &[])?;
            return Ok(None);
        }
        // Somebody who looked whether there is anybody.
        None => return Ok(None),
    }
    let Shared { sockets, descriptors } = program.listeners.share()?;
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    channel.send(&Message::Sockets { sockets }, &descriptors)?;
    channel.patience(Some(WORK_TIME_MAX))?;
    let telling = Telling::new(channel);
    loop {
        match channel.receive()? {
            None => return Ok(None),
            Some((Message::Ready, _)) => {
                channel.patience(None)?;
                return Ok(Some(telling));
            }
            Some((Message::Warm, _)) => {
                // First: what is invalidated while memory is written has to reach the successor.
                mirror(program, &telling);
                // Both programs would serve for ever if a fault there kept this one from hearing that it has a successor.
                let written = std::panic::catch_unwind(AssertUnwindSafe(|| memory(program)));
                let file = written.unwrap_or_default();
                let there: Vec<_> = file.iter().map(AsFd::as_fd).collect();
                channel.send(&Message::Memory { there: file.is_some() }, &there)?;
            }
            // It serves already, and clients write through it.
            Some((Message::Invalidated(request), _)) => program.engine.invalidate_as_told(&request),
            Some((message, _)) => {
                let problem = format!("the successor said {message:?} out of turn");
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
        }
    }
}

/// What memory holds, for the successor.
fn memory(program: &Arc<Program>) -> Option<File> {
    program.fetch_keys_now();
    let cache = program.loaded.lock().settings.cache.clone();
    let written = program.snapshots.as_ref()?.write_unnamed(&program.engine, &cache);
    written
        .inspect_err(|error| tracing::warn!(%error, "the successor begins with an empty cache"))
        .ok()
        .flatten()
}

/// Tells the other side of every invalidation from now on.
fn mirror(program: &Program, telling: &Arc<Telling>) {
    let telling = Arc::clone(telling);
    program
        .engine
        .mirror_invalidations(Some(Arc::new(move |request| telling.tell(request))));
}

/// Applies what the other side tells until it is gone.
fn hear(program: &Program, channel: &Channel) {
    while let Ok(Some((message, _))) = channel.receive() {
        if let Message::Invalidated(request) = message {
            program.engine.invalidate_as_told(&request);
        }
    }
    program.engine.mirror_invalidations(None);
}

/// The program before, as its successor sees it.
#[derive(Debug)]
pub(super) struct Predecessor {
    channel: Arc<Channel>,
    /// Its sockets, until they are served.
    pub(super) inherited: Inherited,
}

impl Predecessor {
    /// The program that runs with this `server.state_dir`; nothing when there is none. Blocks for a moment.
    pub(super) fn find(directory: &Path) -> Result<Option<Self>, Failure> {
        let failed = |error: io::Error| Failure::Failed(format!("cannot take over from the running program: {error}"));
        let Some(channel) = Channel::connect(&directory.join(FILE)).map_err(failed)? else {
            return Ok(None);
        };
        let ask = || {
            channel.patience(Some(ANSWER_TIME_MAX))?;
            channel.send(&Message::TakeOver { version: VERSION }, &[])?;
            channel.receive()
        };
        match ask().map_err(failed)? {
            Some((Message::Sockets { sockets }, descriptors)) if sockets.len() == descriptors.len() => {
                let inherited = Inherited::from_predecessor(sockets, descriptors).map_err(failed)?;
                Ok(Some(Self {
                    channel: Arc::new(channel),
                    inherited,
                }))
            }
            Some((Message::Refused { why }, _)) => Err(failed(io::Error::other(why))),
            _ => Err(failed(io::Error::other("it does not answer"))),
        }
    }

    /// Takes over what memory holds, and hears of invalidations from then on. Completes when memory is warm, or when that
    /// takes too long to wait for.
    pub(super) async fn warm(&self, program: &Arc<Program>) -> Takeover {
        let (retiring, retired) = oneshot::channel();
        let (program, channel) = (Arc::clone(program), Arc::clone(&self.channel));
        let expecting = program.engine.expect_snapshot();
        let work = tokio::task::spawn_blocking({
            let (program, channel) = (Arc::clone(&program), Arc::clone(&channel));
            move || receive_memory(&program, &channel, expecting, retiring)
        });
        if tokio::time::timeout(WARM_TIME_MAX, work).await.is_err() {
            tracing::warn!("memory is not warm yet; the rest is read while requests are served");
        }
        Takeover {
            channel,
            retired,
            program,
        }
    }
}

/// Asks for what memory holds, lets a thread hear what else is said, and reads it.
fn receive_memory(program: &Arc<Program>, channel: &Arc<Channel>, expecting: Expecting, retiring: oneshot::Sender<()>) {
    let received = ask_for_memory(program, channel);
    let file = received.unwrap_or_else(|error| {
        tracing::warn!(%error, "the program before does not say what its memory holds");
        None
    });
    let (hearing, heard) = (Arc::clone(program), Arc::clone(channel));
    let hear = move || hear_of_end(&hearing, &heard, retiring);
    if let Err(error) = std::thread::Builder::new().name("hand-over".to_owned()).spawn(hear) {
        tracing::error!(%error, "the program before is not listened to");
        return;
    }
    match (file, &program.snapshots) {
        (Some(file), Some(snapshots)) => snapshots.load(expecting, file),
        _ => drop(expecting),
    }
}

fn ask_for_memory(program: &Program, channel: &Channel) -> io::Result<Option<File>> {
    channel.patience(Some(WORK_TIME_MAX))?;
    channel.send(&Message::Warm, &[])?;
    loop {
        match channel.receive()? {
            Some((Message::Memory { .. }, descriptors)) => {
                channel.patience(None)?;
                return Ok(descriptors.into_iter().next().map(File::from));
            }
            Some((Message::Invalidated(request), _)) => program.engine.invalidate_as_told(&request),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Hears what the predecessor says until it is gone.
fn hear_of_end(program: &Program, channel: &Channel, retiring: oneshot::Sender<()>) {
    let mut retiring = Some(retiring);
    while let Ok(Some((message, _))) = channel.receive() {
        match message {
            Message::Invalidated(request) => program.engine.invalidate_as_told(&request),
            Message::Retiring => {
                if let Some(retiring) = retiring.take() {
                    let _ = retiring.send(());
                }
            }
            _ => {}
        }
    }
    program.engine.mirror_invalidations(None);
    tracing::info!("the program before has ended");
}

/// A take-over under way.
pub(super) struct Takeover {
    channel: Arc<Channel>,
    retired: oneshot::Receiver<()>,
    program: Arc<Program>,
}

impl Takeover {
    /// What is invalidated here from now on reaches those whom the program before still answers. To be called before the
    /// first request.
    pub(super) fn tell_invalidations(&self) {
        mirror(&self.program, &Telling::new(&self.channel));
    }

    /// Says that this program takes connections. Completes when the one before takes none any more.
    ///
    /// # Errors
    /// When the one before has given this one up and goes on.
    pub(super) async fn ready(self, directory: &Path) -> Result<(), Failure> {
        if self.channel.send(&Message::Ready, &[]).is_ok() {
            match tokio::time::timeout(ANSWER_TIME_MAX, self.retired).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => {}
                Err(_) => {
                    tracing::warn!("the program before does not answer; it retires as soon as it can");
                    return Ok(());
                }
            }
        }
        // With two that both serve and do not hear each other, what is invalidated would stay in one of them.
        match Channel::connect(&directory.join(FILE)) {
            Ok(Some(_)) => Err(Failure::Failed(
                "the running program does not let this one take over and goes on; its log says why".to_owned(),
            )),
            _ => {
                tracing::warn!("the program before went away by itself");
                Ok(())
            }
        }
    }
}

/// Starts a successor of this program: the program that lies now where this one was started from, with the same command line.
pub(super) fn start_successor() -> io::Result<std::process::Child> {
    const FLAG: &str = "--take-over";
    let mut line = std::env::args_os();
    // As it was called, so that a link to another version leads there; by its own file where a search found it.
    let name = line
        .next()
        .map(PathBuf::from)
        .filter(|name| name.components().count() > 1);
    let program = name.map_or_else(std::env::current_exe, Ok)?;
    let mut command = std::process::Command::new(program);
    let arguments: Vec<_> = line.collect();
    let has_flag = arguments.iter().any(|argument| argument == FLAG);
    command.args(&arguments).args((!has_flag).then_some(FLAG));
    // These are about this process.
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    command.stdin(std::process::Stdio::null()).spawn()
}

/// Starts a successor in answer to a signal, and says what became of it if it ends before it took over.
pub(super) fn start_successor_and_watch() {
    match start_successor() {
        Ok(mut child) => {
            tracing::info!(process = child.id(), "starting a successor");
            // A thread of its own: nobody waits for it when this program ends before the successor does.
            let wait = move || match child.wait() {
                Ok(status) => tracing::warn!(%status, "the successor has ended"),
                Err(error) => tracing::warn!(%error, "nothing is known of the successor"),
            };
            let waiting = std::thread::Builder::new().name("successor".to_owned()).spawn(wait);
            if let Err(error) = waiting {
                tracing::warn!(%error, "nothing will be known of the successor");
            }
        }
        Err(error) => tracing::error!(%error, "no successor can be started"),
    }
}
