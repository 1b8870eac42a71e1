//! The buffer between the planes and the log's file, and the thread that empties it.
//!
//! A line is copied in under a lock that the thread holds only to exchange the full buffer for an empty one. The thread
//! lets lines gather for [`LINGER`] unless there are many, so that a busy server makes one write of hundreds of lines.

use super::AccessStatistics;
use crate::Counter;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most bytes that wait to be written; a line that does not fit is dropped.
pub const BUFFER_MAX_BYTES: usize = 4 << 20;
/// With so many bytes waiting the thread does not linger.
const BATCH_BYTES: usize = 64 << 10;
/// How long the first line waits for others.
const LINGER: Duration = Duration::from_millis(50);
/// How long the end of the log waits for a reader that does not read.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Where lines go.
#[derive(Debug)]
pub(super) enum Destination {
    /// Nowhere: the log is off.
    None,
    /// The standard output.
    Stdout,
    /// The standard error output.
    Stderr,
    /// A file that lines are appended to.
    File(File),
}

impl Destination {
    /// Opens `path`; the words `stdout` and `stderr` mean those.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        match path {
            "stdout" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            // Client addresses are nobody else's business.
            path => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(path)
                .map(Self::File),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(bytes),
            Self::File(file) => file.write_all(bytes),
        }
    }
}

/// The planes' end of the buffer. Dropping it writes out what waits.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is there to write, or to do.
    work: Condvar,
    /// Everything is written.
    done: Condvar,
    written: Counter,
    dropped: Counter,
    failed: Counter,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    lines_count: u64,
    next: Option<Destination>,
    writing: bool,
    hurry: bool,
    closing: bool,
}

impl Shared {
    /// The state. A thread that panicked left it whole: nothing in here is changed in two steps.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts the thread that writes to `destination`.
    pub(super) fn start(destination: Destination) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let worker = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(&worker, destination))?;
        Ok(Self { shared })
    }

    /// Hands over a line; drops it when the buffer is full.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        let before = state.lines.len();
        if before + line.len() > BUFFER_MAX_BYTES {
            drop(state);
            return self.shared.dropped.increment();
        }
        state.lines.extend_from_slice(line);
        state.lines_count += 1;
        let after = state.lines.len();
        drop(state);
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.shared.work.notify_one();
        }
    }

    /// Writes to `destination` from now on.
    pub(super) fn replace(&self, destination: Destination) {
        self.shared.lock().next = Some(destination);
        self.shared.work.notify_one();
    }

    pub(super) fn flush(&self, limit: Duration) -> bool {
        let mut state = self.shared.lock();
        state.hurry = true;
        self.shared.work.notify_one();
        let unwritten = |state: &mut State| state.writing || state.next.is_some() || !state.lines.is_empty();
        let waited = self.shared.done.wait_timeout_while(state, limit, unwritten);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.shared.lock().lines.len()
    }

    pub(super) fn statistics(&self) -> AccessStatistics {
        let Shared {
            written,
            dropped,
            failed,
            ..
        } = &*self.shared;
        AccessStatistics {
            written: written.value(),
            dropped: dropped.value(),
            failed: failed.value(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        // The thread is not joined: a pipe that nobody reads would hold up the end of the program for ever.
        self.flush(CLOSE_MAX);
    }
}

/// Empties the buffer until the log is closed.
fn run(shared: &Shared, mut destination: Destination) {
    let mut batch = Vec::new();
    let mut broken = false;
    loop {
        let mut state = wait_for_work(shared);
        if let Some(next) = state.next.take() {
            destination = next;
        }
        std::mem::swap(&mut state.lines, &mut batch);
        let count = std::mem::take(&mut state.lines_count);
        state.writing = true;
        let closing = state.closing;
        drop(state);
        match destination.write(&batch) {
            Ok(()) => {
                shared.written.add(count);
                broken = false;
            }
            Err(error) => {
                shared.failed.add(count);
                // Said once, not for every batch: a full disk must not fill the other log.
                if !std::mem::replace(&mut broken, true) {
                    tracing::error!(%error, "the access log cannot be written");
                }
            }
        }
        batch.clear();
        batch.shrink_to(BATCH_BYTES * 2);
        let mut state = shared.lock();
        state.writing = false;
        if state.lines.is_empty() {
            state.hurry = false;
            shared.done.notify_all();
            if closing {
                return;
            }
        }
    }
}

/// Waits until there is something to write, and a moment longer for company.
fn wait_for_work(shared: &Shared) -> MutexGuard<'_, State> {
    let idle = |state: &mut State| state.lines.is_empty() && state.next.is_none() && !state.closing;
    let state = shared
        .work
        .wait_while(shared.lock(), idle)
        .unwrap_or_else(PoisonError::into_inner);
    let few =
        |state: &mut State| state.lines.len() < BATCH_BYTES && state.next.is_none() && !state.hurry && !state.closing;
    shared
        .work
        .wait_timeout_while(state, LINGER, few)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
