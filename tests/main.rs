//! The end-to-end tests: the program as a process, real sockets on free ports, an origin that does what a scenario says.
//! Scenarios are numbered from simple to hard.

mod harness;
mod scenarios;
