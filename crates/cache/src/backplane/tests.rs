//! The backplane as a whole, by a simulation.

mod simulation;
