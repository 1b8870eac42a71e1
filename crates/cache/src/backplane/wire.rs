//! What was invalidated, as nodes tell each other of it: a member of the sorted set in Redis.
//!
//! A member is `h` (hard: gone) or `s` (soft: stale), then what it reaches: `a` everything, `n:` a namespace, `t:` a tag,
//! `k:` a whole key, `u:` a URL or name for any tenant and method, `l:` a path on any host, `p:` a pattern. Names are written
//! as hashes of 128 bits, so that a member has a bounded length and says nothing about what it names; patterns stand as they
//! are, because they have to be matched. Hashes begin with the namespace's name and with the kind, so that the same text in two
//! namespaces, or as a tag and as a key, are different targets. They are the same on every node. The ledger's targets are
//! their low halves.
//!
//! A member that cannot be read came from a later version: it is taken for everything, which is never too little.

use crate::pattern::Glob;
use std::fmt;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128_with_seed};

/// The longest pattern that travels as it is, in bytes; a longer one becomes its namespace.
pub(crate) const GLOB_BYTES_MAX: usize = 1024;

/// What an invalidation reaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Everything.
    All,
    /// A namespace, by [`namespace_id`].
    Namespace(u128),
    /// What carries a tag.
    Tag(u128),
    /// One key with its variants.
    Key(u128),
    /// A URL or name, whatever tenant and method.
    Resource(u128),
    /// A path with its query, whatever host.
    Path(u128),
    /// What a pattern matches in a namespace.
    Glob {
        /// By [`namespace_id`].
        namespace: u128,
        /// The pattern.
        glob: Glob,
    },
}

/// One invalidation of one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// Whether what it reaches becomes stale instead of gone.
    pub soft: bool,
    /// What it reaches.
    pub target: Target,
}

/// A mark and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    /// The namespace in which it holds, by [`namespace_id`]; zero: all of them.
    pub namespace: u128,
    /// The control shard that it goes to; nothing: every one.
    pub shard: Option<u32>,
    /// The mark.
    pub mark: Mark,
}

impl Shared {
    /// The namespace as a whole in its place: what is left of it where there is no room for details.
    #[must_use]
    pub fn whole(&self) -> Self {
        let target = if self.namespace == 0 {
            Target::All
        } else {
            Target::Namespace(self.namespace)
        };
        Self {
            namespace: self.namespace,
            shard: self.shard,
            mark: Mark {
                soft: self.mark.soft,
                target,
            },
        }
    }
}

/// What a namespace is called on the wire; never zero.
#[must_use]
pub fn namespace_id(name: &str) -> u128 {
    xxh3_128_with_seed(name.as_bytes(), 0x006e_616d_6573).max(1)
}

/// The control shard of a namespace, of `shards`.
#[must_use]
pub fn shard_of(namespace: &str, shards: u32) -> u32 {
    let shard = xxh3_64(namespace.as_bytes()) % u64::from(shards.max(1));
    u32::try_from(shard).unwrap_or(0)
}

/// What the hashes of a namespace begin with.
pub(crate) fn seed_of(namespace: &str) -> u64 {
    xxh3_64(namespace.as_bytes()).rotate_left(32)
}

/// The hash of a tag.
pub(crate) fn tag_hash(seed: u64, tag: &str) -> u128 {
    xxh3_128_with_seed(tag.as_bytes(), seed ^ 0x0074_6167)
}

/// The hash of one key, by its whole text.
pub(crate) fn key_hash(seed: u64, text: &str) -> u128 {
    xxh3_128_with_seed(text.as_bytes(), seed ^ 0x006b_6579)
}

/// The hash of a URL or name.
pub(crate) fn resource_hash(seed: u64, resource: &str) -> u128 {
    xxh3_128_with_seed(resource.as_bytes(), seed ^ 0x0075_726c)
}

/// The hash of a path with its query.
pub(crate) fn path_hash(seed: u64, path: &str) -> u128 {
    xxh3_128_with_seed(path.as_bytes(), seed ^ 0x7061_7468)
}

/// What the targets of one tenant in a namespace begin with in place of `seed`: an invalidation limited to a tenant names the
/// same things by other hashes, which only entries of that tenant are compared with.
pub(crate) fn tenant_seed(seed: u64, tenant: &str) -> u64 {
    xxh3_64_with_seed(tenant.as_bytes(), seed ^ 0x7465_6e61_6e74)
}

/// All of a tenant in a namespace; `seed` is the tenant's.
pub(crate) fn tenant_hash(seed: u64) -> u128 {
    xxh3_128_with_seed(b"", seed ^ 0x0061_6c6c)
}

/// The half of a hash that the ledger knows a target by.
pub(crate) const fn low_half(hash: u128) -> u64 {
    // The low 64 bits, and nothing else fits.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
    let low = hash as u64;
    low
}

impl Target {
    /// Its hash, of those that are looked up by one.
    pub(crate) fn hash(&self) -> Option<u128> {
        match self {
            Self::Tag(hash) | Self::Key(hash) | Self::Resource(hash) | Self::Path(hash) => Some(*hash),
            Self::All | Self::Namespace(_) | Self::Glob { .. } => None,
        }
    }

    /// The pattern `glob` in `namespace`, or the whole namespace where its text is too long to travel.
    #[must_use]
    pub fn of_glob(namespace: u128, glob: &Glob) -> Self {
        if escaped(glob).len() > GLOB_BYTES_MAX {
            Self::Namespace(namespace)
        } else {
            Self::Glob {
                namespace,
                glob: glob.clone(),
            }
        }
    }
}

impl Mark {
    /// What a member of the sorted set says; nothing when it says nothing that is known.
    #[must_use]
    pub fn parse(member: &str) -> Option<Self> {
        let (soft, rest) = match member.split_at_checked(1)? {
            ("h", rest) => (false, rest),
            ("s", rest) => (true, rest),
            _ => return None,
        };
        let target = match rest.split_once(':') {
            None if rest == "a" => Target::All,
            None => return None,
            Some(("n", hex)) => Target::Namespace(hash(hex)?),
            Some(("t", hex)) => Target::Tag(hash(hex)?),
            Some(("k", hex)) => Target::Key(hash(hex)?),
            Some(("u", hex)) => Target::Resource(hash(hex)?),
            Some(("l", hex)) => Target::Path(hash(hex)?),
            Some(("p", rest)) => {
                let (hex, text) = rest.split_once(':')?;
                Target::Glob {
                    namespace: hash(hex)?,
                    glob: unescaped(text)?,
                }
            }
            Some(_) => return None,
        };
        Some(Self { soft, target })
    }

    /// As [`Mark::parse`], and everything where that gives nothing.
    #[must_use]
    pub fn parse_or_all(member: &[u8]) -> Self {
        let text = std::str::from_utf8(member).ok();
        text.and_then(Self::parse).unwrap_or(Self {
            soft: false,
            target: Target::All,
        })
    }
}

fn hash(hex: &str) -> Option<u128> {
    let digits = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(hex, 16).ok()).flatten()
}

/// The text of a pattern in which only its wildcards are bare stars.
fn escaped(glob: &Glob) -> String {
    let pieces = glob
        .pieces()
        .map(|piece| piece.replace('\\', "\\\\").replace('*', "\\*"));
    pieces.collect::<Vec<_>>().join("*")
}

fn unescaped(text: &str) -> Option<Glob> {
    let (mut pieces, mut characters) = (vec![String::new()], text.chars());
    while let Some(character) = characters.next() {
        let literal = match character {
            '*' => {
                pieces.push(String::new());
                continue;
            }
            '\\' => characters.next()?,
            other => other,
        };
        pieces.last_mut()?.push(literal);
    }
    Some(Glob::of_pieces(pieces))
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.soft { "s" } else { "h" })?;
        match &self.target {
            Target::All => f.write_str("a"),
            Target::Namespace(hash) => write!(f, "n:{hash:032x}"),
            Target::Tag(hash) => write!(f, "t:{hash:032x}"),
            Target::Key(hash) => write!(f, "k:{hash:032x}"),
            Target::Resource(hash) => write!(f, "u:{hash:032x}"),
            Target::Path(hash) => write!(f, "l:{hash:032x}"),
            Target::Glob { namespace, glob } => write!(f, "p:{namespace:032x}:{}", escaped(glob)),
        }
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(soft: bool, target: Target) -> Mark {
        Mark { soft, target }
    }

    #[test]
    fn marks_read_as_documented() {
        for (target, text) in [
            (Target::All, "a".to_owned()),
            (Target::Namespace(1), format!("n:{}1", "0".repeat(31))),
            (Target::Tag(u128::MAX), format!("t:{}", "f".repeat(32))),
            (Target::Key(16), format!("k:{}10", "0".repeat(30))),
            (Target::Resource(0), format!("u:{}", "0".repeat(32))),
            (Target::Path(255), format!("l:{}ff", "0".repeat(30))),
        ] {
            for soft in [false, true] {
                let mark = mark(soft, target.clone());
                let written = format!("{}{text}", if soft { "s" } else { "h" });
                assert_eq!(mark.to_string(), written);
                assert_eq!(Mark::parse(&written), Some(mark));
            }
        }
    }

    #[test]
    fn what_is_not_known_is_everything() {
        let all = mark(false, Target::All);
        for member in [
            "",
            "h",
            "s",
            "x",
            "ha:",
            "ht:",
            "hz:00",
            "ht:0",
            "hn:zz",
            "hp:00:a",
            "hp:\\",
            "st:+0000000000000000000000000000001",
            "\u{fc}a",
        ] {
            assert_eq!(Mark::parse(member), None, "{member}");
            assert_eq!(Mark::parse_or_all(member.as_bytes()), all);
        }
        assert_eq!(Mark::parse_or_all(&[0xff, 0xfe]), all);
    }

    #[test]
    fn a_long_pattern_becomes_its_namespace() {
        let long = Glob::new(&"ab*".repeat(500));
        assert_eq!(Target::of_glob(7, &long), Target::Namespace(7));
        let short = Glob::new("/a*");
        assert!(matches!(Target::of_glob(7, &short), Target::Glob { namespace: 7, .. }));
    }

    #[test]
    fn kinds_and_namespaces_have_hashes_of_their_own() {
        let (one, two) = (seed_of("one"), seed_of("two"));
        let hashes = [
            tag_hash(one, "/x"),
            key_hash(one, "/x"),
            resource_hash(one, "/x"),
            path_hash(one, "/x"),
            tag_hash(two, "/x"),
            namespace_id("/x"),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[at + 1..].contains(hash));
            assert!(!hashes[at + 1..].iter().any(|other| low_half(*other) == low_half(*hash)));
        }
        // Written down: nodes of another version must find the same.
        assert_eq!(
            format!("{:032x}", namespace_id("default")),
            "ea4ec3f823865433176addfd7133e792"
        );
    }

    #[test]
    fn every_shard_is_somebodys() {
        let mut taken = [0; 4];
        for number in 0..200 {
            taken[shard_of(&format!("namespace-{number}"), 4) as usize] += 1;
        }
        assert!(taken.iter().all(|taken| *taken > 20), "{taken:?}");
        assert_eq!((shard_of("a", 1), shard_of("a", 0)), (0, 0));
    }

    proptest! {
        #[test]
        fn patterns_come_back_as_they_were(pieces in prop::collection::vec("[a*\\\\/:]{0,4}", 1..4)) {
            let glob = Glob::of_pieces(pieces);
            let mark = mark(true, Target::Glob { namespace: 3, glob });
            prop_assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }

        #[test]
        fn no_member_is_too_strange(member in "\\PC{0,60}") {
            let _ = Mark::parse(&member);
        }
    }
}
