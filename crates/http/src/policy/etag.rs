//! Entity tags (RFC 9110 §8.8.3). What is no proper entity tag equals only itself, byte by byte: an origin that forgets
//! the quotes still recognises its own tags.

/// An entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntityTag<'a> {
    /// The tag with its quotes.
    opaque: &'a [u8],
    weak: bool,
}

impl<'a> EntityTag<'a> {
    /// Reads one entity tag.
    pub(super) fn read(text: &'a [u8]) -> Self {
        let text = text.trim_ascii();
        match text.strip_prefix(b"W/") {
            Some(opaque) => Self { opaque, weak: true },
            None => Self {
                opaque: text,
                weak: false,
            },
        }
    }

    /// The members of a list of entity tags. Commas may stand inside the quotes.
    pub(super) fn list(line: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut quoted = false;
        line.split(move |byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        })
        .filter(|member| !member.trim_ascii().is_empty())
        .map(Self::read)
    }

    /// Whether it is one that identifies a representation byte by byte.
    pub(super) fn is_strong(self) -> bool {
        !self.weak && matches!(self.opaque, [b'"', .., b'"'])
    }

    /// Whether it says of itself that it may name several representations.
    pub(super) const fn is_weak(self) -> bool {
        self.weak
    }

    /// Whether both are equal byte by byte and neither is weak (RFC 9110 §8.8.3.2).
    pub(super) fn equals_strongly(self, other: Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Whether both name the same representation, weak or not (RFC 9110 §8.8.3.2).
    pub(super) fn equals_weakly(self, other: Self) -> bool {
        self.opaque == other.opaque
    }
}
