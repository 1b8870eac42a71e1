//! The rows of the parameter table that routes own.

use peregrine_base::{Fallback, Kind, Parameter};

/// Of `[tenants]` what says whose a request is.
pub const TENANT_PARAMETERS: &[Parameter] = &[
    row(
        "tenants.from",
        Kind::Choice(&["none", "header", "host", "path"]),
        Fallback::Toml("\"none\""),
        "What names the tenant of a request, which is part of its key: nothing, a field that a trusted proxy sends, the host, or the path.",
    ),
    row(
        "tenants.header",
        Kind::Text,
        Fallback::Toml("\"x-tenant\""),
        "With `from = \"header\"`, the field; it counts only from `server.trusted_proxies`.",
    ),
    row(
        "tenants.untrusted",
        Kind::Choice(&["ignore", "refuse"]),
        Fallback::Toml("\"ignore\""),
        "What becomes of a request with that field from anybody else: it has no tenant, or it is refused with 403.",
    ),
    row(
        "tenants.forward_header",
        Kind::Flag,
        Fallback::Toml("false"),
        "Whether the origin sees that field.",
    ),
    row(
        "tenants.host",
        Kind::Text,
        Fallback::Toml("\"{tenant}.example.com\""),
        "With `from = \"host\"`, the host with `{tenant}` for the label that names it; other hosts have no tenant.",
    ),
    row(
        "tenants.path",
        Kind::Text,
        Fallback::Toml("\"/t/{tenant}/\""),
        "With `from = \"path\"`, what paths begin with, `{tenant}` for the segment that names it; other paths have no tenant.",
    ),
];

/// Every parameter under `[[route]]`.
pub const PARAMETERS: &[Parameter] = &[
    row(
        "route[].name",
        Kind::Text,
        Fallback::Absent,
        "The route's name in logs, metrics and `explain`; by default its host and path patterns.",
    ),
    row(
        "route[].match.host",
        Kind::Text,
        Fallback::Toml("\"*\""),
        "Pattern of the host, without port; `*` stands for any text.",
    ),
    row(
        "route[].match.path",
        Kind::Text,
        Fallback::Toml("\"*\""),
        "Pattern of the path; `*` stands for any text and crosses `/`.",
    ),
    row(
        "route[].match.methods",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Methods that the route takes; an empty list takes all.",
    ),
    row(
        "route[].match.headers",
        Kind::TextMap,
        Fallback::Toml("{}"),
        "Request fields that must be there, each with a pattern of its value.",
    ),
    row(
        "route[].upstream",
        Kind::Text,
        Fallback::Required,
        "The name of the upstream that answers.",
    ),
    row(
        "route[].strategy",
        Kind::Text,
        Fallback::Toml("\"default\""),
        "The name of the strategy that decides about caching.",
    ),
    row(
        "route[].namespace",
        Kind::Text,
        Fallback::Toml("\"default\""),
        "The namespace whose quota and statistics the route's entries belong to.",
    ),
    row(
        "route[].tenant",
        Kind::Choice(&["optional", "required"]),
        Fallback::Toml("\"optional\""),
        "Whether the route takes requests without a tenant, or refuses them with 400.",
    ),
    row(
        "route[].cache",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether the route caches at all.",
    ),
    row(
        "route[].tags",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Tags of every entry; `{host}`, `{path}`, `{path.2}`, `{query.id}` and `{header.x-shop}` are filled in, and a tag whose placeholder is empty is left out.",
    ),
    row(
        "route[].keep_tags",
        Kind::Flag,
        Fallback::Toml("false"),
        "Whether clients see the origin's Surrogate-Key and Cache-Tag fields.",
    ),
    row(
        "route[].refuse_path_confusion",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether an answer is not stored whose path ends like a static file while its type is another, or has dot segments or control characters.",
    ),
    row(
        "route[].targeted_fields",
        Kind::Texts,
        Fallback::Toml("[\"CDN-Cache-Control\", \"Surrogate-Control\"]"),
        "Response fields that speak to this cache in place of Cache-Control, the first of them first (RFC 9213); with `Surrogate-Control` among them, the origin is told of it and clients do not see it.",
    ),
    row(
        "route[].key.headers",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Request fields that are part of the key.",
    ),
    row(
        "route[].key.cookies",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Cookies that are part of the key.",
    ),
    row(
        "route[].key.cookies_ignore",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Patterns of cookies that do not count where a response varies by Cookie; they still reach the origin.",
    ),
    row(
        "route[].key.query_ignore",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Patterns of query parameters that are left out of the key, such as `utm_*`; they still reach the origin.",
    ),
    row(
        "route[].key.query_only",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Patterns of the only query parameters in the key; an empty list keeps all.",
    ),
    row(
        "route[].key.query_sort",
        Kind::Flag,
        Fallback::Toml("false"),
        "Whether the order of query parameters does not matter to the key.",
    ),
    row(
        "route[].key.no_vary_search",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether a response may say, by No-Vary-Search, which parts of the query do not count for it.",
    ),
    row(
        "route[].key.content_max",
        Kind::Size {
            min: "0B",
            max: "16MiB",
        },
        Fallback::Toml("\"64KiB\""),
        "The longest content of a QUERY or POST that is part of the key; a request with more goes past the cache.",
    ),
    row(
        "route[].key.languages",
        Kind::Texts,
        Fallback::Toml("[]"),
        "The languages that the site offers, its first choice first: `Accept-Language` becomes the one of them that fits best, for the origin too.",
    ),
    row(
        "route[].key.lowercase",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Request fields whose letter case does not matter: their values are put in lower case, for the origin too.",
    ),
    row(
        "route[].key.values",
        Kind::TextMap,
        Fallback::Toml("{}"),
        "Request fields with the only values that they may have, such as `x-device = \"mobile, desktop\"`; any other value is taken off, for the origin too.",
    ),
    row(
        "route[].bypass.headers",
        Kind::TextMap,
        Fallback::Toml("{}"),
        "Request fields that send a request past the cache, each with a pattern of its value.",
    ),
    row(
        "route[].bypass.cookies",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Patterns of cookies whose presence sends a request past the cache.",
    ),
    row(
        "route[].bypass.query",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Patterns of query parameters whose presence sends a request past the cache.",
    ),
    row(
        "route[].bypass.paths",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Patterns of paths that go past the cache.",
    ),
    row(
        "route[].request_headers.set",
        Kind::TextMap,
        Fallback::Toml("{}"),
        "Fields to set on the request to the origin, replacing what is there.",
    ),
    row(
        "route[].request_headers.remove",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Fields to take off the request to the origin.",
    ),
    row(
        "route[].response_headers.set",
        Kind::TextMap,
        Fallback::Toml("{}"),
        "Fields to set on the response to the client, replacing what is there.",
    ),
    row(
        "route[].response_headers.remove",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Fields to take off the response to the client.",
    ),
    row(
        "route[].upgrades",
        Kind::Texts,
        Fallback::Toml("[\"websocket\"]"),
        "Protocols that a client may change to (Upgrade); such a request goes past the cache, and after the origin's 101 bytes \
         pass both ways. h2c never is.",
    ),
    row(
        "route[].cache_status",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether responses carry Cache-Status (RFC 9211).",
    ),
];

/// A row that a reload applies, as all of a route's do.
const fn row(name: &'static str, kind: Kind, fallback: Fallback, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback,
        reload: true,
        about,
    }
}
