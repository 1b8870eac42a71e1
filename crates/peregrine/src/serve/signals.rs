//! Signals: SIGTERM and SIGINT end the program after a drain, SIGHUP reads the configuration and opens the logs again.

use super::program::Program;
use crate::Failure;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until a signal says stop; answers the others meanwhile.
pub(super) async fn until_stopped(program: &Arc<Program>) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Failed(format!("cannot listen to signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hangup = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
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
