//! The caches that are compared, behind one trait. All get the same keys (text of 50 bytes), the same values (a copy of the
//! same bytes for each insert) and a lifetime that is checked at each lookup.

mod peers;
mod peregrine;

pub(crate) use peers::{Foyer, FoyerPolicy, Map, Moka};
pub(crate) use peregrine::{ByName, COMMON_TAG, Peregrine};

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How long values live: longer than any run.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// A cache that is measured. Keys are numbers here; each cache has their texts.
pub(crate) trait Contender: Send + Sync {
    /// Looks `key` up and touches the value that is found: its first byte.
    fn get(&self, key: u32) -> Option<u8>;
    /// Stores a copy of the value under `key`.
    fn put(&self, key: u32);
    /// How many entries are held.
    fn entries(&self) -> u64;

    /// Bytes that all entries occupy by the cache's own account, if it keeps one.
    fn accounted_bytes(&self) -> Option<u64> {
        None
    }

    /// Carries out `operations`; how many lookups found something. Part of the trait so that its loop is compiled for each
    /// cache by itself and nothing stands between.
    fn replay(&self, operations: &[Operation]) -> u64 {
        let mut hits = 0;
        for operation in operations {
            match operation.key() {
                Ok(key) => hits += u64::from(std::hint::black_box(self.get(key)).is_some()),
                Err(key) => self.put(key),
            }
        }
        hits
    }

    /// Looks `key` up and stores it when it is not there, as a cache is used. Whether it was.
    fn ask(&self, key: u32) -> bool {
        let is_hit = self.get(key).is_some();
        if !is_hit {
            self.put(key);
        }
        is_hit
    }
}

/// A lookup or an insert, in four bytes, so that reading them costs little beside carrying them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation(u32);

impl Operation {
    const INSERT: u32 = 1 << 31;

    /// To look `key` up.
    pub(crate) const fn lookup(key: u32) -> Self {
        Self(key & !Self::INSERT)
    }

    /// To store a value under `key`.
    pub(crate) const fn insert(key: u32) -> Self {
        Self(key | Self::INSERT)
    }

    /// Whether it stores.
    #[cfg(test)]
    pub(crate) const fn is_insert(self) -> bool {
        self.key().is_err()
    }

    /// The key to look up, or as an error the key to store under.
    const fn key(self) -> Result<u32, u32> {
        if self.0 & Self::INSERT == 0 {
            Ok(self.0)
        } else {
            Err(self.0 & !Self::INSERT)
        }
    }
}

/// What all caches are filled with.
pub(crate) struct Contents {
    /// How many keys there are.
    pub(crate) keys: u32,
    /// The value of all of them.
    value: Bytes,
    /// Whether values are up to fifteen bytes shorter, so that what an allocator rounds up is an average.
    is_spread: bool,
}

impl Contents {
    /// `keys` names of 50 bytes, and a value of `value_bytes`.
    pub(crate) fn new(keys: u32, value_bytes: usize) -> Arc<Self> {
        let value = (b'a'..=b'z').cycle().take(value_bytes).collect::<Vec<_>>();
        Arc::new(Self {
            keys,
            value: value.into(),
            is_spread: false,
        })
    }

    /// The same with values that are up to fifteen bytes shorter, each length as often as the others.
    pub(crate) fn spread(keys: u32, value_bytes: usize) -> Arc<Self> {
        let mut contents = Self::new(keys, value_bytes);
        Arc::get_mut(&mut contents).expect("nobody else has it yet").is_spread = true;
        contents
    }

    /// A copy of the value of `key` in memory of its own.
    pub(crate) fn copy(&self, key: u32) -> Bytes {
        let shorter = if self.is_spread { (key % 16) as usize } else { 0 };
        Bytes::copy_from_slice(&self.value[..self.value.len() - shorter])
    }

    /// The bytes of all keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        (0..self.keys)
            .map(|key| (Name::of(key).as_str().len() + self.copy(key).len()) as u64)
            .sum()
    }
}

/// The text of a key, as keys are in practice: long, and alike in the beginning. It is made anew for each operation, since
/// a plane finds it in a request that it has just read; a list of texts would make every lookup wait for memory that has
/// nothing to do with the cache.
pub(crate) struct Name([u8; 50]);

impl Name {
    /// The name of `key`, which has up to eight digits.
    pub(crate) fn of(key: u32) -> Self {
        let mut text = *b"https://shop.example/api/products/v2/item-00000000";
        let mut rest = key;
        for digit in text.iter_mut().rev().take(8) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        Self(text)
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_number_at_the_end() {
        assert_eq!(
            Name::of(0).as_str(),
            "https://shop.example/api/products/v2/item-00000000"
        );
        assert_eq!(
            Name::of(12_345_678).as_str(),
            "https://shop.example/api/products/v2/item-12345678"
        );
    }

    #[test]
    fn every_contender_answers_what_was_put_and_nothing_else() {
        let contents = Contents::new(10, 1024);
        let named = Peregrine::new(&contents, 100);
        let contenders: Vec<Box<dyn Contender + '_>> = vec![
            Box::new(Peregrine::new(&contents, 100)),
            Box::new(ByName(&named)),
            Box::new(Map::new(&contents)),
            Box::new(Moka::new(&contents, 100)),
            Box::new(Foyer::new(&contents, 100, FoyerPolicy::Lru)),
            Box::new(Foyer::new(&contents, 100, FoyerPolicy::S3Fifo)),
            Box::new(Foyer::new(&contents, 100, FoyerPolicy::Lfu)),
        ];
        for contender in contenders {
            assert_eq!(contender.get(3), None);
            contender.put(3);
            assert_eq!(contender.get(3), Some(b'a'));
            assert_eq!(contender.get(4), None);
            assert_eq!(contender.entries(), 1);
            assert!(
                !contender.ask(4) && contender.ask(4),
                "asking stores what was not there"
            );
            let operations = [
                Operation::lookup(5),
                Operation::insert(5),
                Operation::lookup(5),
                Operation::lookup(3),
            ];
            assert_eq!(contender.replay(&operations), 2);
        }
    }
}
