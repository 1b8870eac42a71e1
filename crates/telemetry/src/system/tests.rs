//! Texts as systems really write them, directories as containers have them, and a look at the machine that runs the test.

use super::*;
use std::time::Duration;

const STATUS: &str = "Name:\tperegrine\nUmask:\t0022\nState:\tS (sleeping)\nVmPeak:\t  303060 kB\nVmHWM:\t   17520 kB\n\
    VmRSS:\t   14336 kB\nRssAnon:\t     112 kB\nThreads:\t9\n";
const STAT: &str = "cpu  2078262 2882871 867020 1055824 23308 0 95112 21122 0 0\ncpu0 1022164 1458881 419040 546777 9610 0 \
    48504 10545 0 0\nintr 1 2 3\nbtime 1795261240\nprocesses 99\n";
const SELF_STAT: &str =
    "28931 (a (b) c) R 28928 28928 25079 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 3530953 3133440 392\n";
const DISKS: &str = "   7       0 loop0 9 9 9 9 9 9 9 9 0 0 0\n 254       0 vda 10463489 368943 474510306 16161551 863070 1467760 \
    623133480 4337293 0 1008404 20789945\n 254       1 vda1 10463489 368943 474510306 16161551 863070 1467760 623133480 1 0 1 1\n";
const NETWORK: &str = "Inter-|   Receive                            |  Transmit\n face |bytes    packets errs drop fifo frame \
    compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo: 1750027641994 342842762 0 0 0 0 0 0 \
    1750027641994 342842762 0 0 0 0 0 0\n  eth0: 806872059   34108    0    0    0     0          0         0  2307814   21953 0 \
    0 0 0 0 0\ndocker0:1000 1 0 0 0 0 0 0 2000 2 0 0 0 0 0 0\n";

/// Writes files below `root`, with their directories.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn the_texts_of_proc_are_read() {
    let status = parse::status(STATUS);
    assert_eq!(status.resident_bytes, Some(14_336 * 1024));
    assert_eq!((status.peak_bytes, status.threads), (Some(17_520 * 1024), Some(9)));
    assert_eq!(parse::boot_time(STAT), Some(1_795_261_240));
    assert_eq!(parse::start_ticks(SELF_STAT), Some(3_530_953));
    let load = parse::load("6.83 4.05 2.74 5/105 28936\n");
    assert_eq!((load.m1, load.m5, load.m15), (Some(6.83), Some(4.05), Some(2.74)));
    let io = parse::io("rchar: 9\nwchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n");
    assert_eq!((io.read, io.written), (Some(4096), Some(8192)));
    assert_eq!(
        parse::files("1984\t16\t9223372036854775807\n"),
        Some((1968, 9_223_372_036_854_775_807))
    );
    assert_eq!(parse::cpu_ticks(STAT).unwrap().busy_seconds(100), 59_443.87);
    let memory = parse::meminfo("MemTotal:       24684084 kB\nMemFree: 1 kB\nMemAvailable:   24024936 kB\n");
    assert_eq!(memory.available, Some(24_024_936 * 1024));
}

#[test]
fn a_disk_is_counted_once_and_its_partitions_are_not() {
    let (read, written) = parse::diskstats(DISKS, |name| name == "vda");
    assert_eq!((read, written), (474_510_306 * 512, 623_133_480 * 512));
}

#[test]
fn interfaces_with_a_device_count_and_without_any_all_but_the_loopback_do() {
    assert_eq!(parse::network(NETWORK, |name| name == "eth0"), (806_872_059, 2_307_814));
    assert_eq!(parse::network(NETWORK, |_| false), (806_873_059, 2_309_814));
}

#[test]
fn processors_are_as_busy_as_their_ticks_say() {
    let before = parse::cpu_ticks("cpu  100 0 100 800 0 0 0 0 0 0\n").unwrap();
    let now = parse::cpu_ticks("cpu  130 0 120 840 10 0 0 0 0 0\n").unwrap();
    assert_eq!(now.busy_since(before), Some(0.5));
    assert_eq!(now.busy_since(now), None);
}

#[test]
fn odd_texts_give_nothing_and_do_no_harm() {
    for text in [
        "",
        "\n\n",
        "cpu",
        "cpu \n",
        "VmRSS:",
        "VmRSS: x kB",
        "VmRSS: 99999999999999999999 kB",
        ":",
        "a:b",
        "1 2 3",
    ] {
        assert_eq!(parse::status(text), parse::Status::default(), "{text}");
        assert_eq!(parse::cpu_ticks(text), None, "{text}");
        assert_eq!(parse::io(text), parse::Io::default(), "{text}");
        assert_eq!(parse::start_ticks(text), None, "{text}");
        assert_eq!(parse::diskstats(text, |_| true), (0, 0), "{text}");
        assert_eq!(parse::network(text, |_| true), (0, 0), "{text}");
        assert_eq!(cgroup::places(text).unified, None, "{text}");
    }
}

#[test]
fn a_group_of_version_2_says_what_it_uses_and_the_smallest_limit_above_it_holds() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("proc/self/cgroup", "0::/machine/peregrine\n"),
            ("sys/fs/cgroup/machine/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/machine/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/machine/peregrine/memory.max", "max\n"),
            ("sys/fs/cgroup/machine/peregrine/memory.current", "52428800\n"),
            ("sys/fs/cgroup/machine/peregrine/cpu.max", "max 100000\n"),
            (
                "sys/fs/cgroup/machine/peregrine/cpu.stat",
                "usage_usec 75500000\nnr_throttled 3\nthrottled_usec 2500000\n",
            ),
        ],
    );
    let is = cgroup::read(&root.path().join("proc"), &root.path().join("sys")).unwrap();
    assert_eq!(
        is,
        CgroupMetrics {
            memory_bytes: Some(52_428_800),
            memory_max_bytes: Some(1 << 30),
            cpu_max_cores: Some(1.5),
            cpu_seconds: Some(75.5),
            throttled_seconds: Some(2.5),
        }
    );
}

#[test]
fn a_group_of_version_1_in_a_container_is_the_root_of_its_mount() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            (
                "proc/self/cgroup",
                "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpuacct.usage", "3250000000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            (
                "sys/fs/cgroup/cpu/cpu.stat",
                "nr_periods 1\nthrottled_time 1500000000\n",
            ),
        ],
    );
    let is = cgroup::read(&root.path().join("proc"), &root.path().join("sys")).unwrap();
    assert_eq!(
        is,
        CgroupMetrics {
            memory_bytes: Some(1 << 20),
            memory_max_bytes: None,
            cpu_max_cores: None,
            cpu_seconds: Some(3.25),
            throttled_seconds: Some(1.5),
        }
    );
}

#[test]
fn where_proc_is_hidden_the_rest_is_still_known() {
    let root = tempfile::tempdir().unwrap();
    let mut reader = SystemReader::under(&root.path().join("proc"), &root.path().join("sys"), root.path());
    reader.read(Instant::from_nanos(0));
    let is = reader.read(Instant::from_nanos(1_000_000_000));
    assert_eq!(is.cgroup, None);
    assert_eq!((is.process.memory_bytes, is.process.open_files), (None, None));
    assert!(is.process.cpu_seconds.is_some() && is.process.cpu_ratio.is_some());
    assert!(is.machine.disk.is_some_and(|disk| disk.free_bytes.is_some()));
}

#[test]
fn this_machine_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut reader = SystemReader::new(directory.path());
    let first = reader.read(Instant::ZERO);
    assert_eq!(first.process.cpu_ratio, None);
    let is = reader.read(Instant::ZERO.after(Duration::from_secs(1)));
    assert!(is.process.memory_bytes.unwrap() > 1 << 20, "{is:?}");
    assert!(
        is.process.threads.unwrap() >= 1 && is.process.open_files.unwrap() >= 3,
        "{is:?}"
    );
    assert!(is.process.started.unwrap().ends_with('Z'));
    assert!(is.machine.cores.unwrap() >= 1 && is.machine.memory_bytes.unwrap() > 1 << 20);
    assert!((0.0..=1.0).contains(&is.process.cpu_ratio.unwrap()));
}
