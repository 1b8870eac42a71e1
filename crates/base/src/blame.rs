//! Who failed. Every error that can reach a client says whose fault it is, whether asking again can help, and which words
//! the client may see; whoever handles it needs no list of error types.

use std::borrow::Cow;

/// The side that an error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The one who asked: the request is wrong.
    Downstream,
    /// The origin, or the way to it.
    Upstream,
    /// Peregrine itself: a limit or a defect.
    Peregrine,
}

impl Party {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
            Self::Peregrine => "peregrine",
        }
    }
}

/// What an error tells those who handle it.
pub trait Blame: std::error::Error {
    /// Whose fault it is.
    fn party(&self) -> Party;
    /// Whether the same request may succeed when sent again.
    fn retry_helps(&self) -> bool;
    /// What the client may read: no addresses, no secrets, no internals.
    fn public(&self) -> Cow<'static, str>;
}
