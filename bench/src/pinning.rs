//! Which cores a thread may run on, so that a server and its load do not share one. A process that is started by a pinned
//! thread is pinned like it.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process was allowed when it was first asked.
pub(crate) fn cores() -> &'static [usize] {
    static CORES: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    CORES.get_or_init(|| {
        let allowed =
            sched_getaffinity(None).map(|set| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect());
        allowed
            .ok()
            .filter(|cores: &Vec<usize>| !cores.is_empty())
            .unwrap_or_else(|| vec![0])
    })
}

/// Runs `work` with this thread on the given cores only, and lets it free again.
pub(crate) fn on_cores<T>(chosen: &[usize], work: impl FnOnce() -> T) -> T {
    let all = cores();
    set(chosen);
    let result = work();
    set(all);
    result
}

/// The core for whatever is measured.
pub(crate) fn first() -> usize {
    cores()[0]
}

/// The core for whoever drives it; the same one where there is only one.
pub(crate) fn second() -> usize {
    cores()[1.min(cores().len() - 1)]
}

/// Where the system refuses, everything stays where the scheduler puts it: worse numbers, no wrong ones.
fn set(cores: &[usize]) {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    let _ = sched_setaffinity(None, &set);
}
