//! Patterns in routes: `*` stands for any text, `/` included.

use peregrine_cache::Glob;

/// Several patterns of which one is to match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    globs: Vec<Glob>,
    /// Whether texts are to be taken in small letters, as the patterns are.
    is_caseless: bool,
}

impl Patterns {
    /// The patterns in `texts`.
    pub(crate) fn new(texts: &[String]) -> Self {
        Self {
            globs: texts.iter().map(|text| Glob::new(text)).collect(),
            is_caseless: false,
        }
    }

    /// The patterns in `texts`, which capitals do not keep from matching small letters.
    pub(crate) fn caseless(texts: &[String]) -> Self {
        let globs = texts.iter().map(|text| Glob::new(&text.to_ascii_lowercase()));
        Self {
            globs: globs.collect(),
            is_caseless: true,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// Whether one of them matches all of `text`.
    #[must_use]
    pub(crate) fn any(&self, text: &str) -> bool {
        let any = |text: &str| self.globs.iter().any(|pattern| pattern.matches(text));
        if !(self.is_caseless && text.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return any(text);
        }
        // Names are short, and a hit allocates nothing.
        let mut room = [0; 64];
        let Some(room) = room.get_mut(..text.len()) else {
            return any(&text.to_ascii_lowercase());
        };
        room.copy_from_slice(text.as_bytes());
        room.make_ascii_lowercase();
        std::str::from_utf8(room).is_ok_and(any)
    }
}
