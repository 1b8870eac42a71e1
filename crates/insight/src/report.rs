//! Reports.

/// How many reports are kept: seven days of one every five minutes.
pub(crate) const REPORTS_MAX: usize = 2016;
