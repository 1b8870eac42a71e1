//! Which query parameters carry secrets. Better one value too many hidden than one too few: names are compared without
//! case, `-` counts as `_`, percent-encoding is undone, and `user[password]` is a password.

use std::borrow::Cow;

/// What stands in place of a value that is not shown.
pub const REDACTED: &str = "[redacted]";

/// Names that are always redacted.
const NAMES: &[&str] = &[
    "auth",
    "authorization",
    "code",
    "credentials",
    "jwt",
    "key",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "pin",
    "pw",
    "pwd",
    "saml_response",
    "samlresponse",
    "session",
    "session_id",
    "sessionid",
    "sid",
    "sig",
    "ticket",
];

/// Endings of names that are always redacted, whatever stands before them: `access_token`, `X-Amz-Signature`.
const ENDINGS: &[&str] = &[
    "access_key",
    "accesskey",
    "api_key",
    "apikey",
    "credential",
    "password",
    "private_key",
    "secret",
    "secret_key",
    "signature",
    "token",
];

/// The names of query parameters whose values are hidden.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    more: Vec<String>,
}

impl Redaction {
    /// Hides what always is, and `more`.
    #[must_use]
    pub fn new(more: &[String]) -> Self {
        Self { more: more.to_vec() }
    }

    /// `target`, a path with a query or a URL with one, with its secrets replaced.
    #[must_use]
    pub fn apply<'a>(&self, target: &'a str) -> Cow<'a, str> {
        if !target.contains('?') {
            return Cow::Borrowed(target);
        }
        let mut out = String::with_capacity(target.len());
        self.pieces(target, |piece| out.push_str(piece));
        Cow::Owned(out)
    }

    /// Hands out `target` in pieces, those to hide replaced.
    pub(crate) fn pieces(&self, target: &str, mut emit: impl FnMut(&str)) {
        let Some((path, query)) = target.split_once('?') else {
            return emit(target);
        };
        emit(path);
        emit("?");
        for parameter in query.split_inclusive(['&', ';']) {
            let end = parameter.len() - usize::from(parameter.ends_with(['&', ';']));
            let (parameter, separator) = parameter.split_at(end);
            match parameter.split_once('=') {
                Some((name, value)) if !value.is_empty() && self.hides(name) => {
                    emit(name);
                    emit("=");
                    emit(REDACTED);
                }
                _ => emit(parameter),
            }
            emit(separator);
        }
    }

    /// Whether the value of the parameter `name` is hidden.
    fn hides(&self, name: &str) -> bool {
        let name = decode(name);
        name.split(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '_' | '-'))
            .any(|part| {
                !part.is_empty()
                    && (NAMES.iter().any(|hidden| same(part.as_bytes(), hidden.as_bytes()))
                        || ENDINGS
                            .iter()
                            .any(|hidden| ends_with(part.as_bytes(), hidden.as_bytes()))
                        || self.more.iter().any(|hidden| same(part.as_bytes(), hidden.as_bytes())))
            })
            || self.more.iter().any(|hidden| same(name.as_bytes(), hidden.as_bytes()))
    }
}

/// `name` without percent-encoding.
fn decode(name: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(name).decode_utf8_lossy()
}

/// Whether two names are the same for the purpose of hiding.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().map(fold).eq(two.iter().map(fold))
}

fn ends_with(name: &[u8], ending: &[u8]) -> bool {
    name.len()
        .checked_sub(ending.len())
        .and_then(|start| name.get(start..))
        .is_some_and(|tail| same(tail, ending))
}

fn fold(byte: &u8) -> u8 {
    if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }
}
