//! History outlives whatever ends the program, a damaged file is set aside, and a file that nobody can use costs no request.

use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use peregrine_insight::store::{Store, StoreFault, Write};
use peregrine_insight::{HistoryQuery, Insight, InsightConfig, Time};
use peregrine_store::embedded::Embedded;
use std::path::Path;
use std::time::Duration;

const FILE: &str = ".peregrine/insight.redb";
const SERVE: &[&str] = &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"];
/// What the log says when what was kept has been read.
const READ: &str = "history of before is there";

fn origin() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"))
}

/// The file as the core reads it.
struct Reading(Embedded);

impl Store for Reading {
    fn apply(&self, _: &[Write]) -> Result<(), StoreFault> {
        Ok(())
    }

    fn scan(
        &self,
        table: &'static str,
        from: &[u8],
        until: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let scanned = self.0.scan(table, from, until, visit);
        scanned.map_err(|error| StoreFault(error.to_string()))
    }
}

/// What a copy of a file holds: the ends of its seconds, and how many requests it counts.
#[derive(Debug)]
struct Held {
    seconds: Vec<u64>,
    requests: f64,
}

/// Reads a copy of `file`; nothing while the copy, taken in the middle of a write, cannot be read.
fn held(file: &Path) -> Option<Held> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.redb");
    std::fs::copy(file, &copy).ok()?;
    let store = Embedded::open(&copy).ok()?;
    if store.set_aside().is_some() {
        return None;
    }
    let config = InsightConfig {
        enabled: true,
        persist: true,
        sample_interval: "30s".parse().unwrap(),
        retention: "30d".parse().unwrap(),
        report_interval: "5m".parse().unwrap(),
        routes_max: 32,
        upstreams_max: 32,
        apdex_threshold: "500ms".parse().unwrap(),
        origin_second_cost: None,
        gigabyte_cost: None,
        currency: "EUR".to_owned(),
    };
    let insight = Insight::new(config, "", "test");
    let far = Time::from_millis(u64::from(u32::MAX) * 1000);
    insight.restore(&Reading(store), far).ok()?;
    let history = insight.history(&HistoryQuery {
        resolution_s: Some(1),
        until: u64::MAX,
        limit: Some(50_000),
        ..HistoryQuery::default()
    });
    Some(Held {
        seconds: history.at,
        requests: insight.summary(Duration::from_secs(30 * 86_400)).range.requests?,
    })
}

/// Asks `count` times and waits until the file tells of all of them, beside the `known` ones.
fn ask_and_wait(peregrine: &Peregrine, count: u32, known: f64) {
    for page in 0..count {
        assert_eq!(peregrine.get(&format!("/{page}"), &[]).status, 200);
    }
    let file = peregrine.path(FILE);
    until("the requests to be in the file", || {
        held(&file).is_some_and(|held| held.requests >= known + f64::from(count))
    });
}

#[test]
fn a_kill_leaves_every_second_that_was_seen() {
    let origin = origin();
    let mut first = Peregrine::before(&origin, "");
    ask_and_wait(&first, 40, 0.0);
    let file = first.path(FILE);
    first.process.signal(Signal::KILL);
    assert_eq!(first.process.exit_code(), None);
    let killed = held(&file).expect("what a kill leaves can be read");
    assert_eq!(killed.requests, 40.0);
    let mut second = Peregrine::run(first.folder, SERVE);
    until("history to be read", || second.log().contains(READ));
    ask_and_wait(&second, 30, killed.requests);
    second.process.signal(Signal::KILL);
    assert_eq!(second.process.exit_code(), None);
    let after = held(&second.path(FILE)).expect("what a kill leaves can be read");
    assert_eq!(after.requests, 70.0);
    let stays = |second: &u64| after.seconds.contains(second);
    assert!(killed.seconds.iter().all(stays), "{killed:?} {after:?}");
    assert!(!second.log().contains("cannot be"), "{}", second.log());
}

#[test]
fn a_clean_end_writes_what_there_is_and_a_successor_goes_on() {
    let origin = origin();
    let mut first = Peregrine::before(&origin, "");
    until("the first seconds", || first.path(FILE).exists());
    first.process.signal(Signal::TERM);
    assert_eq!(first.process.exit_code(), Some(0), "{}", first.log());
    assert!(held(&first.path(FILE)).is_some());
    let second = Peregrine::run(first.folder, SERVE);
    until("history to be read", || second.log().contains(READ));
}

#[test]
fn a_damaged_file_is_set_aside_and_requests_do_not_notice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".peregrine")).unwrap();
    std::fs::write(folder.path().join(FILE), [0xa5; 10_000]).unwrap();
    let origin = origin();
    let peregrine = Peregrine::start_in(folder, &crate::harness::program::upstream(&[&origin], "", ""));
    until("the log to tell", || {
        peregrine.log().contains("was damaged: it was set aside")
    });
    ask_and_wait(&peregrine, 10, 0.0);
    assert_eq!(
        std::fs::read(peregrine.path(&format!("{FILE}.damaged"))).unwrap(),
        [0xa5; 10_000]
    );
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be_kept() {
    let origin = origin();
    let off = Peregrine::before(&origin, "[insight]\npersist = false\n");
    let unusable = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(unusable.path().join(FILE)).unwrap();
    let refused = Peregrine::start_in(unusable, &crate::harness::program::upstream(&[&origin], "", ""));
    until("the log to tell", || refused.log().contains("history cannot be kept"));
    for peregrine in [&off, &refused] {
        assert_eq!(peregrine.get("/", &[]).status, 200);
    }
    assert!(!off.path(FILE).exists());
}
