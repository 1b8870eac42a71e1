//! The control group of this process, of version 2 or 1 (`cgroups(7)`). A limit may stand at any group above it; the
//! smallest holds. In a container the path that `/proc/self/cgroup` names may lie outside of what is mounted: then the root of
//! the mount is the container's own group.

use super::parse::real;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// From so many bytes on a limit of version 1 is none: it is the largest number that fits, rounded to pages.
const UNLIMITED: u64 = 1 << 60;

/// The control group that limits this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupMetrics {
    /// Memory that all its processes use, caches of files included.
    pub memory_bytes: Option<u64>,
    /// How much they may use; nothing where there is no limit.
    pub memory_max_bytes: Option<u64>,
    /// How many processors they may use; nothing where there is no limit.
    pub cpu_max_cores: Option<f64>,
    /// Processor time that they used.
    pub cpu_seconds: Option<f64>,
    /// How long they were kept from running because of that.
    pub throttled_seconds: Option<f64>,
}

/// Where the controllers of a process are: paths below their mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) unified: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) cpu: Option<String>,
}

/// From `/proc/self/cgroup`: lines of `number:controllers:path`, where version 2 has the number 0 and no controllers.
pub(super) fn places(text: &str) -> Places {
    let mut places = Places::default();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let has = |name| controllers.split(',').any(|controller| controller == name);
        if controllers.is_empty() {
            places.unified = Some(path.to_owned());
        }
        if has("memory") {
            places.memory = Some(path.to_owned());
        }
        if has("cpu") {
            places.cpu = Some(path.to_owned());
        }
    }
    places
}

/// What the group of this process says; nothing where there is none.
pub(super) fn read(proc_dir: &Path, sys_dir: &Path) -> Option<CgroupMetrics> {
    let places = places(&fs::read_to_string(proc_dir.join("self/cgroup")).ok()?);
    let mount = sys_dir.join("fs/cgroup");
    let is = match (&places.memory, &places.cpu, &places.unified) {
        (None, None, Some(path)) => version_2(&mount, path),
        (memory, cpu, _) => version_1(&mount, memory.as_deref(), cpu.as_deref()),
    };
    (is != CgroupMetrics::default()).then_some(is)
}

fn version_2(mount: &Path, path: &str) -> CgroupMetrics {
    let groups = upwards(mount, path);
    let own = |file: &str| text(groups.first()?, file);
    CgroupMetrics {
        memory_bytes: own("memory.current").and_then(|text| text.trim().parse().ok()),
        memory_max_bytes: least(&groups, |group| text(group, "memory.max")?.trim().parse::<u64>().ok()),
        cpu_max_cores: least(&groups, |group| cpu_max(&text(group, "cpu.max")?)),
        cpu_seconds: own("cpu.stat")
            .and_then(|text| named(&text, "usage_usec"))
            .map(|micros| real(micros) / 1e6),
        throttled_seconds: own("cpu.stat")
            .and_then(|text| named(&text, "throttled_usec"))
            .map(|micros| real(micros) / 1e6),
    }
}

fn version_1(mount: &Path, memory: Option<&str>, cpu: Option<&str>) -> CgroupMetrics {
    let memory = memory
        .map(|path| upwards(&mount.join("memory"), path))
        .unwrap_or_default();
    let cpu = cpu.map(|path| upwards(&mount.join("cpu"), path)).unwrap_or_default();
    let number = |group: &PathBuf, file: &str| text(group, file)?.trim().parse::<i64>().ok();
    let cores = |group: &PathBuf| {
        let quota = u64::try_from(number(group, "cpu.cfs_quota_us")?).ok()?;
        let period = u64::try_from(number(group, "cpu.cfs_period_us")?)
            .ok()
            .filter(|period| *period > 0)?;
        Some(real(quota) / real(period))
    };
    let bytes = |group: &PathBuf, file| number(group, file).and_then(|bytes| u64::try_from(bytes).ok());
    let throttled = cpu
        .first()
        .and_then(|group| named(&text(group, "cpu.stat")?, "throttled_time"));
    CgroupMetrics {
        memory_bytes: memory.first().and_then(|group| bytes(group, "memory.usage_in_bytes")),
        memory_max_bytes: least(&memory, |group| {
            bytes(group, "memory.limit_in_bytes").filter(|bytes| *bytes < UNLIMITED)
        }),
        cpu_max_cores: least(&cpu, cores),
        cpu_seconds: cpu
            .first()
            .and_then(|group| bytes(group, "cpuacct.usage"))
            .map(|nanos| real(nanos) / 1e9),
        throttled_seconds: throttled.map(|nanos| real(nanos) / 1e9),
    }
}

/// `cpu.max`: a quota, or `max`, and the period that it is for.
pub(super) fn cpu_max(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace().map(str::parse::<u64>);
    let (quota, period) = (words.next()?.ok()?, words.next()?.ok()?);
    (period > 0).then(|| real(quota) / real(period))
}

/// The number behind `name` in lines of a name and a number.
fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (word, number) = line.split_once(' ')?;
        (word == name).then(|| number.trim().parse().ok()).flatten()
    })
}

/// The group at `path` below `mount` and those above it, as far as they are there; the mount itself in any case.
fn upwards(mount: &Path, path: &str) -> Vec<PathBuf> {
    let path = path.trim_start_matches('/');
    let is_odd = Path::new(path)
        .components()
        .any(|part| !matches!(part, std::path::Component::Normal(_)));
    if path.is_empty() || is_odd || !mount.join(path).is_dir() {
        return vec![mount.to_owned()];
    }
    let below = Path::new(path).ancestors();
    below.map(|group| mount.join(group)).collect()
}

fn least<T: PartialOrd>(groups: &[PathBuf], limit: impl Fn(&PathBuf) -> Option<T>) -> Option<T> {
    let limits = groups.iter().filter_map(limit);
    limits.reduce(|least, limit| if limit < least { limit } else { least })
}

fn text(group: &Path, file: &str) -> Option<String> {
    fs::read_to_string(group.join(file)).ok()
}
