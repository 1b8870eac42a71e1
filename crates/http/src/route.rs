//! Routes: which requests they take, and everything that was resolved for them when the configuration was read, so that
//! a request looks up no name.

mod resolve;

use crate::config::RouteConfig;
use crate::encode::EncodeRules;
use crate::key::KeyRules;
use crate::metrics::RouteMetrics;
use crate::pattern::Patterns;
use crate::policy::Rules;
use crate::policy::{EditFields, Fields};
use crate::request::{RequestView, readings};
use crate::template::Template;
use http::{HeaderName, HeaderValue, Method};
use peregrine_base::Complaint;
use peregrine_cache::{Engine, Glob, Namespace, RouteId, Strategy};
use peregrine_net::upstream::Upstream;
use resolve::Resolving;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One route, resolved.
pub struct Route {
    /// The name in logs, metrics and `explain`.
    pub name: Arc<str>,
    /// What the cache counts its entries by.
    pub id: RouteId,
    /// Where its requests go.
    pub upstream: Arc<Upstream>,
    /// How its answers are cached.
    pub strategy: Arc<Strategy>,
    /// Whose quota and statistics they count to.
    pub namespace: Arc<Namespace>,
    /// The strategy as the policy reads it.
    pub rules: Rules,
    /// What of its answers is encoded.
    pub encode: EncodeRules,
    /// How keys are made.
    pub key: KeyRules,
    /// Whether it refuses requests without a tenant.
    pub wants_tenant: bool,
    /// Whether it caches at all.
    pub cache: bool,
    /// Tags of every entry.
    pub tags: Vec<Template>,
    /// Whether clients see the origin's tag fields.
    pub keep_tags: bool,
    /// Whether answers are not stored that path confusion may have got.
    pub refuse_path_confusion: bool,
    /// Protocols that clients may change to.
    pub upgrades: Vec<String>,
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
    pub fn takes(&self, request: &impl RequestView) -> bool {
        let methods = &self.matcher.methods;
        (methods.is_empty() || methods.contains(request.method()))
            && self.matcher.host.matches(request.host())
            && self.matcher.path.matches(request.path())
            && self.matcher.headers.all(request.fields())
    }

    /// Whether the route may take a read of the URL of `request`, given the right fields.
    fn may_read(&self, request: &impl RequestView) -> bool {
        let methods = &self.matcher.methods;
        let reads = methods.contains(&Method::GET) || methods.contains(&Method::HEAD) || self.reads_content();
        (methods.is_empty() || reads)
            && self.matcher.host.matches(request.host())
            && self.matcher.path.matches(request.path())
    }

    /// Whether it is for methods whose content is part of the key.
    fn reads_content(&self) -> bool {
        let mut methods = self.matcher.methods.iter();
        methods.any(|method| self.rules.methods.reads_content(method))
    }

    /// Whether every GET and HEAD of a URL that the route may read is taken by it, or by one before it.
    fn takes_every_read(&self) -> bool {
        let methods = &self.matcher.methods;
        self.matcher.headers.0.is_empty() && (methods.is_empty() || methods.contains(&Method::GET))
    }

    /// The rule that sends `request` past the cache, if one does.
    #[must_use]
    pub fn bypass(&self, request: &impl RequestView) -> Option<BypassRule> {
        if !self.cache {
            return Some(BypassRule::Route);
        }
        if self.bypass.headers.any(request.fields()) {
            return Some(BypassRule::Header);
        }
        let may_be_one_of = |patterns: &Patterns, name: &str| readings(name).any(|name| patterns.any(&name));
        let cookies = &self.bypass.cookies;
        if !cookies.is_empty() && request.cookies().any(|(name, _)| may_be_one_of(cookies, &name)) {
            return Some(BypassRule::Cookie);
        }
        let query = &self.bypass.query;
        if !query.is_empty() && request.query_pairs().any(|(name, _)| may_be_one_of(query, name)) {
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
    fn all(&self, fields: &impl Fields) -> bool {
        self.0.iter().all(|(name, pattern)| matches(fields, name, pattern))
    }

    fn any(&self, fields: &impl Fields) -> bool {
        self.0.iter().any(|(name, pattern)| matches(fields, name, pattern))
    }
}

fn matches(fields: &impl Fields, name: &HeaderName, pattern: &Glob) -> bool {
    fields
        .lines(name.as_str())
        .any(|value| pattern.matches(&String::from_utf8_lossy(value)))
}

impl Edits {
    /// Removes, then sets.
    pub fn apply(&self, fields: &mut impl EditFields) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            fields.insert(name, value.as_bytes());
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
            routes.extend(resolving.route(name, config, surroundings));
        }
        if !complaints.is_empty() {
            return Err(complaints);
        }
        // Not before: the cache keeps the name of a route for good.
        let counted = |mut route: Route| {
            route.id = surroundings.engine.route(&route.name);
            Arc::new(route)
        };
        Ok(Self {
            routes: routes.into_iter().map(counted).collect(),
        })
    }

    /// What the routes of `configs` will be called, those without a name of their own by what they match.
    #[must_use]
    pub fn names(configs: &[RouteConfig]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for config in configs {
            names.insert(resolve::name_of(config, &names));
        }
        names
    }

    /// The route that has `request`.
    #[must_use]
    pub fn find(&self, request: &impl RequestView) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.takes(request))
    }

    /// The routes that a read of the URL of `request` may take; which one depends on the fields of each read.
    pub fn readers<'a>(&'a self, request: &'a impl RequestView) -> impl Iterator<Item = &'a Arc<Route>> {
        let mut is_taken = false;
        let candidates = self.routes.iter().filter(|route| route.may_read(request));
        candidates.filter(move |route| {
            let may_come = !is_taken || route.reads_content();
            is_taken |= route.takes_every_read();
            may_come
        })
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
