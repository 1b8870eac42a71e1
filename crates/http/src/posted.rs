//! The answer to a POST that answers later GETs (RFC 9110 §9.3.3, RFC 9111 §4). It is stored as the answer that a GET with the
//! same fields would have got, by the same rules, on the route that such a GET would take; after the invalidation that the POST
//! itself is (RFC 9111 §4.4), and only if nothing else was invalidated since it was sent.

use crate::deliver;
use crate::encode;
use crate::hop::Hop;
use crate::identify::{Asking, Identity};
use crate::load::{self, LoadFacts};
use crate::outcome::Outcome;
use crate::plane::{Parts, Plane};
use crate::policy::{self, Times};
use crate::request::{RequestFacts, RequestView as _};
use crate::route::Route;
use crate::store;
use crate::trailers::{Trailed, Trailers};
use http::{Method, Response, StatusCode, header};
use peregrine_base::Instant;
use peregrine_cache::{BeforeWrite, Unreached};
use peregrine_net::http::Body;
use std::sync::Arc;

/// A POST on its way to the origin.
pub(crate) struct Posted<'a> {
    plane: &'a Plane,
    facts: &'a RequestFacts,
    route: &'a Arc<Route>,
    before: BeforeWrite,
    sent: Instant,
}

/// Its answer, which may be stored.
pub(crate) struct Answered<'a> {
    parts: &'a Parts,
    asking: Arc<Asking>,
    planned: load::Planned,
    tags: Vec<String>,
    unreached: Unreached,
}

impl<'a> Posted<'a> {
    /// Begins, before the POST is sent.
    pub(crate) fn begin(plane: &'a Plane, facts: &'a RequestFacts, route: &'a Arc<Route>) -> Option<Self> {
        let may_be = facts.method == Method::POST && route.cache && route.rules.methods.writes(&facts.method);
        may_be.then(|| Self {
            plane,
            facts,
            route,
            before: plane.parts.engine.before_write(),
            sent: plane.parts.clock.now(),
        })
    }

    /// The origin answered, and nothing was invalidated for that yet.
    pub(crate) fn answered(self, response: &Response<Body>) -> Option<Answered<'a>> {
        let (status, headers) = (response.status(), response.headers());
        if status != StatusCode::OK || !headers.contains_key(header::CONTENT_LOCATION) {
            return None;
        }
        let parts = &self.plane.parts;
        let target = self.facts.url().parse().ok()?;
        let read = Arc::new(self.read()?);
        let route = self.plane.table().find(&read).cloned()?;
        if !Arc::ptr_eq(&route, self.route) {
            return None;
        }
        let Identity::Cached(asking) = Identity::of(&read, &route, None, &Body::empty()) else {
            return None;
        };
        if !asking.leads || asking.asked.range {
            return None;
        }
        let times = Times {
            received: parts.clock.wall(),
            delay: parts.clock.now().since(self.sent),
        };
        // Kept apart as what a GET brings; the client of the POST gets what the origin sent.
        let mut as_read = Response::new(Body::empty());
        as_read.headers_mut().clone_from(headers);
        encode::keep_apart(as_read.headers_mut());
        let planned = load::plan(&asking, &as_read, times).ok()?;
        if !policy::stands_for_its_url(&target, status, headers, &planned.1) {
            return None;
        }
        let tags = policy::tags(headers);
        let all = store::tags_of(&asking, &planned.0.headers, tags.clone())?;
        let unreached = parts.engine.unreached(self.before, &asking.key, &all)?;
        Some(Answered {
            parts,
            asking,
            planned,
            tags,
            unreached,
        })
    }

    /// The GET that would have been answered so; nothing where the origin was told more than a GET would tell it.
    fn read(&self) -> Option<RequestFacts> {
        let facts = self.facts;
        if !self.route.key.are_those_of_a_load(&facts.headers) {
            // What is not part of the key took part in the answer.
            return None;
        }
        let mut headers = facts.headers.clone();
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        Some(RequestFacts {
            method: Method::GET,
            scheme: facts.scheme,
            authority: facts.authority.clone(),
            said_by_proxy: facts.said_by_proxy.clone(),
            target: facts.target.clone(),
            headers,
            client: facts.client,
            request_id: facts.request_id.clone(),
            body_length: Some(0),
            hop: Hop::default(),
            tenant: facts.tenant.clone(),
            tenant_fault: None,
            trace: facts.trace,
        })
    }
}

impl Answered<'_> {
    /// Stores `response`, after the POST itself invalidated what it changed by `own` invalidations, and gives the client what
    /// the origin sent.
    pub(crate) fn store(
        self,
        own: u64,
        facts: &RequestFacts,
        response: Response<Body>,
        outcome: &mut Outcome,
    ) -> Response<Body> {
        let Self {
            parts,
            asking,
            planned: (stored, plan, _),
            tags,
            unreached,
        } = self;
        let variants = asking.variants();
        let lies_in = |_: &peregrine_cache::Hit| false;
        let ask = asking.ask(&variants, &lies_in, parts.clock.now());
        let Some(lease) = parts.engine.lead_written(unreached, own, &asking.key, &ask) else {
            return response;
        };
        let length = response.body().length();
        let Ok(fill) = store::begin(lease, &asking, &stored, &plan, tags, (length, None)) else {
            return response;
        };
        let exchange = outcome.exchange.take();
        outcome.loaded(LoadFacts {
            decision: Some(plan.decision),
            exchange,
            status: Some(response.status()),
            stored: true,
            ttl_s: i64::try_from(plan.fresh_for.as_secs()).ok(),
        });
        let (reader, mut trailed) = (fill.reader(), None);
        let (head, mut body) = response.into_parts();
        let mut answer = deliver::of_reader(reader, length);
        if facts.hop.wants_trailers() && length.is_none() {
            let trailers = Trailers::default();
            body = trailers.keep(body);
            answer = trailers.clone().follow(answer);
            trailed = Some(Trailed::new(stored, trailers, &head.headers, &asking.route.rules));
        }
        parts.runtime.spawn(Box::pin(async move {
            drop(store::pump(fill, body, None, trailed).await);
        }));
        Response::from_parts(head, answer)
    }
}
