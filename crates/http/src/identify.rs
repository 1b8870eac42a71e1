//! Who asks for what: whether a request may use the cache, under which key, and on which terms.

use crate::key::RequestVariants;
use crate::policy::cache_status::Forward;
use crate::policy::{Asked, Decision, Reason, RequestVerdict, admit_request};
use crate::request::RequestFacts;
use crate::route::Route;
use http::Method;
use http_body::Body as _;
use peregrine_base::Instant;
use peregrine_cache::{Ask, Hit, Key, Variants};
use peregrine_net::http::Body;
use std::sync::Arc;

/// How a request stands to the cache.
pub(crate) enum Identity {
    /// It asks the cache.
    Cached(Box<Asking>),
    /// It goes past the cache.
    Past {
        /// The word for `Cache-Status`.
        why: Forward,
        /// The reason.
        decision: Decision,
    },
}

/// A request that asks the cache.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The request.
    pub(crate) facts: Arc<RequestFacts>,
    /// Its route.
    pub(crate) route: Arc<Route>,
    /// The terms that its own fields set.
    pub(crate) asked: Asked,
    /// The entry that it asks for.
    pub(crate) key: Key,
    /// The tag that reaches all keys of this URL, where a URL has several.
    pub(crate) url_tag: Option<String>,
    /// Whether it may load for others. A HEAD or a range brings no whole body, and `no-store` nothing to keep.
    pub(crate) leads: bool,
}

impl Identity {
    /// Decides how `facts` stand to the cache.
    pub(crate) fn of(facts: &Arc<RequestFacts>, route: &Arc<Route>, body: &Body) -> Self {
        if let Some(rule) = route.bypass(facts) {
            return Self::Past { why: Forward::Bypass, decision: Decision::of(Reason::RouteBypass).with_detail(rule.as_str()) };
        }
        let asked = match admit_request(&facts.method, &facts.headers, &route.rules) {
            RequestVerdict::Use(asked) => asked,
            RequestVerdict::Bypass(decision) => {
                let why = if decision.reason == Reason::Method { Forward::Method } else { Forward::Request };
                return Self::Past { why, decision };
            }
        };
        if !body.is_end_stream() {
            return Self::Past { why: Forward::Request, decision: Decision::of(Reason::RequestBody) };
        }
        let (key, url_tag) = key_of(facts, route);
        let leads = facts.method == Method::GET && !asked.range && !asked.no_store;
        Self::Cached(Box::new(Asking { facts: Arc::clone(facts), route: Arc::clone(route), asked, key, url_tag, leads }))
    }
}

/// The key of `facts` on `route`, and the tag of its URL where the route splits URLs into several keys.
pub(crate) fn key_of(facts: &RequestFacts, route: &Route) -> (Key, Option<String>) {
    let mut target = route.key.target(facts);
    let url_tag = route.key.splits_url().then(|| url_tag(facts, &target));
    route.key.append_parts(facts, &mut target);
    (Key::http(&route.namespace, "", facts.scheme, &facts.authority, &target), url_tag)
}

/// A tag for all keys of one URL.
fn url_tag(facts: &RequestFacts, target: &str) -> String {
    format!("url:{}://{}{target}", facts.scheme, facts.authority)
}

impl Asking {
    /// The terms on which the engine is asked.
    pub(crate) fn ask<'a>(&'a self, variants: &'a dyn Variants, now: Instant) -> Ask<'a> {
        Ask {
            now,
            strategy: &self.route.strategy,
            age_max: self.asked.age_max,
            fresh_min: self.asked.fresh_min,
            stale_max: self.asked.stale_max,
            validate: self.asked.validate,
            variants,
            lead: self.leads && !self.asked.only_if_cached,
        }
    }

    /// Renders the variant that this request asks for.
    pub(crate) fn variants(&self) -> RequestVariants<'_> {
        RequestVariants { headers: &self.facts.headers, rules: &self.route.key }
    }

    /// Whether a stale response may stand in for a failed or slow load. A client that asked for validation gets none.
    pub(crate) fn stale_allowed(&self, hit: &Hit, now: Instant) -> bool {
        !self.asked.validate && hit.stale_if_error_until().max(hit.stale_while_revalidate_until()) > now
    }
}
