//! What a node knows of the invalidations of a control shard: for each target the number of its last one (`R` in the rules).
//! Values from Redis are compared with it; what is in memory is compared with the ledger.

use super::wire::{self, Mark, Target};
use crate::key::Subject;
use crate::ledger::{GLOBS_MAX, Raised, Standing};
use crate::pattern::Glob;
use std::collections::HashMap;

/// The last invalidations of targets.
#[derive(Debug, Default)]
pub(crate) struct Records {
    all: Raised,
    /// Hashes of all kinds: each kind has its own, so they cannot be mistaken for each other.
    hashes: HashMap<u128, Raised>,
    /// By namespace, the least recent first.
    globs: HashMap<u128, Vec<(Glob, Raised)>>,
    /// Up to where they were forgotten.
    forgotten: u64,
}

/// Everything that invalidations can know a value by.
#[derive(Debug)]
pub(crate) struct ValueTargets<'a> {
    namespace: u128,
    key: u128,
    resource: u128,
    path: Option<u128>,
    /// Those of its tags, and all by which invalidations of its tenant know it.
    tags: Vec<u128>,
    subject: Subject<'a>,
}

impl<'a> ValueTargets<'a> {
    /// Those of the value under `key` with `tags` in `namespace`.
    pub(crate) fn new<'t>(namespace: &str, key: &'a str, tags: impl Iterator<Item = &'t str>) -> Self {
        let (seed, subject) = (wire::seed_of(namespace), Subject::of(key));
        let of_tenant = (!subject.tenant.is_empty()).then(|| wire::tenant_seed(seed, subject.tenant));
        let mut hashes = Vec::new();
        for tag in tags {
            hashes.push(wire::tag_hash(seed, tag));
            hashes.extend(of_tenant.map(|seed| wire::tag_hash(seed, tag)));
        }
        if let Some(seed) = of_tenant {
            hashes.extend([wire::tenant_hash(seed), wire::resource_hash(seed, &subject.resource)]);
            hashes.extend(subject.path.map(|path| wire::path_hash(seed, path)));
        }
        Self {
            namespace: wire::namespace_id(namespace),
            key: wire::key_hash(seed, key),
            resource: wire::resource_hash(seed, &subject.resource),
            path: subject.path.map(|path| wire::path_hash(seed, path)),
            tags: hashes,
            subject,
        }
    }

    /// Whether an invalidation of `target` reaches the value.
    pub(crate) fn are_reached_by(&self, target: &Target) -> bool {
        match target {
            Target::All => true,
            Target::Namespace(id) => *id == self.namespace,
            Target::Tag(hash) => self.tags.contains(hash),
            Target::Key(hash) => *hash == self.key,
            Target::Resource(hash) => *hash == self.resource,
            Target::Path(hash) => Some(*hash) == self.path,
            Target::Glob { namespace, glob } => *namespace == self.namespace && glob.matches_subject(&self.subject),
        }
    }

    fn hashes(&self) -> impl Iterator<Item = u128> {
        [self.namespace, self.key, self.resource]
            .into_iter()
            .chain(self.path)
            .chain(self.tags.iter().copied())
    }
}

impl Records {
    /// Notes that `mark` was made at `seq`; whether that is news.
    pub(crate) fn enter(&mut self, mark: &Mark, seq: u64) -> bool {
        let raised = match &mark.target {
            Target::All => &mut self.all,
            Target::Namespace(hash)
            | Target::Tag(hash)
            | Target::Key(hash)
            | Target::Resource(hash)
            | Target::Path(hash) => self.hashes.entry(*hash).or_default(),
            Target::Glob { namespace, glob } => return self.enter_glob(*namespace, glob, mark.soft, seq),
        };
        raised.raise_to(seq, mark.soft)
    }

    fn enter_glob(&mut self, namespace: u128, glob: &Glob, soft: bool, seq: u64) -> bool {
        let live = self.globs.entry(namespace).or_default();
        let mut one = match live.iter().position(|(known, _)| known == glob) {
            Some(at) => live.remove(at),
            None => (glob.clone(), Raised::default()),
        };
        let news = one.1.raise_to(seq, soft);
        live.push(one);
        if live.len() > GLOBS_MAX {
            let (_, dropped) = live.remove(0);
            // In place of the pattern the whole namespace, as of then.
            self.hashes
                .entry(namespace)
                .or_default()
                .raise_to(dropped.last(), false);
        }
        news
    }

    /// Whether it is known that `mark`, which names its target by a hash, was made at `seq` or later.
    pub(crate) fn know(&self, mark: &Mark, seq: u64) -> bool {
        let known = mark.target.hash().and_then(|hash| self.hashes.get(&hash));
        known.is_some_and(|raised| raised.last_of(mark.soft) >= seq)
    }

    /// How a value with these targets that knows of everything up to `since` stands.
    pub(crate) fn standing(&self, targets: &ValueTargets<'_>, since: u64) -> Standing {
        let mut standing = self.all.standing(since);
        for raised in targets.hashes().filter_map(|hash| self.hashes.get(&hash)) {
            standing = standing.worse(raised.standing(since));
        }
        let globs = self.globs.get(&targets.namespace).map_or(&[][..], Vec::as_slice);
        for (glob, raised) in globs {
            let one = raised.standing(since);
            if one != Standing::Valid && glob.matches_subject(&targets.subject) {
                standing = standing.worse(one);
            }
        }
        standing
    }

    /// What was made up to `floor` need not be known: values that old are not used. Done when it is worth the walk.
    pub(crate) fn forget(&mut self, floor: u64) {
        let worth = (self.hashes.len() / 8).max(1) as u64;
        if floor < self.forgotten.saturating_add(worth) {
            return;
        }
        self.forgotten = floor;
        self.hashes.retain(|_, raised| raised.last() > floor);
        self.globs.retain(|_, live| {
            live.retain(|(_, raised)| raised.last() > floor);
            !live.is_empty()
        });
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "shop||GET|https://h/a/b?c=1";

    fn targets() -> ValueTargets<'static> {
        ValueTargets::new("shop", KEY, ["x", "y"].into_iter())
    }

    fn every_way_to_reach_it() -> Vec<Target> {
        let (seed, namespace) = (wire::seed_of("shop"), wire::namespace_id("shop"));
        vec![
            Target::All,
            Target::Namespace(namespace),
            Target::Tag(wire::tag_hash(seed, "y")),
            Target::Key(wire::key_hash(seed, KEY)),
            Target::Resource(wire::resource_hash(seed, "https://h/a/b?c=1")),
            Target::Path(wire::path_hash(seed, "/a/b?c=1")),
            Target::Glob {
                namespace,
                glob: Glob::new("/a/*"),
            },
            Target::Glob {
                namespace,
                glob: Glob::new("https://h/*c=1"),
            },
        ]
    }

    #[test]
    fn every_kind_of_target_reaches_values() {
        for target in every_way_to_reach_it() {
            for (soft, reached) in [(false, Standing::Gone), (true, Standing::Soft)] {
                let mut records = Records::default();
                let mark = Mark {
                    soft,
                    target: target.clone(),
                };
                assert!(targets().are_reached_by(&target), "{mark}");
                assert!(records.enter(&mark, 5));
                assert!(!records.enter(&mark, 5), "{mark} is no news");
                assert_eq!(records.standing(&targets(), 4), reached, "{mark}");
                assert_eq!(records.standing(&targets(), 5), Standing::Valid, "{mark}");
            }
        }
    }

    #[test]
    fn nothing_else_reaches_them() {
        let (seed, namespace) = (wire::seed_of("other"), wire::namespace_id("other"));
        let mut records = Records::default();
        for target in [
            Target::Namespace(namespace),
            Target::Tag(wire::tag_hash(seed, "y")),
            Target::Tag(wire::tag_hash(wire::seed_of("shop"), "z")),
            Target::Key(wire::key_hash(seed, KEY)),
            Target::Path(wire::path_hash(wire::seed_of("shop"), "/a/b")),
            Target::Glob {
                namespace,
                glob: Glob::new("*"),
            },
        ] {
            assert!(!targets().are_reached_by(&target), "{target:?}");
            records.enter(&Mark { soft: false, target }, 5);
        }
        assert_eq!(records.standing(&targets(), 0), Standing::Valid);
    }

    #[test]
    fn what_is_forgotten_lies_below_the_floor() {
        let mut records = Records::default();
        let marks = every_way_to_reach_it().into_iter().skip(1);
        for (mark, seq) in marks.map(|target| Mark { soft: false, target }).zip(1..) {
            records.enter(&mark, seq);
        }
        records.forget(4);
        assert_eq!(
            records.hashes.len() + records.globs.values().map(Vec::len).sum::<usize>(),
            3
        );
        assert_eq!(records.standing(&targets(), 4), Standing::Gone);
    }

    #[test]
    fn a_pattern_too_many_takes_its_namespace_along() {
        let namespace = wire::namespace_id("shop");
        let mut records = Records::default();
        for number in 0..=GLOBS_MAX {
            let glob = Glob::new(&format!("/elsewhere/{number}*"));
            let target = Target::Glob { namespace, glob };
            records.enter(&Mark { soft: false, target }, 10 + number as u64);
        }
        assert_eq!(records.standing(&targets(), 9), Standing::Gone);
        assert_eq!(records.standing(&targets(), 10), Standing::Valid);
    }
}
