//! Active health: every target is asked for a path at an interval, give or take a tenth, by a task of its own. A target
//! counts as healthy until so many checks in a row have failed, and as failed until so many have passed. The task ends
//! with the target; a reload that changes nothing about the checks leaves it alone.

mod check;

use crate::config::HealthConfig;
use parking_lot::Mutex;
use peregrine_telemetry::Counter;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(crate) use check::{CheckError, Checker};

/// What checks have shown of a target.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    state: Mutex<State>,
    /// Checks that passed.
    pub(crate) passed: Counter,
    /// Checks that failed.
    pub(crate) failed: Counter,
    running: Mutex<Option<Running>>,
    /// How often checking began.
    #[cfg(test)]
    pub(crate) starts: Counter,
}

#[derive(Debug, Default)]
struct State {
    verdict: Option<Verdict>,
    /// Results in a row that speak against the verdict.
    against: u32,
    last_error: Option<Arc<str>>,
}

/// Whether checks let a target have requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passing,
    Failing,
}

/// The task that checks, and by what.
#[derive(Debug)]
struct Running {
    config: HealthConfig,
    /// What else the checks depend on: the name that certificates and `Host` are for, and how connections are made.
    way: String,
    /// Dropped, it ends the task.
    _stop: oneshot::Sender<()>,
}

/// What a check changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The target has failed enough checks in a row.
    Down,
    /// It has passed enough of them again.
    Up,
}

impl Checks {
    /// What the checks say; nothing before the first one.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.state.lock().verdict
    }

    /// Why the last check failed, if it did.
    pub(crate) fn last_error(&self) -> Option<Arc<str>> {
        self.state.lock().last_error.clone()
    }

    /// The result of a check.
    pub(crate) fn record(&self, result: Result<(), &CheckError>, config: &HealthConfig) -> Option<Change> {
        let counter = if result.is_ok() { &self.passed } else { &self.failed };
        counter.increment();
        let mut state = self.state.lock();
        state.last_error = result.err().map(|error| error.to_string().into());
        let (agrees, needed, turned, change) = match (state.verdict, result.is_ok()) {
            (None, true) => {
                state.verdict = Some(Verdict::Passing);
                state.against = 0;
                return None;
            }
            (None | Some(Verdict::Passing), ok) => (ok, config.unhealthy_after, Verdict::Failing, Change::Down),
            (Some(Verdict::Failing), ok) => (!ok, config.healthy_after, Verdict::Passing, Change::Up),
        };
        if agrees {
            state.against = 0;
            return None;
        }
        state.against += 1;
        if state.against < needed {
            return None;
        }
        state.against = 0;
        state.verdict = Some(turned);
        Some(change)
    }

    /// Notes that checks by `config` run from now on, over `way`; the end of what is returned is the end of the task. Nothing
    /// when they run already.
    fn start(&self, config: &HealthConfig, way: &str) -> Option<oneshot::Receiver<()>> {
        let mut running = self.running.lock();
        let runs = running
            .as_ref()
            .is_some_and(|running| running.config == *config && running.way == way);
        if runs {
            return None;
        }
        #[cfg(test)]
        self.starts.increment();
        let (stop, stopped) = oneshot::channel();
        *running = Some(Running {
            config: config.clone(),
            way: way.to_owned(),
            _stop: stop,
        });
        Some(stopped)
    }

    /// Ends the checks and forgets what they showed: nothing would ever change it any more.
    fn stop(&self) {
        if self.running.lock().take().is_some() {
            *self.state.lock() = State::default();
        }
    }
}

#[cfg(test)]
mod tests;
