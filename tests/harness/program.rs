//! The program as a process, with a configuration of the scenario's and a folder of its own.

use super::client::{Answer, Client, request};
use super::{Origin, PATIENCE, until};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

/// A running Peregrine.
pub struct Peregrine {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub token: String,
    pub folder: tempfile::TempDir,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Peregrine {
    /// Starts one with the upstream `origin`, one route for everything, and `more` in its configuration file.
    pub fn before(origin: &Origin, more: &str) -> Self {
        let route = if more.contains("[[route]]") { "" } else { "[[route]]\nupstream = \"origin\"\n" };
        Self::start(&format!("[[upstream]]\nname = \"origin\"\ntargets = [\"{}\"]\n{route}\n{more}\n", origin.url()))
    }

    /// Starts one with listeners on free ports and `rest` as the rest of its configuration file.
    pub fn start(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("peregrine.toml"), Self::configuration(rest)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_peregrine"))
            .args(["serve", "--config", "peregrine.toml"])
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = gather(&mut child, &log);
        let (address, admin) = addresses(&lines, &log);
        let token = std::fs::read_to_string(folder.path().join("state/admin.token")).unwrap().trim().to_owned();
        Self { address, admin, token, folder, child, log }
    }

    /// The whole configuration file around `rest`.
    pub fn configuration(rest: &str) -> String {
        let listeners = if rest.contains("[[listener]]") { "" } else { "[[listener]]\naddress = \"127.0.0.1:0\"\n" };
        format!("server.state_dir = \"state\"\nadmin.address = \"127.0.0.1:0\"\n{rest}\n{listeners}\n")
    }

    /// Everything that it has written to its outputs.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Replaces the configuration file.
    pub fn rewrite(&self, rest: &str) {
        let mut file = std::fs::File::create(self.folder.path().join("peregrine.toml")).unwrap();
        file.write_all(Self::configuration(rest).as_bytes()).unwrap();
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end and gives the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        until("the end of the program", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap() * 4096
    }

    /// A GET through it.
    pub fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields)
    }

    /// A request through it, without a body.
    pub fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        Client::connect(self.address).send(request(method, target, fields)).read(method)
    }

    /// A call of the admin API with its token.
    pub fn admin(&self, method: &str, target: &str, body: Option<&serde_json::Value>) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let host = self.admin.to_string();
        let body = body.map(ToString::to_string).unwrap_or_default();
        let length = body.len().to_string();
        let mut fields = vec![("host", host.as_str()), ("authorization", authorization.as_str())];
        if !body.is_empty() || method == "POST" {
            fields.push(("content-type", "application/json"));
            fields.push(("content-length", &length));
        }
        Client::connect(self.admin).send(request(method, target, &fields) + &body).read(method)
    }

    /// Runs another command of the program against this one.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_peregrine"))
            .args(arguments)
            .args(["--admin", &format!("http://{}", self.admin)])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PEREGRINE_ADMIN_TOKEN", &self.token)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Peregrine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- what the program wrote ---\n{log}");
        }
        assert!(!log.contains("panicked at"), "the program panicked:\n{log}");
    }
}

/// Reads both outputs into `log`, and hands out the lines of the standard output.
fn gather(child: &mut Child, log: &Arc<Mutex<String>>) -> mpsc::Receiver<String> {
    let (give, take) = mpsc::sync_channel(1024);
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let keep = |log: &Mutex<String>, line: &str| {
        let mut log = log.lock().unwrap();
        log.push_str(line);
        log.push('\n');
    };
    let shared = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            keep(&shared, &line);
            let _ = give.try_send(line);
        }
    });
    let shared = Arc::clone(log);
    std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| keep(&shared, &line)));
    take
}

/// The addresses that the program says it serves.
fn addresses(lines: &mpsc::Receiver<String>, log: &Mutex<String>) -> (SocketAddr, SocketAddr) {
    let (mut serving, mut admin) = (None, None);
    while serving.is_none() || admin.is_none() {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the program did not start:\n{}", log.lock().unwrap()));
        let address = line.split("http://").nth(1).and_then(|rest| rest.split([' ', '/']).next()).and_then(|text| text.parse().ok());
        if line.trim_start().starts_with("serving") {
            serving = serving.or(address);
        } else if line.trim_start().starts_with("admin") {
            admin = address;
        }
    }
    (serving.unwrap(), admin.unwrap())
}
