//! Peregrine as a process, with a configuration of the scenario's and a folder of its own.

use super::client::{Answer, Client, request};
use super::described::{Described, Exchange};
use super::process::{self, Process};
use super::{Origin, Signal, Terminal, until};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

/// Where its token lies in its folder.
pub(crate) const TOKEN: &str = ".peregrine/admin.token";

/// A running Peregrine.
pub(crate) struct Peregrine {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) token: String,
    pub(crate) process: Process,
    pub(crate) folder: tempfile::TempDir,
}

impl Peregrine {
    /// Starts one with the upstream `origin`, one route for everything, and `more` in its configuration file.
    pub(crate) fn before(origin: &Origin, more: &str) -> Self {
        Self::before_with(origin, "", more)
    }

    /// As [`Peregrine::before`], with `fields` in the table of the upstream.
    pub(crate) fn before_with(origin: &Origin, fields: &str, more: &str) -> Self {
        Self::start(&upstream(&[origin], fields, more))
    }

    /// Starts one with listeners on free ports and `rest` as the rest of its configuration file.
    pub(crate) fn start(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, rest)
    }

    /// As [`Peregrine::start`], in a folder in which files lie already.
    pub(crate) fn start_in(folder: tempfile::TempDir, rest: &str) -> Self {
        std::fs::write(folder.path().join("peregrine.toml"), configuration(rest)).unwrap();
        Self::run(
            folder,
            &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"],
        )
    }

    /// As [`Peregrine::start_in`], with more in its environment.
    pub(crate) fn start_with(folder: tempfile::TempDir, rest: &str, environment: &[(&str, String)]) -> Self {
        std::fs::write(folder.path().join("peregrine.toml"), configuration(rest)).unwrap();
        let arguments = ["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"];
        let mut command = process::command(folder.path(), &arguments);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::launch(folder, command)
    }

    /// Starts one with the command line `arguments`.
    pub(crate) fn run(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let command = process::command(folder.path(), arguments);
        Self::launch(folder, command)
    }

    fn launch(folder: tempfile::TempDir, command: Command) -> Self {
        let process = Process::start(command);
        let (address, admin) = (process.address("serving"), process.address("admin"));
        let token = std::fs::read_to_string(folder.path().join(TOKEN)).unwrap();
        let token = token.trim().to_owned();
        Self {
            address,
            admin,
            token,
            process,
            folder,
        }
    }

    /// Everything that it has written to its outputs.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Replaces the configuration file.
    pub(crate) fn rewrite(&self, rest: &str) {
        std::fs::write(self.path("peregrine.toml"), configuration(rest)).unwrap();
    }

    /// Replaces the configuration file and waits until it is applied.
    pub(crate) fn reload(&self, rest: &str) {
        let reloads = || self.log().matches("reloaded").count() - self.log().matches("not reloaded").count();
        let before = reloads();
        self.rewrite(rest);
        self.process.signal(Signal::HUP);
        until("the reload", || reloads() > before);
    }

    /// A GET through it.
    pub(crate) fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields)
    }

    /// A request through it, without a body.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        Client::connect(self.address)
            .send(request(method, target, fields))
            .read(method)
    }

    /// Sends a GET and hands out the connection on which its answer will come.
    pub(crate) fn begin(&self, target: &str, fields: &[(&str, &str)]) -> Client {
        let mut client = Client::connect(self.address);
        client.send(request("GET", target, fields));
        client
    }

    /// A call of the admin API with its token.
    pub(crate) fn admin(&self, method: &str, target: &str, body: Option<&serde_json::Value>) -> Answer {
        call(self.admin, &self.token, method, target, body)
    }

    /// Invalidates through the admin API; the receipt.
    #[track_caller]
    pub(crate) fn invalidate(&self, what: &serde_json::Value) -> serde_json::Value {
        let answer = self.admin("POST", "/api/performance/cache/invalidate", Some(what));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// What `cache/stats` answers.
    pub(crate) fn statistics(&self) -> serde_json::Value {
        self.admin("GET", "/api/performance/cache/stats", None).json()
    }

    /// A metric, added up over the series whose labels contain all of `labels`, such as `reason="no_store"`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("GET", "/metrics", None).text();
        let series = text
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']));
        let wanted = series.filter(|rest| labels.iter().all(|label| rest.contains(label)));
        wanted
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Runs another command of the program against this one.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        self.commanding(arguments).output().unwrap()
    }

    /// As [`Peregrine::command`]: its standard output, when it says that all went well.
    #[track_caller]
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{stdout}{stderr}",
            output.status
        );
        stdout.into_owned()
    }

    /// As [`Peregrine::command`], in a terminal.
    pub(crate) fn in_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::run(self.commanding(arguments))
    }

    fn commanding(&self, arguments: &[&str]) -> Command {
        let mut command = process::command(self.folder.path(), arguments);
        command
            .args(["--admin", &format!("http://{}", self.admin)])
            .env("PEREGRINE_ADMIN_TOKEN", &self.token);
        command
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A call of the admin API at `admin`.
pub(crate) fn call(
    admin: SocketAddr,
    token: &str,
    method: &str,
    target: &str,
    body: Option<&serde_json::Value>,
) -> Answer {
    let authorization = format!("Bearer {token}");
    let host = admin.to_string();
    let body = body.map(ToString::to_string).unwrap_or_default();
    let length = body.len().to_string();
    let mut fields = vec![("host", host.as_str()), ("authorization", authorization.as_str())];
    if method != "GET" {
        fields.push(("content-type", "application/json"));
        fields.push(("content-length", &length));
    }
    let answer = Client::connect(admin)
        .send(request(method, target, &fields) + &body)
        .read(method);
    as_described(method, target, &body, &answer);
    answer
}

/// The description of the API.
static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let text = peregrine_admin::openapi::text();
    Described::new(serde_json::from_str(&text).expect("it is JSON"))
});

/// What the admin API answers is what it says that it answers, in every scenario.
#[track_caller]
fn as_described(method: &str, target: &str, sent: &str, answer: &Answer) {
    if !answer.complete {
        return;
    }
    let faults = DESCRIBED.faults(&Exchange {
        method,
        path: target.split('?').next().unwrap_or_default(),
        sent: sent.as_bytes(),
        status: answer.status,
        content_type: &answer.field("content-type"),
        body: &answer.body,
    });
    assert!(faults.is_empty(), "{method} {target}: {faults:#?}");
}

/// The upstream `origin` over all of `origins`, with `fields` in its table, then `more`, which may bring its own routes.
pub(crate) fn upstream(origins: &[&Origin], fields: &str, more: &str) -> String {
    let targets: Vec<String> = origins.iter().map(|origin| origin.url()).collect();
    let route = if more.contains("[[route]]") {
        ""
    } else {
        "[[route]]\nupstream = \"origin\"\n"
    };
    format!("[[upstream]]\nname = \"origin\"\ntargets = {targets:?}\n{fields}\n{route}\n{more}\n")
}

/// The whole configuration file around `rest`, on a free port.
fn configuration(rest: &str) -> String {
    let listeners = if rest.contains("[[listener]]") {
        ""
    } else {
        "[[listener]]\naddress = \"127.0.0.1:0\"\n"
    };
    format!("{rest}\n{listeners}\n")
}
