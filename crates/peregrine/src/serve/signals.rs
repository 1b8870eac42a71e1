//! Signals: SIGTERM and SIGINT end the program after a drain, a second one at once; SIGHUP reads the configuration and opens the
//! logs again; SIGUSR2 starts a successor, which takes over.

use super::Stopped;
use super::handover::{self, Offer};
use super::program::Program;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes when a signal says stop once more.
pub(super) async fn again() -> Result<(), Stopped> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Stopped> {
    signal(kind).map_err(|error| {
        tracing::error!(%error, "cannot listen to signals");
        Stopped::NoSignals
    })
}

/// Serves until a signal says stop, or a successor has taken over; answers the other signals meanwhile.
pub(super) async fn until_stopped(program: &Arc<Program>, offer: Option<&Offer>) -> Result<(), Stopped> {
    let mut replace = listen(SignalKind::user_defined2())?;
    let succeeded = async {
        match offer {
            Some(offer) => offer.succeeded().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(succeeded);

    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hangup = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = &mut succeeded => return Ok(()),
            _ = replace.recv() => match offer {
                Some(_) => handover::start_successor_and_watch(),
                None => tracing::error!("this program cannot be replaced while it serves"),
            },
            _ = hangup.recv() => {
                if let Err(error) = program.access_log.reopen() {
                    tracing::error!(%error, "the access log cannot be opened again and stays as it was");
                }
                // Reading files and building pools may take a moment, which the requests need not wait for.
                let program = Arc::clone(program);
                tokio::task::spawn_blocking(move || program.reload_and_log());
            }
        }
    }
}
