//! The end-to-end tests: the program as a process, real sockets on free ports, an origin that does what a scenario says.
//! Scenarios are numbered from simple to hard.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a harness fails loudly, and shows what the program wrote"
)]

mod harness;
mod scenarios;
