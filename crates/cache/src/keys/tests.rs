//! Sealing, records, rings and places, and what users notice of them: nothing is readable that should not be, and what was
//! erased stays gone.

mod copies;

use super::*;
use crate::testing::at_once;
use peregrine_base::{ManualClock, Runtime, Secret, Task};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

/// Does blocking work where it is asked for.
struct Inline;

impl Runtime for Inline {
    fn spawn(&self, _: Task) {
        unreachable!("nothing is spawned");
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        work();
    }

    fn sleep(&self, _: Duration) -> Task {
        unreachable!("nobody sleeps");
    }
}

const ACME: Owner<'_> = Owner {
    namespace: "default",
    tenant: "acme",
};

/// A master key as it is written.
fn master(id: &str, byte: u8) -> String {
    use base64::Engine as _;
    format!("{id}:{}", base64::prelude::BASE64_STANDARD.encode([byte; 32]))
}

fn written(keys: &str) -> EncryptionConfig {
    EncryptionConfig {
        keys: Some(Secret::new(keys)),
        ..EncryptionConfig::default()
    }
}

fn ring(keys: &[(&str, u8)]) -> KeyRing {
    let keys: Vec<_> = keys.iter().map(|(id, byte)| master(id, *byte)).collect();
    KeyRing::open(&written(&keys.join(", "))).unwrap().unwrap()
}

/// The keys of a node whose records are in `place`.
fn node(place: &InMemory, master_keys: &[(&str, u8)]) -> (Keys, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let keys = Keys::new(Arc::clone(&clock) as _);
    keys.configure(Some(ring(master_keys)), Duration::from_secs(10));
    keys.live_in(Arc::new(place.clone()));
    (keys, clock)
}

fn seal(keys: &Keys, owner: Owner<'_>, aad: &[u8], plain: &[u8]) -> Sealed {
    assert!(at_once(keys.ready(owner, None)));
    keys.seal(owner, aad, plain).unwrap()
}

fn open(keys: &Keys, owner: Owner<'_>, aad: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealFault> {
    at_once(keys.ready(owner, Some(sealed.key_id)));
    keys.open(owner, sealed.key_id, aad, &sealed.bytes)
}

#[test]
fn what_one_node_seals_another_opens_and_nobody_reads() {
    let place = InMemory::default();
    let ((one, _), (other, _)) = (node(&place, &[("m", 1)]), node(&place, &[("m", 1)]));
    let plain = b"the price of everything".as_slice();
    let sealed = seal(&one, ACME, b"k", plain);
    assert_eq!(sealed.bytes.len(), plain.len() + SEAL_OVERHEAD_BYTES);
    assert!(!sealed.bytes.windows(9).any(|part| part == b"the price"));
    assert_eq!(open(&other, ACME, b"k", &sealed).unwrap(), plain);
    assert_eq!(place.records().len(), 1, "both agree on one key");
    assert_ne!(sealed.bytes, seal(&one, ACME, b"k", plain).bytes, "no two are alike");
    assert_eq!(open(&one, ACME, b"k", &seal(&other, ACME, b"k", b"")).unwrap(), b"");
}

#[test]
fn what_was_sealed_for_one_place_opens_at_no_other() {
    let place = InMemory::default();
    let (keys, _) = node(&place, &[("m", 1)]);
    let sealed = seal(&keys, ACME, b"key /a", b"a");
    let other = Owner {
        tenant: "globex",
        ..ACME
    };
    let own = Owner { tenant: "", ..ACME };
    assert!(at_once(keys.ready(other, None)) && at_once(keys.ready(own, None)));
    assert_eq!(open(&keys, ACME, b"key /b", &sealed), Err(SealFault::Damaged));
    assert_eq!(open(&keys, other, b"key /a", &sealed), Err(SealFault::NoKey));
    let theirs = Sealed {
        key_id: keys.key_id(other).unwrap(),
        ..sealed.clone()
    };
    assert_eq!(open(&keys, other, b"key /a", &theirs), Err(SealFault::Damaged));
    for at in 0..sealed.bytes.len() {
        let mut changed = sealed.clone();
        changed.bytes[at] ^= 1;
        assert_eq!(open(&keys, ACME, b"key /a", &changed), Err(SealFault::Damaged), "{at}");
        changed.bytes.truncate(at);
        assert_eq!(open(&keys, ACME, b"key /a", &changed), Err(SealFault::Damaged), "{at}");
    }
    // The same tenant has one key in all namespaces, as an erase wants it.
    let elsewhere = Owner {
        namespace: "images",
        ..ACME
    };
    assert_eq!(open(&keys, elsewhere, b"key /a", &sealed).unwrap(), b"a");
}

#[test]
fn a_record_does_not_work_for_another_owner() {
    let place = InMemory::default();
    let (keys, _) = node(&place, &[("m", 1)]);
    seal(&keys, ACME, b"", b"");
    let record = place.records().remove("tenant.acme").unwrap();
    assert!(at_once(place.replace("tenant.globex", None, &record)).unwrap());
    let globex = Owner {
        tenant: "globex",
        ..ACME
    };
    assert!(!at_once(keys.ready(globex, None)));
    assert_eq!(keys.seal(globex, b"", b"x"), Err(SealFault::NoKey));
    assert_eq!(
        place.records()["tenant.globex"],
        record,
        "what cannot be read is not written over"
    );
    assert!(keys.statistics().fault.unwrap().contains("tenant.globex"));
}

#[test]
fn an_erase_reaches_another_node_when_it_reads_its_keys_again() {
    let place = InMemory::default();
    let ((one, _), (other, time)) = (node(&place, &[("m", 1)]), node(&place, &[("m", 1)]));
    let sealed = seal(&one, ACME, b"k", b"secret");
    assert!(open(&other, ACME, b"k", &sealed).is_ok());
    assert!(at_once(one.erase(ACME)).unwrap());
    assert_eq!(open(&one, ACME, b"k", &sealed), Err(SealFault::NoKey), "here at once");
    time.advance(Duration::from_secs(10) + Duration::from_nanos(1));
    assert_eq!(
        other.open(ACME, sealed.key_id, b"k", &sealed.bytes),
        Err(SealFault::NoKey),
        "there after encryption.key_refresh, even where nobody asked for the key"
    );
    assert_eq!(open(&other, ACME, b"k", &sealed), Err(SealFault::NoKey));
    assert!(!at_once(one.erase(ACME)).unwrap(), "it was there once");
    // What comes later has another key, which both find.
    let new = seal(&other, ACME, b"k", b"new");
    assert_ne!(new.key_id, sealed.key_id);
    assert_eq!(open(&one, ACME, b"k", &new).unwrap(), b"new");
}

#[test]
fn a_rotation_loses_nothing_and_the_old_master_key_is_needed_no_more() {
    let place = InMemory::default();
    let (keys, _) = node(&place, &[("old", 1)]);
    let own = Owner { tenant: "", ..ACME };
    let (first, second) = (seal(&keys, ACME, b"", b"1"), seal(&keys, own, b"", b"2"));
    keys.configure(Some(ring(&[("new", 2), ("old", 1)])), Duration::from_secs(10));
    assert_eq!(open(&keys, ACME, b"", &first).unwrap(), b"1", "older ones still open");
    let rotated = at_once(keys.rotate("", true)).unwrap();
    assert_eq!((rotated.owners, rotated.rewrapped, rotated.renewed), (2, 2, 2));
    let third = seal(&keys, ACME, b"", b"3");
    assert_ne!(third.key_id, first.key_id);
    keys.configure(Some(ring(&[("new", 2)])), Duration::from_secs(10));
    for (owner, sealed, plain) in [(ACME, &first, b"1"), (own, &second, b"2"), (ACME, &third, b"3")] {
        assert_eq!(open(&keys, owner, b"", sealed).unwrap(), plain);
    }
    let page = at_once(keys.page("")).unwrap();
    let told: Vec<_> = page
        .owners
        .iter()
        .map(|owner| {
            (
                owner.owner.as_str(),
                owner.data_keys,
                owner.master_keys.join(","),
                owner.readable,
            )
        })
        .collect();
    let new = || "new".to_owned();
    assert_eq!(
        told,
        [("namespace.default", 2, new(), true), ("tenant.acme", 2, new(), true)]
    );
    let again = at_once(keys.rotate("", false)).unwrap();
    assert_eq!((again.owners, again.rewrapped, again.renewed), (2, 0, 0));
}

#[test]
fn without_its_master_key_a_record_is_left_alone() {
    let place = InMemory::default();
    let (keys, _) = node(&place, &[("old", 1)]);
    let sealed = seal(&keys, ACME, b"", b"1");
    let before = place.records();
    keys.configure(Some(ring(&[("new", 2)])), Duration::from_secs(10));
    assert_eq!(open(&keys, ACME, b"", &sealed), Err(SealFault::NoKey));
    assert_eq!(at_once(keys.rotate("", false)).unwrap().unreadable, 1);
    assert_eq!(place.records(), before);
    keys.configure(None, Duration::from_secs(10));
    assert!(!at_once(keys.ready(ACME, None)), "no ring, no sealing");
    keys.configure(Some(ring(&[("old", 1)])), Duration::from_secs(10));
    assert_eq!(open(&keys, ACME, b"", &sealed).unwrap(), b"1");
}

#[test]
fn a_rotation_does_not_bring_back_what_is_erased_meanwhile() {
    let place = InMemory::default();
    let (keys, _) = node(&place, &[("old", 1)]);
    seal(&keys, ACME, b"", b"1");
    let was = place.records().remove("tenant.acme").unwrap();
    assert!(at_once(keys.erase(ACME)).unwrap());
    assert!(!at_once(place.replace("tenant.acme", Some(&was), "pgk1 new")).unwrap());
    assert_eq!(record::lines(&place.records()["tenant.acme"]), []);
}

#[test]
fn the_oldest_data_keys_make_room() {
    let place = InMemory::default();
    let (keys, _) = node(&place, &[("m", 1)]);
    let first = seal(&keys, ACME, b"", b"1");
    for _ in 0..record::KEYS_MAX {
        at_once(keys.rotate("", true)).unwrap();
    }
    assert_eq!(open(&keys, ACME, b"", &first), Err(SealFault::NoKey));
    let page = at_once(keys.page("")).unwrap();
    assert_eq!(page.owners[0].data_keys, record::KEYS_MAX);
    assert!(place.records()["tenant.acme"].len() <= record::BYTES_MAX);
}

#[test]
fn files_keep_records_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("keys");
    let files = Files::new(directory.clone(), Arc::new(Inline));
    assert_eq!(at_once(files.get("tenant.a")).unwrap(), None);
    assert_eq!(at_once(files.list("")).unwrap(), Listed::default());
    assert!(at_once(files.replace("tenant.a", None, "one")).unwrap());
    assert!(
        !at_once(files.replace("tenant.a", None, "two")).unwrap(),
        "the first one counts"
    );
    assert!(!at_once(files.replace("tenant.a", Some("two"), "three")).unwrap());
    assert!(at_once(files.replace("tenant.a", Some("one"), "three")).unwrap());
    assert_eq!(at_once(files.get("tenant.a")).unwrap().as_deref(), Some("three"));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&directory), mode(&directory.join("tenant.a.key"))),
        (0o700, 0o600)
    );
    for number in 0..300 {
        files.replace_now(&format!("tenant.t{number:03}"), None, "x").unwrap();
    }
    let (mut cursor, mut owners) = (String::new(), Vec::new());
    loop {
        let listed = at_once(files.list(&cursor)).unwrap();
        owners.extend(listed.records.into_iter().map(|record| record.owner));
        let Some(next) = listed.next else { break };
        cursor = next;
    }
    assert_eq!(owners.len(), 301);
    for bad in ["", "../a", "a/b", ".a", "a b"] {
        assert!(at_once(files.replace(bad, None, "x")).is_err(), "{bad}");
    }
}

#[test]
fn a_ring_says_what_is_wrong_and_shows_no_key() {
    let complaints = |config: &EncryptionConfig| {
        let complaints = KeyRing::open(config).unwrap_err();
        let told: Vec<_> = complaints
            .iter()
            .map(|complaint| format!("{} {} ({})", complaint.field, complaint.problem, complaint.help))
            .collect();
        told.join("; ")
    };
    for (keys, expected) in [
        ("m:c2hvcnQ=".to_owned(), "has a key `m` of 5 bytes; AES-256 needs 32"),
        ("m:hunter2 hunter2".to_owned(), "has a key `m` that is not base64"),
        ("hunter2".to_owned(), "has a key without an id"),
        (master("a b", 1), "has other characters than letters"),
        (master("", 1), "whose id is empty"),
        (
            format!("{},{}", master("m", 1), master("m", 2)),
            "has a second key with the id `m`",
        ),
    ] {
        let told = complaints(&written(&keys));
        assert!(
            told.starts_with("encryption.keys ") && told.contains(expected),
            "{told}"
        );
        assert!(
            told.matches("peregrine keys generate").count() == 1 || told.contains("an id of its own"),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
    let absent = EncryptionConfig {
        active: Some("n".to_owned()),
        ..written(&master("m", 1))
    };
    assert!(complaints(&absent).contains("names no key: `n` (there are: m)"));
    let second = EncryptionConfig {
        active: Some("b".to_owned()),
        ..written(&format!("{},{}", master("a", 1), master("b", 2)))
    };
    let ring = KeyRing::open(&second).unwrap().unwrap();
    assert_eq!((ring.active(), ring.ids().collect::<Vec<_>>()), ("b", vec!["a", "b"]));
    let shown = format!("{ring:?} {second:?}");
    assert!(!shown.contains("AQEB") && shown.contains("\"a\""), "{shown}");
    assert!(KeyRing::open(&EncryptionConfig::default()).unwrap().is_none());
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    std::fs::write(&path, format!("{}\n{}\n", master("n", 2), master("m", 1))).unwrap();
    let config = EncryptionConfig {
        key_files: vec![path.clone()],
        ..EncryptionConfig::default()
    };
    let rights = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    rights(0o640);
    let complaint = KeyRing::open(&config).unwrap_err().remove(0);
    assert!(
        complaint.problem.contains("mode 640") && complaint.help.contains("chmod 600"),
        "{complaint:?}"
    );
    rights(0o600);
    let ring = KeyRing::open(&config).unwrap().unwrap();
    assert_eq!(ring.ids().collect::<Vec<_>>(), ["n", "m"]);
    std::fs::write(&path, "\n").unwrap();
    assert!(KeyRing::open(&config).unwrap_err()[0].problem.contains("holds no key"));
    std::fs::remove_file(&path).unwrap();
    assert!(
        KeyRing::open(&config).unwrap_err()[0]
            .problem
            .contains("cannot be read")
    );
}

#[test]
fn a_generated_key_can_be_used() {
    let (one, other) = (
        NewMasterKey::generate(None, "2026-11-21").unwrap(),
        NewMasterKey::generate(Some("prod"), "").unwrap(),
    );
    assert!(one.id.starts_with("2026-11-21-") && other.id == "prod");
    assert_ne!(one.secret, other.secret);
    let config = written(&format!("{}:{}", one.id, one.secret.expose()));
    assert_eq!(KeyRing::open(&config).unwrap().unwrap().active(), one.id);
    assert!(NewMasterKey::generate(Some("a b"), "").is_err());
}

#[test]
fn a_value_is_derived_as_the_standard_says() {
    // HMAC-SHA-256 of [1] ‖ label ‖ 0 ‖ context ‖ [256] by another way, and AES-256-GCM by ring itself.
    use ::ring::{aead, hmac};
    let key = seal::DataKey::new(7, &[9; 32]);
    let sealed = key.seal("tenant.acme", b"aad", b"plain").unwrap();
    let (drawn, text) = sealed.split_at(24);
    let message = [
        &[0, 0, 0, 1],
        b"peregrine value key".as_slice(),
        &[0],
        &drawn[..12],
        &[0, 0, 1, 0],
    ]
    .concat();
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]), &message);
    let cipher = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, derived.as_ref()).unwrap());
    let bound = [
        b"pg seal 1".as_slice(),
        &[0, 0, 0, 7],
        &[0, 0, 0, 11],
        b"tenant.acme",
        b"aad",
    ]
    .concat();
    let nonce = aead::Nonce::try_assume_unique_for_key(&drawn[12..]).unwrap();
    let mut text = text.to_vec();
    assert_eq!(
        cipher.open_in_place(nonce, aead::Aad::from(bound), &mut text).unwrap(),
        b"plain"
    );
}
