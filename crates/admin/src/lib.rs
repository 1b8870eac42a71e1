//! The admin API: health, metrics, explanations, and everything that changes the cache by hand.
//!
//! Guarantees: nothing but the health checks is answered without the token, under a foreign name or to a foreign page;
//! nothing is changed by a request that a form or a link could send; every fault of a request is named at once; no answer
//! is stored or guessed at by anyone on the way. What is asked for is carried out by the program, behind [`Control`].
//!
//! What it does not do: know the engine's or the planes' insides, listen, or decide about who may use the data plane.

mod access;
mod admin;
mod answer;
pub mod api;
pub mod audit;
mod calls;
pub mod config;
pub mod control;
mod dashboard;
mod events;
mod guard;
mod json;
pub mod openapi;
pub mod parameters;
mod query;
pub mod refusal;
mod repeats;
mod secrets;
pub mod state;
#[cfg(test)]
mod tests;
pub mod token;

pub use access::Role;
pub use admin::{Admin, AdminParts, Live};
pub use audit::Audit;
pub use config::AdminConfig;
pub use control::{Answering, Control};
pub use parameters::PARAMETERS;
pub use refusal::Refusal;
pub use token::is_token;
