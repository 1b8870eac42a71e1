//! The log as its enemies meet it: crashes, full disks, and people with an editor.

use super::chain::{self, Chain, Limits, entry};
use super::*;
use crate::tests::fake;
use peregrine_base::{ManualClock, TokioRuntime};
use std::fs;
use std::path::Path;

const ROOMY: Limits = Limits {
    file_max: 1 << 20,
    files_max: 3,
};
const AT: &str = "2026-01-02T03:04:05.000Z";

/// A log of `count` records, on the disk.
fn log(directory: &Path, limits: Limits, count: u64) {
    let mut chain = Chain::open(directory, limits, AT).unwrap().unwrap();
    for n in 0..count {
        chain.append(AT.to_owned(), entry(&format!("call_{n}"))).unwrap();
    }
    if let Some(unsynced) = chain.unsynced() {
        unsynced.sync().unwrap();
    }
}

fn lines(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(chain::path(directory, 0)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn put(directory: &Path, lines: &[String]) {
    fs::write(chain::path(directory, 0), lines.join("\n") + "\n").unwrap();
}

fn fault(directory: &Path) -> String {
    let found = verify(directory).unwrap();
    assert!(!found.ok);
    found.fault.unwrap()
}

#[test]
fn what_was_written_is_whole_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path(), ROOMY, 5);
    log(folder.path(), ROOMY, 5);
    let found = verify(folder.path()).unwrap();
    assert_eq!(
        (found.ok, found.records, found.fault, found.note),
        (true, 10, None, None)
    );
    assert_eq!(verify(&chain::path(folder.path(), 0)).unwrap().records, 10);
    assert!(verify(&folder.path().join("nothing")).is_err());
}

#[test]
fn whoever_changes_anything_is_found_at_the_very_record() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    log(there, ROOMY, 10);
    let whole = lines(there);

    let mut changed = whole.clone();
    changed[3] = changed[3].replace("admin token", "somebody else");
    put(there, &changed);
    assert_eq!(
        fault(there),
        "audit.log, line 4 (record 4): it was changed: its hash is of another text"
    );

    let mut removed = whole.clone();
    removed.remove(3);
    put(there, &removed);
    assert_eq!(
        fault(there),
        "audit.log, line 4: record 4 is missing; record 5 stands there"
    );

    let mut swapped = whole.clone();
    swapped.swap(3, 4);
    put(there, &swapped);
    assert_eq!(
        fault(there),
        "audit.log, line 4: record 4 is missing; record 5 stands there"
    );

    let mut twice = whole.clone();
    twice.insert(4, whole[3].clone());
    put(there, &twice);
    assert_eq!(fault(there), "audit.log, line 5: record 4 stands where record 5 should");

    put(there, &whole[..7]);
    assert_eq!(
        fault(there),
        "records 8 to 10 are missing: the log was cut off after record 7"
    );
    put(there, &whole[1..]);
    assert_eq!(
        fault(there),
        "audit.log, line 1: record 1 is missing; record 2 stands there"
    );
    fs::write(chain::path(there, 0), "").unwrap();
    assert_eq!(
        fault(there),
        "records 1 to 10 are missing: the log was cut off after record 0"
    );

    put(there, &whole);
    assert!(verify(there).unwrap().ok);
}

#[test]
fn whoever_writes_records_anew_is_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    log(there, ROOMY, 5);
    let whole = lines(there);
    // A record of one's own with a right hash, in the place of another: the next does not follow it.
    let mut rest = whole.clone();
    let prev = record::parse(whole[1].as_bytes()).unwrap().record.hash;
    let prev = Digest::from_hex(&prev).unwrap();
    let (_, _, forged) = record::written(3, AT.to_owned(), entry("nothing_happened"), prev);
    rest[2] = String::from_utf8(forged).unwrap().trim_end().to_owned();
    put(there, &rest);
    assert_eq!(
        fault(there),
        "audit.log, line 4: record 4 does not follow the one before it: that was exchanged"
    );
    // All that follows written anew as well: the head says otherwise.
    let other = tempfile::tempdir().unwrap();
    log(other.path(), ROOMY, 2);
    let mut chain = Chain::open(other.path(), ROOMY, AT).unwrap().unwrap();
    for n in 2..5 {
        chain.append(AT.to_owned(), entry(&format!("other_{n}"))).unwrap();
    }
    fs::copy(chain::path(other.path(), 0), chain::path(there, 0)).unwrap();
    assert_eq!(
        fault(there),
        "audit.log, line 5: record 5 is not the one that was written"
    );
}

#[test]
fn a_gap_stays_visible_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    log(there, ROOMY, 10);
    put(there, &lines(there)[..7]);
    log(there, ROOMY, 2);
    assert_eq!(
        fault(there),
        "audit.log, line 8: records 8 to 10 are missing; record 11 stands there"
    );
    assert!(lines(there)[7].contains("audit_records_missing"));
    fs::remove_file(there.join("audit.head")).unwrap();
    log(there, ROOMY, 0);
    assert!(lines(there).last().unwrap().contains("audit_head_missing"));
}

#[test]
fn a_torn_line_is_taken_away_and_that_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    log(there, ROOMY, 3);
    let mut torn = fs::read(chain::path(there, 0)).unwrap();
    torn.extend_from_slice(b"{\"seq\":4,\"at\":\"2026");
    fs::write(chain::path(there, 0), &torn).unwrap();
    let found = verify(there).unwrap();
    assert!(found.ok, "a crash is no tampering");
    assert_eq!(
        found.note.unwrap(),
        "audit.log, line 4 is being written, or was cut off by a crash"
    );
    log(there, ROOMY, 1);
    let found = verify(there).unwrap();
    assert_eq!((found.ok, found.records, found.note), (true, 5, None));
    assert!(lines(there)[3].contains("audit_healed") && lines(there)[3].contains("19 bytes"));
}

#[test]
fn files_take_turns_and_the_chain_goes_through_them() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    let small = Limits {
        file_max: 2000,
        files_max: 3,
    };
    log(there, small, 100);
    let files: Vec<_> = (0..5).map(|age| chain::path(there, age).exists()).collect();
    assert_eq!(files, [true, true, true, false, false]);
    let found = verify(there).unwrap();
    assert!(found.ok && found.records < 30, "{found:?}");
    log(there, small, 1);
    assert!(verify(there).unwrap().ok);
    // The oldest file is missed, as is one in the middle.
    let kept = fs::read(chain::path(there, 2)).unwrap();
    fs::remove_file(chain::path(there, 2)).unwrap();
    assert!(fault(there).contains("are missing"), "{}", fault(there));
    fs::write(chain::path(there, 2), kept).unwrap();
    assert!(verify(there).unwrap().ok);
    fs::rename(chain::path(there, 2), chain::path(there, 1)).unwrap();
    assert!(!verify(there).unwrap().ok);
}

#[test]
fn one_program_writes_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = || {
        let (clock, directory) = (Arc::clone(&clock), Some(folder.path().to_owned()));
        Audit::open(&fake::config(), directory, clock, Arc::new(TokioRuntime)).unwrap()
    };
    let old = open();
    old.record(entry("of_the_old_one"));
    let new = open();
    new.record(entry("waits"));
    old.record(entry("at_its_end"));
    drop(old);
    new.record(entry("of_the_new_one"));
    new.sync();
    let whats: Vec<String> = lines(folder.path())
        .iter()
        .map(|line| record::parse(line.as_bytes()).unwrap().record.what)
        .collect();
    assert_eq!(whats, ["of_the_old_one", "at_its_end", "waits", "of_the_new_one"]);
    assert!(verify(folder.path()).unwrap().ok);
}

#[test]
fn attempts_are_noted_up_to_a_number_and_then_counted() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let (as_clock, directory) = (Arc::clone(&clock), Some(folder.path().to_owned()));
    let audit = Audit::open(&fake::config(), directory, as_clock, Arc::new(TokioRuntime)).unwrap();
    for _ in 0..REFUSED_MAX + 100 {
        audit.refused(entry("refused"));
    }
    assert_eq!(lines(folder.path()).len(), 60);
    clock.advance(REFUSED_WINDOW);
    audit.refused(entry("refused"));
    let last = lines(folder.path()).pop().unwrap();
    assert!(last.contains("\"refused_before_and_not_noted\":100"), "{last}");
}

#[test]
fn a_file_that_others_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    log(folder.path(), ROOMY, 1);
    fs::set_permissions(chain::path(folder.path(), 0), fs::Permissions::from_mode(0o666)).unwrap();
    let error = Chain::open(folder.path(), ROOMY, AT).err().unwrap();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
