//! What a chore found wrong, where, and what would be right.

use std::fmt;

/// One fault. Prints as `path:line: what; right`, which editors and CI make a link of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    path: String,
    line: usize,
    what: String,
    right: String,
}

impl Fault {
    /// A fault on a line, counted from 1.
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>, right: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            right: right.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.right)
    }
}
