//! Bytes on sockets: listeners, TLS, drain, HTTP to clients, HTTP to origins. Takes a [`http::Handler`], knows no policy.
//!
//! What it guarantees: every queue, head, body and wait has a limit; a body that ends early is an error and never a clean
//! end; nothing of a message is guessed where its framing is in doubt; both ways stream with back-pressure, so that a body
//! of any size costs a few buffers. What it does not do: caching, routing, rate limits.

pub mod config;
pub mod drain;
pub mod http;
pub mod listen;
pub mod parameters;
pub mod proxy_protocol;
#[cfg(test)]
mod tests;
pub(crate) mod timer;
pub mod tls;
pub mod upstream;
pub(crate) mod wheel;

pub use parameters::PARAMETERS;
