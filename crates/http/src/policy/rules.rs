//! What a strategy and a route allow, as plain data that the data plane builds once, and the times of an exchange.

use http::{HeaderName, Method};
use peregrine_base::WallTime;
use std::time::Duration;

/// Who decides how long a response is fresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Only what the response says.
    #[default]
    Origin,
    /// The strategy, where the response says nothing.
    Fallback,
    /// The strategy, over the origin's no-store, private, no-cache and must-revalidate too.
    Force,
}

impl Freshness {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Fallback => "fallback",
            Self::Force => "force",
        }
    }
}

/// The methods whose requests ask the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "a set of methods")]
pub struct Methods {
    /// GET.
    pub get: bool,
    /// HEAD, answered from what GET stored.
    pub head: bool,
    /// QUERY, with its content in the key (RFC 10008).
    pub query: bool,
    /// POST as a method that reads, with its content in the key: the word of whoever configures it.
    pub post: bool,
}

impl Methods {
    /// Whether requests with `method` ask the cache.
    #[must_use]
    pub fn contains(self, method: &Method) -> bool {
        (self.get && method == Method::GET) || (self.head && method == Method::HEAD) || self.reads_content(method)
    }

    /// Whether requests with `method` ask the cache, and their content is part of what they ask for.
    #[must_use]
    pub fn reads_content(self, method: &Method) -> bool {
        (self.query && method.as_str() == "QUERY") || (self.post && method == Method::POST)
    }

    /// Whether a request with `method` may change something, as far as anybody knows.
    #[must_use]
    pub fn writes(self, method: &Method) -> bool {
        !super::is_safe(method) && !self.reads_content(method)
    }
}

impl Default for Methods {
    /// GET and HEAD.
    fn default() -> Self {
        Self {
            get: true,
            head: true,
            query: false,
            post: false,
        }
    }
}

/// What a strategy and a route allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who decides about lifetimes.
    pub freshness: Freshness,
    /// The lifetime that [`Freshness::Fallback`] and [`Freshness::Force`] give.
    pub ttl: Duration,
    /// Whether a response without a lifetime but with Last-Modified gets 10% of its age.
    pub heuristic: bool,
    /// How long a stale response may be used while it is renewed, where the response does not say.
    pub stale_while_revalidate: Duration,
    /// How long a stale response may be used instead of an error, where the response does not say.
    pub stale_if_error: Duration,
    /// The lifetime of errors for which the origin gives none; zero: they are not stored.
    pub negative_ttl: Duration,
    /// The statuses that `negative_ttl` applies to.
    pub negative_statuses: Vec<u16>,
    /// The methods whose requests ask the cache.
    pub methods: Methods,
    /// Whether responses with Set-Cookie may be stored, cookie and all.
    pub allow_set_cookie: bool,
    /// Whether responses to requests with Authorization may be stored although the response does not say so.
    pub allow_authorization: bool,
    /// The fields that speak to this cache in place of Cache-Control, the first of them first (RFC 9213 §2.2).
    pub targeted_fields: Vec<HeaderName>,
}

/// When an exchange with the origin took place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the response's head arrived.
    pub received: WallTime,
    /// How long that was after the request was sent, by the monotonic clock.
    pub delay: Duration,
}
