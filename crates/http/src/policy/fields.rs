//! The fields of a message in whatever form they are at hand: as a map, as the lines of a request where it was read, or as
//! the lines of a stored response. The rules read fields only through this, so there is one copy of every rule, however a
//! request came.

use http::HeaderMap;
use http::HeaderValue;

/// The fields of one message.
pub trait Fields {
    /// The values of all field lines called `name`, in their order. `name` is in lower case.
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// Whether there is a field line called `name`.
    fn has(&self, name: &str) -> bool {
        self.lines(name).next().is_some()
    }

    /// The value of the first field line called `name`.
    fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.lines(name).next()
    }
}

impl Fields for HeaderMap {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }
}
