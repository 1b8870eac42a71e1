//! Variants of one key. A selector holds the names by which the answers under a key differ (for HTTP: the fields that `Vary`
//! lists, RFC 9111 §4.1); the caller renders what its request has under those names into a text, and that text tells the
//! variants apart. The engine compares the texts and never looks into them.

use std::cell::RefCell;
use std::sync::Arc;

/// The most names of a selector by which something is stored.
const NAMES_MAX: usize = 16;
/// The most bytes of all names together.
const TEXT_MAX: usize = 512;

/// The names that tell the variants of a key apart, in lower case, sorted, each once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector(Arc<str>);

thread_local! {
    /// The selectors that this thread saw last.
    static SEEN: RefCell<[Option<Selector>; 8]> = const { RefCell::new([const { None }; 8]) };
}

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
    /// The selector of `names`; nothing when there are none. One with too many names to be worth storing is refused by
    /// [`crate::Lease::fill`], not here: it must not be mistaken for none.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut names: Vec<String> = names.into_iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then(|| Self(names.join(",").into()))
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    /// The names of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        Self::new(self.names().chain(other.names())).unwrap_or_else(|| self.clone())
    }

    /// Whether it has few enough names.
    pub(crate) fn fits(&self) -> bool {
        self.0.len() <= TEXT_MAX && self.names().count() <= NAMES_MAX
    }

    /// The names as one text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The selector whose text this is. Few different ones are in use at a time, and a thread that sees one again gets it
    /// without allocating.
    pub(crate) fn from_text(text: &str) -> Self {
        SEEN.with_borrow_mut(|seen| {
            if let Some(found) = seen.iter().flatten().find(|one| one.as_str() == text) {
                return found.clone();
            }
            let new = Self(text.into());
            seen.rotate_right(1);
            seen[0] = Some(new.clone());
            new
        })
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_bounded() {
        let selector = Selector::new(["Accept-Language", " accept-encoding", "ACCEPT-LANGUAGE"]).unwrap();
        assert_eq!(
            selector.names().collect::<Vec<_>>(),
            ["accept-encoding", "accept-language"]
        );
        let both = selector.union(&Selector::new(["cookie"]).unwrap());
        assert_eq!(both.names().count(), 3);
        assert!(both.fits());
        assert!(Selector::new([""]).is_none());
        let many: Vec<String> = (0..17).map(|n| format!("x-{n}")).collect();
        assert!(!Selector::new(many.iter().map(String::as_str)).unwrap().fits());
    }

    #[test]
    fn a_selector_that_is_seen_again_is_the_same() {
        let texts: Vec<String> = (0..20).map(|n| format!("x-{n}")).collect();
        for text in texts.iter().chain(&texts) {
            assert_eq!(Selector::from_text(text).as_str(), text);
        }
    }
}
