//! What lets a request in. Every data plane asks [`Admit`] before it looks anything up, so that the step exists from the
//! first day; [`Permissive`] lets everything through until limits are configured.
//!
//! Admitting here is about load: rates, concurrency, priorities, breakers. Whether an entry may enter the cache is another
//! question and belongs to the cache.

use std::time::Duration;

/// What a plane knows of a request when it asks.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// The route's name, by pattern.
    pub route: &'a str,
    /// The tenant; empty where there is none.
    pub tenant: &'a str,
    /// The namespace that the request reads.
    pub namespace: &'a str,
}

/// What the step answers.
#[derive(Debug)]
pub enum Verdict {
    /// Go on; the permit is given back when it is dropped.
    Admit(Permit),
    /// The asker has used up what is its due.
    Throttle {
        /// How long until it may ask again.
        retry_after: Duration,
        /// The name of the limit that was reached.
        limit: &'static str,
    },
    /// There is more work than the origin can carry.
    Shed(ShedReason),
    /// The circuit breaker of the upstream is open.
    Open {
        /// How long until it is tried again.
        retry_after: Duration,
    },
}

/// Why work was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedReason {
    /// Too many requests are under way.
    Concurrency,
    /// Memory is short.
    Memory,
}

impl ShedReason {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Memory => "memory",
        }
    }
}

/// A place among the admitted; dropping it frees the place.
#[derive(Debug, Default)]
#[must_use = "the place is free again as soon as the permit is dropped"]
pub struct Permit(());

/// Decides whether a request may go on.
///
/// The caller asks once for each request, before any lookup, and keeps the permit until the answer has been delivered.
/// The callee answers at once: it never waits, and it never blocks a thread.
pub trait Admit: Send + Sync + 'static {
    /// The verdict on one request.
    fn admit(&self, request: &Admission<'_>) -> Verdict;
}

/// Admits everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Permissive;

impl Admit for Permissive {
    fn admit(&self, _request: &Admission<'_>) -> Verdict {
        Verdict::Admit(Permit::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_lets_everything_through() {
        let request = Admission {
            route: "/api/*",
            tenant: "",
            namespace: "default",
        };
        assert!(matches!(Permissive.admit(&request), Verdict::Admit(_)));
    }
}
