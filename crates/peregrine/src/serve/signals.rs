//! Signals: SIGTERM and SIGINT end the program after a drain, a second one at once; SIGHUP reads the configuration and opens the
//! logs again; SIGUSR2 starts a successor, which takes over.

use super::Stopped;
use super::handover::{self, Offer};
use super::program::Program;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why a program stops serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A signal.
    Told,
    /// A successor has taken over.
    Succeeded,
}

/// What the program hears of. A signal that nobody listens to ends a process, so this is made before anybody can find out
/// that the program runs and send one; what comes before [`Signals::until_stopped`] waits for it.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    replace: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn listen() -> Result<Self, Stopped> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            replace: listen(SignalKind::user_defined2())?,
        })
    }

    /// Completes when a signal says stop.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Serves until a signal says stop, or a successor has taken over; answers the other signals meanwhile.
    pub(super) async fn until_stopped(&mut self, program: &Arc<Program>, offer: Option<&Offer>) -> Cause {
        let succeeded = async {
            match offer {
                Some(offer) => offer.succeeded().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(succeeded);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Cause::Told,
                _ = self.interrupt.recv() => return Cause::Told,
                () = &mut succeeded => return Cause::Succeeded,
                _ = self.replace.recv() => match offer {
                    Some(offer) if offer.is_open() => handover::start_successor_and_watch(),
                    _ => tracing::error!("this program cannot be replaced while it serves"),
                },
                _ = self.hangup.recv() => {
                    if let Err(error) = program.recorder.access_log.reopen() {
                        tracing::error!(%error, "the access log cannot be opened again and stays as it was");
                    }
                    // Reading files and building pools may take a moment, which the requests need not wait for.
                    let program = Arc::clone(program);
                    tokio::task::spawn_blocking(move || program.reload_and_log("signal SIGHUP"));
                }
            }
        }
    }

    /// Completes when a signal says that requests under way are not to be waited for.
    pub(super) async fn stop_at_once(&mut self, cause: Cause) {
        if cause == Cause::Succeeded {
            // Nobody has told this program to stop yet, and it ends as soon as it can.
            self.stop().await;
            tracing::info!("told to stop: requests under way still finish; a second signal cuts them off");
        }
        self.stop().await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Stopped> {
    signal(kind).map_err(|error| {
        tracing::error!(%error, "cannot listen to signals");
        Stopped::NoSignals
    })
}
