//! The audit log: who changed what, when, from what to what, and how it ended; and who tried.
//!
//! Guarantees: see `chain.rs` for what survives what. Nothing is ever changed in it: each record carries the hash of the one
//! before, so that [`verify()`] names the first that was changed, removed, swapped or cut off. A record never holds a call
//! up for a disk: it is written at once and taken to the disk within a second.
//!
//! What it does not do: stop somebody who may write the state directory from rewriting all of it, the head included. Whoever
//! has to rule that out copies it, or its head, to where they cannot.

pub(crate) mod chain;
pub(crate) mod read;
mod record;
#[cfg(test)]
mod tests;
mod verify;

pub use read::AuditPage;
pub use record::{AuditRecord, Entry};
pub use verify::{Verified, verify};

use crate::config::AdminConfig;
use crate::refusal::Refusal;
use crate::secrets::Digest;
use crate::state::StateError;
use chain::{Chain, Limits};
use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Runtime};
use peregrine_telemetry::{Counter, Exposition};
use read::AuditQuery;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often what was written is taken to the disk: the most that a power loss takes.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// The most records that wait while another program still writes the log.
const WAITING_MAX: usize = 1000;
/// The most records that a program keeps that is to leave no trace.
const MEMORY_MAX: usize = 1000;
/// For how long what verifying said is told again: it reads the whole log.
const VERIFIED_FOR: Duration = Duration::from_secs(10);
/// The most refused attempts that are noted in a minute; the others are counted.
const REFUSED_MAX: u32 = 60;
const REFUSED_WINDOW: Duration = Duration::from_secs(60);

/// Who hears of each record.
pub type Listener = Box<dyn Fn(&AuditRecord) + Send + Sync>;

/// The audit log.
pub struct Audit {
    clock: Arc<dyn Clock>,
    runtime: Arc<dyn Runtime>,
    directory: Option<PathBuf>,
    limits: Limits,
    log: Mutex<Log>,
    refused: Mutex<Refused>,
    verified: Mutex<Option<(Instant, Verified)>>,
    listener: OnceLock<Listener>,
    written: Counter,
    lost: Counter,
}

/// Where records go.
enum Log {
    /// To the files.
    Open(Box<Chain>),
    /// To the files, once the program before has let go of them: what waits, with its times.
    Waiting(VecDeque<(String, Entry)>),
    /// To memory, for a program that is to leave no trace: the newest last, and the number of the next.
    Memory(VecDeque<AuditRecord>, u64),
}

/// Refused attempts of this minute.
#[derive(Default)]
struct Refused {
    since: Option<Instant>,
    noted: u32,
    omitted: u64,
}

impl Audit {
    /// The log in `directory`, or for a program that is to leave no trace, in memory.
    ///
    /// # Errors
    /// When its files cannot be used.
    pub fn open(
        config: &AdminConfig,
        directory: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Arc<Self>, StateError> {
        let limits = Limits {
            file_max: config.audit_file_max.as_u64(),
            files_max: config.audit_files,
        };
        let at = crate::api::time(clock.wall());
        let log = match &directory {
            None => Log::Memory(VecDeque::new(), 1),
            Some(directory) => {
                std::fs::create_dir_all(directory).map_err(StateError::system("make", directory))?;
                match Chain::open(directory, limits, &at)? {
                    Some(chain) => Log::Open(Box::new(chain)),
                    None => Log::Waiting(VecDeque::new()),
                }
            }
        };
        Ok(Arc::new(Self {
            clock,
            runtime,
            directory,
            limits,
            log: Mutex::new(log),
            refused: Mutex::default(),
            verified: Mutex::default(),
            listener: OnceLock::new(),
            written: Counter::new(),
            lost: Counter::new(),
        }))
    }

    /// Takes what is written to the disk each second, until it is dropped.
    pub fn run(self: &Arc<Self>) {
        let (weak, runtime): (Weak<Self>, _) = (Arc::downgrade(self), Arc::clone(&self.runtime));
        self.runtime.spawn(Box::pin(async move {
            loop {
                runtime.sleep(SYNC_EVERY).await;
                let Some(audit) = weak.upgrade() else { return };
                let (done, finished) = oneshot::channel();
                runtime.spawn_blocking(Box::new(move || {
                    audit.sync();
                    let _ = done.send(());
                }));
                let _ = finished.await;
            }
        }));
    }

    /// Takes what is written to the disk now, and what waited for the log into it.
    pub fn sync(&self) {
        let unsynced = {
            let mut log = self.log.lock();
            self.take_over(&mut log);
            match &mut *log {
                Log::Open(chain) => chain.unsynced(),
                _ => None,
            }
        };
        if let Some(Err(error)) = unsynced.map(|unsynced| unsynced.sync()) {
            tracing::error!(%error, "the audit log does not reach the disk");
        }
    }

    /// Opens the log if another program had it, and writes what waited.
    fn take_over(&self, log: &mut Log) {
        let (Log::Waiting(waiting), Some(directory)) = (&mut *log, &self.directory) else {
            return;
        };
        let at = crate::api::time(self.clock.wall());
        match Chain::open(directory, self.limits, &at) {
            Ok(Some(mut chain)) => {
                for (at, entry) in waiting.drain(..) {
                    self.told(chain.append(at, entry));
                }
                *log = Log::Open(Box::new(chain));
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the audit log cannot be opened"),
        }
    }

    /// Lets `listener` hear of each record from now on.
    pub fn tell(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Notes `entry`.
    pub fn record(&self, entry: Entry) {
        let entry = record::bounded(entry);
        let at = crate::api::time(self.clock.wall());
        let mut log = self.log.lock();
        self.take_over(&mut log);
        match &mut *log {
            Log::Open(chain) => {
                let written = chain.append(at, entry);
                self.told(written);
            }
            Log::Waiting(waiting) if waiting.len() < WAITING_MAX => waiting.push_back((at, entry)),
            Log::Waiting(_) => self.lost.increment(),
            Log::Memory(records, next) => {
                let before = records.back().and_then(|last| Digest::from_hex(&last.hash));
                let (record, ..) = record::written(*next, at, entry, before.unwrap_or(record::NOTHING));
                *next += 1;
                if records.len() >= MEMORY_MAX {
                    records.pop_front();
                }
                records.push_back(record.clone());
                self.told(Ok(record));
            }
        }
    }

    fn told(&self, written: Result<AuditRecord, StateError>) {
        match written {
            Ok(record) => {
                self.written.increment();
                if let Some(listener) = self.listener.get() {
                    listener(&record);
                }
            }
            Err(error) => {
                self.lost.increment();
                tracing::error!(%error, "an audit record is lost");
            }
        }
    }

    /// Notes an attempt that was refused, unless there were too many in this minute; those are counted in the next that is.
    pub(crate) fn refused(&self, mut entry: Entry) {
        {
            let (mut refused, now) = (self.refused.lock(), self.clock.now());
            if refused.since.is_none_or(|since| now >= since.after(REFUSED_WINDOW)) {
                (refused.since, refused.noted) = (Some(now), 0);
            }
            if refused.noted >= REFUSED_MAX {
                refused.omitted += 1;
                return;
            }
            refused.noted += 1;
            let omitted = std::mem::take(&mut refused.omitted);
            if omitted > 0 {
                entry.after = serde_json::json!({ "refused_before_and_not_noted": omitted });
            }
        }
        self.record(entry);
    }

    /// The records that `asked` wants, and whether the log is as it was written.
    pub(crate) async fn page(self: &Arc<Self>, asked: AuditQuery) -> Result<AuditPage, Refusal> {
        let audit = Arc::clone(self);
        let (tell, told) = oneshot::channel();
        self.runtime.spawn_blocking(Box::new(move || {
            let _ = tell.send(audit.page_now(&asked));
        }));
        let unreadable = || Refusal::failed("The audit log cannot be read.");
        let page = told.await.map_err(|_| unreadable())?;
        page.map_err(|error| {
            tracing::error!(%error, "the audit log cannot be read");
            unreadable()
        })
    }

    fn page_now(&self, asked: &AuditQuery) -> std::io::Result<AuditPage> {
        let Some(directory) = &self.directory else {
            let log = self.log.lock();
            let Log::Memory(records, next) = &*log else {
                return Err(std::io::ErrorKind::NotFound.into());
            };
            return Ok(AuditPage {
                records: asked.of(records.iter().rev()),
                verified: Verified {
                    ok: true,
                    records: next - 1,
                    note: Some("this program leaves no trace: the log is in memory".to_owned()),
                    ..Verified::default()
                },
            });
        };
        Ok(AuditPage {
            records: read::page(directory, asked)?,
            verified: self.verified_lately(directory)?,
        })
    }

    fn verified_lately(&self, directory: &std::path::Path) -> std::io::Result<Verified> {
        let mut last = self.verified.lock();
        let now = self.clock.now();
        if let Some((when, verified)) = &*last
            && now < when.after(VERIFIED_FOR)
        {
            return Ok(verified.clone());
        }
        let verified = verify(directory)?;
        if let Some(fault) = &verified.fault {
            tracing::error!(fault, "the audit log is not as it was written");
        }
        *last = Some((now, verified.clone()));
        Ok(verified)
    }

    /// Adds its metrics.
    pub(crate) fn expose(&self, exposition: &mut Exposition) {
        exposition.counter("peregrine_audit_records_total", &[], self.written.value());
        exposition.counter("peregrine_audit_lost_total", &[], self.lost.value());
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.sync();
    }
}
