//! Varnish with its cache in memory and its own rules (the built-in VCL).

use super::{Addresses, Setup};
use std::io;
use std::path::Path;
use std::process::Command;

pub(super) fn configure(command: &mut Command, folder: &Path, at: Addresses, setup: &Setup<'_>) -> io::Result<()> {
    command
        .arg("-F")
        .arg("-n")
        .arg(folder)
        .args(["-a", &at.plain.to_string(), "-b", &setup.origin.to_string()])
        .args(["-s", &format!("malloc,{}m", setup.memory_mib)])
        .args(["-T", "none", "-j", "none"])
        // One pool for each core, with workers at hand, as its guide to tuning says.
        .args(["-p", &format!("thread_pools={}", setup.cores.len())])
        .args(["-p", "thread_pool_min=100", "-p", "thread_pool_max=2000"]);
    Ok(())
}
