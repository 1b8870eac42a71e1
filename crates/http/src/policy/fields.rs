//! The fields of a message in whatever form they are at hand: as a map, as the lines of a request where it was read, or as
//! the lines of a stored response. The rules read fields only through this, so there is one copy of every rule, however a
//! request came.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Display;

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

/// Fields of a head that is being written.
pub trait EditFields: Fields {
    /// Takes off every line called `name`.
    fn remove(&mut self, name: &HeaderName);
    /// Adds a line behind all others. `value` is one that a field can have.
    fn append(&mut self, name: &HeaderName, value: &[u8]);
    /// The same with a text.
    fn append_text(&mut self, name: &HeaderName, value: impl Display);

    /// Adds a line in place of all that are called so.
    fn insert(&mut self, name: &HeaderName, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    /// The same with a number.
    fn insert_number(&mut self, name: &HeaderName, value: u64) {
        self.insert(name, Digits::of(value).as_bytes());
    }
}

/// A number in decimal digits, without the machinery of formatting: two stand in the head of every hit.
pub(crate) struct Digits {
    digits: [u8; Self::MAX],
    begin: usize,
}

impl Digits {
    /// As many as the largest number has.
    const MAX: usize = 20;

    /// Those of `number`.
    pub(crate) fn of(mut number: u64) -> Self {
        let (mut digits, mut begin) = ([b'0'; Self::MAX], Self::MAX);
        loop {
            begin -= 1;
            digits[begin] += u8::try_from(number % 10).expect("a digit");
            number /= 10;
            if number == 0 {
                return Self { digits, begin };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.begin..]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits are ASCII")
    }
}

impl EditFields for HeaderMap {
    fn remove(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn append(&mut self, name: &HeaderName, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.append(name, value);
        }
    }

    fn append_text(&mut self, name: &HeaderName, value: impl Display) {
        EditFields::append(self, name, value.to_string().as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_digits() {
        for number in [0, 7, 10, 1_024, 999_999_999_999_999, u64::MAX] {
            assert_eq!(Digits::of(number).as_str(), number.to_string());
        }
    }
}
