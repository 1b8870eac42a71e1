//! Telling somebody outside: what is written (`body.rs`), how it is signed, and the outbox that keeps it until it arrived.
//!
//! A notification is written once, kept where it survives a kill, and sent until its receiver answers with success: at least
//! once, then, with an id by which a receiver throws a second copy away. Nothing here opens a socket: [`Outbox::due`] says
//! what is to be sent, the program sends it, and [`Outbox::done`] hears what came of it. URLs are secrets: they carry tokens.

mod body;
pub mod config;
mod outbox;
pub mod parameters;
mod sign;

#[cfg(test)]
mod tests;

pub use body::Letter;
pub use config::{NotifyConfig, NotifyKind};
pub use outbox::{Delivery, Outbox, Posted, QUEUE_MAX, ReceiverStatus, TABLE};
pub use parameters::PARAMETERS;
pub use sign::signature;
