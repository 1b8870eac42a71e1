//! What is written is there, after a clean end and after none; damage is set aside.

use super::{Change, Embedded, OpenError};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;

/// A file, read into a map.
fn all(store: &Embedded, table: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    store
        .scan(table, &[], &[0xff; 9], &mut |key, value| {
            found.insert(key.to_vec(), value.to_vec());
            true
        })
        .unwrap();
    found
}

fn put<'a>(table: &'a str, key: &'a [u8], value: &'a [u8]) -> Change<'a> {
    Change::Put { table, key, value }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// It is a map, whatever is done to it, and it is the same map after it was opened again.
    #[test]
    fn it_is_a_map(steps in prop::collection::vec((0u8..4, 0u8..12, 0u8..12), 0..60)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.redb");
        let mut reference: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let store = Embedded::open(&path).unwrap();
        for (kind, one, other) in steps {
            let (one, other) = ([one], [other]);
            let change = match kind {
                0 | 1 => { reference.insert(one.to_vec(), other.to_vec()); put("t", &one, &other) }
                2 => { reference.remove(one.as_slice()); Change::Remove { table: "t", key: &one } }
                _ => {
                    reference.retain(|key, _| *key < one.to_vec() || *key >= other.to_vec());
                    Change::RemoveRange { table: "t", from: &one, until: &other }
                }
            };
            store.apply([change]).unwrap();
        }
        prop_assert_eq!(&all(&store, "t"), &reference);
        drop(store);
        prop_assert_eq!(&all(&Embedded::open(&path).unwrap(), "t"), &reference);
    }
}

#[test]
fn tables_are_apart_and_a_table_that_nobody_wrote_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("x.redb")).unwrap();
    store.apply([put("a", b"1", b"one"), put("b", b"1", b"two")]).unwrap();
    assert_eq!(all(&store, "a").get(&b"1"[..]).map(Vec::as_slice), Some(&b"one"[..]));
    assert_eq!(all(&store, "b").len(), 1);
    assert!(all(&store, "c").is_empty());
}

#[test]
fn what_was_applied_is_in_the_file_even_if_it_is_never_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("x.redb"), folder.path().join("copy.redb"));
    let store = Embedded::open(&path).unwrap();
    for number in 0..200u32 {
        store.apply([put("t", &number.to_be_bytes(), &[7; 300])]).unwrap();
    }
    // As a kill leaves it.
    fs::copy(&path, &copy).unwrap();
    let copy = Embedded::open(&copy).unwrap();
    assert_eq!(all(&copy, "t").len(), 200);
    assert_eq!(copy.set_aside(), None);
}

#[test]
fn a_file_that_makes_no_sense_is_set_aside_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.redb");
    for content in [&b"this is no database"[..], &[0xa5; 9000]] {
        fs::write(&path, content).unwrap();
        let store = Embedded::open(&path).unwrap();
        let aside = store.set_aside().unwrap();
        assert_eq!(fs::read(aside).unwrap(), content);
        store.apply([put("t", b"k", b"v")]).unwrap();
        assert_eq!(all(&store, "t").len(), 1);
    }
}

#[test]
fn a_file_that_is_damaged_in_the_middle_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.redb");
    let store = Embedded::open(&path).unwrap();
    for number in 0..500u32 {
        store.apply([put("t", &number.to_be_bytes(), &[7; 500])]).unwrap();
    }
    drop(store);
    let sound = fs::read(&path).unwrap();
    for share in 1..20 {
        let mut content = sound.clone();
        let from = content.len() * share / 20;
        let until = (from + 5000).min(content.len());
        content[from..until].fill(0x5a);
        fs::write(&path, &content).unwrap();
        // Whichever of it: it is set aside, it is read in part, or nobody was there.
        let store = Embedded::open(&path).unwrap();
        let _ = store.scan("t", &[], &[0xff; 9], &mut |_, _| true);
        let _ = store.apply([put("t", b"k", b"v")]);
    }
}

#[test]
fn two_do_not_have_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.redb");
    let first = Embedded::open(&path).unwrap();
    assert!(matches!(Embedded::open(&path), Err(OpenError::Busy(_))));
    drop(first);
    Embedded::open(&path).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_an_error_with_its_name() {
    let error = Embedded::open(std::path::Path::new("/nowhere/at/all/x.redb")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all/x.redb"), "{error}");
}
