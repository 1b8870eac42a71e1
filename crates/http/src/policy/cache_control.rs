//! Cache-Control (RFC 9111 §5.2) of requests and responses, in one type: no directive means different things in the two.
//!
//! Where directives repeat or conflict, the most restrictive counts (§4.2.1); a lifetime that cannot be read counts as
//! zero; what stands behind a quoted string that never ends may restrict but not permit, so a lifetime there is zero.

use super::directives::{Argument, Directive, directives};
use super::fields::Fields;
use http::header::{self, HeaderName};
use std::fmt;

/// The most seconds that a directive or an Age can say; more counts as this (RFC 9111 §1.2.2).
pub const DELTA_SECONDS_MAX: u32 = 1 << 31;

/// Fields that cannot be left out of a stored response without changing what its content means; a qualified directive that
/// names one of them counts as unqualified. Without Cache-Control nobody would know any more what the origin forbids.
const INSEPARABLE: &[HeaderName] = &[
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::VARY,
];

/// The directives of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Whether the field is there at all, even if empty.
    pub present: bool,
    /// §5.2.1.5, §5.2.2.5.
    pub no_store: bool,
    /// §5.2.1.4, §5.2.2.4.
    pub no_cache: Scope,
    /// §5.2.2.7.
    pub private: Scope,
    /// §5.2.2.9.
    pub public: bool,
    /// §5.2.2.2.
    pub must_revalidate: bool,
    /// §5.2.2.8.
    pub proxy_revalidate: bool,
    /// §5.2.2.3.
    pub must_understand: bool,
    /// §5.2.1.6, §5.2.2.6.
    pub no_transform: bool,
    /// RFC 8246 §2: the content never changes while fresh. It spares a browser its reload checks; a shared cache validates
    /// nothing while fresh anyway.
    pub immutable: bool,
    /// §5.2.1.7.
    pub only_if_cached: bool,
    /// §5.2.1.1, §5.2.2.1, in seconds.
    pub max_age: Option<u32>,
    /// §5.2.2.10, in seconds.
    pub s_maxage: Option<u32>,
    /// §5.2.1.3, in seconds.
    pub min_fresh: Option<u32>,
    /// §5.2.1.2, in seconds; `u32::MAX`, which no argument can say, when any staleness is accepted.
    pub max_stale: Option<u32>,
    /// RFC 5861 §3, in seconds.
    pub stale_while_revalidate: Option<u32>,
    /// RFC 5861 §4, in seconds.
    pub stale_if_error: Option<u32>,
    /// Whether a max-age or s-maxage could not be read.
    pub unreadable: bool,
    /// Whether a targeted field said all this, so that Expires is for others (RFC 9213 §2.2).
    pub targeted: bool,
}

/// How much of a response `no-cache` or `private` covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive is absent.
    #[default]
    Nothing,
    /// The qualified form: these fields only, which are therefore not stored.
    Fields(Vec<HeaderName>),
    /// All of it.
    Everything,
}

impl Scope {
    /// Whether all of the response is covered.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// The fields that the qualified form names.
    #[must_use]
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(fields) => fields,
            Self::Nothing | Self::Everything => &[],
        }
    }

    /// Covers what `argument` says as well.
    fn widen(&mut self, argument: &Argument<'_>) {
        let named = match argument {
            Argument::Text(text) => field_names(text),
            Argument::Absent | Argument::Malformed => None,
        };
        *self = match (std::mem::take(self), named) {
            (Self::Everything, _) | (_, None) => Self::Everything,
            (Self::Nothing, Some(named)) => Self::Fields(named),
            (Self::Fields(mut fields), Some(named)) => {
                for name in named {
                    if !fields.contains(&name) {
                        fields.push(name);
                    }
                }
                Self::Fields(fields)
            }
        };
    }
}

impl CacheControl {
    /// The Cache-Control of a message.
    #[must_use]
    pub fn of(headers: &impl Fields) -> Self {
        Self::from_lines(headers.lines(header::CACHE_CONTROL.as_str()))
    }

    /// The directives of the field lines `lines`.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut control = Self::default();
        for line in lines {
            control.present = true;
            for directive in directives(line) {
                control.take(&directive);
            }
        }
        control
    }

    /// The directives of a targeted field.
    pub(super) fn targeted<'a>(directives: impl IntoIterator<Item = Directive<'a>>) -> Self {
        let mut control = Self {
            present: true,
            targeted: true,
            ..Self::default()
        };
        for directive in directives {
            control.take(&directive);
        }
        control
    }

    /// Whether a stale response must be validated, whoever would take it as it is: by must-revalidate, proxy-revalidate, or
    /// s-maxage, which implies the latter (§5.2.2.10).
    #[must_use]
    pub const fn demands_revalidation(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    /// Whether the origin forbids every stale use (RFC 9111 §4.2.4).
    #[must_use]
    pub const fn forbids_stale(&self) -> bool {
        self.demands_revalidation() || self.no_cache.is_everything()
    }

    /// Takes one directive into account; unknown ones are ignored (§5.2.3).
    fn take(&mut self, directive: &Directive<'_>) {
        self.restrict(directive);
        if directive.doubtful {
            self.limit(directive.name, &Argument::Malformed);
        } else {
            self.limit(directive.name, &directive.argument);
            self.permit(directive);
        }
    }

    /// Directives that only ever restrict; a malformed argument does not weaken them.
    fn restrict(&mut self, directive: &Directive<'_>) {
        let name = directive.name;
        if name.eq_ignore_ascii_case(b"no-store") {
            self.no_store = true;
        } else if name.eq_ignore_ascii_case(b"no-cache") {
            self.no_cache.widen(&directive.argument);
        } else if name.eq_ignore_ascii_case(b"private") {
            self.private.widen(&directive.argument);
        } else if name.eq_ignore_ascii_case(b"must-revalidate") {
            self.must_revalidate = true;
        } else if name.eq_ignore_ascii_case(b"proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if name.eq_ignore_ascii_case(b"no-transform") {
            self.no_transform = true;
        } else if name.eq_ignore_ascii_case(b"only-if-cached") {
            self.only_if_cached = true;
        }
    }

    /// Lifetimes and what may follow them. One that cannot be read, or may be a part of something else, is zero: were it
    /// absent, Expires or the strategy would speak in its place.
    fn limit(&mut self, name: &[u8], argument: &Argument<'_>) {
        if name.eq_ignore_ascii_case(b"max-age") {
            self.unreadable |= shorten(&mut self.max_age, argument);
        } else if name.eq_ignore_ascii_case(b"s-maxage") {
            self.unreadable |= shorten(&mut self.s_maxage, argument);
        } else if name.eq_ignore_ascii_case(b"stale-while-revalidate") {
            shorten(&mut self.stale_while_revalidate, argument);
        } else if name.eq_ignore_ascii_case(b"stale-if-error") {
            shorten(&mut self.stale_if_error, argument);
        }
    }

    /// Directives that can permit something.
    fn permit(&mut self, directive: &Directive<'_>) {
        let name = directive.name;
        if name.eq_ignore_ascii_case(b"max-stale") {
            match directive.argument {
                Argument::Absent => self.max_stale = Some(self.max_stale.unwrap_or(u32::MAX)),
                _ => _ = shorten(&mut self.max_stale, &directive.argument),
            }
        } else if name.eq_ignore_ascii_case(b"min-fresh") {
            // The larger is the more restrictive; one that cannot be read says nothing that could be kept.
            self.min_fresh = self.min_fresh.max(seconds(&directive.argument));
        } else if name.eq_ignore_ascii_case(b"public") {
            self.public = true;
        } else if name.eq_ignore_ascii_case(b"must-understand") {
            self.must_understand = true;
        } else if name.eq_ignore_ascii_case(b"immutable") {
            self.immutable = true;
        }
    }
}

/// Lowers `current` to what `argument` says, to zero if that cannot be read; tells whether it could not.
fn shorten(current: &mut Option<u32>, argument: &Argument<'_>) -> bool {
    let said = seconds(argument);
    let said_or_none = said.unwrap_or(0);
    *current = Some(current.map_or(said_or_none, |current| current.min(said_or_none)));
    said.is_none()
}

/// The seconds that `argument` says, if it says any.
fn seconds(argument: &Argument<'_>) -> Option<u32> {
    match argument {
        Argument::Text(text) => delta_seconds(text),
        Argument::Absent | Argument::Malformed => None,
    }
}

/// Non-negative whole seconds, at most [`DELTA_SECONDS_MAX`] (RFC 9111 §1.2.2).
pub(super) fn delta_seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text.iter().fold(0u32, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    });
    Some(seconds.min(DELTA_SECONDS_MAX))
}

/// The field names in a qualified directive; `None` if there are none, one is no field name, or one cannot be left out.
fn field_names(text: &[u8]) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for member in text
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
    {
        let name = HeaderName::from_bytes(member)
            .ok()
            .filter(|name| !INSEPARABLE.contains(name))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then_some(names)
}

/// The directives as a field value.
impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, set) in [
            ("no-store", self.no_store),
            ("public", self.public),
            ("must-revalidate", self.must_revalidate),
            ("proxy-revalidate", self.proxy_revalidate),
            ("must-understand", self.must_understand),
            ("no-transform", self.no_transform),
            ("immutable", self.immutable),
            ("only-if-cached", self.only_if_cached),
        ] {
            if set {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        for (name, scope) in [("no-cache", &self.no_cache), ("private", &self.private)] {
            match scope {
                Scope::Nothing => continue,
                Scope::Everything => write!(f, "{separator}{name}")?,
                Scope::Fields(fields) => {
                    let fields: Vec<&str> = fields.iter().map(HeaderName::as_str).collect();
                    write!(f, "{separator}{name}=\"{}\"", fields.join(", "))?;
                }
            }
            separator = ", ";
        }
        for (name, seconds) in [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("min-fresh", self.min_fresh),
            ("max-stale", self.max_stale),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ] {
            match seconds {
                None => continue,
                Some(u32::MAX) => write!(f, "{separator}{name}")?,
                Some(seconds) => write!(f, "{separator}{name}={seconds}")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}
