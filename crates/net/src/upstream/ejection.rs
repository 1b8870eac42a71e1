//! Passive health: a target that fails several times in a row is left out for a while, each further time for twice as long
//! up to a bound; then one request probes it. The outlier detection of Envoy with the half-open state of a circuit breaker,
//! judged only by what real requests meet.
//!
//! A response counts as a success when its body is whole, so that a target which answers well and then breaks off is left
//! out too. What happens to requests that were sent before the target was left out changes nothing any more.

use super::status::Health;
use crate::config::EjectionConfig;
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::sync::Arc;
use std::time::Duration;

/// Whether a target may get requests.
#[derive(Clone, Debug)]
pub(crate) struct Ejection {
    rule: EjectionConfig,
    /// Shared with what a reload makes of the target.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// How often in a row it was left out; decides for how long.
    times: u32,
    left_out: Option<LeftOut>,
    /// When it came back last.
    back_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct LeftOut {
    since: Instant,
    until: Instant,
    /// Since when a request probes it.
    probing: Option<Instant>,
}

/// How a request may go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is healthy.
    Normal,
    /// It was left out, and this request tries whether it is back, since this moment.
    Probe(Instant),
}

/// How a target stands to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It gets requests.
    Serving,
    /// It was left out, and its time is up: one request may try it.
    Due,
    /// It is left out.
    Out,
}

/// Why a target is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// There may be others.
    Any,
    /// All others are left out too: probe earlier, so that an upstream whose targets all failed is back soon after they are.
    LastResort,
}

impl Ejection {
    pub(crate) fn new(rule: EjectionConfig) -> Self {
        Self {
            rule,
            state: Arc::default(),
        }
    }

    /// The same target under another rule.
    pub(crate) fn under(&self, rule: EjectionConfig) -> Self {
        Self {
            rule,
            state: Arc::clone(&self.state),
        }
    }

    /// How the target stands to a request at `now`, without a claim.
    pub(crate) fn standing(&self, now: Instant, need: Need) -> Standing {
        match self.state.lock().left_out {
            None => Standing::Serving,
            Some(left_out) if self.may_be_probed(&left_out, now, need) => Standing::Due,
            Some(_) => Standing::Out,
        }
    }

    /// Where there is nobody else, a probe that takes its time, because of a client that sends slowly perhaps, is joined by
    /// another one.
    fn may_be_probed(&self, left_out: &LeftOut, now: Instant, need: Need) -> bool {
        let is_alone = |since: Instant| need == Need::Any || now < since.after(self.rule.time_min.get());
        !left_out.probing.is_some_and(is_alone) && now >= self.probed_from(left_out, need)
    }

    fn probed_from(&self, left_out: &LeftOut, need: Need) -> Instant {
        match need {
            Need::Any => left_out.until,
            Need::LastResort => left_out.until.min(left_out.since.after(self.rule.time_min.get())),
        }
    }

    /// Whether it is left out.
    pub(crate) fn is_out(&self) -> bool {
        self.state.lock().left_out.is_some()
    }

    /// Whether and how a request may go there; a probe must be followed by a verdict or by [`Ejection::release_probe`].
    pub(crate) fn admit(&self, now: Instant, need: Need) -> Option<Admission> {
        let mut state = self.state.lock();
        let Some(left_out) = &mut state.left_out else {
            return Some(Admission::Normal);
        };
        if !self.may_be_probed(left_out, now, need) {
            return None;
        }
        left_out.probing = Some(now);
        Some(Admission::Probe(now))
    }

    /// The probe that began at `began` ended without telling anything about the target.
    pub(crate) fn release_probe(&self, began: Instant) {
        if let Some(left_out) = &mut self.state.lock().left_out
            && left_out.probing == Some(began)
        {
            left_out.probing = None;
        }
    }

    /// A probe was answered: the target is back. True when it was left out before.
    pub(crate) fn probe_succeeded(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        state.failures = 0;
        state.back_at = now;
        state.left_out.take().is_some()
    }

    /// Health checks have shown that the target is back.
    pub(crate) fn restore(&self, now: Instant) {
        self.probe_succeeded(now);
    }

    /// A response came whole.
    pub(crate) fn succeeded(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.left_out.is_none() {
            state.failures = 0;
            if state.times > 0 && now >= state.back_at.after(self.rule.time_max.get()) {
                state.times = 0;
            }
        }
    }

    /// A request failed; for how long the target is now left out, if that began with it. Unless there is `room`, because as
    /// many as may be are out already, it stays.
    pub(crate) fn failed(&self, now: Instant, admission: Admission, room: bool) -> Option<Duration> {
        let mut state = self.state.lock();
        match (state.left_out, admission) {
            (Some(left_out), Admission::Probe(began)) if began >= left_out.since => {
                Some(self.leave_out(&mut state, now))
            }
            // What began before it was left out, or left out once more, changes nothing.
            (Some(_), _) => None,
            (None, _) => {
                state.failures = state.failures.saturating_add(1);
                let enough = self.rule.failures > 0 && state.failures >= self.rule.failures;
                (enough && room).then(|| self.leave_out(&mut state, now))
            }
        }
    }

    fn leave_out(&self, state: &mut State, now: Instant) -> Duration {
        let factor = 1u32.checked_shl(state.times).unwrap_or(u32::MAX);
        let span = self
            .rule
            .time_min
            .get()
            .saturating_mul(factor)
            .min(self.rule.time_max.get());
        state.times = state.times.saturating_add(1);
        state.left_out = Some(LeftOut {
            since: now,
            until: now.after(span),
            probing: None,
        });
        span
    }

    /// Health and failures in a row, to be shown.
    pub(crate) fn health(&self) -> (Health, u32) {
        let state = self.state.lock();
        let health = match state.left_out {
            None => Health::Healthy,
            Some(LeftOut { probing: Some(_), .. }) => Health::Probing,
            Some(_) => Health::Ejected,
        };
        (health, state.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::from_nanos(1_000_000_000_000);

    fn at(seconds: u64) -> Instant {
        T0.after(Duration::from_secs(seconds))
    }

    fn ejection(failures: u32) -> Ejection {
        let (time_min, time_max) = ("2s".parse().unwrap(), "10s".parse().unwrap());
        Ejection::new(EjectionConfig {
            failures,
            time_min,
            time_max,
            share_max: 1.0,
        })
    }

    #[test]
    fn a_probe_that_takes_its_time_is_joined_where_there_is_nobody_else() {
        let target = ejection(1);
        assert_eq!(secs(target.failed(at(0), Admission::Normal, true)), Some(2));
        assert_eq!(target.admit(at(2), Need::Any), Some(Admission::Probe(at(2))));
        assert_eq!(target.admit(at(60), Need::Any), None, "others serve");
        assert_eq!(target.admit(at(3), Need::LastResort), None);
        assert_eq!(target.admit(at(4), Need::LastResort), Some(Admission::Probe(at(4))));
        assert_eq!(secs(target.failed(at(5), Admission::Probe(at(2)), true)), Some(4));
        assert_eq!(
            target.failed(at(6), Admission::Probe(at(4)), true),
            None,
            "that is known"
        );
        assert_eq!(target.admit(at(9), Need::Any), Some(Admission::Probe(at(9))));
        target.release_probe(at(4));
        assert_eq!(target.admit(at(9), Need::Any), None, "another one is under way");
    }

    fn secs(span: Option<Duration>) -> Option<u64> {
        span.map(|span| span.as_secs())
    }

    #[test]
    fn only_failures_in_a_row_leave_a_target_out() {
        let ejection = ejection(3);
        for _ in 0..10 {
            assert_eq!(ejection.failed(T0, Admission::Normal, true), None);
            assert_eq!(ejection.failed(T0, Admission::Normal, true), None);
            ejection.succeeded(T0);
        }
        assert_eq!(ejection.admit(T0, Need::Any), Some(Admission::Normal));
        assert_eq!(
            secs([(); 3].map(|()| ejection.failed(T0, Admission::Normal, true))[2]),
            Some(2)
        );
        assert_eq!(ejection.admit(T0, Need::Any), None);
    }

    #[test]
    fn one_request_probes_and_each_time_is_longer_up_to_the_bound() {
        let ejection = ejection(1);
        assert_eq!(secs(ejection.failed(at(0), Admission::Normal, true)), Some(2));
        assert_eq!(ejection.admit(at(1), Need::Any), None);
        let mut now = 2;
        for expected in [4, 8, 10, 10] {
            assert_eq!(ejection.admit(at(now), Need::Any), Some(Admission::Probe(at(now))));
            assert_eq!(ejection.admit(at(now), Need::Any), None, "one request only");
            assert_eq!(ejection.health().0, Health::Probing);
            assert_eq!(
                secs(ejection.failed(at(now), Admission::Probe(at(now)), true)),
                Some(expected)
            );
            now += expected;
        }
        assert_eq!(ejection.admit(at(now), Need::Any), Some(Admission::Probe(at(now))));
        assert!(ejection.probe_succeeded(at(now)));
        assert_eq!(ejection.admit(at(now), Need::Any), Some(Admission::Normal));
    }

    #[test]
    fn a_probe_that_tells_nothing_is_given_to_the_next() {
        let ejection = ejection(1);
        ejection.failed(at(0), Admission::Normal, true);
        assert_eq!(ejection.admit(at(2), Need::Any), Some(Admission::Probe(at(2))));
        ejection.release_probe(at(2));
        assert_eq!(ejection.admit(at(2), Need::Any), Some(Admission::Probe(at(2))));
    }

    #[test]
    fn what_was_sent_before_changes_nothing() {
        let ejection = ejection(1);
        ejection.failed(at(0), Admission::Normal, true);
        assert_eq!(ejection.failed(at(1), Admission::Normal, true), None);
        ejection.succeeded(at(1));
        assert_eq!(ejection.admit(at(1), Need::Any), None);
        assert_eq!(
            ejection.admit(at(2), Need::Any),
            Some(Admission::Probe(at(2))),
            "the time did not grow"
        );
    }

    #[test]
    fn the_last_resort_is_probed_after_the_shortest_time() {
        let ejection = ejection(1);
        ejection.failed(at(0), Admission::Normal, true);
        ejection.admit(at(2), Need::Any);
        ejection.failed(at(2), Admission::Probe(at(2)), true);
        assert_eq!(ejection.admit(at(4), Need::Any), None, "left out for 4 s");
        assert_eq!(ejection.admit(at(3), Need::LastResort), None);
        assert_eq!(ejection.admit(at(4), Need::LastResort), Some(Admission::Probe(at(4))));
    }

    #[test]
    fn a_long_good_time_is_rewarded() {
        let ejection = ejection(1);
        ejection.failed(at(0), Admission::Normal, true);
        ejection.admit(at(2), Need::Any);
        ejection.probe_succeeded(at(2));
        assert_eq!(
            secs(ejection.failed(at(3), Admission::Normal, true)),
            Some(4),
            "again soon after"
        );
        ejection.admit(at(7), Need::Any);
        ejection.probe_succeeded(at(7));
        ejection.succeeded(at(17));
        assert_eq!(
            secs(ejection.failed(at(18), Admission::Normal, true)),
            Some(2),
            "long after"
        );
    }

    #[test]
    fn without_room_it_stays_and_is_left_out_once_there_is() {
        let ejection = ejection(1);
        assert_eq!(ejection.failed(at(0), Admission::Normal, false), None);
        assert_eq!(ejection.standing(at(0), Need::Any), Standing::Serving);
        assert_eq!(secs(ejection.failed(at(0), Admission::Normal, true)), Some(2));
        let standings = [1, 2].map(|second| ejection.standing(at(second), Need::Any));
        assert_eq!(standings, [Standing::Out, Standing::Due]);
    }

    #[test]
    fn zero_failures_never_leaves_out() {
        let ejection = ejection(0);
        assert!((0..100).all(|_| ejection.failed(T0, Admission::Normal, true).is_none()));
    }
}
