//! Accept-Encoding in a normal form (RFC 9110 §12.5.3): the acceptable codings, sorted. Preferences among them are
//! dropped: whichever coding the origin chose for one client is acceptable to every client with the same list.

use super::vary::push_escaped;
use http::header::{self, HeaderMap};

/// Appends the normal form of the request's Accept-Encoding to `out`.
pub(super) fn normalise(headers: &HeaderMap, out: &mut String) {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let members = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    let mut codings: Vec<Coding> = members.filter(|member| !member.is_empty()).map(Coding::read).collect();
    codings.sort_unstable();
    codings.dedup();
    let any_is_named = codings.iter().any(|coding| coding.name == b"*");
    let mut separator = "";
    for coding in &codings {
        if coding.says_something(any_is_named) {
            out.push_str(separator);
            out.push_str(if coding.accepted { "" } else { "!" });
            push_escaped(&coding.name, out);
            separator = ",";
        }
    }
}

/// One member of the list.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Coding {
    name: Vec<u8>,
    accepted: bool,
}

impl Coding {
    fn read(member: &[u8]) -> Self {
        let (name, parameters) = member.split_at(member.iter().position(|byte| *byte == b';').unwrap_or(member.len()));
        let name = name.trim_ascii().to_ascii_lowercase();
        let name = match &name[..] {
            b"x-gzip" => b"gzip".to_vec(),
            b"x-compress" => b"compress".to_vec(),
            _ => name,
        };
        Self {
            name,
            accepted: !is_zero_quality(parameters),
        }
    }

    /// Whether the member changes what is acceptable: identity is unless excluded, the others are not unless named,
    /// except where `*` names all.
    fn says_something(&self, any_is_named: bool) -> bool {
        match &self.name[..] {
            b"identity" => !self.accepted || any_is_named,
            b"*" => true,
            _ => self.accepted || any_is_named,
        }
    }
}

/// Whether `;q=0`, with up to three zeros behind the point, stands in the parameters.
fn is_zero_quality(parameters: &[u8]) -> bool {
    parameters
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .any(|parameter| match parameter {
            [b'q' | b'Q', b'=', b'0', rest @ ..] => match rest {
                [] => true,
                [b'.', digits @ ..] => digits.len() <= 3 && digits.iter().all(|digit| *digit == b'0'),
                _ => false,
            },
            _ => false,
        })
}
