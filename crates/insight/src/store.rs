//! What outlives a restart, as keys and values in named tables. The core says what to write and reads it once at the start;
//! where it lies is the program's business.

use std::fmt;

/// One change of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// This value lies under this key from now on.
    Put {
        /// Where.
        table: &'static str,
        /// The key; keys are in order of their bytes.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Nothing lies under this key any more.
    Remove {
        /// Where.
        table: &'static str,
        /// The key.
        key: Vec<u8>,
    },
    /// Nothing lies under keys from `from` (included) to `until` (excluded) any more.
    RemoveRange {
        /// Where.
        table: &'static str,
        /// The first key that goes.
        from: Vec<u8>,
        /// The first key behind that stays.
        until: Vec<u8>,
    },
}

/// Why something could not be kept or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFault(pub String);

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreFault {}

/// Where it is kept. Calls occupy a thread and wait for the disk: never on the way of a request.
pub trait Store: Send + Sync + 'static {
    /// Does all of `writes` or nothing; when it answers, a crash does not undo them.
    ///
    /// # Errors
    /// When they could not be done.
    fn apply(&self, writes: &[Write]) -> Result<(), StoreFault>;

    /// Shows `visit` each key of `table` from `from` (included) to `until` (excluded) with its value, in order, until it
    /// answers false.
    ///
    /// # Errors
    /// When it could not be read.
    fn scan(
        &self,
        table: &'static str,
        from: &[u8],
        until: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFault>;
}
