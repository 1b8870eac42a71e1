//! Which names of fields occur, roughly: a set in one word that can say of most names that they do not, without any being
//! compared.

/// Such a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u64);

impl Names {
    /// That of `name` alone, in any case.
    pub(crate) fn one(name: &[u8]) -> Self {
        let letter = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default() | 0x20);
        let mixed = name.len() * 7 + letter(name.first()) * 5 + letter(name.last()) * 11;
        Self(1 << (mixed % 64))
    }

    pub(crate) fn of<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        names.map(Self::one).fold(Self::default(), Self::with)
    }

    pub(crate) fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether a name may be in both.
    pub(crate) fn may_share(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_is_found_in_any_case_and_most_else_is_not() {
        let names = Names::of([&b"Accept"[..], b"Via", b"cache-status"].into_iter());
        let may_have = |name: &str| names.may_share(Names::one(name.as_bytes()));
        assert!(["accept", "VIA", "Cache-Status"].into_iter().all(may_have));
        // Of one length with one that is there.
        assert!(!may_have("x-request-id"));
        assert!(!Names::default().may_share(Names::one(b"")));
    }
}
