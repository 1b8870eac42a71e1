//! What was promised, and whether each answer keeps it.

use super::{BOUND, Chance, Time};
use crate::backplane::wire::{self, Mark, Target};

/// The namespace of all keys.
pub(super) const NAMESPACE: &str = "sim";
/// Keys with their one tag.
pub(super) const KEYS: [(&str, &str); 4] = [
    ("sim||GET|http://h/a/1", "a"),
    ("sim||GET|http://h/a/2", "a"),
    ("sim||GET|http://h/b/1", "b"),
    ("sim||GET|http://h/b/2", "b"),
];

/// What an invalidation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Tag(&'static str),
    Key(usize),
    Glob(&'static str),
    Namespace,
    All,
    /// A tag, softly: nothing is promised.
    Softly(&'static str),
}

impl Reached {
    pub(super) fn any(chance: &mut Chance) -> Self {
        let tag = chance.pick(&["a", "b"]);
        match chance.below(20) {
            0 => Self::Namespace,
            1 => Self::All,
            2 => Self::Softly(tag),
            3 => Self::Glob(tag),
            4 => Self::Key(usize::try_from(chance.below(KEYS.len() as u64)).unwrap()),
            _ => Self::Tag(tag),
        }
    }

    pub(super) fn mark(self) -> Mark {
        let (seed, namespace) = (wire::seed_of(NAMESPACE), wire::namespace_id(NAMESPACE));
        let target = match self {
            Self::Tag(tag) | Self::Softly(tag) => Target::Tag(wire::tag_hash(seed, tag)),
            Self::Key(key) => Target::Key(wire::key_hash(seed, KEYS[key].0)),
            Self::Glob(tag) => Target::Glob {
                namespace,
                glob: crate::Glob::new(&format!("/{tag}/*")),
            },
            Self::Namespace => Target::Namespace(namespace),
            Self::All => Target::All,
        };
        Mark {
            soft: matches!(self, Self::Softly(_)),
            target,
        }
    }

    fn reaches(self, key: usize) -> bool {
        match self {
            Self::Tag(tag) | Self::Glob(tag) => KEYS[key].1 == tag,
            Self::Key(one) => one == key,
            Self::Namespace | Self::All => true,
            Self::Softly(_) => false,
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) node: usize,
    pub(super) key: usize,
    /// When the load of what was served began.
    pub(super) loaded: Time,
    /// When the request arrived.
    pub(super) arrived: Time,
    pub(super) labelled: bool,
    /// Where it came from, for people.
    #[expect(dead_code, reason = "told with a violation")]
    pub(super) from: &'static str,
}

/// All promises so far.
pub(super) struct History {
    /// By node: what was invalidated there, when it was called and when it returned.
    returned: Vec<Vec<(Reached, Time, Time)>>,
    /// What was confirmed, and when Redis executed it.
    confirmed: Vec<(Reached, Time)>,
    /// By node: what it said that it has heard of, when Redis executed that, and when somebody read what it said.
    acknowledged: Vec<Vec<(Reached, Time, Time)>>,
    pub(super) plain: u64,
    pub(super) unverified: u64,
    pub(super) violation: Option<String>,
}

impl History {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            returned: vec![Vec::new(); nodes],
            confirmed: Vec::new(),
            acknowledged: vec![Vec::new(); nodes],
            plain: 0,
            unverified: 0,
            violation: None,
        }
    }

    pub(super) fn returned(&mut self, node: usize, what: Reached, called: Time, now: Time) {
        self.returned[node].push((what, called, now));
    }

    pub(super) fn confirmed(&mut self, what: Reached, executed: Time) {
        self.confirmed.push((what, executed));
    }

    /// A receipt of `what` names `node` as confirmed.
    pub(super) fn acknowledged(&mut self, node: usize, what: Reached, executed: Time, now: Time) {
        self.acknowledged[node].push((what, executed, now));
    }

    /// Whether `served` keeps P1, and unlabelled P2 and the receipts.
    pub(super) fn check(&mut self, served: Served, now: Time) {
        let Served {
            node,
            key,
            loaded,
            arrived,
            ..
        } = served;
        for (what, called, returned) in &self.returned[node] {
            if what.reaches(key) && arrived > *returned && loaded < *called {
                self.violation = Some(format!(
                    "P1: {what:?} called {called} returned {returned}, {served:?} at {now}"
                ));
            }
        }
        if served.labelled {
            self.unverified += 1;
            return;
        }
        self.plain += 1;
        for (what, executed) in &self.confirmed {
            if what.reaches(key) && arrived > executed + BOUND && loaded < *executed {
                self.violation = Some(format!("P2: {what:?} executed {executed}, {served:?} at {now}"));
            }
        }
        for (what, executed, told) in &self.acknowledged[node] {
            if what.reaches(key) && arrived > *told && loaded < *executed {
                self.violation = Some(format!(
                    "receipt: {what:?} executed {executed} told {told}, {served:?} at {now}"
                ));
            }
        }
    }
}
