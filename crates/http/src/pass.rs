//! Requests that go past the cache: passed on to the origin as they are, answered as it answers. A write that succeeds
//! invalidates what it changed (RFC 9111 §4.4) before its answer goes out, so that whoever reads the answer reads no
//! older value afterwards.

use crate::deliver;
use crate::encode::tags;
use crate::failure::Failure;
use crate::hop::Hop;
use crate::origin::Asker;
use crate::outcome::Outcome;
use crate::outgoing;
use crate::plane::Plane;
use crate::policy;
use crate::posted::Posted;
use crate::request::{RequestFacts, RequestView as _, normal_authority};
use crate::route::Route;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use peregrine_cache::Invalidation;
use peregrine_net::http::Body;
use peregrine_net::upstream::Retry;
use std::sync::Arc;

/// Passes the request on and its answer back.
pub(crate) async fn forward(
    plane: &Plane,
    facts: &RequestFacts,
    route: &Arc<Route>,
    body: Body,
    outcome: &mut Outcome,
) -> Result<Response<Body>, Failure> {
    let retry = if facts.method.is_idempotent() {
        Retry::Safe
    } else {
        Retry::Never
    };
    let (write, posted) = (Write::begin(plane, facts, route), Posted::begin(plane, facts, route));
    let asker = Asker {
        clock: &*plane.parts.clock,
        random: &*plane.parts.random,
        recorder: &plane.parts.recorder,
        tenants: &plane.parts.tenants,
    };
    let request = outgoing::forward(facts, route, body);
    let sent = asker.ask(facts, route, request, retry).await;
    let (response, exchange) = sent.map_err(Failure::Upstream)?;
    let posted = posted.and_then(|posted| posted.answered(&response));
    let invalidations = write.answered(response.status(), response.headers());
    outcome.exchange = Some(exchange);
    outcome.forward_status = Some(response.status().as_u16());
    let response = match posted {
        Some(posted) => posted.store(invalidations, facts, response, outcome),
        None => response,
    };
    let mut response = match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => switched(response),
        _ => passed(response),
    };
    if response.status() == StatusCode::NOT_MODIFIED {
        tags::give_back(&facts.headers, response.headers_mut());
    }
    Ok(response)
}

/// An answer as it is passed on: which trailers follow is still announced (RFC 9110 §6.6.2) where they have a place.
fn passed(response: Response<Body>) -> Response<Body> {
    let trailer = response.headers().get(header::TRAILER).cloned();
    let mut response = deliver::direct(response);
    if let Some(trailer) = trailer.filter(|_| response.body().length().is_none()) {
        response.headers_mut().insert(header::TRAILER, trailer);
    }
    response
}

/// An answer that changes the protocol, and says so to the client too.
fn switched(response: Response<Body>) -> Response<Body> {
    let protocol = response.headers().get(header::UPGRADE).cloned();
    let mut response = deliver::direct(response);
    if let Some(protocol) = protocol {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    response
}

/// A request under way, which changes something unless its method is safe. Dropped before it was answered, because the
/// origin failed or the client left, it leaves nobody knowing whether that was done: what it may have changed becomes stale,
/// so that it is asked for anew and still stands in for an origin that is down.
struct Write<'a> {
    plane: &'a Plane,
    facts: &'a RequestFacts,
    is_open: bool,
}

impl<'a> Write<'a> {
    fn begin(plane: &'a Plane, facts: &'a RequestFacts, route: &Route) -> Self {
        let is_open = route.rules.methods.writes(&facts.method);
        Self { plane, facts, is_open }
    }

    /// The origin says what came of it. Answers with how many invalidations that were.
    fn answered(mut self, status: StatusCode, headers: &HeaderMap) -> u64 {
        if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) {
            // A gateway before the origin says so, and knows no more than who failed here.
            return 0;
        }
        if std::mem::take(&mut self.is_open) {
            self.invalidate(status, headers, false)
        } else {
            0
        }
    }

    /// Invalidates the URLs that it changed, under every route that a read of them may take; how many invalidations that were.
    fn invalidate(&self, status: StatusCode, headers: &HeaderMap, soft: bool) -> u64 {
        let Ok(url) = self.facts.url().parse() else { return 0 };
        let mut count = 0;
        let groups = policy::invalidated_groups(&self.facts.method, status, headers);
        if !groups.is_empty() {
            // Whatever namespace the routes of this origin keep them in.
            self.plane.parts.engine.invalidate_uncounted(&Invalidation {
                tags: groups.iter().map(|group| self.facts.group_tag(group)).collect(),
                tenant: self.tenant(),
                soft,
                ..Invalidation::default()
            });
            count += 1;
        }
        let table = self.plane.table();
        for uri in policy::invalidated_by(&self.facts.method, status, &url, headers) {
            let read = self.read_of(&uri);
            for route in table.readers(&read) {
                // By URL, which reaches every key that fields and cookies split it into.
                let key = format!("{}://{}{}", read.scheme, read.authority, route.key.target(&read));
                let written = Invalidation {
                    keys: vec![key],
                    tags: vec![read.path_tag()],
                    scope: Some(vec![route.namespace.name().to_owned()]),
                    tenant: self.tenant(),
                    soft,
                    ..Invalidation::default()
                };
                self.plane.parts.engine.invalidate_written(&written, route.id);
                count += 1;
            }
        }
        count
    }

    /// What a tenant changes is its own.
    fn tenant(&self) -> Option<String> {
        Some(self.facts.tenant.clone()).filter(|tenant| !tenant.is_empty())
    }

    /// A request that reads `uri`, as far as that is known.
    fn read_of(&self, uri: &Uri) -> RequestFacts {
        let scheme = self.facts.scheme;
        RequestFacts {
            method: Method::GET,
            scheme,
            authority: normal_authority(scheme, uri.authority().map_or("", http::uri::Authority::as_str)),
            said_by_proxy: Vec::new(),
            target: uri
                .path_and_query()
                .map_or("/", http::uri::PathAndQuery::as_str)
                .to_owned(),
            headers: HeaderMap::new(),
            client: self.facts.client,
            request_id: String::new(),
            body_length: None,
            hop: Hop::default(),
            tenant: self.facts.tenant.clone(),
            tenant_fault: None,
            trace: None,
        }
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.invalidate(StatusCode::OK, &HeaderMap::new(), true);
        }
    }
}
