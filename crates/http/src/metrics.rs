//! What is counted of requests, by route and by tenant. A route's handles are made once with it and survive a reload under
//! its name. A route has one strategy, one upstream and one namespace: their sums are made of those of their routes when
//! somebody asks.

mod requests;
mod tenants;

pub use requests::RequestMetrics;
pub use tenants::{TenantMetrics, Tenants};

use crate::encode::Withheld;
use peregrine_cache::Coding;
use peregrine_telemetry::Counters;

/// Where each group of counters begins, in the one array that holds them.
const CODINGS: usize = 0;
const WITHHELD: usize = CODINGS + Coding::ALL.len();
const COUNTERS: usize = WITHHELD + Withheld::ALL.len();

/// The counters of one route.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    /// Its requests.
    pub requests: RequestMetrics,
    /// In which coding they were answered.
    counters: Counters<COUNTERS>,
}

impl RouteMetrics {
    /// Counts an answer in a coding that was made here.
    pub(crate) fn encoded(&self, coding: Coding) {
        self.counters.cells().add(CODINGS + coding as usize, 1);
    }

    /// Counts `bytes` that were sent as they are though they compress well and their client takes a coding.
    pub(crate) fn withheld(&self, because: Withheld, bytes: u64) {
        self.counters.cells().add(WITHHELD + because as usize, bytes);
    }

    /// How many of these bytes there were, by the parameter that kept them from being offered in a coding.
    pub fn uncompressed_bytes(&self) -> impl Iterator<Item = (Withheld, u64)> {
        let count = |because| self.counters.value(WITHHELD + because as usize);
        Withheld::ALL.into_iter().map(move |because| (because, count(because)))
    }

    /// How many answers went out in each coding that was made here.
    pub fn encodings(&self) -> impl Iterator<Item = (Coding, u64)> {
        let count = |coding| self.counters.value(CODINGS + coding as usize);
        Coding::ALL.into_iter().map(move |coding| (coding, count(coding)))
    }
}
