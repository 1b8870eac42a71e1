//! Programs that end at any point, and what the next one finds.

use super::{Journal, MAGIC, REWRITE_BYTES_MIN, Record, open_found, read_if_abandoned, replay};
use std::collections::BTreeSet;
use std::path::Path;

fn record(shard: u16, target: &str) -> Record {
    Record {
        shard,
        target: target.as_bytes().into(),
    }
}

fn records(targets: &[&str]) -> Vec<Record> {
    targets.iter().map(|target| record(0, target)).collect()
}

fn journals(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn what_was_not_confirmed_is_found_by_the_next_program_and_by_nobody_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Journal::create(folder.path(), "a").unwrap();
    first.add(&records(&["x", "y", "z"])).unwrap();
    first.add(&[record(7, "x")]).unwrap();
    first.confirm(&records(&["y"])).unwrap();
    first.add(&records(&["x"])).unwrap();
    let mut second = Journal::create(folder.path(), "b").unwrap();
    assert_eq!(second.adopt().unwrap(), [], "the first one still runs");
    drop(first);
    let adopted = second.adopt().unwrap();
    assert_eq!(adopted, [record(0, "x"), record(0, "z"), record(7, "x")]);
    assert_eq!(second.adopt().unwrap(), []);
    assert_eq!((second.counts().records, second.counts().adopted), (3, 3));
    drop(second);
    let mut third = Journal::create(folder.path(), "c").unwrap();
    assert_eq!(third.adopt().unwrap().len(), 3);
    third.confirm(&adopted).unwrap();
    third.close();
    assert_eq!(journals(folder.path()), 0, "nothing is left to tell");
}

#[test]
fn a_journal_that_is_not_empty_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(folder.path(), "a").unwrap();
    journal.add(&records(&["x"])).unwrap();
    journal.close();
    drop(journal);
    let mut next = Journal::create(folder.path(), "b").unwrap();
    assert_eq!(next.adopt().unwrap(), records(&["x"]));
}

/// Confirmations are written behind whoever adds, and one may be overtaken by the next invalidation of the same target.
#[test]
fn what_is_added_again_outlives_the_confirmation_of_what_was_added_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(folder.path(), "a").unwrap();
    journal.add(&records(&["x"])).unwrap();
    journal.add(&records(&["x"])).unwrap();
    journal.confirm(&records(&["x"])).unwrap();
    assert_eq!(journal.counts().records, 1);
    drop(journal);
    let mut next = Journal::create(folder.path(), "b").unwrap();
    // Found while the same waits to be confirmed here.
    next.add(&records(&["x"])).unwrap();
    assert_eq!(next.adopt().unwrap(), records(&["x"]));
    next.confirm(&records(&["x"])).unwrap();
    assert_eq!(next.counts().records, 1);
    next.confirm(&records(&["x"])).unwrap();
    next.close();
    assert_eq!(journals(folder.path()), 0);
}

/// A file that ends anywhere, and one with any bit turned over, holds what was whole before that place.
#[test]
fn a_damaged_end_costs_only_what_was_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backplane-a.journal");
    let mut journal = Journal::create(folder.path(), "a").unwrap();
    let mut ends = vec![std::fs::metadata(&path).unwrap().len()];
    for target in ["one", "two", "three"] {
        journal.add(&records(&[target])).unwrap();
        ends.push(std::fs::metadata(&path).unwrap().len());
    }
    drop(journal);
    let text = std::fs::read(&path).unwrap();
    let all = records(&["one", "two", "three"]);
    for length in MAGIC.len()..=text.len() {
        let whole = ends.iter().filter(|end| **end <= length as u64).count() - 1;
        let expected: BTreeSet<Record> = all[..whole].iter().cloned().collect();
        let at_an_end = ends.contains(&(length as u64));
        assert_eq!(replay(&text[..length]), (expected, at_an_end), "cut to {length}");
    }
    for at in MAGIC.len()..text.len() {
        let mut damaged = text.clone();
        damaged[at] ^= 0x10;
        let whole = ends.iter().filter(|end| **end <= at as u64).count() - 1;
        let expected: BTreeSet<Record> = all[..whole].iter().cloned().collect();
        assert_eq!(replay(&damaged), (expected, false), "damaged at {at}");
    }
    std::fs::write(&path, &text[..text.len() - 1]).unwrap();
    let mut next = Journal::create(folder.path(), "b").unwrap();
    assert_eq!(next.adopt().unwrap(), records(&["one", "two"]));
    assert_eq!(next.counts().damaged, 1);
}

#[test]
fn a_file_that_is_none_of_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cache.snapshot"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("backplane-z.journal")).unwrap();
    let mut journal = Journal::create(folder.path(), "a").unwrap();
    assert_eq!(journal.adopt().unwrap(), []);
    assert!(Path::new("/etc/passwd").exists() && folder.path().join("cache.snapshot").exists());
    assert!(Journal::create(folder.path(), "a").is_err(), "the name is taken");
}

#[test]
fn a_file_does_not_grow_with_what_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(folder.path(), "a").unwrap();
    journal.add(&records(&["stays"])).unwrap();
    let target = "t".repeat(1000);
    let rounds = 4 * REWRITE_BYTES_MIN / 1000;
    for _ in 0..rounds {
        journal.add(&records(&[&target])).unwrap();
        journal.confirm(&records(&[&target])).unwrap();
        let size = std::fs::metadata(folder.path().join("backplane-a.journal"))
            .unwrap()
            .len();
        assert_eq!(size, journal.counts().bytes);
        assert!(size < 2 * REWRITE_BYTES_MIN, "{size}");
    }
    assert!(journal.counts().rewrites >= 4);
    let mut other = Journal::create(folder.path(), "b").unwrap();
    assert_eq!(other.adopt().unwrap(), [], "the file that was written anew is held too");
    drop(journal);
    assert_eq!(other.adopt().unwrap(), records(&["stays"]));
}

#[test]
fn a_file_that_is_written_anew_while_another_program_looks_at_it_is_not_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backplane-a.journal");
    let mut journal = Journal::create(folder.path(), "a").unwrap();
    journal.add(&records(&["stays"])).unwrap();
    let found = open_found(&path).unwrap().unwrap();
    journal.rewrite().unwrap();
    // Nobody holds the one that was found any more, and it is not the one that lies there.
    assert!(read_if_abandoned(found, &path).unwrap().is_none());
    let found = open_found(&path).unwrap().unwrap();
    assert!(read_if_abandoned(found, &path).unwrap().is_none(), "this one is held");
    drop(journal);
    let found = open_found(&path).unwrap().unwrap();
    let (_, found, whole) = read_if_abandoned(found, &path).unwrap().unwrap();
    assert_eq!(
        (found.into_iter().collect::<Vec<_>>(), whole),
        (records(&["stays"]), true)
    );
}
