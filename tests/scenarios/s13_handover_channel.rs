//! What a program and its successor say to each other, with the test in the place of one of them: what takes moments between
//! two programs takes as long as the test likes.

use crate::harness::process::{self, Process};
use crate::harness::{Client, Origin, PATIENCE, Peregrine, Reply, Signal, get, request, until};
use crate::scenarios::s13_handover::SUCCEED;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    accept, bind, connect, listen, sendmsg, socket_with,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One end of the channel.
struct End(OwnedFd);

impl End {
    /// A socket that does not wait for ever.
    fn socket() -> OwnedFd {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        Self::limit(&socket);
        socket
    }

    fn limit(socket: &OwnedFd) {
        for timeout in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(socket, timeout, Some(PATIENCE)).unwrap();
        }
    }

    /// The end of a successor of the program that runs in `folder`.
    fn of_successor(folder: &Path) -> Self {
        let socket = Self::socket();
        let address = SocketAddrUnix::new(folder.join(".peregrine/handover.sock")).unwrap();
        connect(&socket, &address).unwrap();
        Self(socket)
    }

    /// The same, when it was given what it needs and could begin to serve.
    fn of_warm_successor(folder: &Path) -> Self {
        let successor = Self::of_successor(folder);
        successor.say(r#"{"take_over":{"version":1}}"#);
        successor.hears(r#"{"sockets":"#);
        successor.say(r#""warm""#);
        successor.hears(r#"{"memory":"#);
        successor
    }

    fn say(&self, message: &str) {
        rustix::io::write(&self.0, message.as_bytes()).unwrap();
    }

    /// Says `message` and gives `socket` away with it.
    fn give(&self, message: &str, socket: impl AsFd) {
        let sockets = [socket.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(SendAncillaryMessage::ScmRights(&sockets)));
        sendmsg(
            &self.0,
            &[IoSlice::new(message.as_bytes())],
            &mut beside,
            SendFlags::empty(),
        )
        .unwrap();
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

/// A successor of a program that is the test, in a folder of its own.
struct Succession {
    folder: tempfile::TempDir,
    _door: OwnedFd,
    /// The end of the program before.
    before: End,
    successor: Process,
}

impl Succession {
    /// Starts the successor with the configuration of `peregrine`; it has asked for its sockets then.
    fn begin(peregrine: &Peregrine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(peregrine.path("peregrine.toml"), folder.path().join("peregrine.toml")).unwrap();
        std::fs::create_dir(folder.path().join(".peregrine")).unwrap();
        let door = End::socket();
        bind(&door, &SocketAddrUnix::new(Self::path(&folder)).unwrap()).unwrap();
        listen(&door, 4).unwrap();
        let successor = Process::start(process::command(folder.path(), SUCCEED));
        let before = End(accept(&door).unwrap());
        End::limit(&before.0);
        before.hears(r#"{"take_over":"#);
        Self {
            folder,
            _door: door,
            before,
            successor,
        }
    }

    fn path(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join(".peregrine/handover.sock")
    }

    /// Goes on until the successor wants to know what memory holds.
    fn give_no_sockets(&self) {
        self.before.say(r#"{"sockets":{"sockets":[]}}"#);
        self.before.hears(r#""warm""#);
    }

    /// Goes on until the successor is ready.
    fn give_no_memory(&self) {
        self.before.say(r#"{"memory":{"there":false}}"#);
        self.before.hears(r#""ready""#);
    }
}

/// Stops `process` as a debugger would, and waits until it stands still.
fn freeze(process: &Process) {
    process.signal(Signal::STOP);
    until("the process to stand still", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        status.lines().any(|line| line.starts_with("State:\tT"))
    });
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
    let successor = End::of_warm_successor(peregrine.folder.path());
    // An older one takes connections before it says so: somebody writes through it.
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
    let Succession {
        mut successor,
        before,
        _door,
        folder: _folder,
    } = {
        let succession = Succession::begin(&peregrine);
        succession.give_no_sockets();
        succession.before.say(r#"{"memory":{"there":false}}"#);
        succession
    };
    drop(before);
    assert_eq!(successor.exit_code(), Some(1), "{}", successor.log());
    let log = successor.log();
    assert!(log.contains("does not let this one take over and goes on"), "{log}");
    assert!(!log.contains("serving"), "{log}");
}

#[test]
fn a_successor_serves_nobody_before_the_program_before_retires() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let Succession { before, successor, .. } = &Succession::begin(&peregrine);
    let sockets = r#"{"sockets":{"sockets":[{"role":"listener","configured":"127.0.0.1:0"}]}}"#;
    before.give(sockets, &listener);
    before.hears(r#""warm""#);
    before.say(r#"{"memory":{"there":false}}"#);
    before.hears(r#""ready""#);
    let mut client = Client::connect(address);
    client.send(request("GET", "/a", &[]));
    // Long enough for one that serves.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(origin.count(), 0);
    assert!(!successor.log().contains("serving"));
    before.say(r#""retiring""#);
    assert_eq!(client.read("GET").text(), "/a");
    assert_eq!(successor.address("serving"), address);
}

#[test]
fn where_the_program_before_went_away_its_successor_serves() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let succession = Succession::begin(&peregrine);
    succession.give_no_sockets();
    succession.give_no_memory();
    std::fs::remove_file(Succession::path(&succession.folder)).unwrap();
    let Succession { before, successor, .. } = succession;
    drop(before);
    assert_eq!(get(successor.address("serving"), "/a", &[]).status, 200);
    assert!(successor.log().contains("the program before went away by itself"));
}

#[test]
fn where_the_program_before_ends_without_an_answer_the_new_one_starts_as_usual() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let succession = Succession::begin(&peregrine);
    std::fs::remove_file(Succession::path(&succession.folder)).unwrap();
    let Succession { before, successor, .. } = succession;
    drop(before);
    assert_eq!(get(successor.address("serving"), "/a", &[]).status, 200);
    assert!(successor.log().contains("no running program to take over from"));
}

#[test]
fn a_successor_that_is_told_to_stop_does_not_take_over() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    for is_ready in [false, true] {
        let mut succession = Succession::begin(&peregrine);
        succession.give_no_sockets();
        if is_ready {
            succession.give_no_memory();
        }
        succession.successor.signal(Signal::TERM);
        assert_eq!(succession.successor.exit_code(), Some(1));
        let log = succession.successor.log();
        assert!(log.contains("told to stop before it took over"), "{log}");
        assert!(!log.contains("serving"), "{log}");
    }
}

#[test]
fn a_program_that_stood_still_still_hands_over() {
    let origin = origin();
    let mut peregrine = Peregrine::before(&origin, "");
    let successor = End::of_warm_successor(peregrine.folder.path());
    freeze(&peregrine.process);
    peregrine.process.signal(Signal::CONT);
    successor.say(r#""ready""#);
    successor.hears(r#""retiring""#);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
}

#[test]
fn a_program_goes_on_whose_successor_died_before_it_heard_that_it_is_one() {
    let origin = origin();
    let mut peregrine = Peregrine::before(&origin, "");
    let successor = End::of_warm_successor(peregrine.folder.path());
    freeze(&peregrine.process);
    successor.say(r#""ready""#);
    drop(successor);
    peregrine.process.signal(Signal::CONT);
    until("the program to notice", || {
        peregrine.log().contains("this program goes on")
    });
    assert!(!peregrine.log().contains("has taken over"), "{}", peregrine.log());
    assert_eq!(peregrine.get("/a", &[]).status, 200);
    // The next one can.
    let successor = End::of_warm_successor(peregrine.folder.path());
    successor.say(r#""ready""#);
    successor.hears(r#""retiring""#);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
}

#[test]
fn what_a_program_does_not_understand_may_have_been_an_invalidation_of_anything() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    let succession = Succession::begin(&peregrine);
    succession.give_no_sockets();
    succession.give_no_memory();
    succession.before.say(r#""retiring""#);
    let address = succession.successor.address("serving");
    let is_hit = || get(address, "/a", &[]).is_hit();
    assert!(!is_hit() && is_hit());
    succession.before.say(r#"{"said":"by a later version"}"#);
    until("everything to be invalidated", || !is_hit());
    // It still listens.
    assert!(is_hit());
    succession.before.say(r#"{"invalidated":{"keys":["/a"]}}"#);
    until("the page to be invalidated", || !is_hit());
}
