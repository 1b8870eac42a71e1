//! A server under measurement: a process of ours on one core, what it uses, and its end.

use crate::pinning;
use peregrine_base::{Clock, Instant, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

/// How long a server may take until it answers.
const START_MAX: Duration = Duration::from_secs(10);
/// How long it may take to end when asked; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(3);
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_micros(300);

/// A running server.
pub(crate) struct Server {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    /// Where it answers over TLS, if it does.
    pub(crate) secure: Option<SocketAddr>,
    /// From the start of the process until the first complete answer.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Server {
    /// Starts `command` on `cores` and waits until it answers a GET for `/` at `address` with 200 (a responder of 304s with that).
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer in time; the text says which, with what it wrote.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        cores: &[usize],
        address: SocketAddr,
    ) -> Result<Self, String> {
        let start = SystemClock.now();
        let child = pinning::on_cores(cores, || command.spawn());
        let child = child.map_err(|error| format!("{name} cannot be started: {error}"))?;
        let mut server = Self {
            name,
            address,
            secure: None,
            started_in: Duration::ZERO,
            child,
        };
        server.await_answer(start)?;
        server.started_in = SystemClock.now().since(start);
        Ok(server)
    }

    fn await_answer(&mut self, start: Instant) -> Result<(), String> {
        loop {
            let answered = get(self.address, "/");
            if matches!(answered, Ok(200 | 304)) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended at once: {status}", self.name));
            }
            if SystemClock.now().since(start) > START_MAX {
                let last = answered.map_or_else(|error| error.to_string(), |status| format!("status {status}"));
                return Err(format!("{} does not answer at {}: {last}", self.name, self.address));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Processor time that the process and its children have used.
    pub(crate) fn processor_time(&self) -> Duration {
        let ticks: u64 = self.processes().into_iter().filter_map(ticks_of).sum();
        let nanos = ticks.saturating_mul(1_000_000_000) / rustix::param::clock_ticks_per_second().max(1);
        Duration::from_nanos(nanos)
    }

    /// Memory that is resident, of the process and its children.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let kib = |process: u32| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().split(' ').next()?.parse::<u64>().ok()
        };
        self.processes().into_iter().filter_map(kib).sum::<u64>() * 1024
    }

    /// The process and its children, such as workers.
    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        std::iter::once(own)
            .chain(children.split_whitespace().filter_map(|process| process.parse().ok()))
            .collect()
    }
}

impl Drop for Server {
    /// Asks it to end, so that its children end too, and waits.
    fn drop(&mut self) {
        if let Some(process) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(process, Signal::TERM);
        }
        let start = SystemClock.now();
        while let Ok(None) = self.child.try_wait() {
            if SystemClock.now().since(start) > STOP_MAX {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Processor time of a process in clock ticks: user and system (proc_pid_stat(5), fields 14 and 15).
fn ticks_of(process: u32) -> Option<u64> {
    ticks(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn ticks(stat: &str) -> Option<u64> {
    // The name of the program stands in parentheses and may hold anything, parentheses too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// One GET over a connection of its own; the status.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_nodelay(true)?;
    // One segment, so that nobody waits for the rest of a head.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    let status = std::str::from_utf8(&start)
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// An address on this machine that nobody listens on at the moment.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 105 0 0 0 120 34 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
