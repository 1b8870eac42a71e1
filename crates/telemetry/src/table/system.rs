//! The process, its control group and the machine. Names that begin with `process_` are those that Prometheus' own clients
//! use.

use super::{Metric, counter, gauge};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    counter(
        "process_cpu_seconds_total",
        &[],
        "Processor time that the process used.",
    ),
    gauge(
        "process_resident_memory_bytes",
        &[],
        "Memory of the process that is resident.",
    ),
    gauge("process_threads", &[], "Threads of the process."),
    gauge("process_open_fds", &[], "Files and sockets that the process has open."),
    gauge("process_max_fds", &[], "How many it may have open."),
    counter(
        "peregrine_process_disk_read_bytes_total",
        &[],
        "Bytes that disks read for the process.",
    ),
    counter(
        "peregrine_process_disk_written_bytes_total",
        &[],
        "Bytes that the process had written to disks.",
    ),
    counter(
        "peregrine_cgroup_cpu_seconds_total",
        &[],
        "Processor time that the control group used.",
    ),
    gauge(
        "peregrine_cgroup_memory_bytes",
        &[],
        "Memory that the control group uses.",
    ),
    gauge(
        "peregrine_cgroup_memory_max_bytes",
        &[],
        "How much memory the control group may use.",
    ),
    gauge(
        "peregrine_cgroup_cpu_max",
        &[],
        "How many processors the control group may use.",
    ),
    counter(
        "peregrine_cgroup_throttled_seconds_total",
        &[],
        "Time that the control group was kept from running because of that.",
    ),
    gauge("peregrine_machine_cpus", &[], "Processors that the process may use."),
    counter(
        "peregrine_machine_cpu_seconds_total",
        &[],
        "Time that the machine's processors were in use, together.",
    ),
    gauge(
        "peregrine_machine_open_files",
        &[],
        "Files and sockets that are open on the machine.",
    ),
    gauge("peregrine_machine_max_files", &[], "How many there may be."),
    gauge(
        "peregrine_machine_load1",
        &[],
        "Threads that wanted to run, over a minute.",
    ),
    gauge(
        "peregrine_machine_load5",
        &[],
        "Threads that wanted to run, over five minutes.",
    ),
    gauge(
        "peregrine_machine_load15",
        &[],
        "Threads that wanted to run, over fifteen minutes.",
    ),
    gauge("peregrine_machine_memory_bytes", &[], "Memory of the machine."),
    gauge(
        "peregrine_machine_memory_available_bytes",
        &[],
        "Memory of the machine that could be used without swapping.",
    ),
    gauge(
        "peregrine_state_disk_used_bytes",
        &[],
        "Bytes taken on the disk with the state directory.",
    ),
    gauge(
        "peregrine_state_disk_free_bytes",
        &[],
        "Bytes free on the disk with the state directory.",
    ),
    counter(
        "peregrine_machine_disk_read_bytes_total",
        &[],
        "Bytes read from the machine's disks.",
    ),
    counter(
        "peregrine_machine_disk_written_bytes_total",
        &[],
        "Bytes written to the machine's disks.",
    ),
    counter(
        "peregrine_machine_network_received_bytes_total",
        &[],
        "Bytes that came from the network.",
    ),
    counter(
        "peregrine_machine_network_sent_bytes_total",
        &[],
        "Bytes that went to the network.",
    ),
];
