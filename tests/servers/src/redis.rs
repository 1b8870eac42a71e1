//! One redis-server as a process: on a port of its own, in a folder of its own, without persistence.

use crate::port::Port;
use crate::resp::{Connection, Said};
use crate::tls::{self, Authority, TlsFiles};
use crate::wait::{eventually, until};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// How often a start is tried on other ports when somebody outside took the port meanwhile.
const STARTS_MAX: u32 = 10;

/// A running redis-server (or valkey-server where only that is installed). Killed when it is dropped, frozen or not.
pub struct RedisServer {
    program: &'static str,
    arguments: Vec<String>,
    port: Port,
    secured: Option<(String, String)>,
    tls: Option<Tls>,
    child: Mutex<Child>,
    folder: tempfile::TempDir,
}

struct Tls {
    port: Port,
    authority: Authority,
}

impl RedisServer {
    /// Starts one with more `arguments`, such as `["--maxmemory", "1mb"]`; it answers when this returns.
    pub fn start(arguments: &[&str]) -> Self {
        Self::launch(program(), arguments, &[], None, None)
    }

    /// As [`RedisServer::start`], with valkey-server; nothing where it is not installed.
    pub fn valkey(arguments: &[&str]) -> Option<Self> {
        is_installed("valkey-server").then(|| Self::launch("valkey-server", arguments, &[], None, None))
    }

    /// Starts one that follows `primary`, by TLS where that speaks it; it is in sync when this returns.
    pub fn start_replica_of(primary: &Self) -> Self {
        let port = primary.port().to_string();
        let arguments = ["--replicaof", "127.0.0.1", &port];
        let replica = match &primary.tls {
            None => Self::start(&arguments),
            Some(tls) => Self::start_tls_by(
                &tls.authority,
                &[&arguments[..], &["--tls-replication", "yes"]].concat(),
            ),
        };
        until("the replica to be in sync", || {
            replica.info("master_link_status") == "up"
        });
        until("the primary to count its replica", || {
            (0..8).any(|number| primary.info(&format!("slave{number}")).contains("state=online"))
        });
        replica
    }

    /// Starts one that lets `user` in with `password` and nobody else.
    pub fn start_secured(user: &str, password: &str) -> Self {
        let rules = format!("user default off\nuser {user} on >{password} ~* &* +@all\n");
        let secured = Some((user.to_owned(), password.to_owned()));
        Self::launch(
            program(),
            &["--aclfile", "users.acl"],
            &[("users.acl", &rules)],
            secured,
            None,
        )
    }

    /// Starts one that speaks TLS, with an authority of its own.
    pub fn start_tls() -> Self {
        Self::start_tls_by(&tls::make(), &[])
    }

    /// The same with an authority that others share.
    pub(crate) fn start_tls_by(authority: &Authority, arguments: &[&str]) -> Self {
        Self::launch(program(), arguments, &[], None, Some(authority))
    }

    /// Starts a program of Redis's with `files` in its folder.
    pub(crate) fn launch(
        program: &'static str,
        arguments: &[&str],
        files: &[(&str, &str)],
        secured: Option<(String, String)>,
        authority: Option<&Authority>,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("peregrine-redis-").tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut tls = None;
        if let Some(authority) = authority {
            let port = Port::take();
            let number = port.number().to_string();
            for (name, value) in [
                ("--tls-port", number.as_str()),
                ("--tls-cert-file", path_text(&authority.certificate)),
                ("--tls-key-file", path_text(&authority.key)),
                ("--tls-ca-cert-file", path_text(&authority.files.ca)),
                ("--tls-auth-clients", "optional"),
            ] {
                arguments.extend([name.to_owned(), value.to_owned()]);
            }
            tls = Some(Tls {
                port,
                authority: authority.clone(),
            });
        }
        for _ in 0..STARTS_MAX {
            let port = Port::take();
            let mut child = spawn(program, &arguments, &port, folder.path());
            if is_ready(&mut child, folder.path()) {
                return Self {
                    program,
                    arguments,
                    port,
                    secured,
                    tls,
                    child: Mutex::new(child),
                    folder,
                };
            }
            let log = log_in(folder.path());
            assert!(
                log.contains("in use") || log.contains("Failed listening"),
                "{program} does not start:\n{log}"
            );
        }
        panic!("{program} found no free port in {STARTS_MAX} tries");
    }

    /// Its URL as `[redis] url` wants it.
    pub fn url(&self) -> String {
        let port = self.port();
        match (&self.tls, &self.secured) {
            (Some(_), _) => format!("rediss://localhost:{port}"),
            (None, Some((user, password))) => format!("redis://{user}:{password}@127.0.0.1:{port}"),
            (None, None) => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The port that clients come to: the one with TLS where there is one.
    pub fn port(&self) -> u16 {
        self.tls.as_ref().map_or(&self.port, |tls| &tls.port).number()
    }

    /// The same with its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The files of a client of a server with TLS.
    pub fn tls(&self) -> Option<&TlsFiles> {
        self.tls.as_ref().map(|tls| &tls.authority.files)
    }

    /// The port that the tests themselves come to, and by which servers are told from each other.
    pub(crate) fn plain_port(&self) -> u16 {
        self.port.number()
    }

    /// Asks it something on a connection of its own.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Said {
        match self.try_ask(words) {
            Ok(said) => said,
            Err(error) => panic!("{words:?}: {error}\n{}", self.log()),
        }
    }

    /// As [`RedisServer::ask`], of a server that may be away.
    pub fn try_ask(&self, words: &[&str]) -> std::io::Result<Said> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.connect()?.ask(&words)
    }

    fn connect(&self) -> std::io::Result<Connection> {
        let mut connection = Connection::open((Ipv4Addr::LOCALHOST, self.port.number()).into())?;
        if let Some((user, password)) = &self.secured {
            connection.ask(&[b"AUTH", user.as_bytes(), password.as_bytes()])?;
        }
        Ok(connection)
    }

    /// A field of `INFO everything`, such as `role`; empty where there is none, or while it starts.
    pub fn info(&self, field: &str) -> String {
        let Ok(Said::Text(text)) = self.try_ask(&["INFO", "everything"]) else {
            return String::new();
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let found = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| *name == field);
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    }

    /// How often it ran a command since it started.
    pub fn calls(&self, command: &str) -> u64 {
        let line = self.info(&format!("cmdstat_{}", command.to_lowercase()));
        let count = line.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// Every key and every value in it, as raw bytes one after the other: whatever is in Redis is in there, uncompressed
    /// unless the value itself was compressed.
    pub fn dump(&self) -> Vec<u8> {
        let mut connection = self.connect().unwrap();
        let mut ask = |words: &[&[u8]]| connection.ask(words).unwrap();
        let mut bytes = Vec::new();
        for key in ask(&[b"KEYS", b"*"]).list() {
            let Said::Text(key) = key else { continue };
            bytes.extend_from_slice(&key);
            let value = match ask(&[b"TYPE", &key]).text().as_str() {
                "string" => ask(&[b"GET", &key]),
                "hash" => ask(&[b"HGETALL", &key]),
                "zset" => ask(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"]),
                "list" => ask(&[b"LRANGE", &key, b"0", b"-1"]),
                "set" => ask(&[b"SMEMBERS", &key]),
                "stream" => ask(&[b"XRANGE", &key, b"-", b"+"]),
                _ => Said::Nil, // expired meanwhile
            };
            append(&mut bytes, &value);
        }
        bytes
    }

    /// The directory in which it runs and keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it at once, as a power cut would; its port stays reserved for it.
    pub fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Brings it back on the same port with nothing in it.
    pub fn restart_empty(&self) {
        self.kill();
        *self.child() = eventually("the server to start again", || {
            let mut child = spawn(self.program, &self.arguments, &self.port, self.folder.path());
            is_ready(&mut child, self.folder.path()).then_some(child)
        });
    }

    /// Stops its process where it is (SIGSTOP): its connections stay open and say nothing.
    /// It has stopped when this returns.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let process = WaitId::Pid(Pid::from_child(&self.child()));
        waitid(process, WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child()), signal).unwrap();
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        log_in(self.folder.path())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program of a plain server.
pub(crate) fn program() -> &'static str {
    ["redis-server", "valkey-server"]
        .into_iter()
        .find(|program| is_installed(program))
        .expect("redis-server is installed: `scripts/setup test` does it")
}

fn is_installed(program: &str) -> bool {
    let probe = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

fn spawn(program: &str, arguments: &[String], port: &Port, folder: &Path) -> Child {
    let _ = std::fs::remove_file(folder.join("log"));
    // A cluster's node says which others it knew in this file; one that comes back empty knows nobody.
    let _ = std::fs::remove_file(folder.join("nodes.conf"));
    let output = std::fs::File::create(folder.join("output")).unwrap();
    let number = port.number().to_string();
    let bus = port.bus().to_string();
    let mut command = Command::new(program);
    if folder.join("sentinel.conf").exists() {
        command.args(["sentinel.conf", "--sentinel", "--port", &number]);
    } else {
        command.args(["--port", &number, "--save", "", "--appendonly", "no"]);
        command.args(["--repl-diskless-sync-delay", "0", "--cluster-port", &bus]);
    }
    command
        .args(["--bind", "127.0.0.1", "--dir", ".", "--logfile", "log"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Waits until it takes connections, and says whether it does: its own log says so, and nobody else writes there.
fn is_ready(child: &mut Child, folder: &Path) -> bool {
    eventually("a Redis to start", || {
        let log = log_in(folder);
        if log.contains("Ready to accept connections") || log.contains("Sentinel ID is") {
            return Some(true);
        }
        child.try_wait().unwrap().map(|_| false)
    })
}

fn log_in(folder: &Path) -> String {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let bytes = [read("output"), read("log")].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("the folder of temporary files is named in UTF-8")
}

fn append(bytes: &mut Vec<u8>, value: &Said) {
    match value {
        Said::Text(text) => bytes.extend_from_slice(text),
        Said::List(members) => members.iter().for_each(|member| append(bytes, member)),
        Said::Nil | Said::Int(_) | Said::Error(_) => {}
    }
}

#[cfg(test)]
mod tests;
