//! The program: its command line, its configuration, and the commands. It wires the rooms together and decides nothing
//! about traffic itself.

pub mod config;
