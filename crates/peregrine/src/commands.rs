//! The commands, one per file: its arguments and what it does.

pub mod alerts;
pub mod apikeys;
pub mod audit;
pub mod bench;
pub mod check;
pub mod completions;
pub mod config;
pub mod demo;
pub mod explain;
pub mod found;
pub mod invalidate;
pub mod keys;
pub mod report;
pub mod serve;
pub mod stats;
pub mod top;
pub mod verify;
pub mod warm;

use crate::Failure;

/// Runs `work` to its end on a runtime of its own, on this thread.
///
/// # Errors
/// When the system gives no runtime.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}

/// `Name: value` in its two parts.
///
/// # Errors
/// When there is no colon.
fn header(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Failure::Usage(format!("`{text}` is not a header: write it as \"Name: value\"")))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
