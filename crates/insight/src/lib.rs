//! What happened, what it means and what to do about it: history in rings, figures over any range, a score, what was
//! saved, and a report with recommendations every few minutes.
//!
//! A pure core. Each second the program hands in a [`Reading`], the cumulative numbers of all rooms at one moment; the
//! difference to the one before becomes a point. Nothing here reads a clock, opens a file or sends anything: what is to be
//! kept goes out through [`store::Store`], what others should hear through [`events::Events`].
//!
//! What is not known is `None`, never 0: a second without a request has no latency, a machine that does not say how much
//! memory it has has no ratio.

pub mod alerting;
pub mod alerts;
mod answers;
mod codec;
pub mod config;
pub mod desk;
pub mod events;
mod figures;
mod forget;
mod insight;
mod keeping;
mod kept;
mod ladder;
pub mod model;
pub mod notify;
pub mod parameters;
pub mod query;
pub mod reading;
pub mod report;
mod ring;
mod rings;
pub mod score;
pub mod series;
pub mod slo;
pub mod spread;
pub mod store;
pub mod tally;
pub mod time;
pub mod values;

#[cfg(test)]
mod tests;

pub use alerting::Alerting;
pub use config::InsightConfig;
pub use desk::{DeskConfig, limits};
pub use events::{Event, Events};
pub use figures::of_tenant as figures_of_tenant;
pub use insight::{Insight, InsightStatus};
pub use keeping::Restored;
pub use parameters::PARAMETERS;
pub use query::HistoryQuery;
pub use reading::Reading;
pub use time::Time;
pub use values::{Counts, Labels, Values};
