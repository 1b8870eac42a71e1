//! What memory held is there again after a restart, unless somebody took it away meanwhile, and never after a crash.

use crate::harness::process::{self, Process};
use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const FILE: &str = ".peregrine/cache.snapshot";
const SERVE: &[&str] = &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"];

/// An origin whose pages are fresh for long; each answer is another.
fn counting() -> Origin {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |heard| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let tag = heard.target.trim_start_matches('/').to_owned();
        Reply::ok(
            &[("cache-control", "max-age=600"), ("surrogate-key", &tag)],
            format!("{} {number}", heard.target),
        )
    })
}

/// Stops it as an operator does.
fn stop(mut peregrine: Peregrine) -> tempfile::TempDir {
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    peregrine.folder
}

fn kill(mut peregrine: Peregrine) -> tempfile::TempDir {
    peregrine.process.signal(Signal::KILL);
    assert_eq!(peregrine.process.exit_code(), None);
    peregrine.folder
}

/// Starts one in the folder of another and waits until it has read what is there.
fn again(folder: tempfile::TempDir) -> Peregrine {
    let peregrine = Peregrine::run(folder, SERVE);
    until("the snapshot to be read", || {
        let log = peregrine.log();
        log.contains("memory holds again") || log.contains("the snapshot is not used")
    });
    peregrine
}

#[test]
fn a_restart_forgets_nothing_and_the_time_in_between_counts() {
    let origin = counting();
    let first = Peregrine::before(&origin, "");
    let before: Vec<_> = (0..50).map(|page| first.get(&format!("/{page}"), &[])).collect();
    let folder = stop(first);
    let file = std::fs::metadata(folder.path().join(FILE)).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    std::thread::sleep(Duration::from_millis(1100));
    let second = again(folder);
    for (page, before) in before.iter().enumerate() {
        let after = second.get(&format!("/{page}"), &[]);
        assert!(after.is_hit(), "{page}: {:?}", after.fields);
        assert_eq!((after.text(), after.status), (before.text(), 200));
        assert!(after.field("age").parse::<u64>().unwrap() >= 1, "{:?}", after.fields);
    }
    assert_eq!(origin.count(), 50);
    assert!(!second.path(FILE).exists(), "it is read once");
    assert_eq!(second.metric("peregrine_snapshot_entries_total", &["restored"]), 50.0);
}

#[test]
fn a_start_that_fails_takes_no_snapshot_away() {
    let origin = counting();
    let first = Peregrine::before(&origin, "");
    first.get("/a", &[]);
    let folder = stop(first);
    // Some tool has changed who may read the state.
    let audit = folder.path().join(".peregrine/audit.log");
    let let_read = |mode| std::fs::set_permissions(&audit, std::fs::Permissions::from_mode(mode)).unwrap();
    let_read(0o644);
    let mut failing = Process::start(process::command(folder.path(), SERVE));
    assert_eq!(failing.exit_code(), Some(1), "{}", failing.log());
    let_read(0o600);
    assert!(again(folder).get("/a", &[]).is_hit());
}

#[test]
fn what_was_invalidated_before_the_end_or_before_it_is_read_stays_gone() {
    let origin = counting();
    let first = Peregrine::before(&origin, "");
    for page in ["/a", "/b", "/c", "/soft"] {
        first.get(page, &[]);
    }
    first.invalidate(&json!({"tags": ["a"]}));
    first.invalidate(&json!({"keys": ["/soft"], "soft": true}));
    first.ask("DELETE", "/b", &[("content-length", "0")]);
    let second = again(stop(first));
    let heard = origin.count();
    assert!(second.get("/c", &[]).is_hit());
    for page in ["/a", "/b", "/soft"] {
        assert!(!second.get(page, &[]).is_hit(), "{page}");
    }
    assert_eq!(origin.count(), heard + 3);
    // And it can be invalidated as ever.
    second.invalidate(&json!({"tags": ["c"]}));
    assert!(!second.get("/c", &[]).is_hit());
}

#[test]
fn after_a_crash_nothing_comes_back_not_even_from_the_snapshot_before() {
    let origin = counting();
    let first = Peregrine::before(&origin, "");
    first.get("/a", &[]);
    let second = again(stop(first));
    assert!(second.get("/a", &[]).is_hit());
    second.invalidate(&json!({"all": true}));
    let folder = kill(second);
    let third = Peregrine::run(folder, SERVE);
    assert!(
        !third.get("/a", &[]).is_hit(),
        "the program before did not end by itself"
    );
    assert!(!third.log().contains("memory holds again"), "{}", third.log());
}

#[test]
fn a_damaged_snapshot_is_refused_whole_and_gone() {
    let origin = counting();
    let mut folder = None;
    for (damage, reason) in [
        (
            &(|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1)) as &dyn Fn(&mut Vec<u8>),
            "truncated",
        ),
        (&|bytes| *bytes.last_mut().unwrap() ^= 1, "corrupt"),
        (&|bytes| bytes[8] = 99, "version"),
        (&|bytes| bytes.clear(), "truncated"),
        (&|bytes| *bytes = b"<html>".repeat(100), "not_a_snapshot"),
    ] {
        let first = match folder.take() {
            None => Peregrine::before(&origin, ""),
            Some(folder) => Peregrine::run(folder, SERVE),
        };
        first.get("/a", &[]);
        let stopped = stop(first);
        let path = stopped.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let second = again(stopped);
        let log = second.log();
        assert!(
            log.contains("the snapshot is not used") && log.contains(reason),
            "{reason}: {log}"
        );
        assert!(!path.exists(), "{reason}");
        assert_eq!(second.metric("peregrine_snapshot_refused_total", &[reason]), 1.0);
        assert!(!second.get("/a", &[]).is_hit(), "{reason}");
        folder = Some(stop(second));
    }
}

#[test]
fn without_snapshots_none_is_written_or_read_and_an_old_one_goes() {
    let origin = counting();
    let first = Peregrine::before(&origin, "");
    first.get("/a", &[]);
    let folder = stop(first);
    let kept = std::fs::read_to_string(folder.path().join("peregrine.toml")).unwrap();
    std::fs::write(
        folder.path().join("peregrine.toml"),
        format!("{kept}\n[cache]\nsnapshot = false\n"),
    )
    .unwrap();
    let second = Peregrine::run(folder, SERVE);
    assert!(!second.get("/a", &[]).is_hit());
    assert!(
        !second.path(FILE).exists(),
        "what is not read now is not to be read later"
    );
    let folder = stop(second);
    assert!(!folder.path().join(FILE).exists());
}

#[test]
fn a_namespace_that_is_gone_and_a_smaller_cache_take_what_they_can() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], vec![b'x'; 50 << 10]));
    let route = |more: &str| crate::harness::program::upstream(&[&origin], "", more);
    let first = Peregrine::start(&route(
        "[[route]]\nmatch.path = \"/shop/*\"\nupstream = \"origin\"\nnamespace = \"shop\"\n[[route]]\nupstream = \"origin\"\n\
         [namespace.shop]\nmemory_max = \"16MiB\"\n[cache]\nmemory = \"64MiB\"\n",
    ));
    for page in 0..100 {
        first.get(&format!("/{page}"), &[]);
        first.get(&format!("/shop/{page}"), &[]);
    }
    first.rewrite(&route("[cache]\nmemory = \"4MiB\"\nobject_size_max = \"256KiB\"\n"));
    let second = again(stop(first));
    let statistics = second.statistics();
    let bytes = statistics["cache"]["total"]["bytes"].as_u64().unwrap();
    assert!((1 << 20..=4 << 20).contains(&bytes), "{bytes}");
    assert!(statistics["cache"]["namespaces"].get("shop").is_none());
    assert_eq!(second.get("/shop/1", &[]).status, 200);
}

#[test]
fn a_part_that_was_held_is_held_again() {
    let origin = Origin::start(|heard| {
        let fields = [
            ("cache-control", "max-age=600"),
            ("etag", "\"1\""),
            ("content-range", "bytes 2-5/10"),
        ];
        assert_eq!(heard.field("range"), "bytes=2-5", "nothing else is asked for");
        Reply::status(206, &fields, "2345")
    });
    let first = Peregrine::before(&origin, "");
    assert_eq!(first.get("/video", &[("range", "bytes=2-5")]).text(), "2345");
    until("it to be stored", || {
        first.metric("peregrine_cache_stored_total", &[]) >= 1.0
    });
    let second = again(stop(first));
    let part = second.get("/video", &[("range", "bytes=3-4")]);
    assert_eq!(
        (part.status, &*part.text(), part.is_hit()),
        (206, "34", true),
        "{:?}",
        part.fields
    );
    assert_eq!(origin.count(), 1);
}
