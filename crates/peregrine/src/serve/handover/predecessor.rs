//! The program before, as its successor sees it.

use super::channel::{Channel, Message, VERSION};
use super::inherited::Inherited;
use super::telling::Telling;
use super::{ANSWER_TIME_MAX, FILE, WORK_TIME_MAX, mirror};
use crate::Failure;
use crate::serve::program::Program;
use peregrine_cache::MirrorId;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long the successor reads what memory held before it takes connections; the rest is read while it serves.
const WARM_TIME_MAX: Duration = Duration::from_secs(10);

/// The program before.
#[derive(Debug)]
pub(in crate::serve) struct Predecessor {
    channel: Arc<Channel>,
    /// Its sockets, until they are served.
    pub(in crate::serve) inherited: Inherited,
}

impl Predecessor {
    /// The program that runs with this `server.state_dir`; nothing when there is none. Blocks for a moment.
    pub(in crate::serve) fn find(directory: &Path) -> Result<Option<Self>, Failure> {
        let failed = |error: io::Error| Failure::Failed(format!("cannot take over from the running program: {error}"));
        let path = directory.join(FILE);
        let Some(channel) = Channel::connect(&path).map_err(failed)? else {
            return Ok(None);
        };
        let ask = || {
            channel.patience(Some(ANSWER_TIME_MAX))?;
            channel.send(&Message::TakeOver { version: VERSION }, &[])?;
            channel.receive()
        };
        let answer = match ask() {
            Err(error) if is_end(&error) => None,
            answer => answer.map_err(failed)?,
        };
        match answer {
            Some((Message::Sockets { sockets }, descriptors)) if sockets.len() == descriptors.len() => {
                let inherited = Inherited::from_predecessor(sockets, descriptors).map_err(failed)?;
                Ok(Some(Self {
                    channel: Arc::new(channel),
                    inherited,
                }))
            }
            Some((Message::Refused { why }, _)) => Err(failed(io::Error::other(why))),
            // It was about to end.
            None if matches!(Channel::connect(&path), Ok(None)) => Ok(None),
            _ => Err(failed(io::Error::other("it does not answer"))),
        }
    }

    /// Takes over what memory holds, and lets each program hear what is invalidated in the other from then on. Completes when
    /// memory is warm, or when that takes too long to wait for.
    pub(in crate::serve) async fn warm(&self, program: &Arc<Program>) -> Takeover {
        let (retiring, retired) = oneshot::channel();
        let expecting = program.engine.expect_snapshot();
        let (lives, before) = watch::channel(());
        let _ = program.before.set(before);
        // What is invalidated here reaches those whom the program before still answers, from the first request on.
        let mirror = mirror(program, &Telling::new(&self.channel));
        let (own, channel) = (Arc::clone(program), Arc::clone(&self.channel));
        let receive = move || receive_memory(&own, &channel, mirror, (retiring, lives));
        // The program before hears nothing while it writes: it is waited for as long as that may take.
        let file = tokio::task::spawn_blocking(receive).await.unwrap_or_default();
        if let Some(file) = file {
            let own = Arc::clone(program);
            let load = move || {
                if let Some(snapshots) = &own.snapshots {
                    snapshots.load(expecting, file);
                }
            };
            let loading = tokio::task::spawn_blocking(load);
            if tokio::time::timeout(WARM_TIME_MAX, loading).await.is_err() {
                tracing::warn!("memory is not warm yet; the rest is read while requests are served");
            }
        }
        Takeover {
            channel: Arc::clone(&self.channel),
            retired,
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

/// Asks for what memory holds, and lets a thread hear what else is said.
fn receive_memory(
    program: &Arc<Program>,
    channel: &Arc<Channel>,
    mirror: MirrorId,
    tells: (oneshot::Sender<()>, watch::Sender<()>),
) -> Option<File> {
    let received = ask_for_memory(program, channel, mirror);
    let file = received.unwrap_or_else(|error| {
        tracing::warn!(%error, "the program before does not say what its memory holds");
        None
    });
    let (hearing, heard) = (Arc::clone(program), Arc::clone(channel));
    let hear = move || hear_of_end(&hearing, &heard, mirror, tells);
    if let Err(error) = std::thread::Builder::new().name("hand-over".to_owned()).spawn(hear) {
        tracing::error!(%error, "the program before is not listened to");
    }
    file
}

fn ask_for_memory(program: &Program, channel: &Channel, mirror: MirrorId) -> io::Result<Option<File>> {
    channel.patience(Some(WORK_TIME_MAX))?;
    channel.send(&Message::Warm, &[])?;
    loop {
        match channel.hear()? {
            Some((Message::Memory { .. }, descriptors)) => return Ok(descriptors.into_iter().next().map(File::from)),
            Some((Message::Invalidated(request), _)) => program.engine.invalidate_as_told(&request, Some(mirror)),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Hears what the predecessor says until it is gone, of which `_lives` tells by its own end.
fn hear_of_end(
    program: &Program,
    channel: &Channel,
    mirror: MirrorId,
    (retiring, _lives): (oneshot::Sender<()>, watch::Sender<()>),
) {
    let mut retiring = Some(retiring);
    if let Err(error) = channel.patience(None) {
        tracing::warn!(%error, "the program before is not listened to for long");
    }
    loop {
        match channel.hear() {
            Ok(Some((Message::Invalidated(request), _))) => program.engine.invalidate_as_told(&request, Some(mirror)),
            Ok(Some((Message::Retiring, _))) => {
                if let Some(retiring) = retiring.take() {
                    let _ = retiring.send(());
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%error, "the program before is not heard any more");
                break;
            }
        }
    }
    program.engine.end_mirror(mirror);
    tracing::info!("the program before has ended");
}

/// A take-over under way.
pub(in crate::serve) struct Takeover {
    channel: Arc<Channel>,
    retired: oneshot::Receiver<()>,
}

impl Takeover {
    /// Says that nothing can fail here any more. Completes when the program before takes no connections any more: from then on
    /// this one is to.
    ///
    /// # Errors
    /// When the one before goes on, or may go on: with two that both serve and do not hear each other, what is invalidated
    /// would stay in one of them.
    pub(in crate::serve) async fn ready(self, directory: &Path) -> Result<(), Failure> {
        let Self { channel, mut retired } = self;
        let saying = Arc::clone(&channel);
        let say = move || saying.insist_for(&Message::Ready, ANSWER_TIME_MAX);
        let (mut is_silent, mut retires) = (false, false);
        match tokio::task::spawn_blocking(say).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => is_silent = true,
            _ => match tokio::time::timeout(ANSWER_TIME_MAX, &mut retired).await {
                Ok(answer) => retires = answer.is_ok(),
                Err(_) => is_silent = true,
            },
        }
        if is_silent {
            // It may answer this very moment. From here on it cannot any more, so that both sides decide the same.
            channel.end();
            retires = retired.await.is_ok();
        }
        if retires {
            return Ok(());
        }
        if is_silent {
            return Err(Failure::Failed("the running program does not answer".to_owned()));
        }
        match Channel::connect(&directory.join(FILE)) {
            Ok(None) => {
                tracing::warn!("the program before went away by itself");
                Ok(())
            }
            Ok(Some(_)) => Err(Failure::Failed(
                "the running program does not let this one take over and goes on; its log says why".to_owned(),
            )),
            Err(error) => Err(Failure::Failed(format!(
                "cannot find out whether the running program goes on: {error}"
            ))),
        }
    }
}
