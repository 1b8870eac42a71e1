//! Snapshots of encrypted strategies: nothing of them can be read on the disk (promise P5), and what may be read again is.

use crate::testing::{Bench, tagged, text};
use crate::{
    EncryptionConfig, Files, Key, KeyRing, Provenance, Restored, SetOptions, SnapshotLimits, Strategy, StrategyConfig,
};
use bytes::Bytes;
use peregrine_base::{Runtime, Secret, Task};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HERE: Provenance = Provenance {
    stored: 1,
    source: 7,
    boot: 9,
};

/// For places that do their work where they are asked.
struct Nowhere;

impl Runtime for Nowhere {
    fn spawn(&self, _: Task) {}
    fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send + 'static>) {}
    fn sleep(&self, _: Duration) -> Task {
        Box::pin(std::future::pending())
    }
}

fn ring(byte: u8) -> Option<KeyRing> {
    use base64::Engine as _;
    let secret = base64::prelude::BASE64_STANDARD.encode([byte; 32]);
    let config = EncryptionConfig {
        keys: Some(Secret::new(format!("m{byte}:{secret}"))),
        ..EncryptionConfig::default()
    };
    KeyRing::open(&config).unwrap()
}

/// An engine whose default strategy is encrypted, with its data keys in `folder`.
fn encrypted(folder: &Path) -> Bench {
    let bench = Bench::strategy(|strategy| strategy.encryption = true);
    with_keys(&bench, folder, ring(1));
    bench
}

fn with_keys(bench: &Bench, folder: &Path, ring: Option<KeyRing>) {
    bench.engine.keys().configure(ring, Duration::from_secs(10));
    let files = Files::new(folder.to_owned(), Arc::new(Nowhere));
    bench.engine.keys().live_in(Arc::new(files));
}

fn snapshot(bench: &Bench) -> Vec<u8> {
    let limits = SnapshotLimits {
        size_max: u64::MAX,
        time_max: Duration::MAX,
    };
    let mut bytes = Vec::new();
    bench.engine.write_snapshot(&mut bytes, &HERE, &limits).unwrap();
    bytes
}

fn load(bench: &Bench, bytes: &[u8]) -> Restored {
    bench.engine.expect_snapshot().load(Cursor::new(bytes), &HERE).unwrap()
}

fn shows(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        all.extend(std::fs::read(entry.path()).unwrap());
    }
    all
}

const LONG: &str = "the minutes of the board, page after page; ";

fn filled(bench: &Bench) {
    let meta = crate::Meta {
        head: Bytes::from_static(b"content-type: text/secret"),
        ..tagged(&["project-icarus"])
    };
    bench.put_with("/salaries?of=ann", "eighty thousand", meta);
    bench.put("/board", &LONG.repeat(20_000));
    let key = Key::http(&bench.namespace, "acme", "http", "h", "/plan");
    let crate::Lookup::Lead(lease) = bench.engine.lookup(&key, &bench.ask()) else {
        panic!("leads")
    };
    let body = Bytes::from_static(b"take over the world");
    lease.store(crate::testing::meta(), &body, &crate::NoVariants).unwrap();
}

const TOLD: [&str; 6] = [
    "eighty thousand",
    "minutes of the board",
    "take over the world",
    "text/secret",
    "project-icarus",
    "of=ann",
];

#[test]
fn an_encrypted_strategy_leaves_nothing_readable_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let before = encrypted(folder.path());
    filled(&before);
    let bytes = snapshot(&before);
    let disk = [bytes.clone(), files(folder.path())].concat();
    for told in TOLD {
        assert!(!shows(&disk, told), "{told}");
    }
    let after = encrypted(folder.path());
    after.advance(1);
    assert_eq!(
        load(&after, &bytes),
        Restored {
            entries: 3,
            left_out: 0
        }
    );
    assert_eq!(text(&after.hit("/salaries?of=ann").unwrap()), "eighty thousand");
    assert_eq!(text(&after.hit("/board").unwrap()), LONG.repeat(20_000));
    // It is still an encrypted one.
    assert!(!shows(&snapshot(&after), "eighty thousand"));
}

#[test]
fn without_the_encryption_it_would_be_readable() {
    let bench = Bench::new();
    filled(&bench);
    let bytes = snapshot(&bench);
    for told in TOLD {
        assert!(shows(&bytes, told), "{told}: the search would find it");
    }
}

#[test]
fn an_erased_tenant_stays_behind_and_the_others_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let before = encrypted(folder.path());
    filled(&before);
    let bytes = snapshot(&before);
    std::fs::remove_file(folder.path().join("tenant.acme.key")).unwrap();
    let after = encrypted(folder.path());
    assert_eq!(
        load(&after, &bytes),
        Restored {
            entries: 2,
            left_out: 1
        }
    );
    // Another ring opens nothing at all.
    let stranger = Bench::strategy(|strategy| strategy.encryption = true);
    with_keys(&stranger, folder.path(), ring(2));
    assert_eq!(
        load(&stranger, &bytes),
        Restored {
            entries: 0,
            left_out: 3
        }
    );
}

#[test]
fn without_a_key_at_hand_it_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::strategy(|strategy| strategy.encryption = true);
    with_keys(&bench, folder.path(), None);
    filled(&bench);
    let bytes = snapshot(&bench);
    for told in TOLD {
        assert!(!shows(&bytes, told), "{told}");
    }
    assert_eq!(load(&Bench::new(), &bytes), Restored::default());
}

#[test]
fn what_was_stored_before_encryption_was_turned_on_is_sealed_too() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    with_keys(&bench, folder.path(), ring(1));
    filled(&bench);
    let mut settings = crate::Settings::default();
    settings.cache.memory = peregrine_base::ByteSize::mib(8);
    settings.cache.object_size_max = peregrine_base::ByteSize::mib(1);
    settings.strategies.get_mut("default").unwrap().encryption = true;
    bench.engine.reconfigure(settings).unwrap();
    let bytes = snapshot(&bench);
    for told in TOLD {
        assert!(!shows(&bytes, told), "{told}");
    }
}

#[test]
fn what_was_stored_before_a_restart_with_encryption_is_sealed_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let before = Bench::new();
    filled(&before);
    let open = snapshot(&before);
    assert!(TOLD.iter().any(|told| shows(&open, told)));
    let after = encrypted(folder.path());
    assert!(load(&after, &open).entries > 0);
    let bytes = snapshot(&after);
    for told in TOLD {
        assert!(!shows(&bytes, told), "{told}");
    }
}

#[test]
fn a_value_by_name_follows_its_strategy() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    with_keys(&bench, folder.path(), ring(1));
    let config = StrategyConfig {
        encryption: true,
        ..StrategyConfig::default()
    };
    let options = SetOptions {
        strategy: Some(Arc::new(Strategy::new("safe", config))),
        ..SetOptions::default()
    };
    let (secret, open) = (Bytes::from_static(b"hidden value"), Bytes::from_static(b"open value"));
    assert!(bench.engine.set(&bench.namespace, "secret", secret, &options));
    assert!(bench.engine.set(&bench.namespace, "open", open, &SetOptions::default()));
    let bytes = snapshot(&bench);
    assert!(!shows(&bytes, "hidden value") && shows(&bytes, "open value"));
    let after = Bench::new();
    with_keys(&after, folder.path(), ring(1));
    assert_eq!(load(&after, &bytes).entries, 2);
}

#[test]
fn pieces_cannot_be_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let bench = encrypted(folder.path());
    let keys = bench.engine.keys();
    let owner = crate::Owner {
        namespace: "default",
        tenant: "",
    };
    let whole: [&[u8]; 2] = [b"one", b"two"];
    let (meta, pieces) = super::seal(keys, owner, b"meta", &whole).unwrap();
    let found = super::read(&meta).unwrap();
    let opened = |pieces: Vec<Vec<u8>>| super::open(keys, &found, pieces.into_iter().map(Bytes::from).collect());
    let (description, body) = opened(pieces.clone()).unwrap();
    assert_eq!(
        (description.as_slice(), body.concat()),
        (b"meta".as_slice(), b"onetwo".to_vec())
    );
    let swapped = vec![pieces[1].clone(), pieces[0].clone()];
    assert!(opened(swapped).is_none());
    assert!(opened(vec![pieces[0].clone()]).is_none(), "one is missing");
    let (_, others) = super::seal(keys, owner, b"meta", &whole).unwrap();
    assert!(
        opened(vec![pieces[0].clone(), others[1].clone()]).is_none(),
        "of another record"
    );
}
