//! The clock of the program: the machine's. In a build that is not optimised, `PEREGRINE_TEST_CLOCK_SKEW_S` moves its civil
//! time by so many seconds, for tests of nodes whose clocks do not agree; what counts ages is not moved.

use peregrine_base::{Clock, SystemClock};
use std::sync::Arc;

#[cfg(not(debug_assertions))]
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

#[cfg(debug_assertions)]
pub(super) fn clock() -> Arc<dyn Clock> {
    let skew = std::env::var("PEREGRINE_TEST_CLOCK_SKEW_S").ok();
    match skew.and_then(|skew| skew.parse().ok()) {
        Some(by_s) => Arc::new(Skewed { by_s }),
        None => Arc::new(SystemClock),
    }
}

/// The machine's clock with another civil time.
#[cfg(debug_assertions)]
struct Skewed {
    by_s: i64,
}

#[cfg(debug_assertions)]
impl Clock for Skewed {
    fn now(&self) -> peregrine_base::Instant {
        SystemClock.now()
    }

    fn wall(&self) -> peregrine_base::WallTime {
        let millis = SystemClock.wall().as_millis();
        peregrine_base::WallTime::from_millis(millis.saturating_add_signed(self.by_s.saturating_mul(1000)))
    }
}
