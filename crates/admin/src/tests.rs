//! The API as a client meets it: through its handler, and over a socket.

mod answers;
#[path = "../../../tests/harness/described.rs"]
mod described;
mod events;
pub(crate) mod fake;
mod gates;
mod inputs;
mod monitoring;
mod noted;
mod roles;
mod sessions;
mod socket;
