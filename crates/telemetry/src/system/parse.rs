//! The texts of `/proc`, as `proc(5)` describes them. Pure; what is missing or odd is left out.

use super::Load;

/// A sector of `/proc/diskstats`, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;

/// From `/proc/self/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) resident_bytes: Option<u64>,
    pub(super) peak_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
}

/// From `/proc/meminfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: Option<u64>,
    pub(super) available: Option<u64>,
}

/// What all processors did since the start, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTicks {
    busy: u64,
    all: u64,
}

/// From `/proc/self/io`: bytes that reached a disk, or came from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Io {
    pub(super) read: Option<u64>,
    pub(super) written: Option<u64>,
}

impl CpuTicks {
    /// How long processors were in use, with so many ticks a second.
    pub(super) fn busy_seconds(self, per_s: u64) -> f64 {
        real(self.busy) / real(per_s)
    }

    /// How much of the time since `before` was in use.
    pub(super) fn busy_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        let busy = self.busy.saturating_sub(before.busy);
        Some((real(busy) / real(all)).clamp(0.0, 1.0))
    }
}

/// A count for arithmetic with shares; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "shares need no more than 53 bits")]
pub(super) const fn real(count: u64) -> f64 {
    count as f64
}

/// Seconds and nanoseconds as one number.
pub(super) fn seconds(whole: i64, nanos: i64) -> f64 {
    let (whole, nanos) = (u64::try_from(whole).unwrap_or(0), u64::try_from(nanos).unwrap_or(0));
    real(whole) + real(nanos) / 1e9
}

pub(super) fn status(text: &str) -> Status {
    Status {
        resident_bytes: kilobytes(text, "VmRSS:"),
        peak_bytes: kilobytes(text, "VmHWM:"),
        threads: field(text, "Threads:").and_then(|value| value.parse().ok()),
    }
}

pub(super) fn meminfo(text: &str) -> Memory {
    Memory {
        total: kilobytes(text, "MemTotal:"),
        available: kilobytes(text, "MemAvailable:"),
    }
}

pub(super) fn io(text: &str) -> Io {
    let number = |name| field(text, name).and_then(|value| value.parse().ok());
    Io {
        read: number("read_bytes:"),
        written: number("write_bytes:"),
    }
}

/// From `/proc/sys/fs/file-nr`: how many files are open, and how many may be.
pub(super) fn files(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_whitespace().map(|word| word.parse::<u64>().ok());
    let (open, free, max) = (words.next()??, words.next()??, words.next()??);
    Some((open.saturating_sub(free), max))
}

pub(super) fn load(text: &str) -> Load {
    let mut words = text.split_whitespace().map(|word| word.parse().ok());
    let mut next = || words.next().flatten();
    Load {
        m1: next(),
        m5: next(),
        m15: next(),
    }
}

/// From `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
pub(super) fn cpu_ticks(text: &str) -> Option<CpuTicks> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map_while(|word| word.parse().ok())
        .collect();
    let all = ticks.iter().sum();
    let idle: u64 = ticks.get(3)? + ticks.get(4).copied().unwrap_or(0);
    Some(CpuTicks { busy: all - idle, all })
}

/// From `/proc/stat`: when the machine started, in seconds since 1970.
pub(super) fn boot_time(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// From `/proc/self/stat`: when the process started, in ticks since the machine did. Its name, in parentheses, may hold
/// anything, parentheses and blanks included.
pub(super) fn start_ticks(text: &str) -> Option<u64> {
    let (_, after_name) = text.rsplit_once(')')?;
    // The state is field 3, the start field 22.
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// From `/proc/diskstats`: bytes read and written by the devices that `counts`.
pub(super) fn diskstats(text: &str, counts: impl Fn(&str) -> bool) -> (u64, u64) {
    let mut total = (0u64, 0u64);
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(2);
        let Some(name) = words.next() else { continue };
        // Reads, merged, sectors, milliseconds; writes, merged, sectors.
        let (read, written) = (words.nth(2), words.nth(3));
        let sectors = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        if let (Some(read), Some(written)) = (sectors(read), sectors(written))
            && (read > 0 || written > 0)
            && counts(name)
        {
            total.0 = total.0.saturating_add(read.saturating_mul(SECTOR_BYTES));
            total.1 = total.1.saturating_add(written.saturating_mul(SECTOR_BYTES));
        }
    }
    total
}

/// From `/proc/net/dev`: bytes received and sent by the interfaces with a device behind them; by all but the loopback where
/// none has one, as in a container. Bridges and tunnels would count the same bytes again.
pub(super) fn network(text: &str, has_device: impl Fn(&str) -> bool) -> (u64, u64) {
    let (mut real, mut all) = (None::<(u64, u64)>, (0u64, 0u64));
    for line in text.lines() {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        let numbers: Vec<u64> = numbers.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let (Some(received), Some(sent)) = (numbers.first(), numbers.get(8)) else {
            continue;
        };
        let name = name.trim();
        if name == "lo" {
            continue;
        }
        let add = |to: (u64, u64)| (to.0.saturating_add(*received), to.1.saturating_add(*sent));
        all = add(all);
        if has_device(name) {
            real = Some(add(real.unwrap_or_default()));
        }
    }
    real.unwrap_or(all)
}

/// What follows `name` at the start of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The same in bytes; the file has it in KiB.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let kilobytes: u64 = field(text, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}
