//! One event loop for each core: a connection stays on the loop that got it, with all that it waits for, so that answering
//! it takes no lock of a scheduler and its memory stays in one core's cache. Everything else (the listeners, the admin API,
//! the chores) runs on the program's own runtime.

use crate::Failure;
use peregrine_base::{MakeTask, Runtime, Task, TokioRuntime};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// The loops, as a runtime that settles connections on them.
pub(super) struct Cores {
    loops: Vec<Loop>,
}

/// One of them.
struct Loop {
    handle: Handle,
    /// How many connections it has.
    settled: Arc<AtomicUsize>,
}

/// The threads of the loops; dropping it ends them.
pub(super) struct Threads {
    ending: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Cores {
    /// Starts `workers` loops; 0 means one for each core.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(workers: usize) -> Result<(Arc<Self>, Threads), Failure> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = if workers > 0 { workers } else { cores };
        let (ending, ended) = watch::channel(false);
        let (mut loops, mut threads) = (Vec::new(), Vec::new());
        let failed = |error: std::io::Error| Failure::Failed(format!("cannot start: {error}"));
        for number in 0..count {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().map_err(failed)?;
            loops.push(Loop {
                handle: runtime.handle().clone(),
                settled: Arc::default(),
            });
            let mut ended = ended.clone();
            let run = move || {
                // Its sender ends it, by word or by going away.
                let _ = runtime.block_on(ended.wait_for(|ended| *ended));
                runtime.shutdown_background();
            };
            let thread = std::thread::Builder::new().name(format!("loop-{number}"));
            threads.push(thread.spawn(run).map_err(failed)?);
        }
        Ok((Arc::new(Self { loops }), Threads { ending, threads }))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.ending.send_replace(true);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Counts a connection out, however it ends.
struct Settled(Arc<AtomicUsize>);

impl Drop for Settled {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Runtime for Cores {
    fn spawn(&self, task: Task) {
        TokioRuntime.spawn(task);
    }

    fn settle(&self, make: MakeTask) {
        let Some(least) = self.loops.iter().min_by_key(|one| one.settled.load(Ordering::Relaxed)) else {
            return self.spawn(make());
        };
        least.settled.fetch_add(1, Ordering::Relaxed);
        let settled = Settled(Arc::clone(&least.settled));
        least.handle.spawn(async move {
            let _settled = settled;
            make().await;
        });
    }

    fn has_several_loops(&self) -> bool {
        !self.loops.is_empty()
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        TokioRuntime.spawn_blocking(work);
    }

    fn sleep(&self, span: Duration) -> Task {
        TokioRuntime.sleep(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_spread_over_the_loops_and_stay_there() {
        let (cores, threads) = Cores::start(3).unwrap();
        let (told, names) = std::sync::mpsc::sync_channel(6);
        for _ in 0..6 {
            let told = told.clone();
            cores.settle(Box::new(move || {
                let made_in = std::thread::current().name().map(str::to_owned);
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    assert_eq!(std::thread::current().name().map(str::to_owned), made_in);
                    told.send(made_in).unwrap();
                    std::future::pending::<()>().await;
                })
            }));
        }
        let mut all: Vec<_> = (0..6).map(|_| names.recv().unwrap().unwrap()).collect();
        all.sort();
        assert_eq!(all, ["loop-0", "loop-0", "loop-1", "loop-1", "loop-2", "loop-2"]);
        drop(threads);
    }
}
