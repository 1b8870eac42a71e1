//! When nothing is being cached, it says why: after the first requests, and again later where that has not changed, the log
//! names the reasons by share and what would change them.

use super::program::Program;
use peregrine_base::{Runtime, TokioRuntime};
use peregrine_http::Summary;
use std::sync::Weak;
use std::time::Duration;

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many requests make a picture.
const REQUESTS_MIN: u64 = 50;
/// Below how many of a hundred answers from the cache there is something to say.
const SERVED_MIN_PERCENT: u64 = 20;
/// After how many times as many requests it is said again.
const AGAIN_AFTER_FACTOR: u64 = 100;
/// How many reasons are named.
const REASONS_MAX: usize = 3;

/// Watches until the program ends.
pub(super) fn watch(program: Weak<Program>) {
    TokioRuntime.spawn(Box::pin(async move {
        let mut next = REQUESTS_MIN;
        loop {
            TokioRuntime.sleep(LOOK_EVERY).await;
            let Some(program) = program.upgrade() else { return };
            let summary = Summary::of(&program.plane.table());
            if summary.requests < next {
                continue;
            }
            next = summary.requests.saturating_mul(AGAIN_AFTER_FACTOR);
            if summary.served_percent() < SERVED_MIN_PERCENT {
                say(&summary);
            }
        }
    }));
}

fn say(summary: &Summary) {
    let served = summary.served_percent();
    tracing::warn!(
        requests = summary.requests,
        "{served}% of the answers came from the cache; the reasons:"
    );
    for share in summary.reasons.iter().take(REASONS_MAX) {
        tracing::warn!("{share}");
    }
}
