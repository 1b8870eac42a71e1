//! Accept-Encoding in a normal form (RFC 9110 §12.5.3): the acceptable codings, sorted. Preferences among them are
//! dropped: whichever coding the origin chose for one client is acceptable to every client with the same list.

use super::fields::Fields;
use super::vary::push_escaped;
use http::header;
use std::cmp::Ordering;

/// So many codings are sorted without an allocation; clients name fewer.
const FEW: usize = 16;

/// Appends the normal form of the request's Accept-Encoding to `out`.
pub(super) fn normalise(headers: &impl Fields, out: &mut String) {
    let members = || {
        let lines = headers.lines(header::ACCEPT_ENCODING.as_str());
        let members = lines.flat_map(|line| line.split(|byte| *byte == b','));
        let members = members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty());
        members.map(Coding::read)
    };
    let (mut few, mut many) = ([Coding::ANY; FEW], Vec::new());
    let count = members().count();
    let codings = if let Some(few) = few.get_mut(..count) {
        few.iter_mut()
            .zip(members())
            .for_each(|(place, coding)| *place = coding);
        few
    } else {
        many.extend(members());
        &mut many[..]
    };
    codings.sort_unstable_by(Coding::compare);
    let any_is_named = codings.iter().any(|coding| coding.name == b"*");
    let mut before = None;
    for coding in &*codings {
        let repeated = before.is_some_and(|before| coding.compare(before) == Ordering::Equal);
        if repeated || !coding.says_something(any_is_named) {
            continue;
        }
        out.push_str(if before.is_some() { "," } else { "" });
        for byte in coding.name {
            push_escaped(&[byte.to_ascii_lowercase()], out);
        }
        // No name holds a `;`.
        out.push_str(if coding.accepted { "" } else { ";q=0" });
        before = Some(coding);
    }
}

/// One member of the list.
#[derive(Clone, Copy)]
struct Coding<'a> {
    /// In whatever case it came.
    name: &'a [u8],
    accepted: bool,
}

impl<'a> Coding<'a> {
    const ANY: Self = Self {
        name: b"*",
        accepted: true,
    };

    fn read(member: &'a [u8]) -> Self {
        let (name, parameters) = member.split_at(member.iter().position(|byte| *byte == b';').unwrap_or(member.len()));
        let name = name.trim_ascii();
        let name = if name.eq_ignore_ascii_case(b"x-gzip") {
            b"gzip"
        } else if name.eq_ignore_ascii_case(b"x-compress") {
            b"compress"
        } else {
            name
        };
        Self {
            name,
            accepted: !is_zero_quality(parameters),
        }
    }

    /// The order of the normal form: by name, what is not accepted first.
    fn compare(&self, other: &Self) -> Ordering {
        let by_name = self
            .name
            .iter()
            .map(u8::to_ascii_lowercase)
            .cmp(other.name.iter().map(u8::to_ascii_lowercase));
        by_name.then(self.accepted.cmp(&other.accepted))
    }

    /// Whether the member changes what is acceptable: identity is unless excluded, the others are not unless named,
    /// except where `*` names all.
    fn says_something(&self, any_is_named: bool) -> bool {
        match self.name {
            b"*" => true,
            name if name.eq_ignore_ascii_case(b"identity") => !self.accepted || any_is_named,
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
