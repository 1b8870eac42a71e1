//! Does a running cluster keep its promises about freshness? Values with version numbers are changed at an origin of the
//! laboratory's own and invalidated through the nodes, while they are read from every node; each answer is compared with
//! what was promised when its request was sent:
//!
//! - **P1**: the node that was asked to invalidate has answered: it never gives an older version any more.
//! - **P2**: an invalidation was confirmed longer ago than the freshness bound: no node gives an older version, unless it
//!   says `unverified`.
//! - **receipt**: a receipt says that every node has confirmed: none gives an older version any more.
//! - **P6**: the origin answers everything, so no node may answer with an error of its own.
//! - **damaged**: no answer is of another key, of another run, or of a version that was not made yet.
//!
//! What it cannot see: a promise is judged from when a request was sent, not from when the node received it, which is
//! earlier; so nothing is blamed that was kept, and what is broken within the time of a round trip may pass.

mod history;
mod origin;
mod reader;
mod receipt;
mod report;
mod run;

pub use history::{Change, History, Promise, Read, Told};
pub use origin::{PATH, VersionedOrigin};
pub use report::{Bucket, FreshnessReport, Invalidations, NodeReport, Staleness, Verdict, Violation};
pub use run::{Checked, FreshnessError, FreshnessSettings, Invalidate, Invalidating, run};

#[cfg(test)]
mod tests;
