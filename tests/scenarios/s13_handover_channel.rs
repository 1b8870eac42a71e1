//! What a program and its successor say to each other, with the test in the place of one of them: what takes moments between
//! two programs takes as long as the test likes.

use crate::harness::process::{self, Process};
use crate::harness::{Origin, Peregrine, Reply, until};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen, socket_with};
use std::os::fd::OwnedFd;
use std::path::Path;

/// One end of the channel.
struct End(OwnedFd);

impl End {
    fn socket() -> OwnedFd {
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    /// The end of a successor of the program that runs in `folder`.
    fn of_successor(folder: &Path) -> Self {
        let socket = Self::socket();
        let address = SocketAddrUnix::new(folder.join(".peregrine/handover.sock")).unwrap();
        connect(&socket, &address).unwrap();
        Self(socket)
    }

    fn say(&self, message: &str) {
        rustix::io::write(&self.0, message.as_bytes()).unwrap();
    }

    fn hear(&self) -> String {
        let mut text = vec![0; 128 << 10];
        let length = rustix::io::read(&self.0, &mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    fn hears(&self, beginning: &str) {
        let heard = self.hear();
        assert!(heard.starts_with(beginning), "{heard} in place of {beginning}");
    }
}

fn origin() -> Origin {
    Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], &heard.target))
}

#[test]
fn what_a_successor_is_told_before_it_is_ready_holds_in_the_program_before() {
    let origin = origin();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    assert!(peregrine.get("/a", &[]).is_hit());
    let successor = End::of_successor(peregrine.folder.path());
    successor.say(r#"{"take_over":{"version":1}}"#);
    successor.hears(r#"{"sockets":"#);
    successor.say(r#""warm""#);
    successor.hears(r#"{"memory":"#);
    // It takes connections before it says so: somebody writes through it.
    successor.say(r#"{"invalidated":{"keys":["/a"]}}"#);
    until("the program before to hear of it", || {
        !peregrine.get("/a", &[]).is_hit()
    });
    successor.say(r#""ready""#);
    successor.hears(r#""retiring""#);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
}

#[test]
fn a_successor_that_was_given_up_does_not_serve_beside_the_program_before() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(peregrine.path("peregrine.toml"), folder.path().join("peregrine.toml")).unwrap();
    std::fs::create_dir(folder.path().join(".peregrine")).unwrap();
    let door = End::socket();
    let address = SocketAddrUnix::new(folder.path().join(".peregrine/handover.sock")).unwrap();
    bind(&door, &address).unwrap();
    listen(&door, 4).unwrap();
    let mut line = vec!["serve", "--config", "peregrine.toml", "--listen", "127.0.0.1:0"];
    line.extend(["--admin", "127.0.0.1:0", "--take-over"]);
    let mut successor = Process::start(process::command(folder.path(), &line));
    let before = End(accept(&door).unwrap());
    before.hears(r#"{"take_over":"#);
    before.say(r#"{"sockets":{"sockets":[]}}"#);
    before.hears(r#""warm""#);
    before.say(r#"{"memory":{"there":false}}"#);
    drop(before);
    assert_eq!(successor.exit_code(), Some(1), "{}", successor.log());
    let log = successor.log();
    assert!(log.contains("does not let this one take over and goes on"), "{log}");
    assert!(!log.contains("serving"), "{log}");
}
