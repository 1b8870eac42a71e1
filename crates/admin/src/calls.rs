//! Which path and method mean which call.

use crate::access::Role;
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
    /// Beginning a session.
    Login,
    /// Ending it.
    Logout,
    /// Who one is.
    Me,
    /// What memory holds.
    Entries,
    /// Which tags it carries.
    Tags,
    /// The namespaces.
    Namespaces,
    /// The strategies.
    Strategies,
    /// What is configured.
    Config,
    /// Changing it.
    PatchConfig,
    /// The log's level.
    LogLevel,
    /// Changing that.
    SetLogLevel,
    /// What happens, as it happens.
    Events,
    /// The last requests.
    Traffic,
    /// The API keys.
    ApiKeys,
    /// A new one.
    CreateKey,
    /// Taking one back.
    RevokeKey,
    /// Who changed what.
    Audit,
    /// How things are.
    Summary,
    /// Points of the past.
    History,
    /// Both, for the dashboard's first page.
    DashboardData,
    /// Everything that is measured, as JSON.
    AllMetrics,
    /// Beginning anew with what is measured.
    ResetMetrics,
    /// The process and its machine.
    SystemMetrics,
    /// Requests.
    ApplicationMetrics,
    /// The cache in numbers.
    CacheMetrics,
    /// What each route did.
    Routes,
    /// The upstreams with their targets.
    Upstreams,
    /// The nodes.
    Nodes,
    /// The objectives.
    Slos,
    /// Alerts, their rules and silences.
    Alerts,
    /// Setting rules.
    SetRules,
    /// Holding back what is told of alerts.
    Silence,
    /// Telling it again.
    EndSilence,
    /// Looking after an alert.
    Acknowledge,
    /// Forgetting alerts that are over.
    ForgetAlerts,
    /// A report.
    Report,
    /// Which reports there are.
    Reports,
    /// What would make things better.
    Recommendations,
    /// Computing it anew.
    Recommend,
    /// Applying one of them.
    Force,
    /// Those that were applied.
    Applied,
}

/// What it takes to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: anybody may.
    Nothing,
    /// This role, or one that may more.
    Role(Role),
}

const VIEWER: Need = Need::Role(Role::Viewer);
const OPERATOR: Need = Need::Role(Role::Operator);
const ADMIN: Need = Need::Role(Role::Admin);

/// What a call concerns, which decides about those who are limited to some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing but the one who asks.
    Own,
    /// Namespaces and tenants: it limits itself to those of the one who asks.
    Tenants,
    /// Namespaces: it limits itself to those of the one who asks; nothing for a tenant.
    Namespaces,
    /// Everything: nothing for somebody who is limited.
    Whole,
}

/// A call: where it is, how it is called, its word in logs and metrics, what it takes, what it concerns.
pub(crate) struct Row {
    pub(crate) path: &'static str,
    pub(crate) method: Method,
    pub(crate) call: Call,
    pub(crate) word: &'static str,
    pub(crate) need: Need,
    pub(crate) reach: Reach,
}

const fn row(path: &'static str, method: Method, call: Call, word: &'static str, need: Need, reach: Reach) -> Row {
    Row {
        path,
        method,
        call,
        word,
        need,
        reach,
    }
}

/// Every call.
#[rustfmt::skip]
pub(crate) const CALLS: &[Row] = &[
    row("/healthz", Method::GET, Call::Live, "healthz", Need::Nothing, Reach::Own),
    row("/readyz", Method::GET, Call::Ready, "readyz", Need::Nothing, Reach::Own),
    row("/metrics", Method::GET, Call::Metrics, "metrics", VIEWER, Reach::Whole),
    row("/api/performance/health", Method::GET, Call::Health, "health", VIEWER, Reach::Whole),
    row("/api/performance/explain", Method::GET, Call::Explain, "explain", VIEWER, Reach::Namespaces),
    row("/api/performance/cache/stats", Method::GET, Call::Statistics, "cache_stats", VIEWER, Reach::Tenants),
    row("/api/performance/cache/entries", Method::GET, Call::Entries, "cache_entries", VIEWER, Reach::Namespaces),
    row("/api/performance/cache/tags", Method::GET, Call::Tags, "cache_tags", VIEWER, Reach::Namespaces),
    row("/api/performance/cache/namespaces", Method::GET, Call::Namespaces, "cache_namespaces", VIEWER, Reach::Namespaces),
    row("/api/performance/cache/strategies", Method::GET, Call::Strategies, "cache_strategies", VIEWER, Reach::Whole),
    row("/api/performance/cache/operation", Method::POST, Call::Operation, "cache_operation", OPERATOR, Reach::Namespaces),
    row("/api/performance/cache/invalidate", Method::POST, Call::Invalidate, "cache_invalidate", OPERATOR, Reach::Tenants),
    row("/api/performance/cache/clear", Method::POST, Call::Clear, "cache_clear", OPERATOR, Reach::Tenants),
    row("/api/performance/cache/preload", Method::POST, Call::Preload, "cache_preload", OPERATOR, Reach::Whole),
    row("/api/performance/cache", Method::DELETE, Call::ClearAll, "cache_delete", OPERATOR, Reach::Tenants),
    row("/api/performance/cache/pattern", Method::DELETE, Call::ClearPattern, "cache_delete_pattern", OPERATOR, Reach::Tenants),
    row("/api/performance/keys", Method::GET, Call::Keys, "keys", ADMIN, Reach::Whole),
    row("/api/performance/keys/rotate", Method::POST, Call::RotateKeys, "keys_rotate", ADMIN, Reach::Whole),
    row("/api/performance/keys/erase", Method::POST, Call::EraseKeys, "keys_erase", ADMIN, Reach::Whole),
    row("/api/performance/config/reload", Method::POST, Call::Reload, "config_reload", ADMIN, Reach::Whole),
    row("/api/performance/events", Method::GET, Call::Events, "events", VIEWER, Reach::Whole),
    row("/api/performance/traffic", Method::GET, Call::Traffic, "traffic", VIEWER, Reach::Whole),
    row("/api/performance/config", Method::GET, Call::Config, "config", ADMIN, Reach::Whole),
    row("/api/performance/config", Method::PATCH, Call::PatchConfig, "config_patch", ADMIN, Reach::Whole),
    row("/api/performance/log", Method::GET, Call::LogLevel, "log", VIEWER, Reach::Whole),
    row("/api/performance/log", Method::PUT, Call::SetLogLevel, "log_set", ADMIN, Reach::Whole),
    row("/api/performance/access/login", Method::POST, Call::Login, "access_login", Need::Nothing, Reach::Own),
    row("/api/performance/access/logout", Method::POST, Call::Logout, "access_logout", VIEWER, Reach::Own),
    row("/api/performance/access/me", Method::GET, Call::Me, "access_me", VIEWER, Reach::Own),
    row("/api/performance/access/apikeys", Method::GET, Call::ApiKeys, "access_apikeys", ADMIN, Reach::Whole),
    row("/api/performance/access/apikeys", Method::POST, Call::CreateKey, "access_apikeys_create", ADMIN, Reach::Whole),
    row("/api/performance/access/apikeys", Method::DELETE, Call::RevokeKey, "access_apikeys_revoke", ADMIN, Reach::Whole),
    row("/api/performance/audit", Method::GET, Call::Audit, "audit", ADMIN, Reach::Whole),
    row("/api/performance/summary", Method::GET, Call::Summary, "summary", VIEWER, Reach::Whole),
    row("/api/performance/history", Method::GET, Call::History, "history", VIEWER, Reach::Whole),
    row("/api/performance/dashboard", Method::GET, Call::DashboardData, "dashboard", VIEWER, Reach::Whole),
    row("/api/performance/metrics", Method::GET, Call::AllMetrics, "metrics_all", VIEWER, Reach::Whole),
    row("/api/performance/metrics", Method::DELETE, Call::ResetMetrics, "metrics_reset", ADMIN, Reach::Whole),
    row("/api/performance/metrics/system", Method::GET, Call::SystemMetrics, "metrics_system", VIEWER, Reach::Whole),
    row("/api/performance/metrics/application", Method::GET, Call::ApplicationMetrics, "metrics_application", VIEWER, Reach::Whole),
    row("/api/performance/metrics/cache", Method::GET, Call::CacheMetrics, "metrics_cache", VIEWER, Reach::Whole),
    row("/api/performance/metrics/prometheus", Method::GET, Call::Metrics, "metrics_prometheus", VIEWER, Reach::Whole),
    row("/api/performance/routes", Method::GET, Call::Routes, "routes", VIEWER, Reach::Whole),
    row("/api/performance/upstreams", Method::GET, Call::Upstreams, "upstreams", VIEWER, Reach::Whole),
    row("/api/performance/nodes", Method::GET, Call::Nodes, "nodes", VIEWER, Reach::Whole),
    row("/api/performance/slos", Method::GET, Call::Slos, "slos", VIEWER, Reach::Whole),
    row("/api/performance/report", Method::GET, Call::Report, "report", VIEWER, Reach::Whole),
    row("/api/performance/reports", Method::GET, Call::Reports, "reports", VIEWER, Reach::Whole),
    row("/api/performance/optimization/recommendations", Method::GET, Call::Recommendations, "optimization_recommendations", VIEWER, Reach::Whole),
    row("/api/performance/optimization/force", Method::POST, Call::Force, "optimization_force", ADMIN, Reach::Whole),
    row("/api/performance/optimization/history", Method::GET, Call::Applied, "optimization_history", ADMIN, Reach::Whole),
    row("/api/performance/optimization/run", Method::POST, Call::Recommend, "optimization_run", OPERATOR, Reach::Whole),
    row("/api/performance/alerts", Method::GET, Call::Alerts, "alerts", VIEWER, Reach::Whole),
    row("/api/performance/alerts", Method::DELETE, Call::ForgetAlerts, "alerts_forget", OPERATOR, Reach::Whole),
    row("/api/performance/alerts/rules", Method::PUT, Call::SetRules, "alerts_rules", ADMIN, Reach::Whole),
    row("/api/performance/alerts/silence", Method::POST, Call::Silence, "alerts_silence", OPERATOR, Reach::Whole),
    row("/api/performance/alerts/silence", Method::DELETE, Call::EndSilence, "alerts_silence_end", OPERATOR, Reach::Whole),
    row("/api/performance/alerts/acknowledge", Method::POST, Call::Acknowledge, "alerts_acknowledge", OPERATOR, Reach::Whole),
];

impl Call {
    /// The call of `path` by `method`. What can be got can be asked for with HEAD too.
    pub(crate) fn find(path: &str, method: &Method) -> Result<Self, Refusal> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let mut allowed = Vec::new();
        for row in CALLS.iter().filter(|row| row.path == path) {
            if row.method == wanted {
                return Ok(row.call);
            }
            allowed.push(row.method.clone());
            if row.method == Method::GET {
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
            .position(|row| row.call == self)
            .expect("every call stands in the table")
    }

    fn row(self) -> &'static Row {
        &CALLS[self.index()]
    }

    /// Its word in logs.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().word
    }

    /// What it takes.
    pub(crate) fn need(self) -> Need {
        self.row().need
    }

    /// What it concerns.
    pub(crate) fn reach(self) -> Reach {
        self.row().reach
    }

    /// Whether it changes anything.
    pub(crate) fn changes(self) -> bool {
        self.row().method != Method::GET
    }

    /// Whether a repeat of it, known by its `Idempotency-Key`, is answered as the first was. Answers with secrets in them are
    /// not remembered.
    pub(crate) fn is_repeatable(self) -> bool {
        self.changes() && !matches!(self, Self::Login | Self::Logout | Self::CreateKey | Self::Operation)
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
        .map(|row| (distance(row.path), row.path))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= 4 && distance < path.len() / 2).then_some(known)
}
