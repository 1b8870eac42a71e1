//! The end-to-end tests: the program as a process, real sockets on free ports, an origin that does what a scenario says.
//! Scenarios are numbered from simple to hard.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a harness fails loudly, and shows what the program wrote"
)]
#![expect(reason = "the world that the program runs in has real time")]

mod harness;
mod scenarios;
