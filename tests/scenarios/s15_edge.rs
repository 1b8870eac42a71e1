//! The client's side of connections: TLS and HTTP/2 as curl speaks them, certificates that change, clients with
//! certificates, the PROXY protocol, Unix sockets.

use crate::harness::client::{Client, request};
use crate::harness::curl::{Authority, Curled, curl};
use crate::harness::process::{self, Process};
use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, Signal, get, until};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Says how it was asked.
fn telling() -> Origin {
    Origin::start(|heard| {
        let told = format!(
            "{} {} proto={} for={} length={}",
            heard.method,
            heard.target,
            heard.field("x-forwarded-proto"),
            heard.field("x-forwarded-for"),
            heard.body.len()
        );
        Reply::ok(&[("cache-control", "max-age=600")], told)
    })
}

/// One with TLS for `shop.example`, `fields` in its table and files made by `prepare`.
struct Secure {
    peregrine: Peregrine,
    authority: Authority,
}

impl Secure {
    fn start(origin: &Origin, fields: &str, prepare: impl FnOnce(&Path)) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        authority.write(folder.path(), "authority");
        authority.issue(folder.path(), "shop", "shop.example");
        prepare(folder.path());
        let peregrine = Peregrine::start_in(folder, &secure(origin, fields));
        Self { peregrine, authority }
    }

    /// Asks for `target` of `host` with these arguments of curl.
    fn ask(&self, host: &str, target: &str, arguments: &[&str]) -> Curled {
        let port = self.peregrine.address.port();
        let (resolve, url) = (
            format!("{host}:{port}:127.0.0.1"),
            format!("https://{host}:{port}{target}"),
        );
        let fixed = ["--cacert", "authority.pem", "--resolve", &resolve, &url];
        curl(self.peregrine.folder.path(), &[&fixed, arguments].concat())
    }
}

fn secure(origin: &Origin, fields: &str) -> String {
    let tls = "tls.certificate = \"shop.pem\"\ntls.key = \"shop.key\"";
    let listener = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{tls}\n{fields}\n");
    upstream(&[origin], "", &listener)
}

#[test]
fn a_page_is_the_same_over_every_version() {
    let origin = telling();
    let secure = Secure::start(&origin, "", |_| {});
    assert!(secure.peregrine.log().contains("serving  https://127.0.0.1:"));
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2"), ("--tls-max", "2")] {
        let arguments: &[&str] = if option == "--tls-max" {
            &[option, "1.2"]
        } else {
            &[option]
        };
        let answer = secure.ask("shop.example", "/page", arguments);
        assert_eq!(
            (answer.status, answer.version.as_str(), answer.text().as_str()),
            (200, version, "GET /page proto=https for=127.0.0.1 length=0"),
            "{answer:?}"
        );
    }
    assert_eq!(origin.count(), 1, "one entry for all of them");
    let hit = secure.ask("shop.example", "/page", &["--http2"]);
    assert!(
        hit.head.contains("cache-status: peregrine; hit") && hit.head.contains("\ndate: "),
        "{}",
        hit.head
    );
    let head = secure.ask("shop.example", "/page", &["--http2", "--head"]);
    assert!(
        head.status == 200 && head.head.contains("content-length: 44"),
        "{}",
        head.head
    );
    assert_eq!(secure.peregrine.metric("peregrine_tls_handshakes_total", &[]), 5.0);
    assert!(secure.peregrine.metric("peregrine_http2_connections_total", &[]) >= 3.0);
}

#[test]
fn large_bodies_pass_both_ways_over_http2() {
    let large: Vec<u8> = (0..5_000_000u32).map(|number| number.to_le_bytes()[0]).collect();
    let sent = large.clone();
    let origin = Origin::start(move |heard| {
        assert!(
            heard.method == "GET" || heard.body == sent,
            "{} bytes arrived",
            heard.body.len()
        );
        Reply::ok(&[("cache-control", "max-age=600")], &sent)
    });
    let secure = Secure::start(&origin, "", |folder| {
        std::fs::write(folder.join("large"), &large).unwrap()
    });
    for arguments in [&["--http2"][..], &["--http2"], &["--http2", "--data-binary", "@large"]] {
        let answer = secure.ask("shop.example", "/large", arguments);
        assert!(answer.ok && answer.status == 200, "{}", answer.complaint);
        assert!(answer.body == large, "{} of {} bytes", answer.body.len(), large.len());
    }
}

#[test]
fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let origin = telling();
    let secure = Secure::start(&origin, "", |_| {});
    let folder = secure.peregrine.folder.path();
    assert_eq!(secure.ask("shop.example", "/", &[]).status, 200);
    secure.authority.issue(folder, "shop", "other.example");
    until("the new certificate", || {
        secure.ask("other.example", "/", &[]).status == 200
    });
    assert!(!secure.ask("shop.example", "/", &[]).ok);
    std::fs::write(folder.join("shop.pem"), "broken").unwrap();
    until("the complaint", || {
        secure.peregrine.log().contains("changed certificates cannot be used")
    });
    assert!(
        secure
            .peregrine
            .log()
            .contains("tls.certificate holds no certificate: shop.pem")
    );
    assert_eq!(secure.ask("other.example", "/", &[]).status, 200);
    let health = secure.peregrine.admin("GET", "/api/performance/health", None).json();
    assert_eq!(health["status"], "degraded");
    assert!(health["complaints"].to_string().contains("shop.pem"), "{health}");
    assert_eq!(secure.peregrine.metric("peregrine_tls_reload_failures_total", &[]), 1.0);
    assert!(
        secure
            .peregrine
            .metric("peregrine_tls_certificate_not_after_seconds", &["other.example"])
            > 0.0
    );
}

#[test]
fn another_certificate_in_the_configuration_is_used_after_a_reload() {
    let origin = telling();
    let secure_one = Secure::start(&origin, "", |_| {});
    let folder = secure_one.peregrine.folder.path();
    secure_one.authority.issue(folder, "more", "*.more.example");
    assert!(!secure_one.ask("a.more.example", "/", &[]).ok);
    let more = "[[listener.tls.certificates]]\ncertificate = \"more.pem\"\nkey = \"more.key\"";
    secure_one.peregrine.reload(&secure(&origin, more));
    for host in ["a.more.example", "shop.example"] {
        assert_eq!(secure_one.ask(host, "/", &[]).status, 200, "{host}");
    }
    // A reload that cannot be had as a whole changes nothing.
    secure_one
        .peregrine
        .rewrite(&secure(&origin, &more.replace("more.key", "shop.key")));
    secure_one.peregrine.process.signal(Signal::HUP);
    until("the complaint", || {
        secure_one.peregrine.log().contains("is not the key of the certificate")
    });
    assert_eq!(secure_one.ask("a.more.example", "/", &[]).status, 200);
}

#[test]
fn a_certificate_that_is_bad_by_now_holds_up_no_other_change() {
    let origin = telling();
    let secured = Secure::start(&origin, "", |_| {});
    std::fs::write(secured.peregrine.path("shop.pem"), "broken").unwrap();
    let route = "[[route]]\nupstream = \"origin\"\nresponse_headers.set = { x-route = \"new\" }\n";
    secured.peregrine.reload(&secure(&origin, route));
    let answer = secured.ask("shop.example", "/", &[]);
    assert!(answer.head.contains("x-route: new"), "{}", answer.head);
    let health = secured.peregrine.admin("GET", "/api/performance/health", None).json();
    assert!(health["complaints"].to_string().contains("shop.pem"), "{health}");
}

#[test]
fn what_was_refused_for_a_certificate_holds_once_its_files_are_good() {
    let origin = telling();
    let secured = Secure::start(&origin, "", |_| {});
    let folder = secured.peregrine.folder.path();
    // As a tool leaves it that writes the configuration first and the certificate second.
    let more = "[[listener.tls.certificates]]\ncertificate = \"more.pem\"\nkey = \"more.key\"";
    secured.peregrine.rewrite(&secure(&origin, more));
    let refusals = || secured.peregrine.log().matches("not reloaded").count();
    until("the refusal", || refusals() > 0);
    secured.authority.issue(folder, "more", "more.example");
    until("the change to be applied", || {
        secured.ask("more.example", "/", &[]).status == 200
    });
}

#[test]
fn clients_without_a_good_certificate_are_turned_away() {
    let origin = telling();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let fields = "tls.client_auth = \"required\"\ntls.client_ca = \"clients.pem\"";
    let secure = Secure::start(&origin, fields, |folder| {
        ours.write(folder, "clients");
        ours.issue(folder, "good", "client.example");
        theirs.issue(folder, "bad", "client.example");
    });
    for version in ["--http1.1", "--http2"] {
        let with = |name: &str| {
            let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
            secure.ask("shop.example", "/", &[version, "--cert", &certificate, "--key", &key])
        };
        assert_eq!(with("good").status, 200);
        assert!(!with("bad").ok);
        assert!(!secure.ask("shop.example", "/", &[version]).ok);
    }
    let failures = |reason: &str| secure.peregrine.metric("peregrine_arrival_failures_total", &[reason]);
    assert_eq!(failures("tls_client_certificate_missing"), 2.0);
    assert_eq!(failures("tls_client_certificate_invalid"), 2.0);
}

#[test]
fn a_refused_reload_lets_nobody_in_without_a_certificate() {
    let (origin, ours) = (telling(), Authority::new());
    let fields = "tls.client_auth = \"required\"\ntls.client_ca = \"clients.pem\"";
    let secured = Secure::start(&origin, fields, |folder| {
        ours.write(folder, "clients");
        ours.issue(folder, "good", "client.example");
    });
    // The access log cannot be written there, so the change beside it may not hold either.
    let log = "[log]\naccess = \"json\"\naccess_path = \"/nowhere/access.log\"\n";
    secured
        .peregrine
        .rewrite(&secure(&origin, &format!("tls.client_auth = \"off\"\n{log}")));
    secured.peregrine.process.signal(Signal::HUP);
    until("the refusal", || secured.peregrine.log().contains("not reloaded"));
    assert!(!secured.ask("shop.example", "/", &[]).ok);
    let shown = ["--cert", "good.pem", "--key", "good.key"];
    assert_eq!(secured.ask("shop.example", "/", &shown).status, 200);
}

#[test]
fn http2_without_tls_where_the_listener_allows_it() {
    let origin = telling();
    let listeners = "[[listener]]\naddress = \"127.0.0.1:0\"\nh2c = true\n";
    let peregrine = Peregrine::start(&upstream(&[&origin], "", listeners));
    let url = format!("http://{}/page", peregrine.address);
    for (option, version) in [
        ("--http2-prior-knowledge", "2"),
        ("--http1.1", "1.1"),
        ("--http2", "1.1"),
    ] {
        let answer = curl(peregrine.folder.path(), &[option, &url]);
        assert_eq!((answer.status, answer.version.as_str()), (200, version), "{answer:?}");
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn the_proxy_protocol_says_whom_a_request_comes_from() {
    let origin = telling();
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n";
    let rest = |trusted: &str| {
        upstream(
            &[&origin],
            "",
            &format!("[server]\ntrusted_proxies = [{trusted}]\n{listener}"),
        )
    };
    let peregrine = Peregrine::start(&rest("\"127.0.0.1\""));
    let ask = |header: &[u8], target: &str| {
        let mut client = Client::connect(peregrine.address);
        // Who is not believed may be cut off before it has said anything.
        let text = [
            header,
            request("GET", target, &[("x-forwarded-for", "203.0.113.9")]).as_bytes(),
        ]
        .concat();
        client.try_send(text).ok()?;
        client.try_read("GET").map(|answer| answer.text())
    };
    let version_1 = b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\r\n";
    // The client itself is nobody whose fields are believed.
    assert_eq!(
        ask(version_1, "/1").unwrap(),
        "GET /1 proto=http for=192.0.2.7 length=0"
    );
    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    version_2.extend([192, 0, 2, 9, 192, 0, 2, 8, 0x0f, 0xa0, 0x01, 0xbb]);
    assert_eq!(
        ask(&version_2, "/2").unwrap(),
        "GET /2 proto=http for=192.0.2.9 length=0"
    );
    assert_eq!(ask(b"", "/3"), None);
    assert_eq!(ask(b"PROXY TCP4 lies\r\n", "/4"), None);
    peregrine.reload(&rest("\"192.0.2.0/24\""));
    assert_eq!(ask(version_1, "/5"), None, "no longer trusted");
    assert_eq!(
        peregrine.metric("peregrine_arrival_failures_total", &["proxy_malformed"]),
        2.0
    );
    assert_eq!(
        peregrine.metric("peregrine_arrival_failures_total", &["proxy_untrusted"]),
        1.0
    );
    assert_eq!(origin.count(), 2);
}

#[test]
fn both_families_may_have_a_listener_on_the_same_port() {
    if TcpListener::bind("[::1]:0").is_err() {
        // A machine without IPv6.
        return;
    }
    let origin = telling();
    let port = TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
    let listeners = ["[::]", "0.0.0.0"].map(|ip| format!("[[listener]]\naddress = \"{ip}:{port}\"\n"));
    let _peregrine = Peregrine::start(&upstream(&[&origin], "", &listeners.concat()));
    for address in [format!("[::1]:{port}"), format!("127.0.0.1:{port}")] {
        assert_eq!(get(address.parse().unwrap(), "/", &[]).status, 200, "{address}");
    }
}

#[test]
fn a_unix_socket_is_made_served_and_removed() {
    let origin = telling();
    let listeners =
        "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"unix:peregrine.sock\"\nmode = \"600\"\n";
    let folder = tempfile::tempdir().unwrap();
    // As a killed program leaves it.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("peregrine.sock")).unwrap());
    let mut peregrine = Peregrine::start_in(folder, &upstream(&[&origin], "", listeners));
    assert!(
        peregrine.log().contains("serving  unix:peregrine.sock in front of"),
        "{}",
        peregrine.log()
    );
    let socket = peregrine.path("peregrine.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let answer = curl(
        peregrine.folder.path(),
        &["--unix-socket", "peregrine.sock", "http://shop.example/page"],
    );
    assert_eq!(answer.text(), "GET /page proto=http for=127.0.0.1 length=0");
    // Where one runs, a second does not start.
    let other = Peregrine::before(&origin, "");
    let config = upstream(
        &[&origin],
        "",
        &format!("[[listener]]\naddress = \"unix:{}\"\n", socket.display()),
    );
    std::fs::write(other.path("second.toml"), config).unwrap();
    let mut second = Process::start(process::command(
        other.folder.path(),
        &["serve", "--config", "second.toml", "--admin", "127.0.0.1:0"],
    ));
    assert_eq!(second.exit_code(), Some(1));
    assert!(
        second.log().contains("is already taken by another program"),
        "{}",
        second.log()
    );
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn the_permissions_of_a_unix_socket_change_and_its_file_goes_at_the_end() {
    let origin = telling();
    let with = |mode: &str, more: &str| {
        let listeners = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"unix:peregrine.sock\"\n";
        upstream(&[&origin], "", &format!("{listeners}mode = \"{mode}\"\n{more}"))
    };
    let mut peregrine = Peregrine::start(&with("600", ""));
    let socket = peregrine.path("peregrine.sock");
    let mode = || std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    peregrine.reload(&with("666", ""));
    assert_eq!(mode(), 0o666);
    // What is refused changes nothing.
    let log = "[log]\naccess = \"json\"\naccess_path = \"/nowhere/access.log\"\n";
    peregrine.rewrite(&with("600", log));
    peregrine.process.signal(Signal::HUP);
    until("the refusal", || peregrine.log().contains("not reloaded"));
    assert_eq!(mode(), 0o666);
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn files_that_cannot_be_used_are_named_before_the_start() {
    let origin = telling();
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.issue(folder.path(), "shop", "shop.example");
    authority.issue(folder.path(), "other", "other.example");
    std::fs::copy(folder.path().join("other.key"), folder.path().join("shop.key")).unwrap();
    std::fs::write(folder.path().join("peregrine.toml"), secure(&origin, "")).unwrap();
    for command in [&["check"][..], &["serve", "--admin", "127.0.0.1:0"]] {
        let mut process = Process::start(process::command(folder.path(), command));
        assert_eq!(process.exit_code(), Some(2), "{command:?}");
        until("what it says", || {
            process.log().contains("shop.key does not belong to shop.pem")
        });
        let said = process.log();
        assert!(
            said.contains("peregrine.toml:") && said.contains("listener[0].tls.key: is not the key"),
            "{said}"
        );
    }
}

#[test]
fn a_successor_goes_on_with_tls_and_with_the_unix_socket() {
    let origin = telling();
    let fields = |mode: &str| {
        let listener = format!("[[listener]]\naddress = \"unix:peregrine.sock\"\nmode = \"{mode}\"\n");
        format!("{listener}[server]\nwatch_config = false\n")
    };
    let configured = |mode: &str| secure(&origin, &fields(mode));
    let mut secure = Secure::start(&origin, &fields("600"), |_| {});
    let arguments = [
        "serve",
        "--config",
        "peregrine.toml",
        "--admin",
        "127.0.0.1:0",
        "--take-over",
    ];
    // Only the successor reads this.
    secure.peregrine.rewrite(&configured("666"));
    let successor = Process::start(process::command(secure.peregrine.folder.path(), &arguments));
    assert_eq!(
        successor.address("serving"),
        secure.peregrine.address,
        "the same socket"
    );
    assert_eq!(
        secure.peregrine.process.exit_code(),
        Some(0),
        "{}",
        secure.peregrine.log()
    );
    secure.peregrine.process = successor;
    for version in ["--http1.1", "--http2"] {
        assert_eq!(secure.ask("shop.example", "/page", &[version]).status, 200);
    }
    let folder = secure.peregrine.folder.path();
    let answer = curl(folder, &["--unix-socket", "peregrine.sock", "http://shop.example/page"]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = std::fs::metadata(folder.join("peregrine.sock")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o666);
}
