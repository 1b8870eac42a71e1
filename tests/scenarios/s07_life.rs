//! From the start to the end: without a file, on a taken port, with a log that keeps secrets, and a stop that drops nothing.

use crate::harness::program::TOKEN;
use crate::harness::{Client, Gate, Origin, Peregrine, Process, Reply, Signal, process, request, until};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};

#[test]
fn serve_with_an_upstream_needs_no_file() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "hello"));
    let (folder, url) = (tempfile::tempdir().unwrap(), origin.url());
    let arguments = [
        "serve",
        "--upstream",
        &url,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let peregrine = Peregrine::run(folder, &arguments);
    assert_eq!(peregrine.get("/", &[]).text(), "hello");
    assert!(peregrine.get("/", &[]).is_hit());
    assert_eq!(
        peregrine.admin("GET", "/api/performance/health", None).json()["status"],
        "ok"
    );
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_how_to_choose_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, folder) = (taken.local_addr().unwrap().to_string(), tempfile::tempdir().unwrap());
    for (listen, admin, flag) in [
        (address.as_str(), "127.0.0.1:0", "--listen"),
        ("127.0.0.1:0", &address, "--admin"),
    ] {
        let arguments = [
            "serve",
            "--upstream",
            "http://127.0.0.1:9",
            "--listen",
            listen,
            "--admin",
            admin,
        ];
        let output = process::command(folder.path(), &arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains(&address) && error.contains("taken") && error.contains(flag),
            "{error}"
        );
    }
}

#[test]
fn nothing_to_serve_and_faulty_files_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str]| {
        let output = process::command(folder.path(), arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, error) = serve(&["serve"]);
    assert!(code == Some(2) && error.contains("--upstream"), "{code:?} {error}");
    let file = "[[upstream]]\nname = \"a\"\ntargets = [\"http://127.0.0.1:9\"]\n[[route]]\nupstream = \"a\"\nstratgy = \"b\"\n";
    std::fs::write(folder.path().join("peregrine.toml"), file).unwrap();
    let (code, error) = serve(&["serve"]);
    assert!(
        code == Some(2) && error.contains("peregrine.toml:6") && error.contains("strategy"),
        "{code:?} {error}"
    );
    std::fs::write(
        folder.path().join("peregrine.toml"),
        file.replace("stratgy", "strategy"),
    )
    .unwrap();
    let (code, error) = serve(&["serve"]);
    assert!(
        code == Some(2) && error.contains("route[0].strategy"),
        "a strategy that is not there: {code:?} {error}"
    );
}

#[test]
fn on_sigterm_requests_under_way_finish_and_no_further_ones_are_taken() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        let head = Reply::default().head(200, &[("content-length", "4"), ("cache-control", "max-age=600")]);
        head.send("be").wait(&waiting).send("en")
    });
    let mut peregrine = Peregrine::before(&origin, "");
    let mut idle = Client::connect(peregrine.address);
    let mut client = peregrine.begin("/slow", &[]);
    client.head().unwrap();
    assert_eq!(peregrine.admin("GET", "/readyz", None).status, 200);
    peregrine.process.signal(Signal::TERM);
    until("the listener to be closed", || {
        TcpStream::connect(peregrine.address).is_err()
    });
    assert!(idle.is_closed(), "a connection without a request is not waited for");
    let ready = peregrine.admin("GET", "/readyz", None);
    assert_eq!(
        (ready.status, ready.text().trim()),
        (503, "draining"),
        "whoever balances load is told"
    );
    assert_eq!(
        peregrine.admin("GET", "/healthz", None).status,
        200,
        "it lives until the last request is done"
    );
    assert!(peregrine.process.is_running());
    gate.open();
    assert_eq!(client.bytes(4), b"been");
    assert!(client.is_closed());
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
}

#[test]
fn it_serves_on_for_the_drain_delay_and_says_that_it_is_draining() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"));
    let mut peregrine = Peregrine::before(&origin, "[server]\ndrain_delay = \"10m\"\n");
    let mut kept = Client::connect(peregrine.address);
    let mut ask = || kept.send(request("GET", "/a", &[])).read("GET");
    assert!(!ask().field("connection").contains("close"));
    peregrine.process.signal(Signal::TERM);
    until("the word to whoever balances load", || {
        let ready = peregrine.admin("GET", "/readyz", None);
        (ready.status, ready.text().trim()) == (503, "draining")
    });
    assert_eq!(ask().field("connection"), "close", "clients are sent elsewhere");
    for target in ["/a", "/b"] {
        assert_eq!(peregrine.get(target, &[]).status, 200, "new connections are taken");
    }
    // Whoever cannot wait says so.
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
}

#[test]
fn what_does_not_finish_within_the_drain_time_is_cut_off_and_said() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| Reply::default().wait(&waiting).then(&Reply::ok(&[], "late")));
    let mut peregrine = Peregrine::before(&origin, "[server]\ndrain_time = \"200ms\"\n");
    let mut client = peregrine.begin("/slow", &[]);
    until("the request to be under way", || origin.count() == 1);
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(1));
    assert!(client.is_closed());
    until("the reason", || peregrine.log().contains("drain_time"));
    gate.open();
}

#[test]
fn an_idle_program_stops_at_once_on_either_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let origin = Origin::start(|_| Reply::ok(&[], "ok"));
        let mut peregrine = Peregrine::before(&origin, "[server]\ndrain_time = \"1h\"\n");
        let mut kept = Client::connect(peregrine.address);
        assert_eq!(kept.send(request("GET", "/", &[])).read("GET").status, 200);
        peregrine.process.signal(signal);
        assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    }
}

#[test]
fn the_access_log_tells_each_request_and_no_secret() {
    const SECRET: &str = "s3cr3t-of-somebody";
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "hello"));
    let log = "[log]\nlevel = \"debug\"\naccess = \"json\"\naccess_path = \"access.log\"\nredact = [\"voucher\"]\n";
    let mut peregrine = Peregrine::before(&origin, log);
    let target = format!("/search?q=shoes&access_token={SECRET}&voucher={SECRET}&password={SECRET}&page=2");
    let bearer = format!("Bearer {SECRET}");
    let cookie = format!("session={SECRET}");
    peregrine.get(
        &target,
        &[("authorization", &bearer), ("user-agent", "tester/1.0 \"quoted\"")],
    );
    peregrine.get("/a", &[("cookie", &cookie), ("x-api-key", SECRET)]);
    assert!(peregrine.get("/a", &[]).is_hit());
    peregrine.ask("DELETE", "/a", &[("content-length", "0")]);
    peregrine.told(&["stats"]);
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0));
    let access = std::fs::read_to_string(peregrine.path("access.log")).unwrap();
    let lines: Vec<Value> = access.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |line: &Value| {
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (word("method"), line["status"].as_u64().unwrap(), word("cache"))
    };
    let expected = [
        ("GET", 200, "miss"),
        ("GET", 200, "miss"),
        ("GET", 200, "hit"),
        ("DELETE", 200, "bypass"),
    ];
    let expected = expected.map(|(method, status, cache)| (method.to_owned(), status, cache.to_owned()));
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected, "{access}");
    let target = lines[0]["target"].as_str().unwrap();
    assert!(
        target.starts_with("/search?q=shoes&") && target.ends_with("&page=2"),
        "{target}"
    );
    assert_eq!(lines[0]["user_agent"], "tester/1.0 \"quoted\"");
    assert_eq!(lines[0]["sent_bytes"], 5);
    let everything = access + &peregrine.log();
    assert!(!everything.contains(SECRET), "a secret is in the log:\n{everything}");
    assert!(
        !everything.contains(&peregrine.token),
        "the admin token is in the log:\n{everything}"
    );
}

#[test]
fn an_access_log_that_was_moved_away_is_opened_anew_on_sighup() {
    let origin = Origin::start(|_| Reply::ok(&[], "hello"));
    let peregrine = Peregrine::before(&origin, "[log]\naccess = \"text\"\naccess_path = \"access.log\"\n");
    let lines = |name: &str| {
        std::fs::read_to_string(peregrine.path(name))
            .unwrap_or_default()
            .lines()
            .count()
    };
    peregrine.get("/before", &[]);
    until("the first line", || lines("access.log") == 1);
    std::fs::rename(peregrine.path("access.log"), peregrine.path("access.log.1")).unwrap();
    peregrine.process.signal(Signal::HUP);
    until("a new file", || peregrine.path("access.log").exists());
    peregrine.get("/after", &[]);
    until("the second line", || lines("access.log") == 1);
    assert_eq!(lines("access.log.1"), 1);
}

#[test]
fn the_token_is_made_once_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let origin = Origin::start(|_| Reply::ok(&[], "hello"));
    let mut first = Peregrine::before(&origin, "");
    let file = std::fs::metadata(first.path(TOKEN)).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let token = first.token.clone();
    first.process.signal(Signal::TERM);
    first.process.exit_code();
    let again = Process::start(process::command(
        first.folder.path(),
        &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"],
    ));
    again.address("admin");
    assert_eq!(std::fs::read_to_string(first.path(TOKEN)).unwrap().trim(), token);
}
