//! Copies of what nodes share: they help while the shared place is away, and bring back nothing that was erased.

use super::*;
use crate::sync::Mutex;

/// A place that nodes share, which can be away.
#[derive(Clone, Default)]
struct Shared {
    place: InMemory,
    away: Arc<Mutex<bool>>,
}

impl Shared {
    fn away(&self, away: bool) {
        *self.away.lock() = away;
    }

    fn or_away<'a, T: Send + 'a>(&self, answer: Placing<'a, T>) -> Placing<'a, T> {
        if *self.away.lock() {
            let fault = PlaceFault {
                place: self.name(),
                why: "away".to_owned(),
            };
            return Box::pin(std::future::ready(Err(fault)));
        }
        answer
    }

    fn record(&self, owner: &str) -> String {
        self.place.records().remove(owner).unwrap_or_default()
    }
}

impl KeyPlace for Shared {
    fn name(&self) -> String {
        "shared".to_owned()
    }

    fn get<'a>(&'a self, owner: &'a str) -> Placing<'a, Option<String>> {
        self.or_away(self.place.get(owner))
    }

    fn replace<'a>(&'a self, owner: &'a str, was: Option<&'a str>, now: &'a str) -> Placing<'a, bool> {
        self.or_away(self.place.replace(owner, was, now))
    }

    fn list<'a>(&'a self, cursor: &'a str) -> Placing<'a, Listed> {
        self.or_away(self.place.list(cursor))
    }
}

/// A node with a directory of its own.
struct Node {
    keys: Keys,
    time: Arc<ManualClock>,
    directory: std::path::PathBuf,
    folder: tempfile::TempDir,
}

impl Node {
    fn in_folder(shared: &Shared, folder: tempfile::TempDir) -> Self {
        let time = Arc::new(ManualClock::default());
        let keys = Keys::new(Arc::clone(&time) as _);
        keys.configure(Some(ring(&[("m", 1)])), Duration::from_secs(10));
        let directory = folder.path().join("keys");
        keys.live_in(Arc::new(Files::new(directory.clone(), Arc::new(Inline))));
        keys.share(Arc::new(shared.clone()));
        Self {
            keys,
            time,
            directory,
            folder,
        }
    }

    fn new(shared: &Shared) -> Self {
        Self::in_folder(shared, tempfile::tempdir().unwrap())
    }

    /// The same node after a restart.
    fn restarted(self, shared: &Shared) -> Self {
        Self::in_folder(shared, self.folder)
    }

    fn copy(&self) -> String {
        std::fs::read_to_string(self.directory.join("tenant.acme.key")).unwrap_or_default()
    }

    fn opens(&self, sealed: &Sealed) -> bool {
        open(&self.keys, ACME, b"k", sealed).is_ok()
    }
}

#[test]
fn nodes_that_begin_at_the_same_time_agree_on_one_key() {
    let shared = Shared::default();
    let (one, other) = (Node::new(&shared), Node::new(&shared));
    // Both looked and found nothing; the other one is faster.
    let first = one.keys.first_record(&ring(&[("m", 1)]), "tenant.acme", None).unwrap();
    let theirs = seal(&other.keys, ACME, b"k", b"theirs");
    assert!(!at_once(shared.replace("tenant.acme", None, &first)).unwrap());
    let ours = seal(&one.keys, ACME, b"k", b"ours");
    assert_eq!(ours.key_id, theirs.key_id);
    assert!(other.opens(&ours) && one.opens(&theirs));
    assert_eq!((one.copy(), other.copy()), (shared.record("tenant.acme"), one.copy()));
    assert_eq!(one.keys.statistics().created + other.keys.statistics().created, 1);
}

#[test]
fn while_the_shared_place_is_away_a_copy_opens_for_a_while() {
    let shared = Shared::default();
    let node = Node::new(&shared);
    let sealed = seal(&node.keys, ACME, b"k", b"x");
    shared.away(true);
    let node = node.restarted(&shared);
    assert!(!node.opens(&sealed), "it was never compared");
    shared.away(false);
    at_once(node.keys.tidy()).unwrap();
    shared.away(true);
    let node = node.restarted(&shared);
    node.keys.trust_copies(Duration::from_secs(60));
    assert!(node.opens(&sealed));
    assert!(at_once(node.keys.ready(ACME, None)), "and seals");
    let globex = Owner {
        tenant: "globex",
        ..ACME
    };
    assert!(
        !at_once(node.keys.ready(globex, None)),
        "a new key needs the shared place"
    );
    assert!(at_once(node.keys.erase(ACME)).is_err(), "so does an erase");
    node.time.advance(Duration::from_secs(61));
    assert!(!node.opens(&sealed));
    let strict = node.restarted(&shared);
    strict.keys.trust_copies(Duration::ZERO);
    assert!(!strict.opens(&sealed));
}

#[test]
fn what_was_erased_while_a_node_was_down_does_not_come_back_from_its_disk() {
    let shared = Shared::default();
    let (one, other) = (Node::new(&shared), Node::new(&shared));
    let sealed = seal(&one.keys, ACME, b"k", b"x");
    assert!(other.opens(&sealed));
    at_once(other.keys.tidy()).unwrap();
    assert!(at_once(one.keys.erase(ACME)).unwrap());
    assert!(!one.copy().contains("pgk1") && one.copy() == shared.record("tenant.acme"));
    let new = seal(&one.keys, ACME, b"k", b"new");
    assert_ne!(new.key_id, sealed.key_id);

    assert!(other.copy().contains("pgk1"), "the other one was down meanwhile");
    let other = other.restarted(&shared);
    at_once(other.keys.tidy()).unwrap();
    assert_eq!(other.copy(), shared.record("tenant.acme"));
    assert!(!other.opens(&sealed) && other.opens(&new));
    shared.away(true);
    let other = other.restarted(&shared);
    assert!(!other.opens(&sealed) && other.opens(&new), "alone neither");
}

#[test]
fn an_erased_key_that_a_failover_or_a_backup_brings_back_is_erased_again() {
    let shared = Shared::default();
    let node = Node::new(&shared);
    let sealed = seal(&node.keys, ACME, b"k", b"x");
    let before = shared.record("tenant.acme");
    assert!(at_once(node.keys.erase(ACME)).unwrap());
    let after = shared.record("tenant.acme");
    assert!(at_once(shared.replace("tenant.acme", Some(&after), &before)).unwrap());
    assert!(!node.opens(&sealed));
    assert_eq!(shared.record("tenant.acme"), after);
    // Somebody flushed Redis: nothing of it comes back from the copy, and what was erased is still known.
    let empty = Shared::default();
    let node = node.restarted(&empty);
    let new = seal(&node.keys, ACME, b"k", b"new");
    assert!(node.opens(&new) && !node.opens(&sealed));
    at_once(node.keys.tidy()).unwrap();
    assert!(
        record::erased(&empty.record("tenant.acme"))
            .iter()
            .any(|(id, _)| *id == sealed.key_id)
    );
}

#[test]
fn a_record_remembers_the_latest_of_what_was_erased_and_fits() {
    let ring = ring(&[(&"m".repeat(64), 1)]);
    let mut text = String::new();
    for time in 0..100 {
        let lines: Vec<_> = (0..record::KEYS_MAX)
            .map(|_| record::Line::create(&ring, "tenant.acme", &[], time).unwrap())
            .collect();
        text = record::write(&lines, &text);
        assert_eq!(record::lines(&text), lines);
        assert!(text.len() <= record::BYTES_MAX, "{}", text.len());
        let erased = record::erase(&text, time);
        assert_eq!(record::lines(&erased), []);
        assert!(
            lines
                .iter()
                .all(|line| record::erased(&erased).iter().any(|(id, _)| *id == line.key_id))
        );
        assert_eq!(record::lines(&record::remembering(&text, &erased)), []);
        text = erased;
    }
}
