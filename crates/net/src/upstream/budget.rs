//! The retry budget of an upstream, as in Finagle and linkerd: over the last ten seconds at most a share of the requests
//! may be sent again, and a few each second in any case. When every request fails, an origin that is on its knees gets a
//! fifth more requests, not twice as many.

use parking_lot::Mutex;
use peregrine_base::Instant;
use peregrine_telemetry::Counter;

/// How far the window reaches back, in whole seconds.
const WINDOW_SECONDS: usize = 10;

/// How much may be sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Retries for each request.
    pub(crate) share: f64,
    /// Retries each second whatever the number of requests.
    pub(crate) per_second_min: u32,
}

/// What was sent and sent again lately.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    window: Mutex<Window>,
    /// How often a retry was refused.
    pub(crate) exhausted: Counter,
}

#[derive(Debug, Default)]
struct Window {
    /// Requests and retries by second.
    seconds: [(u64, u64); WINDOW_SECONDS],
    /// The second that was counted last.
    last: u64,
}

impl Window {
    /// The place of the second of `now`; what is older than the window is forgotten.
    fn now(&mut self, now: Instant) -> &mut (u64, u64) {
        let second = now.as_nanos() / 1_000_000_000;
        let width = WINDOW_SECONDS as u64;
        let passed = second.saturating_sub(self.last).min(width);
        for step in 1..=passed {
            self.seconds[place(second - passed + step)] = (0, 0);
        }
        self.last = self.last.max(second);
        &mut self.seconds[place(self.last)]
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % WINDOW_SECONDS as u64).unwrap_or(0)
}

impl Budget {
    /// A request is sent for the first time.
    pub(crate) fn request(&self, now: Instant) {
        self.window.lock().now(now).0 += 1;
    }

    /// Takes a retry from the budget; false when it is used up.
    pub(crate) fn retry(&self, now: Instant, rule: Rule) -> bool {
        let mut window = self.window.lock();
        window.now(now);
        let (requests, retries) = window
            .seconds
            .iter()
            .fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
        #[expect(clippy::cast_precision_loss, reason = "the requests of ten seconds fit a double")]
        let (requests, retries) = (requests as f64, retries as f64);
        #[expect(clippy::cast_precision_loss, reason = "ten")]
        let floor = f64::from(rule.per_second_min) * WINDOW_SECONDS as f64;
        let allowed = requests.mul_add(rule.share, floor);
        if retries + 1.0 > allowed {
            self.exhausted.increment();
            return false;
        }
        window.now(now).1 += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(1_000_000 + millis))
    }

    fn rule(share: f64, per_second_min: u32) -> Rule {
        Rule { share, per_second_min }
    }

    /// How many of a thousand retries at once are let through.
    fn granted(budget: &Budget, now: Instant, rule: Rule) -> usize {
        (0..1000).filter(|_| budget.retry(now, rule)).count()
    }

    #[test]
    fn a_fifth_of_the_requests_of_the_window_and_a_few_in_any_case() {
        let budget = Budget::default();
        (0..500).for_each(|i| budget.request(at(i * 10)));
        assert_eq!(granted(&budget, at(5000), rule(0.2, 0)), 100);
        assert_eq!(budget.exhausted.value(), 900);
        assert_eq!(granted(&budget, at(5000), rule(0.2, 3)), 30, "three for each second");
        assert_eq!(granted(&budget, at(30_000), rule(0.2, 0)), 0, "all that is long ago");
        assert_eq!(
            granted(&Budget::default(), at(0), rule(1.0, 10)),
            100,
            "nobody asked yet"
        );
    }

    #[test]
    fn what_was_sent_again_comes_back_when_the_window_has_passed() {
        let budget = Budget::default();
        assert_eq!(granted(&budget, at(0), rule(0.0, 1)), 10);
        assert_eq!(granted(&budget, at(9_000), rule(0.0, 1)), 0);
        assert_eq!(granted(&budget, at(10_000), rule(0.0, 1)), 10);
    }

    proptest! {
        #[test]
        fn never_more_than_the_share_of_all_requests_and_the_floor(
            steps in prop::collection::vec((0u64..2000, any::<bool>()), 1..400),
            share in 0.0..1.0f64,
        ) {
            let budget = Budget::default();
            let (mut now, mut requests, mut retries) = (0, 0u32, 0u32);
            for (pause, is_retry) in steps {
                now += pause;
                if is_retry {
                    retries += u32::from(budget.retry(at(now), rule(share, 0)));
                } else {
                    budget.request(at(now));
                    requests += 1;
                }
                prop_assert!(f64::from(retries) <= f64::from(requests) * share);
            }
        }
    }
}
