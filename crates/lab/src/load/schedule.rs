//! When requests are sent: closed loop, open loop, and where a run ends.
//!
//! **Closed loop**: each connection asks again as soon as it is answered, so a slow server is asked less often and hides how
//! long others would have waited (coordinated omission). **Open loop**: arrivals come at their own times whatever the answers
//! do, as people do; an arrival that finds no free connection waits, and its latency counts from when it was due.

use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, SystemClock};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// What makes a connection send its next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The answer to the one before.
    Closed,
    /// The clock.
    Open {
        /// How many requests arrive per second, over all connections.
        rate_per_s: f64,
        /// How they are spread.
        arrivals: Arrivals,
    },
}

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// In equal steps.
    #[default]
    Even,
    /// Independently of each other, as users arrive: in bursts and lulls.
    Poisson,
}

/// What ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This much time after the warm-up.
    Time(Duration),
    /// This many requests, the warm-up's included.
    Requests(u64),
}

/// Hands out the arrivals of one run to its connections.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// No request is due at or after it.
    pub(crate) stop_at: Instant,
    /// Requests that may still be handed out.
    left: AtomicU64,
    arrivals: Option<Mutex<ArrivalTimes>>,
}

#[derive(Debug)]
struct ArrivalTimes {
    next: Instant,
    rate_per_s: f64,
    spread: Arrivals,
    rng: fastrand::Rng,
}

impl Schedule {
    /// The schedule of a run that begins at `start`.
    pub(crate) fn new(pace: Pace, limit: Limit, start: Instant, warm_up: Duration, seed: u64) -> Self {
        let (stop_at, left) = match limit {
            Limit::Time(span) => (start.after(warm_up).after(span), u64::MAX),
            Limit::Requests(count) => (Instant::FAR, count),
        };
        let arrivals = match pace {
            Pace::Closed => None,
            Pace::Open { rate_per_s, arrivals } => Some(Mutex::new(ArrivalTimes {
                next: start,
                rate_per_s,
                spread: arrivals,
                rng: fastrand::Rng::with_seed(seed),
            })),
        };
        Self {
            stop_at,
            left: AtomicU64::new(left),
            arrivals,
        }
    }

    /// When the next request is due; `None` when the run is over.
    pub(crate) fn claim(&self, now: Instant) -> Option<Instant> {
        if now >= self.stop_at {
            return None;
        }
        let take = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()?;
        let Some(arrivals) = &self.arrivals else {
            return Some(now);
        };
        let mut arrivals = arrivals.lock();
        let due = arrivals.next;
        if due >= self.stop_at {
            return None;
        }
        arrivals.next = due.after(arrivals.step());
        Some(due)
    }

    /// The arrivals that were due before the end and never handed out: how many, and when the first was due.
    pub(crate) fn unsent(&self, ended: Instant) -> Option<(u64, Instant)> {
        let arrivals = self.arrivals.as_ref()?.lock();
        let waited = ended.min(self.stop_at).since(arrivals.next).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate"
        )]
        let count = ((waited * arrivals.rate_per_s) as u64).min(self.left.load(Ordering::Relaxed));
        (count > 0).then_some((count, arrivals.next))
    }
}

impl ArrivalTimes {
    /// The time between this arrival and the next.
    fn step(&mut self) -> Duration {
        let mean_s = 1.0 / self.rate_per_s;
        let step_s = match self.spread {
            Arrivals::Even => mean_s,
            // The inverse of the exponential distribution's function; 1 - u is never 0.
            Arrivals::Poisson => -(1.0 - self.rng.f64()).ln() * mean_s,
        };
        Duration::try_from_secs_f64(step_s).unwrap_or(Duration::MAX)
    }
}

/// A timer that wakes within microseconds. The runtime's own rounds up to milliseconds, which would send arrivals in bursts and
/// be charged to the server as latency.
///
/// The kernel's timer is a file that becomes readable; a pipe's reading end, unchecked, is the one type of the runtime that
/// waits for such a file without unsafe code.
#[derive(Debug)]
pub(crate) struct PreciseTimer(Receiver);

impl PreciseTimer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until `due` on the system's clock.
    pub(crate) async fn until(&self, due: Instant) -> io::Result<()> {
        if SystemClock.now() >= due {
            return Ok(());
        }
        let nanos = i64::try_from(due.as_nanos()).unwrap_or(i64::MAX);
        let value = Timespec {
            tv_sec: nanos / 1_000_000_000,
            tv_nsec: nanos % 1_000_000_000,
        };
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &once)?;
        while SystemClock.now() < due {
            self.0.readable().await?;
            // Reading the count of expiries makes the timer unreadable again; there is none after a spurious wake-up.
            match self.0.try_read(&mut [0; 8]) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_times(pace: Pace, limit: Limit) -> Vec<u64> {
        let start = Instant::from_nanos(1_000_000_000);
        let schedule = Schedule::new(pace, limit, start, Duration::ZERO, 1);
        std::iter::from_fn(|| schedule.claim(start))
            .map(|due| due.since(start).as_micros().try_into().unwrap())
            .collect()
    }

    #[test]
    fn even_arrivals_come_in_equal_steps_until_the_end() {
        let pace = Pace::Open {
            rate_per_s: 1000.0,
            arrivals: Arrivals::Even,
        };
        assert_eq!(
            due_times(pace, Limit::Time(Duration::from_millis(4))),
            [0, 1000, 2000, 3000]
        );
        assert_eq!(due_times(pace, Limit::Requests(2)), [0, 1000]);
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_vary() {
        let pace = Pace::Open {
            rate_per_s: 1000.0,
            arrivals: Arrivals::Poisson,
        };
        let times = due_times(pace, Limit::Time(Duration::from_secs(20)));
        assert!((19_000..21_000).contains(&times.len()), "{} arrivals", times.len());
        // Of exponential steps, 1 - 1/e are shorter than the mean.
        let short = times.windows(2).filter(|pair| pair[1] - pair[0] < 1000).count() * 100 / times.len();
        assert!((60..66).contains(&short), "{short}% short steps");
    }

    #[test]
    fn arrivals_that_were_never_handed_out_are_known() {
        let start = Instant::from_nanos(1_000_000_000);
        let pace = Pace::Open {
            rate_per_s: 1000.0,
            arrivals: Arrivals::Even,
        };
        let schedule = Schedule::new(pace, Limit::Time(Duration::from_secs(1)), start, Duration::ZERO, 1);
        assert_eq!(schedule.claim(start), Some(start));
        let end = start.after(Duration::from_secs(1));
        assert_eq!(schedule.claim(end), None);
        assert_eq!(schedule.unsent(end), Some((999, start.after(Duration::from_millis(1)))));
    }
}
