//! Real clients: curl, httpx, Node's fetch, a WebSocket library, h2load, wrk and a browser, each as its users run it.
//! `scripts/setup test` brings them.

use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LARGE_BYTES: usize = 100_000;

/// An origin with one of everything that the clients ask for.
fn origin() -> Origin {
    let numbers = AtomicUsize::new(0);
    let left = Arc::new(AtomicUsize::new(0));
    Origin::start(move |heard| {
        let kept = ("cache-control", "max-age=600");
        let path = heard.target.split('?').next().unwrap();
        match path {
            "/page" => Reply::ok(
                &[kept, ("etag", "\"one\""), ("content-type", "text/plain")],
                "0123456789",
            ),
            "/large" => Reply::ok(
                &[kept, ("content-type", "text/html")],
                &"<p>word</p>".repeat(LARGE_BYTES / 10).as_bytes()[..LARGE_BYTES],
            ),
            "/echo" => Reply::ok(&[], &heard.body),
            "/slow" => Reply::default()
                .head(200, &[("content-length", "400000000")])
                .flood(400_000_000, &left),
            "/" => Reply::ok(
                &[kept, ("content-type", "text/html")],
                include_str!("../clients/page.html"),
            ),
            "/script.js" => Reply::ok(
                &[kept, ("content-type", "text/javascript")],
                include_str!("../clients/script.js"),
            ),
            "/style.css" => Reply::ok(&[kept, ("content-type", "text/css")], "h1 { color: rgb(1, 2, 3) }"),
            "/picture.svg" => Reply::ok(
                &[kept, ("content-type", "image/svg+xml")],
                "<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'><rect width='10' height='10'/></svg>",
            ),
            "/data.json" => {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                Reply::ok(
                    &[kept, ("content-type", "application/json")],
                    format!("{{\"number\":{number}}}"),
                )
            }
            _ => Reply::status(404, &[], "no such page"),
        }
    })
}

/// A program of this machine's, with a complaint that helps when it is not there.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A script of tests/clients in Python, with the libraries that `scripts/setup test` fetched.
fn python(script: &str) -> Command {
    let libraries = std::env::var_os("PEREGRINE_PYTHON_CLIENTS").expect(
        "the Python clients are named by scripts/env.sh: run through `make test` or `scripts/with-env cargo test`",
    );
    let mut command = program("python3");
    command.env("PYTHONPATH", libraries).arg(script_path(script));
    command
}

fn script_path(script: &str) -> String {
    format!(
        "{}/../../tests/clients/{script}",
        std::env::var("CARGO_MANIFEST_DIR").unwrap()
    )
}

/// What `command` prints.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `scripts/setup test` installs it"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    let text = said(command);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{command:?}: {error}: {text}"))
}

/// Peregrine before `origin` with a second listener that speaks TLS; its URL, and the file with its certificate.
fn with_tls(origin: &Origin) -> (Peregrine, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    let rest = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = \"certificate.pem\", key = \"key.pem\" }}\n\n{}",
        upstream(&[origin], "", "")
    );
    let peregrine = Peregrine::start_in(folder, &rest);
    let secure = eventually("the address over TLS", || {
        let log = peregrine.log();
        let (_, rest) = log.split_once("https://")?;
        rest.split([' ', '/', ',', '\n']).next().map(str::to_owned)
    });
    let port = secure.rsplit(':').next().unwrap().to_owned();
    (
        peregrine,
        format!("https://localhost:{port}"),
        certificate.display().to_string(),
    )
}

#[test]
fn curl_reads_writes_resumes_and_revalidates() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let url = |path: &str| format!("http://{}{path}", peregrine.address);
    let curl = || {
        let mut curl = program("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20"]);
        curl
    };
    assert_eq!(said(curl().arg(url("/page"))), "0123456789");
    assert_eq!(said(curl().args(["--range", "3-5"]).arg(url("/page"))), "345");
    let twice = said(
        curl()
            .args([url("/page"), url("/page")])
            .args(["--write-out", "|%{num_connects}|"]),
    );
    assert!(
        twice.ends_with("|0|"),
        "the second request opened a connection: {twice}"
    );
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    assert_eq!(
        said(
            curl()
                .args(status)
                .args(["--header", "if-none-match: \"one\""])
                .arg(url("/page"))
        ),
        "304"
    );
    assert_eq!(said(curl().args(["--data", "a=b"]).arg(url("/echo"))), "a=b");
    let long = "x".repeat(50_000);
    // curl asks first whether a body of this size is welcome (Expect: 100-continue).
    let sent = said(
        curl()
            .args(["--header", "expect: 100-continue", "--data", &long])
            .arg(url("/echo")),
    );
    assert_eq!(sent.len(), long.len());
    let large = said(curl().arg("--compressed").arg(url("/large")));
    assert_eq!(large.len(), LARGE_BYTES);
    assert_eq!(said(curl().args(status).args(["--http1.0"]).arg(url("/page"))), "200");
}

#[test]
fn httpx_speaks_both_versions() {
    let origin = origin();
    let (peregrine, secure, authority) = with_tls(&origin);
    let plain = format!("http://{}", peregrine.address);
    let seen = json(python("httpx_client.py").args([&plain, &secure, &authority]));
    assert_eq!(
        seen["plain"],
        serde_json::json!({"statuses": [200, 200], "version": "HTTP/1.1", "hit": true, "same": true})
    );
    assert_eq!(seen["not_modified"], 304);
    assert_eq!(seen["part"], serde_json::json!([206, "2345", "bytes 2-5/10"]));
    assert_eq!(seen["head"], serde_json::json!([200, 0]));
    assert_eq!(seen["posted"], "chunk0;chunk1;chunk2;");
    assert_eq!(seen["large"][0], LARGE_BYTES);
    assert_eq!(
        seen["secure"],
        serde_json::json!({"statuses": [200], "versions": ["HTTP/2"], "same": true})
    );
    assert_eq!(seen["secure_posted"], "over h2");
}

#[test]
fn fetch_of_node_streams_and_leaves() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let plain = format!("http://{}", peregrine.address);
    let seen = json(program("node").arg(script_path("fetch_client.mjs")).arg(&plain));
    assert_eq!(
        seen,
        serde_json::json!({
            "hit": true, "same": true, "many": true, "notModified": 304, "posted": "one two three",
            "large": LARGE_BYTES, "afterLeaving": 200
        })
    );
}

/// A process that ends with the scenario.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_websocket_passes_through() {
    let mut server = Ended(python("websocket_client.py").arg("serve").spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let peregrine = Peregrine::start(&format!(
        "[[upstream]]\nname = \"chat\"\ntargets = [\"http://127.0.0.1:{}\"]\n\n\
         [[route]]\nmatch = {{ path = \"/*\" }}\nupstream = \"chat\"\n",
        port.trim()
    ));
    let url = format!("ws://{}/chat", peregrine.address);
    let seen = json(python("websocket_client.py").args(["talk", &url]));
    assert_eq!(seen, serde_json::json!({"same": true, "count": 102, "closed": 1000}));
}

#[test]
fn load_generators_see_good_answers_only() {
    let origin = origin();
    let (peregrine, secure, _) = with_tls(&origin);
    let plain = format!("http://{}/page", peregrine.address);
    let wrk = said(program("wrk").args(["-t1", "-c20", "-d1s", &plain]));
    assert!(wrk.contains("requests in"), "{wrk}");
    assert!(!wrk.contains("Socket errors") && !wrk.contains("Non-2xx"), "{wrk}");
    let arguments = ["--requests=2000", "--clients=5", "--max-concurrent-streams=20"];
    let h2load = said(program("h2load").args(arguments).arg(format!("{secure}/page")));
    assert!(h2load.contains("Application protocol: h2"), "{h2load}");
    assert!(h2load.contains("2000 succeeded, 0 failed, 0 errored"), "{h2load}");
    let over_http_1 = said(
        program("h2load")
            .args(["--h1", "--requests=500", "--clients=5"])
            .arg(&plain),
    );
    assert!(
        over_http_1.contains("500 succeeded, 0 failed, 0 errored"),
        "{over_http_1}"
    );
    assert_eq!(origin.count(), 2, "the origin was asked once for each scheme");
}

#[test]
fn a_browser_shows_a_page_over_http_2() {
    let origin = origin();
    let (_peregrine, secure, _) = with_tls(&origin);
    let folder = tempfile::tempdir().unwrap();
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .expect("a browser is there: `scripts/setup test` installs it");
    // Two browsers that know nothing of each other: the second gets what the first one's request had stored.
    for visit in ["first", "second"] {
        let page = said(
            program(browser)
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                ])
                .args([
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                ])
                // The certificate is the scenario's own.
                .arg("--ignore-certificate-errors")
                .arg(format!("--user-data-dir={}", folder.path().join(visit).display()))
                .args(["--virtual-time-budget=20000", "--dump-dom"])
                .arg(format!("{secure}/")),
        );
        assert!(
            page.contains("number 0; from a browser; picture; rgb(1, 2, 3)"),
            "{page}"
        );
    }
    let asked = |path: &str| origin.heard().iter().filter(|heard| heard.target == path).count();
    for path in ["/", "/script.js", "/style.css", "/picture.svg", "/data.json"] {
        assert_eq!(asked(path), 1, "{path}");
    }
}
