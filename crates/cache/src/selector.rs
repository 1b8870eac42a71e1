//! Variants of one key. A selector holds the names by which the answers under a key differ (for HTTP: the fields that `Vary`
//! lists, RFC 9111 §4.1); the caller renders what its request has under those names into a text, and that text tells the
//! variants apart. The engine compares the texts and never looks into them.

use std::sync::Arc;

/// The most names in a selector.
const NAMES_MAX: usize = 16;
/// The most bytes of all names together.
const TEXT_MAX: usize = 512;

/// The names that tell the variants of a key apart, in lower case, sorted, each once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector(Arc<str>);

/// Renders the variant that an asker wants.
pub trait Variants: Sync {
    /// Appends to `out` what this asker has under the names of `selector`. The same request must give the same text every
    /// time, and requests for which one answer will do should give the same text, so values are to be normalised. Must not
    /// call the engine.
    fn variant(&self, selector: &Selector, out: &mut String);
}

/// An asker that has nothing under any name, as for keys that have no variants.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariants;

impl Variants for NoVariants {
    fn variant(&self, _: &Selector, _: &mut String) {}
}

impl Selector {
    /// The selector of `names`; nothing when there are no names, or too many to be worth storing.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut names: Vec<String> = names.into_iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        let text = names.join(",");
        (!names.is_empty() && names.len() <= NAMES_MAX && text.len() <= TEXT_MAX).then(|| Self(text.into()))
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    /// The names of both; nothing when they are too many together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Option<Self> {
        if self == other { Some(self.clone()) } else { Self::new(self.names().chain(other.names())) }
    }

    /// The names as one text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The selector whose text this is.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(text.into())
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_bounded() {
        let selector = Selector::new(["Accept-Language", " accept-encoding", "ACCEPT-LANGUAGE"]).unwrap();
        assert_eq!(selector.names().collect::<Vec<_>>(), ["accept-encoding", "accept-language"]);
        let both = selector.union(&Selector::new(["cookie"]).unwrap()).unwrap();
        assert_eq!(both.names().count(), 3);
        assert!(Selector::new([""]).is_none());
        let many: Vec<String> = (0..17).map(|n| format!("x-{n}")).collect();
        assert!(Selector::new(many.iter().map(String::as_str)).is_none());
    }
}
