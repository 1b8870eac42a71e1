//! What values and leases are called in Redis: `pg:v:{HASH}` and `pg:l:{HASH}`, where the hash is 128 bits of the whole text of
//! the key and of the variant. The braces put a value and its lease into the same slot of a cluster, so that one script reaches
//! both. Like everywhere, only the whole text decides: two keys with one name are a miss.

use bytes::Bytes;
use std::fmt::Write as _;
use xxhash_rust::xxh3::Xxh3;

/// The hash by which a value is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(u128);

impl Name {
    /// Of the key with the text `key`, or of one of its variants.
    pub(crate) fn of(key: &str, variant: Option<&str>) -> Self {
        let mut hash = Xxh3::new();
        hash.update(key.as_bytes());
        if let Some(variant) = variant {
            // No key holds it, so no key can end as another with its variant.
            hash.update(b"\0");
            hash.update(variant.as_bytes());
        }
        Self(hash.digest128())
    }

    /// As a number.
    pub(crate) fn number(self) -> u128 {
        self.0
    }

    /// Its bytes.
    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// What the value is called where all names begin with `prefix`.
    pub(crate) fn value(self, prefix: &str) -> Bytes {
        self.written(prefix, 'v')
    }

    /// The same for the lease.
    pub(crate) fn lease(self, prefix: &str) -> Bytes {
        self.written(prefix, 'l')
    }

    fn written(self, prefix: &str, what: char) -> Bytes {
        let mut text = String::with_capacity(prefix.len() + 37);
        let _ = write!(text, "{prefix}:{what}:{{{:032x}}}", self.0);
        text.into()
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_its_lease_share_a_slot_and_variants_have_names_of_their_own() {
        let name = Name::of("default||GET|http://h/", None);
        let (value, lease) = (name.value("pg"), name.lease("pg"));
        let tag = |text: &Bytes| text[text.len() - 34..].to_vec();
        assert_eq!(tag(&value), tag(&lease));
        assert!(value.starts_with(b"pg:v:{") && lease.starts_with(b"pg:l:{"));
        assert_ne!(name, Name::of("default||GET|http://h/", Some("gzip")));
        assert_ne!(Name::of("a", Some("b")), Name::of("ab", None));
        assert_ne!(
            Name::of("a", Some("")),
            Name::of("a", None),
            "the names of its variants lie there"
        );
    }
}
