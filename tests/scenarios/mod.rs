//! The scenarios, from simple to hard.

mod s01_passing_on;
mod s02_caching;
