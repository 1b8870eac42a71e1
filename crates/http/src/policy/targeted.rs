//! Fields that speak to this cache in place of Cache-Control: targeted fields such as CDN-Cache-Control (RFC 9213), and
//! Surrogate-Control of the Edge Architecture, which is older than structured fields and has a syntax of its own.
//!
//! The first field of the route's list that says anything readable counts, and then alone: Cache-Control and Expires are for
//! others (RFC 9213 §2.2). One that is empty or malformed is as good as absent.

use super::cache_control::CacheControl;
use super::directives::{self, Argument, Directive};
use super::rules::Rules;
use super::structured::{self, Bare, Value};
use http::header::{HeaderMap, HeaderName};
use std::borrow::Cow;

/// The field of the Edge Architecture.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
/// The name by which Surrogate-Control may address this cache, and which it announces to the origin.
pub const SURROGATE_NAME: &str = "peregrine";

/// Directives whose argument is a number of seconds.
const SECONDS: [&[u8]; 4] = [b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"];

/// The directives by which Surrogate-Control says something about storing.
const SURROGATE_KNOWN: [&[u8]; 8] = [
    b"max-age",
    b"s-maxage",
    b"stale-while-revalidate",
    b"stale-if-error",
    b"no-store",
    b"no-cache",
    b"private",
    b"must-revalidate",
];

/// The directives of a response that count for this cache.
#[must_use]
pub(super) fn control(headers: &HeaderMap, rules: &Rules) -> CacheControl {
    let mut fields = rules.targeted_fields.iter();
    let targeted = fields.find_map(|name| {
        if *name == SURROGATE_CONTROL {
            surrogate(headers)
        } else {
            dictionary(headers, name)
        }
    });
    targeted.unwrap_or_else(|| CacheControl::of(headers))
}

/// A targeted field; `None` if it is absent, empty or no dictionary (RFC 9213 §2.1).
fn dictionary(headers: &HeaderMap, name: &HeaderName) -> Option<CacheControl> {
    let members = structured::dictionary(headers, name)?;
    if members.is_empty() {
        return None;
    }
    let said = members.iter().filter_map(|(name, value)| {
        Some(Directive {
            name: name.as_bytes(),
            argument: argument(name.as_bytes(), value)?,
            doubtful: false,
        })
    });
    Some(CacheControl::targeted(said))
}

/// A value as the argument of the directive `name`; `None` for one that is switched off by `?0`. A lifetime that is no integer
/// cannot be read, and counts as none.
fn argument<'a>(name: &[u8], value: &'a Value) -> Option<Argument<'a>> {
    let wants_seconds = SECONDS.contains(&name);
    Some(match value {
        Value::Item(Bare::Integer(number)) => Argument::Text(Cow::Owned(number.to_string().into_bytes())),
        Value::Item(Bare::Boolean(true)) => Argument::Absent,
        Value::Item(Bare::Boolean(false)) if !wants_seconds => return None,
        Value::Item(Bare::Text(text) | Bare::Token(text)) if !wants_seconds => {
            Argument::Text(Cow::Borrowed(text.as_bytes()))
        }
        _ => Argument::Malformed,
    })
}

/// Surrogate-Control: `no-store, max-age=60+30;name`. A directive for another surrogate is not for this one, and those for
/// this one count before those for all.
fn surrogate(headers: &HeaderMap) -> Option<CacheControl> {
    let lines = headers.get_all(SURROGATE_CONTROL).iter();
    let members: Vec<(Option<&[u8]>, &[u8])> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|member| {
            let mut parts = member.splitn(2, |byte| *byte == b';').map(<[u8]>::trim_ascii);
            let said = parts.next().unwrap_or_default();
            (parts.next(), said)
        })
        .collect();
    let is_ours =
        |target: Option<&[u8]>| target.is_some_and(|name| name.eq_ignore_ascii_case(SURROGATE_NAME.as_bytes()));
    let addressed = members.iter().any(|(target, _)| is_ours(*target));
    let mut said = Vec::new();
    for (target, member) in members {
        if if addressed { is_ours(target) } else { target.is_none() } {
            said.extend(surrogate_directives(member));
        }
    }
    // `content="ESI/1.0"` alone asks for processing and says nothing about storing.
    let speaks = said.iter().any(|directive| {
        SURROGATE_KNOWN
            .iter()
            .any(|name| directive.name.eq_ignore_ascii_case(name))
    });
    speaks.then(|| CacheControl::targeted(said))
}

/// A member of Surrogate-Control as directives: `max-age=60+30` is fresh for 60 seconds and may be used stale for 30 more
/// (Edge Architecture 1.0 §3.3).
fn surrogate_directives(member: &[u8]) -> impl Iterator<Item = Directive<'_>> {
    let mut parts = member.splitn(2, |byte| *byte == b'+');
    let first = parts.next().and_then(|text| directives::directives(text).next());
    let over = parts.next().filter(|_| {
        first
            .as_ref()
            .is_some_and(|first| first.name.eq_ignore_ascii_case(b"max-age"))
    });
    let extension = over.map(|seconds| Directive {
        name: b"stale-while-revalidate",
        argument: Argument::Text(Cow::Borrowed(seconds)),
        doubtful: false,
    });
    first.into_iter().chain(extension)
}
