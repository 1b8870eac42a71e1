//! Weighing a process: its resident memory and its open descriptors, once a second, and whether they grow.

use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often.
const EVERY: Duration = Duration::from_millis(500);

/// A process that is being weighed.
pub(crate) struct Vitals(JoinHandle<(Vec<u64>, Vec<u64>)>);

/// How a number developed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Trend {
    pub(crate) first: u64,
    pub(crate) largest: u64,
    /// The median of the third quarter, and of the last.
    pub(crate) third_quarter: u64,
    pub(crate) last_quarter: u64,
}

impl Vitals {
    /// Weighs `process` until `stopped`.
    pub(crate) fn watch(process: u32, mut stopped: watch::Receiver<bool>) -> Self {
        Self(tokio::spawn(async move {
            let (mut resident, mut descriptors) = (Vec::new(), Vec::new());
            loop {
                resident.extend(resident_bytes(process));
                descriptors.extend(descriptors_of(process));
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => return (resident, descriptors),
                }
            }
        }))
    }

    /// What was seen: memory, then descriptors.
    pub(crate) async fn end(self) -> (Trend, Trend) {
        let (resident, descriptors) = self.0.await.unwrap_or_default();
        (Trend::of(&resident), Trend::of(&descriptors))
    }
}

impl Trend {
    fn of(samples: &[u64]) -> Self {
        let half = samples.len() / 2;
        let (third, last) = samples.split_at(half).1.split_at((samples.len() - half) / 2);
        Self {
            first: samples.first().copied().unwrap_or(0),
            largest: samples.iter().copied().max().unwrap_or(0),
            third_quarter: median(third),
            last_quarter: median(last),
        }
    }

    /// What to say if the second half grew by more than `share` of itself and by more than `tolerance`.
    pub(crate) fn leak(&self, what: &str, share: f64, tolerance: u64) -> Option<String> {
        let growth = self.last_quarter.saturating_sub(self.third_quarter);
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let allowed = self.third_quarter as f64 * share;
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let grows = growth as f64 > allowed;
        (grows && growth > tolerance).then(|| format!("{what} grow: {self}"))
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            largest,
            third_quarter,
            last_quarter,
        } = self;
        write!(
            f,
            "began at {first}, third quarter {third_quarter}, last quarter {last_quarter}, at most {largest}"
        )
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

fn resident_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().split(' ').next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn descriptors_of(process: u32) -> Option<u64> {
    Some(std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_in_the_second_half_is_a_leak_and_warming_up_is_none() {
        let warming: Vec<u64> = (0..100).map(|at| 1000 + 50 * at.min(40)).collect();
        assert_eq!(Trend::of(&warming).leak("x", 0.1, 10), None);
        let leaking: Vec<u64> = (0..100).map(|at| 1000 + 50 * at).collect();
        assert!(Trend::of(&leaking).leak("x", 0.1, 10).is_some());
        assert_eq!(Trend::of(&leaking).leak("x", 0.1, 10_000), None, "too little to tell");
        assert_eq!(Trend::of(&[]), Trend::default());
    }

    #[test]
    fn this_process_weighs_something() {
        let own = std::process::id();
        assert!(resident_bytes(own).unwrap() > 1 << 20 && descriptors_of(own).unwrap() > 2);
    }
}
