//! A request under way to a target, and the verdict on the target that it brings.

use super::ejection::{Admission, Need};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::member::Member;
use super::outgoing::Outgoing;
use crate::http::BodyFault;
use peregrine_base::Instant;
use std::sync::Arc;

/// A request under way to a target: counted until it is dropped, and judged at most once.
pub(crate) struct Ticket {
    member: Arc<Member>,
    admission: Admission,
    /// When the probe began that has no verdict yet.
    undecided: Option<Instant>,
}

/// An attempt that brought no response.
pub(crate) struct Failed {
    pub(crate) error: UpstreamError,
    /// The request, if it may be sent again.
    pub(crate) again: Option<Box<Outgoing>>,
    /// Whether it went over a connection that had been used before, and that is over.
    pub(crate) grown_old: bool,
    /// Whether it probed a target that was left out.
    pub(crate) probed: bool,
}

impl Ticket {
    /// The right to send a request to `member`, if it is not left out.
    pub(crate) fn take(member: &Arc<Member>, now: Instant, need: Need) -> Option<Self> {
        let admission = member.admit(now, need)?;
        member.enter();
        Some(Self {
            member: Arc::clone(member),
            admission,
            undecided: match admission {
                Admission::Normal => None,
                Admission::Probe(began) => Some(began),
            },
        })
    }

    pub(crate) const fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The head of a response arrived: a probe has told enough.
    pub(crate) fn answered(&mut self, now: Instant) {
        if self.undecided.take().is_some() {
            self.member.probe_succeeded(now);
        }
        self.admission = Admission::Normal;
    }

    /// The response came whole.
    pub(crate) fn succeeded(&self) {
        self.member.ejection().succeeded(self.member.now());
    }

    /// The body of the response did not come whole. A limit on everything together does not say who was slow.
    pub(crate) fn body_failed(&self, fault: BodyFault) {
        self.member.statistics().body_error(fault);
        if fault != BodyFault::TotalTimeout {
            self.member.fail(self.admission);
        }
    }

    /// There is no response; `grown_old` as in [`Failed`].
    pub(crate) fn failed(mut self, error: UpstreamError, again: Option<Box<Outgoing>>, grown_old: bool) -> Failed {
        let error = error.at(self.member.name());
        self.member.statistics().error(error.kind);
        // A kept connection that the target closed meanwhile is nobody's fault.
        let is_excused = grown_old && error.kind == UpstreamErrorKind::Broken;
        if error.kind.is_failure_of_target() && !is_excused {
            self.undecided = None;
            self.member.fail(self.admission);
        }
        Failed {
            error,
            again,
            grown_old,
            probed: self.admission != Admission::Normal,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.member.leave();
        if let Some(began) = self.undecided {
            self.member.ejection().release_probe(began);
        }
    }
}
