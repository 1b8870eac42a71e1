//! Notices that files have changed, by looking at them every few seconds: that works on every file system, also where a
//! folder is swapped by a link as Kubernetes does it, and it costs nothing that could be measured.

use super::Tls;
use crate::config::ListenerTlsConfig;
use crate::drain::DrainWatch;
use peregrine_base::Runtime;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often files are looked at. Whoever renews a certificate waits that long at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells one state of a file from another. `None`: not there.
pub(super) type Stamp = Option<State>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    device: u64,
    inode: u64,
    size: u64,
    /// Its content.
    modified: (i64, i64),
    /// Who may read it, too.
    changed: (i64, i64),
}

/// The files of `config` as they are now.
pub(super) fn stamps(config: &ListenerTlsConfig) -> Vec<Stamp> {
    let pairs = config.pairs();
    let files = pairs.iter().flat_map(|(_, pair)| [&pair.certificate, &pair.key]);
    files.chain(&config.client_ca).map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    Some(State {
        device: found.dev(),
        inode: found.ino(),
        size: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

impl Tls {
    /// Looks at the files until the drain starts, away from the event loop: a file system may take its time.
    pub(crate) fn watch(self: &Arc<Self>, runtime: &Arc<dyn Runtime>, drain: DrainWatch) {
        let (tls, looker) = (Arc::downgrade(self), Arc::clone(runtime));
        runtime.spawn(Box::pin(async move {
            loop {
                tokio::select! {
                    () = drain.started() => return,
                    () = looker.sleep(LOOK_EVERY) => {}
                }
                if !look(&tls, &looker).await {
                    return;
                }
            }
        }));
    }
}

/// Looks once; whether there is still somebody who wants to know.
async fn look(tls: &Weak<Tls>, runtime: &Arc<dyn Runtime>) -> bool {
    let Some(tls) = tls.upgrade() else { return false };
    let (done, wait) = tokio::sync::oneshot::channel();
    runtime.spawn_blocking(Box::new(move || {
        tls.look();
        // Whoever waited may be gone.
        let _ = done.send(());
    }));
    let _ = wait.await;
    true
}
