//! Whether a failed request is sent again, and where. Only ever asked for requests that may be: nothing of them was sent, or
//! sending them twice does no harm. How many are sent again is bounded for each request here, and over all of them by
//! [`super::budget`].

use super::error::UpstreamErrorKind;
use peregrine_base::Instant;

/// What a request went through so far.
pub(crate) struct Attempts {
    /// The targets that failed it.
    pub(crate) tried: Tried,
    /// The target of which a kept connection proved dead, and when.
    outdated: Option<(usize, Instant)>,
    retries_left: u32,
    /// Whether it has probed a target.
    probed: bool,
    count: u32,
}

/// A set of targets by their numbers, empty at no cost.
#[derive(Debug, Default)]
pub(crate) struct Tried(Vec<usize>);

impl Tried {
    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.contains(&index)
    }

    fn insert(&mut self, index: usize) {
        if !self.contains(index) {
            self.0.push(index);
        }
    }
}

/// Where to send a request next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nowhere.
    Stop,
    /// To the same target.
    Same,
    /// To another target.
    Other,
    /// To another target, or to the same when there is no other.
    OtherOrSame,
}

impl Attempts {
    pub(crate) fn new(retries_max: u32) -> Self {
        Self {
            tried: Tried::default(),
            outdated: None,
            retries_left: retries_max,
            probed: false,
            count: 1,
        }
    }

    /// How often the request was sent.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Connections to the target `index` that were there already at this time are not to be used.
    pub(crate) fn newer_than(&self, index: usize) -> Option<Instant> {
        self.outdated
            .filter(|outdated| outdated.0 == index)
            .map(|outdated| outdated.1)
    }

    /// The attempt that failed was to find out whether a target is back: it costs no retry. There is one such at most.
    pub(crate) fn forgive_probe(&mut self) {
        if !std::mem::replace(&mut self.probed, true) {
            self.retries_left = self.retries_left.saturating_add(1);
        }
    }

    /// What to do after the target `index` failed with `kind` at `now`; `grown_old` when a kept connection ended with that.
    pub(crate) fn next(&mut self, index: usize, kind: UpstreamErrorKind, grown_old: bool, now: Instant) -> Next {
        use UpstreamErrorKind as Kind;
        if grown_old && matches!(kind, Kind::Broken | Kind::Unsolicited) && self.outdated.is_none() {
            // The target closed a connection that was idle: no failure, and no retry that counts. Once is enough, because
            // the next connection is a newer one.
            self.outdated = Some((index, now));
            self.count += 1;
            return Next::Same;
        }
        let next = match kind {
            // The next connection may fare better, even at the same target.
            Kind::Broken => Next::OtherOrSame,
            // The same target would only fail the same way.
            Kind::Resolve
            | Kind::Connect
            | Kind::ConnectTimeout
            | Kind::Tls
            | Kind::Protocol
            | Kind::Framing
            | Kind::HeadTooLarge
            | Kind::TooManyInterim
            | Kind::Unsolicited
            | Kind::FirstByteTimeout
            | Kind::TooManyWaiting
            | Kind::WaitTimeout => Next::Other,
            Kind::TotalTimeout | Kind::NoHealthyTarget | Kind::RequestBody(_) => Next::Stop,
        };
        if next == Next::Stop || !self.take_retry(index) {
            return Next::Stop;
        }
        self.count += 1;
        next
    }

    /// Whether a request that failed at the target `index` may go to another one, which costs a retry.
    pub(crate) fn take_retry(&mut self, index: usize) -> bool {
        let may = self.retries_left > 0;
        if may {
            self.retries_left -= 1;
            self.tried.insert(index);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UpstreamErrorKind as Kind;

    const NOW: Instant = Instant::FAR;

    #[test]
    fn a_kept_connection_that_was_closed_costs_no_retry_but_only_once() {
        let mut attempts = Attempts::new(0);
        assert_eq!(attempts.next(0, Kind::Broken, true, NOW), Next::Same);
        assert_eq!((attempts.newer_than(0), attempts.newer_than(1)), (Some(NOW), None));
        assert_eq!(attempts.next(0, Kind::Broken, true, NOW), Next::Stop);
    }

    #[test]
    fn retries_are_bounded_and_go_elsewhere() {
        let mut attempts = Attempts::new(2);
        assert_eq!(attempts.next(0, Kind::Connect, false, NOW), Next::Other);
        assert_eq!(attempts.next(1, Kind::Broken, false, NOW), Next::OtherOrSame);
        assert_eq!(attempts.next(2, Kind::Broken, false, NOW), Next::Stop);
        let tried = [0, 1, 2].map(|index| attempts.tried.contains(index));
        assert_eq!((tried, attempts.count), ([true, true, false], 3));
    }

    #[test]
    fn what_would_not_help_is_not_tried() {
        for kind in [
            Kind::TotalTimeout,
            Kind::NoHealthyTarget,
            Kind::RequestBody(crate::http::BodyFault::Truncated),
        ] {
            assert_eq!(Attempts::new(5).next(0, kind, false, NOW), Next::Stop);
        }
    }
}
