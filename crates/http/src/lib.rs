//! The HTTP data plane: a caching reverse proxy.
//!
//! [`Plane`] is what the server calls for every request; `plane.rs` tells the way of a request from top to bottom. The
//! caching rules are a pure state machine in [`policy`], which knows neither sockets nor the engine. The engine
//! (`peregrine-cache`) knows no HTTP: heads reach it as bytes, `Vary` as a selector.
//!
//! Deliberately absent: state of its own beside the route table and the last decisions, and any name that is looked up while
//! a request waits.

mod advice;
mod assembly;
mod canonical;
pub mod config;
mod content;
mod decode;
mod deliver;
mod encode;
mod explain;
mod failure;
mod finish;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod head_update;
mod hop;
mod identify;
mod key;
mod learned;
mod load;
#[doc(hidden)]
pub mod measuring;
mod metrics;
mod names;
mod origin;
mod outcome;
mod outgoing;
mod own;
mod parameters;
mod parted;
mod pass;
mod pattern;
mod plane;
pub mod policy;
mod posted;
mod purge;
mod ranges;
mod reasons;
mod receive;
mod recent;
mod request;
mod route;
mod short;
mod siblings;
mod store;
mod template;
mod tenant;
mod traced;
mod trailers;

pub use advice::{Share, Summary};
pub use encode::Withheld;
pub use explain::{EntryFacts, Explanation, Held, State, Step};
pub use head::STORED_VERSION;
pub use metrics::{RequestMetrics, RouteMetrics, TenantMetrics, Tenants};
pub use outcome::{CacheOutcome, Tier};
pub use own::{OwnRequest, Warmed};
pub use parameters::{PARAMETERS, TENANT_PARAMETERS};
pub use plane::{Parts, Plane, Rules};
pub use recent::Remembered;
pub use route::{Route, RouteTable, Surroundings};
pub use tenant::TenantRules;

#[cfg(test)]
mod tests;
