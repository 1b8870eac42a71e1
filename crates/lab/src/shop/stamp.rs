//! The stamp on every body: what it is, which version, as of when, and whose. It stands at the front; a seal at the very end
//! repeats it, so that a body which was cut, spliced or mixed up is told from a whole one without parsing what lies between.

use peregrine_base::Instant;
use std::fmt::{self, Display};
use std::io::Write as _;

/// What a body says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Path and query of the resource.
    pub resource: &'a str,
    /// Its version.
    pub version: u64,
    /// When it was read.
    pub as_of: Instant,
    /// Whose it is, if it is somebody's.
    pub user: Option<u32>,
}

/// The short form at the end of a body.
struct Seal<'a>(&'a str, u64, Option<u32>);

impl Display for Seal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(resource, version, user) = self;
        write!(f, "{resource}#{version}")?;
        user.map_or(Ok(()), |user| write!(f, "@u{user}"))
    }
}

impl<'a> Stamp<'a> {
    /// Puts the stamp around `content`, a JSON object. Resources are of path characters only, so nothing needs escaping.
    #[must_use]
    pub fn around(&self, content: &[u8]) -> Vec<u8> {
        let inner = content
            .strip_prefix(b"{")
            .and_then(|rest| rest.strip_suffix(b"}"))
            .unwrap_or_default();
        let mut body = Vec::with_capacity(content.len() + 160);
        let infallible = "a vector takes everything";
        let Self {
            resource,
            version,
            as_of,
            user,
        } = self;
        let as_of = as_of.as_nanos();
        write!(
            body,
            r#"{{"resource":"{resource}","version":{version},"as_of_ns":{as_of},"#
        )
        .expect(infallible);
        if let Some(user) = user {
            write!(body, r#""user":"u{user}","#).expect(infallible);
        }
        body.extend_from_slice(inner);
        let comma = if inner.is_empty() { "" } else { "," };
        write!(body, r#"{comma}"seal":"{}"}}"#, Seal(resource, *version, *user)).expect(infallible);
        body
    }

    /// Reads the stamp of a body; `None` when there is none or the seal is another's.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        // The stamp is of ASCII; what lies between may be cut anywhere.
        let front = body.get(..body.len().min(512))?;
        let front = std::str::from_utf8(front)
            .or_else(|error| std::str::from_utf8(&front[..error.valid_up_to()]))
            .ok()?;
        let (resource, rest) = front.strip_prefix(r#"{"resource":""#)?.split_once('"')?;
        let (version, rest) = number(rest.strip_prefix(r#","version":"#)?)?;
        let (as_of, rest) = number(rest.strip_prefix(r#","as_of_ns":"#)?)?;
        let user = match rest.strip_prefix(r#","user":"u"#) {
            None => None,
            Some(rest) => Some(u32::try_from(number(rest)?.0).ok()?),
        };
        let end = body
            .len()
            .checked_sub(2)
            .map(|end| &body[..end])
            .filter(|_| body.ends_with(b"\"}"))?;
        let seal = end.rsplit(|byte| *byte == b'"').next()?;
        let is_whole = seal == Seal(resource, version, user).to_string().as_bytes();
        is_whole.then_some(Self {
            resource,
            version,
            as_of: Instant::from_nanos(as_of),
            user,
        })
    }
}

/// The number at the front of `text`, and what follows.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(user: Option<u32>) -> Stamp<'static> {
        Stamp {
            resource: "/products?page=2",
            version: 7,
            as_of: Instant::from_nanos(u64::MAX - 1),
            user,
        }
    }

    #[test]
    fn a_stamp_reads_back_and_the_body_is_json() {
        for user in [None, Some(0), Some(17)] {
            for content in ["{}", r#"{"name":"Ünïcode \"quoted\"","list":[1,2]}"#] {
                let body = stamp(user).around(content.as_bytes());
                assert_eq!(Stamp::read(&body), Some(stamp(user)));
                let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(value["version"], 7);
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_or_spliced_has_no_stamp() {
        let (one, other) = (
            stamp(Some(1)).around(br#"{"a":"x"}"#),
            stamp(Some(2)).around(br#"{"a":"x"}"#),
        );
        for length in 0..one.len() {
            assert_eq!(Stamp::read(&one[..length]), None, "{length} bytes");
        }
        let middle = one.len() - 20;
        assert_eq!(Stamp::read(&[&one[..middle], &other[middle..]].concat()), None);
    }
}
