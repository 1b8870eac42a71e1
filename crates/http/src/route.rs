//! Routes: which requests they take, and everything that was resolved for them when the configuration was read, so that
//! a request looks up no name.

use crate::config::{EditConfig, RouteConfig};
use crate::key::KeyRules;
use crate::metrics::RouteMetrics;
use crate::pattern::Patterns;
use crate::policy::{Freshness, Methods, Rules};
use crate::request::RequestFacts;
use crate::template::Template;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use peregrine_base::Complaint;
use peregrine_cache::{Engine, Glob, Namespace, Strategy};
use peregrine_net::upstream::Upstream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What no edit may touch: the fields that say where a message ends and what becomes of its connection.
const FRAMING: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// One route, resolved.
pub struct Route {
    /// The name in logs, metrics and `explain`.
    pub name: Arc<str>,
    /// Where its requests go.
    pub upstream: Arc<Upstream>,
    /// How its answers are cached.
    pub strategy: Arc<Strategy>,
    /// Whose quota and statistics they count to.
    pub namespace: Arc<Namespace>,
    /// The strategy as the policy reads it.
    pub rules: Rules,
    /// How keys are made.
    pub key: KeyRules,
    /// Whether it caches at all.
    pub cache: bool,
    /// Tags of every entry.
    pub tags: Vec<Template>,
    /// Whether clients see the origin's tag fields.
    pub keep_tags: bool,
    /// Whether responses carry Cache-Status.
    pub cache_status: bool,
    /// Edits on the way to the origin.
    pub request_edits: Edits,
    /// Edits on the way to the client.
    pub response_edits: Edits,
    /// What it counts.
    pub metrics: Arc<RouteMetrics>,
    matcher: Matcher,
    bypass: Bypass,
}

/// Which requests a route takes.
#[derive(Debug)]
struct Matcher {
    host: Glob,
    path: Glob,
    methods: Vec<Method>,
    headers: FieldPatterns,
}

/// What goes past the cache.
#[derive(Debug)]
struct Bypass {
    headers: FieldPatterns,
    cookies: Patterns,
    query: Patterns,
    paths: Patterns,
}

/// Fields with patterns of their values.
#[derive(Debug)]
struct FieldPatterns(Vec<(HeaderName, Glob)>);

/// Edits of a message's fields.
#[derive(Debug)]
pub struct Edits {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

/// Which rule of a route sent a request past the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BypassRule {
    /// The route does not cache.
    Route,
    /// A request field matched.
    Header,
    /// A cookie was there.
    Cookie,
    /// A query parameter was there.
    Query,
    /// The path matched.
    Path,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Route {
    /// Whether the route takes `request`.
    #[must_use]
    pub fn takes(&self, request: &RequestFacts) -> bool {
        let methods = &self.matcher.methods;
        (methods.is_empty() || methods.contains(&request.method))
            && self.matcher.host.matches(request.host())
            && self.matcher.path.matches(request.path())
            && self.matcher.headers.all(&request.headers)
    }

    /// Whether the route may take a read of the URL of `request`, given the right fields.
    fn may_read(&self, request: &RequestFacts) -> bool {
        let methods = &self.matcher.methods;
        (methods.is_empty() || methods.contains(&Method::GET) || methods.contains(&Method::HEAD))
            && self.matcher.host.matches(request.host())
            && self.matcher.path.matches(request.path())
    }

    /// Whether every GET and HEAD of a URL that the route may read is taken by it, or by one before it.
    fn takes_every_read(&self) -> bool {
        let methods = &self.matcher.methods;
        self.matcher.headers.0.is_empty() && (methods.is_empty() || methods.contains(&Method::GET))
    }

    /// The rule that sends `request` past the cache, if one does.
    #[must_use]
    pub fn bypass(&self, request: &RequestFacts) -> Option<BypassRule> {
        if !self.cache {
            return Some(BypassRule::Route);
        }
        if self.bypass.headers.any(&request.headers) {
            return Some(BypassRule::Header);
        }
        if !self.bypass.cookies.is_empty() && request.cookies().any(|(name, _)| self.bypass.cookies.any(&name)) {
            return Some(BypassRule::Cookie);
        }
        if !self.bypass.query.is_empty() && request.query_names().any(|name| self.bypass.query.any(&name)) {
            return Some(BypassRule::Query);
        }
        (!self.bypass.paths.is_empty() && self.bypass.paths.any(request.path())).then_some(BypassRule::Path)
    }
}

impl BypassRule {
    /// The word for logs and `explain`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route.cache",
            Self::Header => "route.bypass.headers",
            Self::Cookie => "route.bypass.cookies",
            Self::Query => "route.bypass.query",
            Self::Path => "route.bypass.paths",
        }
    }
}

impl FieldPatterns {
    fn all(&self, headers: &HeaderMap) -> bool {
        self.0.iter().all(|(name, pattern)| matches(headers, name, pattern))
    }

    fn any(&self, headers: &HeaderMap) -> bool {
        self.0.iter().any(|(name, pattern)| matches(headers, name, pattern))
    }
}

fn matches(headers: &HeaderMap, name: &HeaderName, pattern: &Glob) -> bool {
    headers
        .get_all(name)
        .iter()
        .any(|value| pattern.matches(&String::from_utf8_lossy(value.as_bytes())))
}

impl Edits {
    /// Removes, then sets.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// All routes in their order; the first that takes a request has it.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
}

/// What route configurations are resolved against.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Strategies and namespaces.
    pub engine: &'a Engine,
    /// Upstreams by name.
    pub upstreams: &'a BTreeMap<String, Arc<Upstream>>,
    /// The table before a reload, whose counters go on.
    pub before: Option<&'a RouteTable>,
}

impl RouteTable {
    /// Resolves `configs`.
    ///
    /// # Errors
    /// Every fault found, with the field it is in.
    pub fn new(configs: &[RouteConfig], surroundings: Surroundings<'_>) -> Result<Self, Vec<Complaint>> {
        let mut routes = Vec::with_capacity(configs.len());
        let mut complaints = Vec::new();
        let mut names = BTreeSet::new();
        for (index, config) in configs.iter().enumerate() {
            let mut resolving = Resolving {
                index,
                complaints: &mut complaints,
            };
            let name = resolving.name(config, &names);
            names.insert(name.clone());
            routes.extend(resolving.route(name, config, surroundings).map(Arc::new));
        }
        if complaints.is_empty() {
            Ok(Self { routes })
        } else {
            Err(complaints)
        }
    }

    /// The route that has `request`.
    #[must_use]
    pub fn find(&self, request: &RequestFacts) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.takes(request))
    }

    /// The routes that a read of the URL of `request` may take; which one depends on the fields of each read.
    pub fn readers<'a>(&'a self, request: &'a RequestFacts) -> impl Iterator<Item = &'a Arc<Route>> {
        let mut may_go_on = true;
        let candidates = self.routes.iter().filter(|route| route.may_read(request));
        candidates.take_while(move |route| std::mem::replace(&mut may_go_on, !route.takes_every_read()))
    }

    /// All routes in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    fn metrics(&self, name: &str) -> Option<Arc<RouteMetrics>> {
        self.routes
            .iter()
            .find(|route| *route.name == *name)
            .map(|route| Arc::clone(&route.metrics))
    }
}

/// Resolves one route and gathers what is wrong with it.
struct Resolving<'a> {
    index: usize,
    complaints: &'a mut Vec<Complaint>,
}

impl Resolving<'_> {
    /// The name by which the route is counted and kept apart, which no other has.
    fn name(&mut self, config: &RouteConfig, taken: &BTreeSet<String>) -> String {
        let Some(name) = &config.name else {
            let plain = default_name(config);
            let numbered = (2..).map(|number| format!("{plain} ({number})"));
            let mut names = std::iter::once(plain.clone()).chain(numbered);
            return names.find(|name| !taken.contains(name)).unwrap_or(plain);
        };
        if taken.contains(name) {
            self.complain(
                "name",
                format!("`{name}` is the name of another route too"),
                "give each route a name of its own",
            );
        }
        name.clone()
    }

    fn route(&mut self, name: String, config: &RouteConfig, surroundings: Surroundings<'_>) -> Option<Route> {
        let upstream = self.named(
            "upstream",
            &config.upstream,
            surroundings.upstreams.get(&config.upstream).cloned(),
        );
        let strategy = self.named(
            "strategy",
            &config.strategy,
            surroundings.engine.strategy(&config.strategy),
        );
        let namespace = self.named(
            "namespace",
            &config.namespace,
            surroundings.engine.namespace(&config.namespace),
        );
        let by_fields = (!config.matches.headers.is_empty()).then_some(name.as_str());
        let key = KeyRules::new(&config.key, by_fields)
            .map_err(|name| {
                self.complain(
                    "key.headers",
                    format!("`{name}` is no field name"),
                    "use a name such as \"accept-language\"",
                )
            })
            .ok();
        let matcher = self.matcher(config);
        let bypass = Bypass {
            headers: self.field_patterns("bypass.headers", &config.bypass.headers),
            cookies: Patterns::new(&config.bypass.cookies),
            query: Patterns::new(&config.bypass.query),
            paths: Patterns::new(&config.bypass.paths),
        };
        let tags = config.tags.iter().filter_map(|tag| self.template(tag)).collect();
        let request_edits = self.edits("request_headers", &config.request_headers);
        let response_edits = self.edits("response_headers", &config.response_headers);
        let metrics = surroundings
            .before
            .and_then(|table| table.metrics(&name))
            .unwrap_or_default();
        let strategy = strategy?;
        Some(Route {
            name: name.into(),
            upstream: upstream?,
            rules: rules_of(&strategy),
            strategy,
            namespace: namespace?,
            key: key?,
            cache: config.cache,
            tags,
            keep_tags: config.keep_tags,
            cache_status: config.cache_status,
            request_edits,
            response_edits,
            metrics,
            matcher,
            bypass,
        })
    }

    fn matcher(&mut self, config: &RouteConfig) -> Matcher {
        let methods = config.matches.methods.iter().filter_map(|text| match text.parse() {
            Ok(method) => Some(method),
            Err(_) => {
                self.complain(
                    "match.methods",
                    format!("`{text}` is no method"),
                    "use names such as \"GET\" or \"POST\"",
                );
                None
            }
        });
        Matcher {
            methods: methods.collect(),
            host: Glob::new(&config.matches.host.to_ascii_lowercase()),
            path: Glob::new(&config.matches.path),
            headers: self.field_patterns("match.headers", &config.matches.headers),
        }
    }

    fn named<T>(&mut self, field: &str, name: &str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.complain(
                field,
                format!("there is no {field} `{name}`"),
                "define it, or correct the name",
            );
        }
        found
    }

    fn template(&mut self, text: &str) -> Option<Template> {
        Template::parse(text)
            .map_err(|error| self.complain("tags", error.to_string(), "correct the tag"))
            .ok()
    }

    fn field_patterns(&mut self, field: &str, config: &BTreeMap<String, String>) -> FieldPatterns {
        let patterns = config
            .iter()
            .filter_map(|(name, pattern)| Some((self.field_name(field, name)?, Glob::new(pattern))));
        FieldPatterns(patterns.collect())
    }

    fn edits(&mut self, field: &str, config: &EditConfig) -> Edits {
        let remove = config
            .remove
            .iter()
            .filter_map(|name| self.editable(&format!("{field}.remove"), name))
            .collect();
        let field = format!("{field}.set");
        let set = config.set.iter().filter_map(|(name, value)| {
            let name = self.editable(&field, name)?;
            match HeaderValue::from_str(value) {
                Ok(value) => Some((name, value)),
                Err(_) => {
                    self.complain(
                        &field,
                        format!("the value of `{name}` is not visible ASCII"),
                        "escape or shorten it",
                    );
                    None
                }
            }
        });
        Edits {
            set: set.collect(),
            remove,
        }
    }

    fn editable(&mut self, field: &str, name: &str) -> Option<HeaderName> {
        let name = self.field_name(field, name)?;
        if FRAMING.contains(&name) {
            self.complain(
                field,
                format!("`{name}` says where the message ends or what becomes of its connection"),
                "leave it out; it is written as it has to be",
            );
            return None;
        }
        Some(name)
    }

    fn field_name(&mut self, field: &str, name: &str) -> Option<HeaderName> {
        match name.parse() {
            Ok(name) => Some(name),
            Err(_) => {
                self.complain(
                    field,
                    format!("`{name}` is no field name"),
                    "use a name such as \"x-device\"",
                );
                None
            }
        }
    }

    fn complain(&mut self, field: &str, problem: String, help: &str) {
        let field = format!("route[{}].{field}", self.index);
        self.complaints.push(Complaint {
            field,
            problem,
            help: help.to_owned(),
        });
    }
}

/// A route without a name is called by what it matches.
fn default_name(config: &RouteConfig) -> String {
    let host = if config.matches.host == "*" {
        ""
    } else {
        config.matches.host.as_str()
    };
    let methods = config.matches.methods.join(",");
    let separator = if methods.is_empty() { "" } else { " " };
    format!("{methods}{separator}{host}{}", config.matches.path)
}

/// A strategy as the policy reads it.
fn rules_of(strategy: &Strategy) -> Rules {
    let methods = strategy.cache_methods();
    let has = |name: &str| methods.iter().any(|method| method.eq_ignore_ascii_case(name));
    Rules {
        freshness: match strategy.freshness() {
            peregrine_cache::Freshness::Origin => Freshness::Origin,
            peregrine_cache::Freshness::Fallback => Freshness::Fallback,
            peregrine_cache::Freshness::Force => Freshness::Force,
        },
        ttl: strategy.ttl(),
        heuristic: strategy.heuristic(),
        stale_while_revalidate: strategy.stale_while_revalidate(),
        stale_if_error: strategy.stale_if_error(),
        negative_ttl: strategy.negative_ttl(),
        negative_statuses: strategy.negative_statuses().to_vec(),
        methods: Methods {
            get: has("GET"),
            head: has("HEAD"),
        },
        allow_set_cookie: strategy.allow_set_cookie(),
        allow_authorization: strategy.allow_authorization(),
    }
}
