//! Patterns in routes: `*` stands for any text, `/` included.

use peregrine_cache::Glob;

/// Several patterns of which one is to match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Vec<Glob>);

impl Patterns {
    /// The patterns in `texts`.
    pub(crate) fn new(texts: &[String]) -> Self {
        Self(texts.iter().map(|text| Glob::new(text)).collect())
    }

    /// Whether there are none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them matches all of `text`.
    #[must_use]
    pub(crate) fn any(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(text))
    }
}
