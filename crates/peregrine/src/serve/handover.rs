//! Replacing the program while it serves. A new one (`peregrine serve --take-over`, or SIGUSR2 to the old one) asks the old
//! one for its sockets over a Unix socket in `server.state_dir`:
//!
//! ```text
//! new: take_over ─► old: sockets          both could take connections; only the old one does
//! new: warm      ─► old: memory           what memory holds, as a file without a name; invalidations are told from here on
//! new: ready     ─► old: retiring         the old one takes no connections any more, each answer is the last of its own;
//!                                         the new one takes them
//! ```
//!
//! Both hold the sockets, so no client is refused: between `retiring` and the first connection that the new one takes they
//! wait in the queue of the system. The new one serves nobody before it heard `retiring`, and everything that may fail there
//! has been done when it says `ready`; until then it may end, and the old one goes on as if nothing had happened. The old one
//! retires only when it could say so. If the new one hears nothing, it serves only where the old one is gone, which shows at
//! the socket.
//!
//! While both serve, each tells the other of its invalidations at once: they are two nodes for a moment, and promise P2 holds
//! between them within milliseconds. Where a third takes over meanwhile, the one in the middle passes on what it hears. The
//! old one writes no snapshot at its end: what memory holds has gone over already.

mod channel;
mod inherited;
mod predecessor;
mod successor;
mod telling;

use super::program::Program;
pub(super) use channel::Role;
use channel::{Channel, Door, Message, Place, VERSION};
pub(super) use inherited::{Inherited, Shared, of_service_manager};
use peregrine_cache::MirrorId;
pub(super) use predecessor::{Predecessor, Takeover};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
pub(super) use successor::start_successor_and_watch;
use telling::Telling;
use tokio::sync::watch;

/// The name of the socket.
const FILE: &str = "handover.sock";
/// How long either side may take to answer what takes no work.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the successor may take until it is ready, and the predecessor to write what memory holds.
const WORK_TIME_MAX: Duration = Duration::from_secs(60);
/// How often the door is tried while that of another program is still there.
const DOOR_ATTEMPTS: u32 = 100;
/// How long to wait in between.
const DOOR_PAUSE: Duration = Duration::from_millis(100);
/// How long to leave the socket alone when nobody can be let in.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);

/// Waits for a successor as long as the program lives.
#[derive(Debug)]
pub(super) struct Offer {
    doorway: watch::Sender<Doorway>,
    /// What tells the successor of invalidations, when there is one.
    succeeded: watch::Receiver<Option<Arc<Telling>>>,
}

/// How a successor finds this program.
#[derive(Debug)]
enum Doorway {
    /// Not yet.
    Opening,
    Open(Place),
    /// Not any more, or not at all.
    Closed,
}

impl Offer {
    /// Begins to wait in `directory`; nothing where there is no thread for it. `retire` is called when a successor is ready.
    pub(super) fn open(program: &Arc<Program>, directory: &Path, retire: impl Fn() + Send + 'static) -> Option<Self> {
        let path = directory.join(FILE);
        let (sender, succeeded) = watch::channel(None);
        let doorway = watch::Sender::new(Doorway::Opening);
        let wait = {
            let (program, doorway) = (Arc::clone(program), doorway.clone());
            move || {
                if let Some(door) = open_door(&path, &doorway) {
                    wait(&program, door, &doorway, &sender, &retire);
                }
            }
        };
        let thread = std::thread::Builder::new().name("hand-over".to_owned()).spawn(wait);
        thread.ok().map(|_| Self { doorway, succeeded })
    }

    /// Completes when a successor can be let in, or it is clear that none can, at the latest after `limit`.
    pub(super) async fn opened(&self, limit: Duration) {
        let mut doorway = self.doorway.subscribe();
        let opened = doorway.wait_for(|doorway| !matches!(doorway, Doorway::Opening));
        // Who waits for it goes on in any case.
        let _ = tokio::time::timeout(limit, opened).await;
    }

    /// Whether a successor can be let in.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.doorway.borrow(), Doorway::Open(_))
    }

    /// Completes when a successor has taken over.
    pub(super) async fn succeeded(&self) {
        let mut succeeded = self.succeeded.clone();
        if succeeded.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Nobody is let in any more; the next program can wait at the same place.
    pub(super) fn withdraw(&self) {
        if let Doorway::Open(place) = self.doorway.send_replace(Doorway::Closed) {
            place.clear();
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

/// Opens the door at `path`, once another program has left there; nothing when that cannot be, or is not wanted any more.
fn open_door(path: &Path, doorway: &watch::Sender<Doorway>) -> Option<Door> {
    let mut attempts = DOOR_ATTEMPTS;
    loop {
        attempts -= 1;
        match Door::open(path) {
            Ok(door) => {
                let is_wanted = doorway.send_if_modified(|doorway| {
                    let is_wanted = matches!(doorway, Doorway::Opening);
                    if is_wanted {
                        *doorway = Doorway::Open(door.place().clone());
                    }
                    is_wanted
                });
                return is_wanted.then_some(door);
            }
            // The program before is about to leave.
            Err(error) if is_taken(&error) && attempts > 0 && matches!(*doorway.borrow(), Doorway::Opening) => {
                std::thread::sleep(DOOR_PAUSE);
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "this program cannot be replaced while it serves");
                doorway.send_replace(Doorway::Closed);
                return None;
            }
        }
    }
}

/// Whether it means that another program has its door there, perhaps with a crowd before it.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::WouldBlock)
}

/// Lets successors in, one after the other, until one of them takes over.
fn wait(
    program: &Arc<Program>,
    door: Door,
    doorway: &watch::Sender<Doorway>,
    succeeded: &watch::Sender<Option<Arc<Telling>>>,
    retire: &dyn Fn(),
) {
    loop {
        let channel = match door.next() {
            Ok(channel) => Arc::new(channel),
            Err(error) => {
                tracing::error!(%error, "a successor cannot be let in");
                std::thread::sleep(EXHAUSTED_PAUSE);
                continue;
            }
        };
        if matches!(*doorway.borrow(), Doorway::Closed) {
            // It found the door just before it was withdrawn, and finds nobody when it looks again.
            continue;
        }
        let mut visitor = Visitor::new(channel);
        match visitor.let_in(program) {
            Ok(Visit::TookOver) => {
                // From here on the place is the successor's.
                doorway.send_replace(Doorway::Closed);
                drop(door);
                program.succeeded.store(true, Ordering::SeqCst);
                retire();
                if let Some(process) = visitor.channel.peer() {
                    tracing::info!(process, "a successor has taken over");
                    program.notify.main_process(process);
                }
                succeeded.send_replace(Some(Arc::clone(&visitor.telling)));
                return visitor.hear(program);
            }
            Ok(Visit::Looked) => {}
            Ok(Visit::Left) => tracing::warn!("the successor went away before it was ready; this program goes on"),
            Err(error) => tracing::warn!(%error, "the successor could not take over; this program goes on"),
        }
        visitor.end_mirror(program);
    }
}

/// Somebody who came through the door.
struct Visitor {
    channel: Arc<Channel>,
    telling: Arc<Telling>,
    /// What tells it of invalidations, once it wants to hear of them.
    mirror: Option<MirrorId>,
}

/// What became of a visitor.
enum Visit {
    /// It only looked whether there is anybody.
    Looked,
    /// It went away, or was refused.
    Left,
    /// It knows that this program retires.
    TookOver,
}

impl Visitor {
    fn new(channel: Arc<Channel>) -> Self {
        let telling = Telling::new(&channel);
        Self {
            channel,
            telling,
            mirror: None,
        }
    }

    /// Gives it what it needs, and retires in its favour when it is ready.
    fn let_in(&mut self, program: &Arc<Program>) -> io::Result<Visit> {
        let channel = Arc::clone(&self.channel);
        channel.patience(Some(ANSWER_TIME_MAX))?;
        match channel.receive()? {
            Some((Message::TakeOver { version: VERSION }, _)) => {}
            Some(_) => {
                let why = "the running program speaks another version; stop it and start the new one".to_owned();
                channel.send(&Message::Refused { why }, &[])?;
                return Ok(Visit::Left);
            }
            None => return Ok(Visit::Looked),
        }
        let Shared { sockets, descriptors } = program.listeners.share()?;
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        channel.send(&Message::Sockets { sockets }, &descriptors)?;
        channel.patience(Some(WORK_TIME_MAX))?;
        loop {
            match channel.receive()? {
                None => return Ok(Visit::Left),
                Some((Message::Ready, _)) => {
                    channel.patience(None)?;
                    // Before anything is done about it: if it is gone by now, this program has to go on.
                    channel.insist_for(&Message::Retiring, ANSWER_TIME_MAX)?;
                    return Ok(Visit::TookOver);
                }
                Some((Message::Warm, _)) => {
                    // First: what is invalidated while memory is written has to reach the successor.
                    self.mirror.get_or_insert_with(|| mirror(program, &self.telling));
                    // Both programs would wait in vain if a fault there kept this one from hearing that it has a successor.
                    let written = std::panic::catch_unwind(AssertUnwindSafe(|| memory(program)));
                    let file = written.unwrap_or_default();
                    let there: Vec<_> = file.iter().map(AsFd::as_fd).collect();
                    channel.send(&Message::Memory { there: file.is_some() }, &there)?;
                }
                // An invalidation is never out of turn: an older successor serves before it says so.
                Some((Message::Invalidated(request), _)) => program.engine.invalidate_as_told(&request, self.mirror),
                Some((message, _)) => {
                    let problem = format!("the successor said {message:?} out of turn");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                }
            }
        }
    }

    /// Applies what it tells until it is gone.
    fn hear(&self, program: &Program) {
        loop {
            match self.channel.hear() {
                Ok(Some((Message::Invalidated(request), _))) => {
                    program.engine.invalidate_as_told(&request, self.mirror)
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the successor is not heard any more");
                    break;
                }
            }
        }
        self.end_mirror(program);
    }

    fn end_mirror(&self, program: &Program) {
        if let Some(mirror) = self.mirror {
            program.engine.end_mirror(mirror);
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
fn mirror(program: &Program, telling: &Arc<Telling>) -> MirrorId {
    let telling = Arc::clone(telling);
    program
        .engine
        .mirror_invalidations(Arc::new(move |request| telling.tell(request)))
}
