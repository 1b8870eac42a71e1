//! The core as a whole, on a clock that the test moves: what goes in as cumulative numbers comes out as history, figures and
//! what is kept, whatever begins anew in between.

mod groups;
mod history;
mod keeping;
pub(crate) mod world;
