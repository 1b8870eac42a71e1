//! Who asks for what: whether a request may use the cache, under which key, and on which terms.

use crate::content::Content;
use crate::head::StoredHead;
use crate::key::RequestVariants;
use crate::policy::{
    Asked, Decision, Fields, Forward, NoVarySearch, RangeAnswer, Ranges, Reason, RequestVerdict, StaleUse,
    admit_request, if_range_holds, request_may_use_stale,
};
use crate::request::{RequestFacts, RequestView};
use crate::route::{BypassRule, Route};
use http::{HeaderMap, Method, header};
use http_body::Body as _;
use peregrine_base::Instant;
use peregrine_cache::{Ask, Hit, Key, PartAsk, RangeLoad, Variants};
use peregrine_net::http::Body;
use std::sync::Arc;

/// Tells whether what is held of a response has all that a request asks for.
pub(crate) type LiesIn<'a> = dyn Fn(&Hit) -> bool + Sync + 'a;

/// How a request stands to the cache.
pub(crate) enum Identity {
    /// It asks the cache.
    Cached(Arc<Asking>),
    /// It goes past the cache.
    Past {
        /// The word for `Cache-Status`.
        why: Forward,
        /// The reason.
        decision: Decision,
        /// The rule of the route, where one decided.
        rule: Option<BypassRule>,
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
    /// What it sends along, where that is part of the key.
    pub(crate) content: Option<Content>,
    /// What responses said of the query, by which the key was made.
    pub(crate) rule: Option<Arc<NoVarySearch>>,
    /// Whether it may load for others. A HEAD or several ranges bring nothing that could be kept, and `no-store` keeps nothing.
    pub(crate) leads: bool,
    /// The ranges that it asks for; nothing where that means nothing (RFC 9110 §14.2).
    pub(crate) ranges: Option<Ranges>,
    /// Its ranges as it wrote them, where it will do with what is held of them.
    pub(crate) part: Option<String>,
}

impl Identity {
    /// Decides how `facts` stand to the cache; `content` is what was taken out of `body` for the key.
    pub(crate) fn of(facts: &Arc<RequestFacts>, route: &Arc<Route>, content: Option<Content>, body: &Body) -> Self {
        let content = content.filter(|_| route.rules.methods.reads_content(&facts.method));
        let asked = match asked_of(facts, route, content.is_some(), !body.is_end_stream()) {
            Ok(asked) => asked,
            Err(past) => return past,
        };
        if facts.hop.upgrade(&route.upgrades).is_some() {
            return Self::Past {
                why: Forward::Bypass,
                decision: Decision::new(Reason::Upgrade),
                rule: None,
            };
        }
        let (key, rule) = key_of(facts, route, content.as_ref());
        let (ranges, part) = ranges_of(facts, route);
        let loads = ranges.as_ref().is_none_or(|ranges| match route.strategy.range() {
            RangeLoad::FetchParts => ranges.is_single(),
            RangeLoad::FetchWhole => true,
            RangeLoad::Pass => false,
        });
        let by_content = content.is_some() && !asked.range;
        let leads = (by_content || (facts.method == Method::GET && loads)) && !asked.no_store;
        Self::Cached(Arc::new(Asking {
            facts: Arc::clone(facts),
            route: Arc::clone(route),
            asked,
            key,
            content,
            rule,
            leads,
            ranges,
            part,
        }))
    }
}

/// The ranges that a request asks for, and the text by which it asks for what is held of them.
fn ranges_of(facts: &RequestFacts, route: &Route) -> (Option<Ranges>, Option<String>) {
    let ranges = (facts.method == Method::GET)
        .then(|| Ranges::of(&facts.headers))
        .flatten();
    let wants_parts = ranges.is_some() && route.strategy.range() == RangeLoad::FetchParts;
    let part = wants_parts.then(|| {
        let text = |name| String::from_utf8_lossy(facts.headers.first(name).unwrap_or_default());
        // The origin's answer depends on both.
        format!("{} {}", text("range"), text("if-range"))
    });
    (ranges, part)
}

/// What `request` asks of the cache. `has_content` says that its content was taken for the key, `has_body` that there is some
/// which was not.
///
/// # Errors
/// Why it goes past it.
pub(crate) fn asked_of(
    request: &impl RequestView,
    route: &Route,
    has_content: bool,
    has_body: bool,
) -> Result<Asked, Identity> {
    if let Some(rule) = route.bypass(request) {
        let reason = if rule == BypassRule::Route {
            Reason::CachingOff
        } else {
            Reason::BypassRule
        };
        return Err(Identity::Past {
            why: Forward::Bypass,
            decision: Decision::new(reason),
            rule: Some(rule),
        });
    }
    let asked = match admit_request(request.method(), request.fields(), &route.rules) {
        RequestVerdict::Use(asked) => Asked {
            cookie: asked.cookie && !route.key.covers_cookies(request),
            ..asked
        },
        RequestVerdict::Bypass(decision) => {
            let why = decision.reason.forward().unwrap_or(Forward::Bypass);
            return Err(Identity::Past {
                why,
                decision,
                rule: None,
            });
        }
    };
    let misses_content = !has_content && route.rules.methods.reads_content(request.method());
    if misses_content || has_body {
        return Err(Identity::Past {
            why: Forward::Bypass,
            decision: Decision::new(Reason::RequestContent),
            rule: None,
        });
    }
    Ok(asked)
}

/// Whether such a request may load for others. A HEAD or a range brings no whole body, and `no-store` nothing to keep.
pub(crate) fn leads(method: &Method, asked: &Asked) -> bool {
    *method == Method::GET && !asked.range && !asked.no_store
}

/// The key of `request` with `content` on `route`, and what was said of its query.
fn key_of(request: &RequestFacts, route: &Route, content: Option<&Content>) -> (Key, Option<Arc<NoVarySearch>>) {
    let mut key = Key::blank(&route.namespace);
    key.set_route(route.id);
    let Some(content) = content else {
        let rule = rewrite_key(&mut key, request, route);
        return (key, rule);
    };
    let mut rule = None;
    let (method, authority) = (request.method.as_str(), &request.authority);
    key.rewrite_http(
        &route.namespace,
        &request.tenant,
        method,
        request.scheme,
        authority,
        |text| {
            let begin = text.len();
            rule = route.key.push(request, text);
            content.append_part(request, begin, text);
        },
    );
    (key, rule)
}

/// Makes `key` the key of `request` on `route`; gives what was said of its query.
pub(crate) fn rewrite_key(key: &mut Key, request: &impl RequestView, route: &Route) -> Option<Arc<NoVarySearch>> {
    let (scheme, authority) = (request.scheme(), request.authority());
    let mut rule = None;
    key.set_route(route.id);
    key.rewrite_http(&route.namespace, request.tenant(), "GET", scheme, authority, |text| {
        rule = route.key.push(request, text);
    });
    rule
}

/// The terms on which the engine is asked for somebody who asked `asked`.
pub(crate) fn terms<'a>(
    route: &'a Route,
    asked: &Asked,
    leads: bool,
    variants: &'a dyn Variants,
    now: Instant,
) -> Ask<'a> {
    Ask {
        now,
        strategy: &route.strategy,
        age_max: asked.age_max,
        fresh_min: asked.fresh_min,
        stale_max: asked.stale_max,
        validate: asked.validate,
        variants,
        lead: leads && !asked.only_if_cached,
        part: None,
        arrived: now,
        verified: false,
    }
}

impl Asking {
    /// The terms on which the engine is asked.
    pub(crate) fn ask<'a>(&'a self, variants: &'a dyn Variants, lies_in: &'a LiesIn<'a>, now: Instant) -> Ask<'a> {
        Ask {
            part: self.part.as_deref().map(|text| PartAsk { text, lies_in }),
            ..terms(&self.route, &self.asked, self.leads, variants, now)
        }
    }

    /// Whether all that this request asks for lies in what is held of a response.
    pub(crate) fn lies_in(&self, hit: &Hit) -> bool {
        let (Some(ranges), Some(parts)) = (&self.ranges, hit.parts()) else {
            return false;
        };
        if self.facts.headers.contains_key(header::IF_RANGE) {
            let head = StoredHead::decode(hit.head());
            if !head.is_some_and(|head| if_range_holds(&self.facts.headers, &head.headers)) {
                return false;
            }
        }
        match ranges.select(parts.complete) {
            RangeAnswer::Parts(wanted) => wanted.iter().all(|span| parts.spans.covers(*span)),
            RangeAnswer::Unsatisfiable => true,
            RangeAnswer::Whole => false,
        }
    }

    /// What goes to the origin as the request's body.
    pub(crate) fn body(&self) -> Body {
        self.content
            .as_ref()
            .map_or_else(Body::empty, |content| Body::full(content.bytes.clone()))
    }

    /// The method by which the origin is asked: HEAD is answered from what GET stored.
    pub(crate) fn load_method(&self) -> Method {
        match self.content {
            Some(_) => self.facts.method.clone(),
            None => Method::GET,
        }
    }

    /// Renders the variant that this request asks for.
    pub(crate) fn variants(&self) -> RequestVariants<'_, HeaderMap> {
        RequestVariants {
            fields: &self.facts.headers,
            rules: &self.route.key,
        }
    }

    /// Whether a stale response may stand in for a slow load. Nothing has failed, so the client's own limits hold (RFC 9111
    /// §5.2.1).
    pub(crate) fn stale_allowed_for_now(&self, hit: &Hit, now: Instant) -> bool {
        let (variants, lies_in) = (self.variants(), |_: &Hit| false);
        self.stale_allowed(hit, now) && self.ask(&variants, &lies_in, now).takes(hit)
    }

    /// Whether a stale response may stand in for a failed load. A client that asked for validation gets none.
    pub(crate) fn stale_allowed(&self, hit: &Hit, now: Instant) -> bool {
        // The fields that are stored need not be all that the origin said: Connection may name Cache-Control.
        if self.asked.validate || hit.forbids_stale() {
            return false;
        }
        let Some(head) = StoredHead::decode(hit.head()) else {
            return false;
        };
        if hit.parts().is_some() && !self.lies_in(hit) {
            return false;
        }
        let window = hit.stale_if_error_until().since(hit.fresh_until());
        let stale_for = now.since(hit.fresh_until());
        let rules = &self.route.rules;
        matches!(
            request_may_use_stale(&self.asked, head.status, &head.headers, rules, stale_for, window),
            StaleUse::Allowed(_)
        )
    }
}
