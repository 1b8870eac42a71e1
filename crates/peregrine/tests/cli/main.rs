//! The command line as its user meets it: help, errors, exit codes, results.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod bench;
mod configuration;
mod help;
mod keys;
mod run;
