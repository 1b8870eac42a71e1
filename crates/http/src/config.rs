//! The typed configuration of routes, as `[[route]]` in the file gives it. Defaults stand in the parameter table.

use peregrine_base::ByteSize;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `[tenants]` says of requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantsConfig {
    /// What names the tenant of a request.
    pub from: TenantFrom,
    /// The field that does.
    pub header: String,
    /// What becomes of a request with that field from somebody who is no trusted proxy.
    pub untrusted: Untrusted,
    /// The host, with `{tenant}` in the place of a label.
    pub host: String,
    /// The beginning of the path, with `{tenant}` in the place of a segment.
    pub path: String,
    /// Whether the origin sees the field.
    pub forward_header: bool,
}

/// What names the tenant of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantFrom {
    /// Nothing: there are no tenants.
    None,
    /// A field, from trusted proxies.
    Header,
    /// The host.
    Host,
    /// The path.
    Path,
}

/// What becomes of a tenant that anybody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untrusted {
    /// The request is nobody's.
    Ignore,
    /// The request is refused.
    Refuse,
}

/// Whether a route takes requests of nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTenant {
    /// It does.
    Optional,
    /// It wants a tenant.
    Required,
}

/// One `[[route]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The name in logs, metrics and `explain`.
    pub name: Option<String>,
    /// Which requests it takes.
    #[serde(rename = "match")]
    pub matches: MatchConfig,
    /// The name of the upstream.
    pub upstream: String,
    /// The name of the strategy.
    pub strategy: String,
    /// The name of the namespace.
    pub namespace: String,
    /// Whether it takes requests without a tenant.
    pub tenant: RouteTenant,
    /// Whether it caches at all.
    pub cache: bool,
    /// Templates of tags.
    pub tags: Vec<String>,
    /// Whether clients see the origin's tag fields.
    pub keep_tags: bool,
    /// Whether answers are not stored that path confusion may have got.
    pub refuse_path_confusion: bool,
    /// Response fields that count in place of Cache-Control.
    pub targeted_fields: Vec<String>,
    /// What the key is made of.
    pub key: KeyConfig,
    /// What goes past the cache.
    pub bypass: BypassConfig,
    /// Edits on the way to the origin.
    pub request_headers: EditConfig,
    /// Edits on the way to the client.
    pub response_headers: EditConfig,
    /// Protocols that clients may change to.
    pub upgrades: Vec<String>,
    /// Whether responses carry Cache-Status.
    pub cache_status: bool,
}

/// Which requests a route takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchConfig {
    /// Pattern of the host.
    pub host: String,
    /// Pattern of the path.
    pub path: String,
    /// Methods; empty takes all.
    pub methods: Vec<String>,
    /// Field name to pattern of its value.
    pub headers: BTreeMap<String, String>,
}

/// What the key is made of beside scheme, host, path and query.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// Request fields in the key.
    pub headers: Vec<String>,
    /// Cookies in the key.
    pub cookies: Vec<String>,
    /// Patterns of cookies that `Vary: Cookie` does not see.
    pub cookies_ignore: Vec<String>,
    /// Patterns of query parameters outside the key.
    pub query_ignore: Vec<String>,
    /// Patterns of the only query parameters in the key.
    pub query_only: Vec<String>,
    /// Whether the order of query parameters does not matter.
    pub query_sort: bool,
    /// Whether responses may say which parts of the query do not count.
    pub no_vary_search: bool,
    /// The most bytes of a request's content that are part of the key.
    pub content_max: ByteSize,
    /// The languages that the site offers, its first choice first.
    pub languages: Vec<String>,
    /// Request fields whose letter case does not matter.
    pub lowercase: Vec<String>,
    /// Field name to the values that it may have, separated by commas.
    pub values: BTreeMap<String, String>,
}

/// What goes past the cache.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BypassConfig {
    /// Field name to pattern of its value.
    pub headers: BTreeMap<String, String>,
    /// Patterns of cookie names.
    pub cookies: Vec<String>,
    /// Patterns of query parameter names.
    pub query: Vec<String>,
    /// Patterns of paths.
    pub paths: Vec<String>,
}

/// Edits of a message's fields: removals first, then settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditConfig {
    /// Field name to new value.
    pub set: BTreeMap<String, String>,
    /// Field names to take off.
    pub remove: Vec<String>,
}
