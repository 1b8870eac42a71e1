//! A program of ours as a process: what it writes is kept, and it ends with the scenario. Whatever a scenario is about, none
//! of them may panic.

use super::crowd::allow_many_files;
use super::{eventually, until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A running process of `peregrine`.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// `peregrine` with `arguments` in `folder`, in an environment of its own.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    allow_many_files();
    let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command
}

impl Process {
    /// Starts `command` and keeps what it writes.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = vec![keep(stdout, &log), keep(stderr, &log)];
        Self { child, log, readers }
    }

    /// Everything that it has written to its outputs.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The address in the first line that begins with `word`.
    #[track_caller]
    pub(crate) fn address(&self, word: &str) -> SocketAddr {
        let wanted = |log: &str| {
            log.lines()
                .find(|line| line.trim_start().starts_with(word))
                .map(str::to_owned)
        };
        let over = || self.readers.iter().all(JoinHandle::is_finished);
        let line = eventually(word, || wanted(&self.log()).or_else(|| over().then(String::new)));
        let address = line
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split([' ', '/', ',']).next());
        address
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("no address of {word:?}:\n{}", self.log()))
    }

    /// The number that the system gave it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end and for the end of what it writes, and gives the exit code; nothing when a signal ended it.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let code = self.exit_code_alone();
        until("the end of its outputs", || {
            self.readers.iter().all(JoinHandle::is_finished)
        });
        code
    }

    /// The same of one whose successor still writes to its outputs.
    pub(crate) fn exit_code_alone(&mut self) -> Option<i32> {
        until("the end of the process", || !self.is_running());
        self.child.wait().unwrap().code()
    }

    /// Lets it open `count` more files than it has open now, and no more.
    pub(crate) fn allow_more_files(&self, count: u64) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count() as u64;
        let limit = Rlimit {
            current: Some(open + count),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- what the process wrote ---\n{log}");
        } else {
            assert!(!log.contains("panicked at"), "the process panicked:\n{log}");
        }
    }
}

/// Reads an output into `log` to its end.
fn keep(output: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// The sample shop alone, as a process that can be killed and frozen.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
}

impl Shop {
    /// Starts one on `port`; 0 takes any free one.
    pub(crate) fn start(port: u16) -> Self {
        let port = port.to_string();
        let folder = std::env::temp_dir();
        let process = Process::start(command(&folder, &["demo", "--only-origin", "--origin-port", &port]));
        Self {
            address: process.address("shop:"),
            process,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
