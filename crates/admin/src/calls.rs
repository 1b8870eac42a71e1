//! Which path and method mean which call.

use crate::refusal::Refusal;
use http::Method;

/// Everything that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Is the process alive.
    Live,
    /// Should requests be sent here.
    Ready,
    /// All metrics.
    Metrics,
    /// How everything is.
    Health,
    /// Why a URL is served as it is.
    Explain,
    /// What the cache did.
    Statistics,
    /// Reading and writing values.
    Operation,
    /// Making entries stale or gone.
    Invalidate,
    /// Removing everything, or a namespace.
    Clear,
    /// Loading URLs.
    Preload,
    /// Removing everything.
    ClearAll,
    /// Removing what matches a pattern.
    ClearPattern,
    /// Reading the configuration again.
    Reload,
    /// The data keys.
    Keys,
    /// Wrapping data keys by the active master key.
    RotateKeys,
    /// Destroying an owner's data keys.
    EraseKeys,
}

/// Every call: where it is, how it is called, its word in logs and metrics.
pub(crate) const CALLS: [(&str, Method, Call, &str); 16] = [
    ("/healthz", Method::GET, Call::Live, "healthz"),
    ("/readyz", Method::GET, Call::Ready, "readyz"),
    ("/metrics", Method::GET, Call::Metrics, "metrics"),
    ("/api/performance/health", Method::GET, Call::Health, "health"),
    ("/api/performance/explain", Method::GET, Call::Explain, "explain"),
    (
        "/api/performance/cache/stats",
        Method::GET,
        Call::Statistics,
        "cache_stats",
    ),
    (
        "/api/performance/cache/operation",
        Method::POST,
        Call::Operation,
        "cache_operation",
    ),
    (
        "/api/performance/cache/invalidate",
        Method::POST,
        Call::Invalidate,
        "cache_invalidate",
    ),
    ("/api/performance/cache/clear", Method::POST, Call::Clear, "cache_clear"),
    (
        "/api/performance/cache/preload",
        Method::POST,
        Call::Preload,
        "cache_preload",
    ),
    ("/api/performance/cache", Method::DELETE, Call::ClearAll, "cache_delete"),
    (
        "/api/performance/cache/pattern",
        Method::DELETE,
        Call::ClearPattern,
        "cache_delete_pattern",
    ),
    ("/api/performance/keys", Method::GET, Call::Keys, "keys"),
    (
        "/api/performance/keys/rotate",
        Method::POST,
        Call::RotateKeys,
        "keys_rotate",
    ),
    (
        "/api/performance/keys/erase",
        Method::POST,
        Call::EraseKeys,
        "keys_erase",
    ),
    (
        "/api/performance/config/reload",
        Method::POST,
        Call::Reload,
        "config_reload",
    ),
];

impl Call {
    /// The call of `path` by `method`. What can be got can be asked for with HEAD too.
    pub(crate) fn find(path: &str, method: &Method) -> Result<Self, Refusal> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let mut allowed = Vec::new();
        for (_, method, call, _) in CALLS.iter().filter(|(known, ..)| *known == path) {
            if method == wanted {
                return Ok(*call);
            }
            allowed.push(method.clone());
            if method == Method::GET {
                allowed.push(Method::HEAD);
            }
        }
        Err(if allowed.is_empty() {
            Refusal::no_such_path(path, nearest(path))
        } else {
            Refusal::wrong_method(&allowed)
        })
    }

    /// Where it stands in [`CALLS`].
    pub(crate) fn index(self) -> usize {
        CALLS
            .iter()
            .position(|(_, _, call, _)| *call == self)
            .expect("every call stands in the table")
    }

    /// Its word in logs.
    pub(crate) fn as_str(self) -> &'static str {
        CALLS[self.index()].3
    }

    /// Whether it changes anything.
    pub(crate) fn changes(self) -> bool {
        CALLS[self.index()].1 != Method::GET
    }

    /// Whether `path` answers probes, which ask without names and tokens and learn nothing but a word.
    pub(crate) fn is_probe(path: &str) -> bool {
        matches!(path, "/healthz" | "/readyz")
    }
}

/// The path that was probably meant, if one is near.
fn nearest(path: &str) -> Option<&'static str> {
    // A path that is much longer than any of ours is near none, and measuring it would take long.
    if path.len() > 100 {
        return None;
    }
    let distance = |known: &str| {
        // Somebody may have left out what all paths of the API begin with.
        let short = known.strip_prefix("/api/performance").unwrap_or(known);
        strsim::damerau_levenshtein(path, known).min(strsim::damerau_levenshtein(path, short))
    };
    let (distance, known) = CALLS
        .iter()
        .map(|(known, ..)| (distance(known), *known))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= 4 && distance < path.len() / 2).then_some(known)
}
