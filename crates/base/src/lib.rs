//! What every room of Peregrine stands on: time, randomness and spawning as arguments, sizes and durations with checked
//! conversions, secrets that do not print, who is to blame for an error, and the table of parameters.
//!
//! Nothing here knows a protocol, opens a socket or keeps state of its own.

pub mod blame;
pub mod clock;
pub mod duration;
pub mod parameter;
pub mod runtime;
pub mod secret;
pub mod size;

pub use blame::{Blame, Party};
pub use clock::{Clock, Instant, ManualClock, SystemClock, WallTime};
pub use duration::Span;
pub use parameter::{Complaint, Fallback, Kind, Parameter};
pub use runtime::{MakeTask, Random, Runtime, SeededRandom, SystemRandom, Task, TokioRuntime};
pub use secret::Secret;
pub use size::ByteSize;
