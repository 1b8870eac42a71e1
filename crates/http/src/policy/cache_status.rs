//! Cache-Status (RFC 9211): what this cache did with a request, as a structured field (RFC 9651).

use super::fields::Digits;
use super::reason::Reason;
use http::HeaderValue;
use std::fmt::{self, Write as _};

/// The name under which this cache reports.
pub const CACHE_NAME: &str = "Peregrine";

/// The largest integer that a structured field can hold (RFC 9651 §3.3.1).
const INTEGER_MAX: i64 = 999_999_999_999_999;

/// Why a request went forward to the origin (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// The cache was told not to handle this request.
    Bypass,
    /// The method requires it.
    Method,
    /// Nothing is stored under the URI.
    UriMiss,
    /// Nothing that is stored under the URI answers the fields that Vary names.
    VaryMiss,
    /// Nothing that is stored could be used, for another reason.
    Miss,
    /// What is stored is fresh, but the request asks for more than that.
    Request,
    /// What is stored is stale.
    Stale,
    /// What is stored is only a part.
    Partial,
}

impl Forward {
    /// The token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl Reason {
    /// How Cache-Status names this reason for going forward; `None` for reasons that are none.
    #[must_use]
    pub const fn forward(self) -> Option<Forward> {
        Some(match self {
            Self::UriMiss => Forward::UriMiss,
            Self::VaryMiss => Forward::VaryMiss,
            Self::PartMiss => Forward::Partial,
            Self::Stale
            | Self::StaleForbidden
            | Self::StaleTooOld
            | Self::MustValidate
            | Self::Revalidated
            | Self::Unverified => Forward::Stale,
            Self::RequestNoCache | Self::RequestMaxAge | Self::RequestMinFresh => Forward::Request,
            Self::Invalidated | Self::HitForMiss | Self::ValidatorMismatch => Forward::Miss,
            Self::Method | Self::UnsafeMethod => Forward::Method,
            // Of these nothing was looked up: whether anything fresh is there nobody knows.
            Self::Precondition | Self::Upgrade | Self::RequestContent | Self::CachingOff | Self::BypassRule => {
                Forward::Bypass
            }
            _ => return None,
        })
    }
}

/// The room for a member as it usually is.
const USUAL_LENGTH: usize = 96;

/// What this cache did with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// Answered from the cache, without waiting for the origin.
    pub hit: bool,
    /// Why the origin was asked; left out beside `hit`.
    pub forward: Option<Forward>,
    /// The origin's status, where it is not the one that the client gets.
    pub forward_status: Option<u16>,
    /// Seconds for which the response stays fresh; negative for how long it has been stale.
    pub ttl_s: Option<i64>,
    /// Whether the origin's response was stored.
    pub stored: bool,
    /// Whether the request shared the load of another one.
    pub collapsed: bool,
    /// The key, where it may be shown.
    pub key: Option<&'a str>,
    /// More, as a reason's word or a sentence.
    pub detail: Option<&'a str>,
}

impl CacheStatus<'_> {
    /// The member of the field that stands for this cache. Behind other caches it is appended to what they sent.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        let mut text = String::with_capacity(USUAL_LENGTH);
        let written = write!(text, "{self}");
        // Names, numbers, tokens and escaped strings are visible ASCII, which every field may hold.
        let value = written.ok().and_then(|()| HeaderValue::try_from(text).ok());
        value.unwrap_or_else(|| HeaderValue::from_static(CACHE_NAME))
    }
}

impl fmt::Display for CacheStatus<'_> {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(CACHE_NAME)?;
        if self.hit {
            text.write_str("; hit")?;
        } else if let Some(forward) = self.forward {
            text.write_str("; fwd=")?;
            text.write_str(forward.as_str())?;
            if let Some(status) = self.forward_status {
                write!(text, "; fwd-status={status}")?;
            }
            if self.stored {
                text.write_str("; stored")?;
            }
            if self.collapsed {
                text.write_str("; collapsed")?;
            }
        }
        if let Some(ttl) = self.ttl_s {
            text.write_str(if ttl < 0 { "; ttl=-" } else { "; ttl=" })?;
            text.write_str(Digits::of(ttl.unsigned_abs().min(INTEGER_MAX.unsigned_abs())).as_str())?;
        }
        if let Some(key) = self.key {
            text.write_str("; key=")?;
            write_string(key, text)?;
        }
        if let Some(detail) = self.detail {
            text.write_str("; detail=")?;
            if is_token(detail) {
                text.write_str(detail)?;
            } else {
                write_string(detail, text)?;
            }
        }
        Ok(())
    }
}

/// Whether `text` can stand as a token (RFC 9651 §3.3.4).
fn is_token(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
        && text
            .bytes()
            .all(|byte| super::directives::is_token(&[byte]) || matches!(byte, b':' | b'/'))
}

/// Writes `text` as a string (RFC 9651 §3.3.3); what that cannot hold, as `%XX`.
fn write_string(text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_char('"')?;
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => write!(out, "\\{}", char::from(byte))?,
            b' '..=b'~' => out.write_char(char::from(byte))?,
            _ => write!(out, "%{byte:02X}")?,
        }
    }
    out.write_char('"')
}
