//! What the system says about this process, the control group it runs in and the machine: processor, memory, files, disk and
//! network, from `/proc`, `/sys` and a few system calls.
//!
//! Whatever cannot be read is left out: nothing here fails, and a `/proc` that is hidden costs its figures alone. Reading
//! takes well under a millisecond; it is meant for once a second. Shares need two readings, so that the first has none.

mod cgroup;
mod parse;
#[cfg(test)]
mod tests;

pub use cgroup::CgroupMetrics;

use crate::Exposition;
use crate::prometheus::Number;
use crate::time::Rfc3339;
use peregrine_base::{Instant, WallTime};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything that was read at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemMetrics {
    /// This process.
    pub process: ProcessMetrics,
    /// The control group that limits it; nothing outside of one.
    pub cgroup: Option<CgroupMetrics>,
    /// The machine.
    pub machine: MachineMetrics,
}

/// This process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessMetrics {
    /// How much of the processors that it may use it used since the last reading.
    pub cpu_ratio: Option<f64>,
    /// Processor time that it used so far.
    pub cpu_seconds: Option<f64>,
    /// Memory that is resident.
    pub memory_bytes: Option<u64>,
    /// The most that ever was.
    pub memory_peak_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open files, sockets among them.
    pub open_files: Option<u64>,
    /// How many it may open.
    pub open_files_max: Option<u64>,
    /// Bytes that disks read for it; nothing where the system does not tell.
    pub disk_read_bytes: Option<u64>,
    /// Bytes that it had written to disks.
    pub disk_written_bytes: Option<u64>,
    /// When it was started (RFC 3339).
    pub started: Option<String>,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineMetrics {
    /// Processors that this process may use.
    pub cores: Option<u64>,
    /// How much of all processors was in use since the last reading.
    pub cpu_ratio: Option<f64>,
    /// Time that all processors were in use since the machine started.
    pub cpu_seconds: Option<f64>,
    /// Files and sockets that are open in all.
    pub open_files: Option<u64>,
    /// How many there may be.
    pub open_files_max: Option<u64>,
    /// How many threads wanted to run, averaged.
    pub load: Load,
    /// Memory in all.
    pub memory_bytes: Option<u64>,
    /// Memory that could be used without swapping.
    pub memory_available_bytes: Option<u64>,
    /// The disk with the state directory.
    pub disk: Option<DiskMetrics>,
    /// Bytes read from disks since the machine started.
    pub disk_read_bytes: Option<u64>,
    /// Bytes written to disks since the machine started.
    pub disk_written_bytes: Option<u64>,
    /// Bytes that came in from the network since the machine started.
    pub network_in_bytes: Option<u64>,
    /// Bytes that went out to the network since the machine started.
    pub network_out_bytes: Option<u64>,
}

/// The load averages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Over a minute.
    pub m1: Option<f64>,
    /// Over five minutes.
    pub m5: Option<f64>,
    /// Over fifteen minutes.
    pub m15: Option<f64>,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskMetrics {
    /// A directory on it.
    pub path: String,
    /// Bytes that are taken.
    pub used_bytes: Option<u64>,
    /// Bytes that this process could still write.
    pub free_bytes: Option<u64>,
}

/// Reads them again and again.
#[derive(Debug)]
pub struct SystemReader {
    proc_dir: PathBuf,
    sys_dir: PathBuf,
    state_dir: PathBuf,
    cores: Option<u64>,
    cpu_before: Option<(Instant, f64)>,
    machine_before: Option<parse::CpuTicks>,
}

impl SystemReader {
    /// A reader that looks at the disk with `state_dir`.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self::under(Path::new("/proc"), Path::new("/sys"), state_dir)
    }

    /// As [`SystemReader::new`], with other directories in place of `/proc` and `/sys`.
    fn under(proc_dir: &Path, sys_dir: &Path, state_dir: &Path) -> Self {
        let cores = std::thread::available_parallelism().ok();
        Self {
            proc_dir: proc_dir.to_owned(),
            sys_dir: sys_dir.to_owned(),
            state_dir: state_dir.to_owned(),
            cores: cores.and_then(|cores| u64::try_from(cores.get()).ok()),
            cpu_before: None,
            machine_before: None,
        }
    }

    /// What the system says at `now`.
    pub fn read(&mut self, now: Instant) -> SystemMetrics {
        let cgroup = cgroup::read(&self.proc_dir, &self.sys_dir);
        let process = self.process(now, cgroup.as_ref());
        SystemMetrics {
            process,
            machine: self.machine(),
            cgroup,
        }
    }

    fn process(&mut self, now: Instant, cgroup: Option<&CgroupMetrics>) -> ProcessMetrics {
        let status = self.proc_text("self/status").map(|text| parse::status(&text));
        let status = status.unwrap_or_default();
        // A system call, so that it is known where `/proc` is hidden.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu_seconds = parse::seconds(time.tv_sec, time.tv_nsec);
        let io = self
            .proc_text("self/io")
            .map(|text| parse::io(&text))
            .unwrap_or_default();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let before = self.cpu_before.replace((now, cpu_seconds));
        let allowed = [
            self.cores.map(parse::real),
            cgroup.and_then(|cgroup| cgroup.cpu_max_cores),
        ];
        let allowed = allowed.into_iter().flatten().reduce(f64::min);
        let cpu_ratio = before.zip(allowed).and_then(|((at, seconds), cores)| {
            let passed = now.since(at).as_secs_f64() * cores;
            (passed > 0.0).then(|| ((cpu_seconds - seconds) / passed).clamp(0.0, 1.0))
        });
        ProcessMetrics {
            cpu_ratio,
            cpu_seconds: Some(cpu_seconds),
            memory_bytes: status.resident_bytes,
            memory_peak_bytes: status.peak_bytes,
            threads: status.threads,
            open_files: self.open_files(),
            open_files_max: limit.current,
            disk_read_bytes: io.read,
            disk_written_bytes: io.written,
            started: self.started(),
        }
    }

    fn machine(&mut self) -> MachineMetrics {
        let ticks = self.proc_text("stat").and_then(|text| parse::cpu_ticks(&text));
        let before = std::mem::replace(&mut self.machine_before, ticks);
        let memory = self.proc_text("meminfo").map(|text| parse::meminfo(&text));
        let memory = memory.unwrap_or_default();
        let io = self.proc_text("diskstats").map(|text| {
            let block = self.sys_dir.join("block");
            // Partitions have no entry there, and what is made of other devices is counted with those.
            parse::diskstats(&text, |name| {
                block.join(name).exists() && !is_stacked(&block.join(name))
            })
        });
        let network = self.proc_text("self/net/dev").map(|text| {
            let class = self.sys_dir.join("class/net");
            parse::network(&text, |name| class.join(name).join("device").exists())
        });
        let per_s = rustix::param::clock_ticks_per_second().max(1);
        let files = self.proc_text("sys/fs/file-nr").and_then(|text| parse::files(&text));
        MachineMetrics {
            cpu_seconds: ticks.map(|ticks| ticks.busy_seconds(per_s)),
            open_files: files.map(|(open, _)| open),
            open_files_max: files.map(|(_, max)| max),
            cores: self.cores,
            cpu_ratio: before.zip(ticks).and_then(|(before, now)| now.busy_since(before)),
            load: self
                .proc_text("loadavg")
                .map(|text| parse::load(&text))
                .unwrap_or_default(),
            memory_bytes: memory.total,
            memory_available_bytes: memory.available,
            disk: self.disk(),
            disk_read_bytes: io.map(|(read, _)| read),
            disk_written_bytes: io.map(|(_, written)| written),
            network_in_bytes: network.map(|(received, _)| received),
            network_out_bytes: network.map(|(_, sent)| sent),
        }
    }

    fn disk(&self) -> Option<DiskMetrics> {
        let is = rustix::fs::statvfs(&self.state_dir).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(is.f_frsize);
        Some(DiskMetrics {
            path: self.state_dir.display().to_string(),
            used_bytes: Some(bytes(is.f_blocks.saturating_sub(is.f_bfree))),
            free_bytes: Some(bytes(is.f_bavail)),
        })
    }

    /// How many files are open. Linux says so as the size of the directory since 6.2; before, its entries are counted.
    fn open_files(&self) -> Option<u64> {
        let directory = self.proc_dir.join("self/fd");
        match fs::metadata(&directory).ok()?.len() {
            0 => u64::try_from(fs::read_dir(directory).ok()?.count()).ok(),
            count => Some(count),
        }
    }

    /// When this process was started.
    fn started(&self) -> Option<String> {
        let boot_s = parse::boot_time(&self.proc_text("stat")?)?;
        let ticks = parse::start_ticks(&self.proc_text("self/stat")?)?;
        let per_s = rustix::param::clock_ticks_per_second().max(1);
        let millis = boot_s
            .checked_mul(1000)?
            .checked_add(ticks.checked_mul(1000)? / per_s)?;
        Some(Rfc3339(WallTime::from_millis(millis)).to_string())
    }

    fn proc_text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.proc_dir.join(path)).ok()
    }
}

/// Whether a block device is made of others, or of memory.
fn is_stacked(device: &Path) -> bool {
    let name = device.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ["loop", "ram", "zram"].iter().any(|prefix| name.starts_with(prefix))
        || fs::read_dir(device.join("slaves")).is_ok_and(|mut slaves| slaves.next().is_some())
}

impl SystemMetrics {
    /// Adds what was read.
    pub fn expose(&self, out: &mut Exposition) {
        let (process, machine) = (&self.process, &self.machine);
        let disk = machine.disk.as_ref();
        let cgroup = self.cgroup.unwrap_or_default();
        let whole = |number: Option<u64>| number.map(Number::from);
        let real = |number: Option<f64>| number.map(Number::from);
        for (name, number) in [
            ("process_resident_memory_bytes", whole(process.memory_bytes)),
            ("process_threads", whole(process.threads)),
            ("process_open_fds", whole(process.open_files)),
            ("process_max_fds", whole(process.open_files_max)),
            ("peregrine_cgroup_memory_bytes", whole(cgroup.memory_bytes)),
            ("peregrine_cgroup_memory_max_bytes", whole(cgroup.memory_max_bytes)),
            ("peregrine_cgroup_cpu_max", real(cgroup.cpu_max_cores)),
            ("peregrine_machine_cpus", whole(machine.cores)),
            ("peregrine_machine_open_files", whole(machine.open_files)),
            ("peregrine_machine_max_files", whole(machine.open_files_max)),
            ("peregrine_machine_load1", real(machine.load.m1)),
            ("peregrine_machine_load5", real(machine.load.m5)),
            ("peregrine_machine_load15", real(machine.load.m15)),
            ("peregrine_machine_memory_bytes", whole(machine.memory_bytes)),
            (
                "peregrine_machine_memory_available_bytes",
                whole(machine.memory_available_bytes),
            ),
            (
                "peregrine_state_disk_used_bytes",
                whole(disk.and_then(|disk| disk.used_bytes)),
            ),
            (
                "peregrine_state_disk_free_bytes",
                whole(disk.and_then(|disk| disk.free_bytes)),
            ),
        ] {
            if let Some(number) = number {
                out.gauge(name, &[], number);
            }
        }
        for (name, number) in [
            ("process_cpu_seconds_total", real(process.cpu_seconds)),
            (
                "peregrine_process_disk_read_bytes_total",
                whole(process.disk_read_bytes),
            ),
            (
                "peregrine_process_disk_written_bytes_total",
                whole(process.disk_written_bytes),
            ),
            ("peregrine_cgroup_cpu_seconds_total", real(cgroup.cpu_seconds)),
            ("peregrine_machine_cpu_seconds_total", real(machine.cpu_seconds)),
            (
                "peregrine_cgroup_throttled_seconds_total",
                real(cgroup.throttled_seconds),
            ),
            (
                "peregrine_machine_disk_read_bytes_total",
                whole(machine.disk_read_bytes),
            ),
            (
                "peregrine_machine_disk_written_bytes_total",
                whole(machine.disk_written_bytes),
            ),
            (
                "peregrine_machine_network_received_bytes_total",
                whole(machine.network_in_bytes),
            ),
            (
                "peregrine_machine_network_sent_bytes_total",
                whole(machine.network_out_bytes),
            ),
        ] {
            if let Some(number) = number {
                out.counter(name, &[], number);
            }
        }
    }
}
