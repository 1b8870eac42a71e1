//! The configuration file changes and nobody says so.

use crate::harness::program::upstream;
use crate::harness::{Client, Origin, Peregrine, Reply, request, until};
use std::net::{SocketAddr, TcpStream};

fn routed(origin: &Origin, path: &str, more: &str) -> String {
    let route = format!("[[route]]\nmatch.path = \"{path}\"\nupstream = \"origin\"\n{more}");
    upstream(&[origin], "", &route)
}

#[test]
fn a_changed_file_is_applied_by_itself_and_a_bad_one_is_not() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::start(&routed(&origin, "/one", ""));
    peregrine.rewrite(&routed(&origin, "/two", ""));
    until("the change to be applied", || peregrine.get("/two", &[]).status == 200);
    assert_eq!(peregrine.get("/one", &[]).status, 404);
    peregrine.rewrite("nonsense");
    until("the refusal", || peregrine.log().contains("not reloaded"));
    assert_eq!(peregrine.get("/two", &[]).status, 200, "the running one stays");
    // As an editor, a package manager and Kubernetes do: another file under the same name.
    let good = std::fs::read_to_string(peregrine.path("peregrine.toml")).unwrap();
    peregrine.rewrite(&routed(&origin, "/three", ""));
    let file = peregrine.path("peregrine.toml");
    std::fs::rename(&file, peregrine.path("next")).unwrap();
    std::fs::write(&file, good).unwrap();
    std::fs::rename(peregrine.path("next"), &file).unwrap();
    until("the other file to be applied", || {
        peregrine.get("/three", &[]).status == 200
    });
    assert_eq!(
        peregrine.log().matches("not reloaded").count(),
        1,
        "a bad file is complained about once:\n{}",
        peregrine.log()
    );
}

#[test]
fn a_file_that_is_only_touched_or_not_to_be_watched_is_left_alone() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let watching = Peregrine::start(&routed(&origin, "/one", ""));
    let blind = Peregrine::start(&routed(&origin, "/one", "[server]\nwatch_config = false\n"));
    let same = std::fs::read_to_string(watching.path("peregrine.toml")).unwrap();
    std::fs::write(watching.path("peregrine.toml"), same).unwrap();
    blind.rewrite(&routed(&origin, "/two", "[server]\nwatch_config = false\n"));
    // A third one that reacts shows that the others had the time to; it may still be starting when its file changes.
    let third = Peregrine::start(&routed(&origin, "/one", ""));
    third.rewrite(&routed(&origin, "/two", ""));
    until("the third to react", || third.get("/two", &[]).status == 200);
    assert!(!watching.log().contains("has changed"), "{}", watching.log());
    assert_eq!(blind.get("/two", &[]).status, 404);
}

#[test]
fn a_file_that_cannot_be_read_is_told_about_and_applied_when_it_can() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::start(&routed(&origin, "/one", ""));
    let file = peregrine.path("peregrine.toml");
    peregrine.rewrite(&routed(&origin, "/two", ""));
    std::fs::rename(&file, peregrine.path("next")).unwrap();
    // Nobody can read a folder as a file, not even root.
    std::fs::create_dir(&file).unwrap();
    until("the complaint", || {
        peregrine.log().contains("the configuration file cannot be read")
    });
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(peregrine.path("next"), &file).unwrap();
    until("the file to be applied", || peregrine.get("/two", &[]).status == 200);
}

#[test]
fn listeners_come_and_go_with_a_reload_and_connections_stay() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"));
    let free = || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let on = |addresses: &[SocketAddr], more: &str| {
        let listeners = addresses
            .iter()
            .map(|address| format!("[[listener]]\naddress = \"{address}\"\n{more}"));
        upstream(&[&origin], "", &listeners.collect::<String>())
    };
    let (one, two, three) = (free(), free(), free());
    let peregrine = Peregrine::start(&on(&[one, two], ""));
    let mut kept = Client::connect(two);
    let mut ask = || kept.send(request("GET", "/a", &[])).read("GET").status;
    assert_eq!(ask(), 200);
    peregrine.reload(&on(&[one, three], ""));
    assert_eq!(crate::harness::get(three, "/a", &[]).status, 200, "a new one");
    until("the old one to be closed", || TcpStream::connect(two).is_err());
    assert_eq!(ask(), 200, "who is connected stays");
    // An address that cannot be taken changes nothing at all.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    peregrine.rewrite(&on(&[taken.local_addr().unwrap()], ""));
    let answer = peregrine.admin("POST", "/api/performance/config/reload", None);
    assert!(
        answer.status == 409 && answer.text().contains("already taken"),
        "{}",
        answer.text()
    );
    for address in [one, three] {
        assert_eq!(crate::harness::get(address, "/a", &[]).status, 200);
    }
    // What is spoken changes on the same socket; who waits in its queue is served.
    peregrine.rewrite(&on(
        &[three, one],
        "proxy_protocol = true\nproxy_protocol_from_anyone = true\n",
    ));
    let answer = peregrine.admin("POST", "/api/performance/config/reload", None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let restart = &answer.json()["needs_restart"];
    assert!(restart.as_array().unwrap().is_empty(), "{restart}");
    until("the other way", || {
        let mut client = Client::connect(one);
        client.send("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n");
        client.send(request("GET", "/a", &[]));
        client.try_read("GET").is_some_and(|answer| answer.status == 200)
    });
}
