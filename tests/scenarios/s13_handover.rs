//! The program is replaced while it serves: no client is refused or cut off, what memory held is there again, and what was
//! invalidated on either side stays gone.

use crate::harness::process::{self, Process};
use crate::harness::program::upstream;
use crate::harness::{Client, Gate, Origin, Peregrine, Reply, Signal, Stopping, request, until};
use serde_json::json;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The command line of a successor.
pub(super) const SUCCEED: &[&str] = &[
    "serve",
    "--config",
    "peregrine.toml",
    "--admin",
    "127.0.0.1:0",
    "--take-over",
];

/// An origin whose pages are fresh for long; each answer is another.
fn counting() -> Origin {
    let count = AtomicUsize::new(0);
    Origin::start(move |heard| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        Reply::ok(
            &[("cache-control", "max-age=600")],
            format!("{} {number}", heard.target),
        )
    })
}

/// An origin that holds `/slow` back until its gate is opened.
fn holding() -> (Origin, Gate) {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |heard| {
        let reply = Reply::ok(&[("cache-control", "max-age=600")], &heard.target);
        if heard.target.starts_with("/slow") {
            Reply::default().wait(&waiting).then(&reply)
        } else {
            reply
        }
    });
    (origin, gate)
}

/// An origin that holds writes back until its gate is opened.
fn writing_late() -> (Origin, Gate) {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |heard| {
        let reply = Reply::ok(&[("cache-control", "max-age=600")], &heard.target);
        if heard.method == "POST" {
            Reply::default().wait(&waiting).then(&reply)
        } else {
            reply
        }
    });
    (origin, gate)
}

/// Starts a successor and waits until it serves.
fn succeed(peregrine: &Peregrine) -> Process {
    let successor = Process::start(process::command(peregrine.folder.path(), SUCCEED));
    assert_eq!(successor.address("serving"), peregrine.address, "the same socket");
    assert_eq!(successor.address("admin"), peregrine.admin, "that of the admin API too");
    successor
}

/// Starts another program with the same folder, at addresses of its own.
fn beside(peregrine: &Peregrine) -> Process {
    let line = &SUCCEED[..SUCCEED.len() - 1];
    let second = Process::start(process::command(peregrine.folder.path(), line));
    second.address("serving");
    second
}

/// The socket at which a successor is waited for.
fn door(peregrine: &Peregrine) -> Option<u64> {
    let file = std::fs::metadata(peregrine.path(".peregrine/handover.sock"));
    file.ok().map(|file| file.ino())
}

/// Replaces the program; the one before has ended then.
fn replace(peregrine: &mut Peregrine) {
    let successor = succeed(peregrine);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    peregrine.process = successor;
}

#[test]
fn a_program_is_replaced_under_load_and_no_request_is_lost() {
    let origin = counting();
    let route = |seconds: u32| {
        let more = format!("[strategy.default]\nfreshness = \"force\"\nttl = \"{seconds}s\"\n");
        upstream(&[&origin], "", &more)
    };
    let mut peregrine = Peregrine::start(&route(60));
    let (stop, answered, connected) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (stop, answered, connected, address) = (&stop, &answered, &connected, peregrine.address);
            scope.spawn(move || {
                let mut client = None;
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let kept = client.get_or_insert_with(|| {
                        connected.fetch_add(1, Ordering::SeqCst);
                        Client::connect(address)
                    });
                    let target = format!("/{thread}/{}", number % 40);
                    // A write is not sent again by any client: one that is lost would show.
                    let method = if number % 10 == 0 { "POST" } else { "GET" };
                    let fields: &[(&str, &str)] = if method == "POST" {
                        &[("content-length", "0")]
                    } else {
                        &[]
                    };
                    let answer = kept.send(request(method, &target, fields)).read(method);
                    assert_eq!(answer.status, 200, "{:?}", answer.fields);
                    assert!(
                        answer.complete && answer.text().starts_with(&target),
                        "{}",
                        answer.text()
                    );
                    answered.fetch_add(1, Ordering::SeqCst);
                    // Kept until the server says that this was the last answer; some clients leave by themselves.
                    if answer.field("connection").contains("close") || (thread == 0 && number % 3 == 0) {
                        client = None;
                    }
                }
            });
        }
        let _stopping = Stopping(&stop);
        for round in 0..5 {
            let before = answered.load(Ordering::SeqCst);
            until("requests", || answered.load(Ordering::SeqCst) > before + 50);
            replace(&mut peregrine);
            let before = answered.load(Ordering::SeqCst);
            until("requests at the successor", || {
                answered.load(Ordering::SeqCst) > before + 50
            });
            peregrine.reload(&route(60 + round));
        }
    });
    assert!(
        connected.load(Ordering::SeqCst) >= 6 * 5,
        "everybody went over each time"
    );
}

#[test]
fn the_successor_is_warm_from_its_first_request() {
    let origin = counting();
    let mut peregrine = Peregrine::before(&origin, "");
    let before: Vec<_> = (0..100)
        .map(|page| peregrine.get(&format!("/{page}"), &[]).text())
        .collect();
    for _ in 0..2 {
        replace(&mut peregrine);
        for (page, before) in before.iter().enumerate() {
            let answer = peregrine.get(&format!("/{page}"), &[]);
            assert!(
                answer.is_hit() && answer.text() == *before,
                "{page}: {:?}",
                answer.fields
            );
        }
    }
    assert_eq!(origin.count(), 100);
    // The one that was replaced leaves nothing that a later start could take for the truth.
    assert!(!peregrine.path(".peregrine/cache.snapshot").exists());
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0));
    assert!(peregrine.path(".peregrine/cache.snapshot").exists());
    assert!(!peregrine.path(".peregrine/handover.sock").exists());
}

#[test]
fn while_both_serve_an_invalidation_holds_on_both_sides() {
    let (origin, gate) = holding();
    let mut peregrine = Peregrine::before(&origin, "");
    for page in ["/a", "/b"] {
        peregrine.get(page, &[]);
    }
    // Held open, so that the one before still answers.
    let mut slow = peregrine.begin("/slow", &[]);
    until("the request to be under way", || origin.count() == 3);
    let mut writer = Client::connect(peregrine.address);
    let mut readers: Vec<_> = (0..100).map(|_| Client::connect(peregrine.address)).collect();
    for client in readers.iter_mut().chain([&mut writer]) {
        assert!(client.send(request("GET", "/a", &[])).read("GET").is_hit());
    }
    let successor = succeed(&peregrine);
    let mut old = std::mem::replace(&mut peregrine.process, successor);
    assert!(peregrine.get("/a", &[]).is_hit() && peregrine.get("/b", &[]).is_hit());
    // At the new one, for those whom the old one answers.
    peregrine.invalidate(&json!({"keys": ["/a"]}));
    until("the old one to hear of it", || {
        let mut reader = readers.pop().unwrap();
        let answer = reader.send(request("GET", "/a", &[])).read("GET");
        assert_eq!(answer.field("connection"), "close");
        !answer.is_hit()
    });
    // At the old one, for those whom the new one answers.
    let answer = writer
        .send(request("DELETE", "/b", &[("content-length", "0")]))
        .read("DELETE");
    assert_eq!((answer.status, answer.field("connection").as_str()), (200, "close"));
    until("the new one to hear of it", || !peregrine.get("/b", &[]).is_hit());
    assert!(old.is_running(), "as long as a request is under way");
    // Connections without a request would be waited for a while.
    drop(readers);
    gate.open();
    assert_eq!(slow.read("GET").text(), "/slow");
    assert_eq!(old.exit_code(), Some(0), "{}", old.log());
}

#[test]
fn what_is_invalidated_goes_through_a_program_in_the_middle() {
    let (origin, gate) = holding();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    peregrine.get("/b", &[]);
    let mut readers: Vec<_> = (0..100).map(|_| Client::connect(peregrine.address)).collect();
    let mut writer = Client::connect(peregrine.address);
    for client in readers.iter_mut().chain([&mut writer]) {
        assert!(client.send(request("GET", "/a", &[])).read("GET").is_hit());
    }
    // Each has something under way when the next one comes.
    let mut slow = Vec::new();
    let mut old = Vec::new();
    for number in 1..=2 {
        slow.push(peregrine.begin(&format!("/slow?{number}"), &[]));
        until("the request to be under way", || origin.count() == 2 + number);
        let successor = succeed(&peregrine);
        old.push(std::mem::replace(&mut peregrine.process, successor));
    }
    assert!(peregrine.get("/a", &[]).is_hit() && peregrine.get("/b", &[]).is_hit());
    peregrine.invalidate(&json!({"keys": ["/a"]}));
    until("the first one to hear of it", || {
        let mut reader = readers.pop().unwrap();
        !reader.send(request("GET", "/a", &[])).read("GET").is_hit()
    });
    writer
        .send(request("DELETE", "/b", &[("content-length", "0")]))
        .read("DELETE");
    until("the last one to hear of it", || !peregrine.get("/b", &[]).is_hit());
    assert!(old.iter_mut().all(Process::is_running));
    drop(readers);
    gate.open();
    for (mut client, mut process) in slow.into_iter().zip(old) {
        assert_eq!(client.read("GET").status, 200);
        assert_eq!(process.exit_code(), Some(0), "{}", process.log());
    }
}

#[test]
fn what_the_first_of_three_writes_last_the_third_hears_of() {
    let (origin, gate) = writing_late();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let mut writer = Client::connect(peregrine.address);
    writer.send(request("POST", "/a", &[("content-length", "0")]));
    until("the write to be under way", || origin.count() == 2);
    let mut old = Vec::new();
    for _ in 0..2 {
        let successor = succeed(&peregrine);
        old.push(std::mem::replace(&mut peregrine.process, successor));
    }
    assert!(peregrine.get("/a", &[]).is_hit());
    until("the second to have nothing to do", || old[1].log().contains("draining"));
    gate.open();
    assert_eq!(writer.read("POST").status, 200);
    for mut process in old {
        assert_eq!(process.exit_code(), Some(0), "{}", process.log());
    }
    assert!(!peregrine.get("/a", &[]).is_hit());
}

#[test]
fn a_program_that_ends_before_the_one_before_leaves_nothing_that_this_changes() {
    let (origin, gate) = writing_late();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let mut writer = Client::connect(peregrine.address);
    writer.send(request("POST", "/a", &[("content-length", "0")]));
    until("the write to be under way", || origin.count() == 2);
    let mut first = {
        let successor = succeed(&peregrine);
        std::mem::replace(&mut peregrine.process, successor)
    };
    peregrine.process.signal(Signal::TERM);
    until("the second to stop", || peregrine.log().contains("draining"));
    gate.open();
    assert_eq!(writer.read("POST").status, 200);
    assert_eq!(first.exit_code(), Some(0), "{}", first.log());
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    let line = &SUCCEED[..SUCCEED.len() - 1];
    let again = Peregrine::run(peregrine.folder, line);
    until("the snapshot to be read", || again.log().contains("memory holds again"));
    assert!(!again.get("/a", &[]).is_hit());
}

#[test]
fn a_program_waits_for_its_successor_once_the_one_before_has_left() {
    let origin = counting();
    let mut peregrine = Peregrine::before(&origin, "");
    let before = door(&peregrine);
    let second = beside(&peregrine);
    assert_eq!(door(&peregrine), before);
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    until("the second one to open its door", || door(&peregrine).is_some());
    assert!(!second.log().contains("cannot be replaced"), "{}", second.log());
}

#[test]
fn a_program_that_was_replaced_is_not_cut_off_by_whoever_stops_the_service() {
    let (origin, gate) = holding();
    let mut peregrine = Peregrine::before(&origin, "");
    let mut slow = peregrine.begin("/slow", &[]);
    until("the request to be under way", || origin.count() == 1);
    let successor = succeed(&peregrine);
    let mut old = std::mem::replace(&mut peregrine.process, successor);
    until("the old one to notice", || old.log().contains("draining"));
    old.signal(Signal::TERM);
    until("the old one to answer", || {
        old.log().contains("requests under way still finish")
    });
    assert!(old.is_running());
    gate.open();
    assert_eq!(slow.read("GET").text(), "/slow");
    assert_eq!(old.exit_code(), Some(0), "{}", old.log());
}

#[test]
fn a_second_signal_cuts_off_a_program_that_was_replaced() {
    let (origin, _gate) = holding();
    let mut peregrine = Peregrine::before(&origin, "");
    let _slow = peregrine.begin("/slow", &[]);
    until("the request to be under way", || origin.count() == 1);
    let successor = succeed(&peregrine);
    let mut old = std::mem::replace(&mut peregrine.process, successor);
    until("the old one to notice", || old.log().contains("draining"));
    old.signal(Signal::TERM);
    until("the old one to answer", || {
        old.log().contains("requests under way still finish")
    });
    old.signal(Signal::INT);
    assert_eq!(old.exit_code(), Some(1), "{}", old.log());
    assert!(old.log().contains("at once"), "{}", old.log());
}

#[test]
fn a_program_that_drains_leaves_nothing_behind_for_whoever_began_meanwhile() {
    const FILE: &str = ".peregrine/cache.snapshot";
    let (origin, gate) = holding();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let mut slow = peregrine.begin("/slow", &[]);
    until("the request to be under way", || origin.count() == 2);
    peregrine.process.signal(Signal::TERM);
    until("the drain", || peregrine.log().contains("draining"));
    until("the door to be withdrawn", || door(&peregrine).is_none());
    let mut second = beside(&peregrine);
    let own = door(&peregrine);
    assert!(own.is_some(), "it can be replaced");
    gate.open();
    assert_eq!(slow.read("GET").text(), "/slow");
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    assert!(!peregrine.path(FILE).exists(), "{}", peregrine.log());
    assert_eq!(door(&peregrine), own, "it still can");
    second.signal(Signal::TERM);
    assert_eq!(second.exit_code(), Some(0), "{}", second.log());
    assert!(peregrine.path(FILE).exists(), "{}", second.log());
}

#[test]
fn a_successor_whose_output_is_full_serves_all_the_same() {
    let origin = counting();
    let mut peregrine = Peregrine::before(&origin, "");
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", "exec \"$0\" \"$@\" >/dev/full", env!("CARGO_BIN_EXE_peregrine")])
        .args(SUCCEED)
        .current_dir(peregrine.folder.path())
        .env_clear();
    let successor = Process::start(command);
    until("the successor to notice", || {
        successor.log().contains("the standard output takes nothing")
    });
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    peregrine.process = successor;
    assert_eq!(peregrine.get("/a", &[]).status, 200);
    assert!(peregrine.process.is_running());
}

#[test]
fn a_successor_that_cannot_start_changes_nothing() {
    let origin = counting();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let good = std::fs::read_to_string(peregrine.path("peregrine.toml")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let another = format!("{good}\n[[listener]]\naddress = \"{}\"\n", taken.local_addr().unwrap());
    for (file, code) in [("nonsense", 2), (another.as_str(), 1)] {
        std::fs::write(peregrine.path("peregrine.toml"), file).unwrap();
        let mut failing = Process::start(process::command(peregrine.folder.path(), SUCCEED));
        assert_eq!(failing.exit_code(), Some(code), "{}", failing.log());
        assert!(peregrine.process.is_running());
        assert!(peregrine.get("/a", &[]).is_hit());
    }
    until("the one before to notice", || {
        peregrine.log().contains("this program goes on")
    });
    std::fs::write(peregrine.path("peregrine.toml"), good).unwrap();
    replace(&mut peregrine);
    assert!(peregrine.get("/a", &[]).is_hit());
}

#[test]
fn a_signal_starts_a_successor_with_the_same_command_line() {
    let origin = counting();
    let mut peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    peregrine.process.signal(Signal::USR2);
    // The successor writes to the same outputs.
    until("the successor to serve", || {
        peregrine.log().matches("  ready ").count() == 2
    });
    assert_eq!(peregrine.process.exit_code_alone(), Some(0), "{}", peregrine.log());
    assert!(peregrine.get("/a", &[]).is_hit());
    let log = peregrine.log();
    let process = log.split("a successor has taken over").next().unwrap();
    let process = process.rsplit("starting a successor").next().unwrap();
    let process: String = process
        .split("process=")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let process = rustix::process::Pid::from_raw(process.parse().unwrap()).unwrap();
    rustix::process::kill_process(process, Signal::TERM).unwrap();
    until("the successor to be gone", || {
        TcpStream::connect(peregrine.address).is_err()
    });
}

#[test]
fn with_nobody_to_take_over_from_it_starts_as_usual() {
    let origin = counting();
    let first = Peregrine::before(&origin, "");
    let folder = {
        let mut first = first;
        first.process.signal(Signal::KILL);
        first.process.exit_code();
        first.folder
    };
    let second = Peregrine::run(folder, SUCCEED);
    assert_eq!(second.get("/a", &[]).status, 200);
    assert!(second.log().contains("no running program"), "{}", second.log());
}

#[test]
fn sockets_of_a_service_manager_are_taken_and_it_is_told_when_all_is_ready() {
    let origin = counting();
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let file = upstream(&[&origin], "", &format!("[[listener]]\naddress = \"{address}\"\n"));
    std::fs::write(folder.path().join("peregrine.toml"), file).unwrap();
    let manager = std::os::unix::net::UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    // As a service manager does: the socket is descriptor 3 of the process whose number is in the environment.
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; \
                  exec \"$0\" serve --config peregrine.toml --admin 127.0.0.1:0";
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_peregrine")])
        .current_dir(folder.path())
        .stdin(std::os::fd::OwnedFd::from(listener))
        .env_clear()
        .env("NOTIFY_SOCKET", folder.path().join("notify"));
    let mut process = Process::start(command);
    let hear = || {
        let mut bytes = [0; 500];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    assert!(hear().contains("READY=1"));
    assert_eq!(process.address("serving"), address);
    assert_eq!(crate::harness::get(address, "/a", &[]).status, 200);
    process.signal(Signal::HUP);
    assert!(hear().contains("RELOADING=1"));
    assert!(hear().contains("READY=1"));
    process.signal(Signal::TERM);
    assert!(hear().contains("STOPPING=1"));
    assert_eq!(process.exit_code(), Some(0), "{}", process.log());
}
