//! On what a report was made: processor, cores, memory, commit, and how busy the machine was. Whatever cannot be found out
//! is "unknown"; nothing here fails.

use serde::Serialize;
use std::fmt;
use std::fs;
use std::process::Command;

/// The facts that a number means nothing without.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// The processor's own name.
    pub(crate) processor: String,
    /// How many cores this process may use.
    pub(crate) cores: usize,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// The system's kernel.
    pub(crate) kernel: String,
    /// The commit, with `+` where files differ from it.
    pub(crate) commit: String,
    /// The load average of the last minute at the start: above zero, others were using the cores too.
    pub(crate) load_average: f64,
    /// Whether glibc's allocator was told to ask for huge pages, which spares most of the address translation.
    pub(crate) huge_pages: bool,
    /// Whether the bench itself was built with optimisation.
    pub(crate) optimised: bool,
}

impl Machine {
    /// This one, now.
    pub(crate) fn find_out() -> Self {
        let value_of = |path: &str, field: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let value = text
                .lines()
                .find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == field));
            value.map(|(_, value)| value.trim().to_owned())
        };
        let memory = value_of("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let load = fs::read_to_string("/proc/loadavg")
            .ok()
            .and_then(|text| text.split(' ').next()?.parse().ok());
        // Major and minor version; what follows is the builder's own.
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| {
            format!(
                "Linux {}",
                text.trim().splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
            )
        });
        Self {
            processor: value_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: crate::pinning::cores().len(),
            memory_mib: memory.unwrap_or(0) / 1024,
            kernel: kernel.unwrap_or_else(|_| unknown()),
            commit: commit().unwrap_or_else(unknown),
            load_average: load.unwrap_or(f64::NAN),
            huge_pages: std::env::var("GLIBC_TUNABLES").is_ok_and(|tunables| tunables.contains("malloc.hugetlb=1")),
            optimised: !cfg!(debug_assertions),
        }
    }

    /// Some machine.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            processor: "Example".to_owned(),
            cores: 2,
            memory_mib: 4096,
            kernel: "Linux 6".to_owned(),
            commit: "0123456".to_owned(),
            load_average: 0.0,
            huge_pages: false,
            optimised: true,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_mib,
            kernel,
            commit,
            load_average,
            huge_pages,
            optimised,
        } = self;
        write!(
            f,
            "{processor}, {cores} cores, {memory_mib} MiB, {kernel}; commit {commit}; load average {load_average:.2}"
        )?;
        if *huge_pages {
            write!(f, "; huge pages")?;
        }
        if !optimised {
            write!(f, "; BUILT WITHOUT OPTIMISATION: the numbers mean nothing")?;
        }
        Ok(())
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The short name of the commit that is checked out here.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let name = git(&["rev-parse", "--short", "HEAD"])?;
    let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_changed { name + "+" } else { name })
}
