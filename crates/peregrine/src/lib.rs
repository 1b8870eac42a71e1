//! The program: its command line, its configuration, and the commands. It wires the rooms together and decides nothing
//! about traffic itself.

pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod failure;
pub mod print;
pub mod serve;

pub use failure::Failure;
