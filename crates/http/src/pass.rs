//! Requests that go past the cache: passed on to the origin as they are, answered as it answers. A write that succeeds
//! invalidates what it changed (RFC 9111 §4.4) before its answer goes out, so that whoever reads the answer reads no
//! older value afterwards.

use crate::deliver;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::outgoing;
use crate::plane::Plane;
use crate::policy;
use crate::request::{RequestFacts, normal_authority};
use crate::route::Route;
use http::{HeaderMap, Method, Response, StatusCode};
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
    let sent = route.upstream.send(outgoing::forward(facts, route, body), retry).await;
    let (response, exchange) = match sent {
        Ok(answered) => answered,
        Err(error) => {
            // Nobody knows whether a write that got no answer was done: what it may have changed is invalidated.
            invalidate_changed(plane, facts, StatusCode::OK, &HeaderMap::new()).await;
            return Err(Failure::Upstream(error));
        }
    };
    outcome.exchange = Some(exchange);
    outcome.forward_status = Some(response.status().as_u16());
    invalidate_changed(plane, facts, response.status(), response.headers()).await;
    Ok(deliver::direct(response))
}

/// Invalidates the URLs that a successful write changed, under whatever route their GET takes.
async fn invalidate_changed(plane: &Plane, facts: &RequestFacts, status: StatusCode, headers: &HeaderMap) {
    if policy::is_safe(&facts.method) {
        return;
    }
    let Ok(url) = facts.url().parse() else { return };
    let changed = policy::invalidated_by(&facts.method, status, &url, headers);
    for uri in changed {
        let mut read = facts.clone();
        read.method = Method::GET;
        read.authority = normal_authority(facts.scheme, uri.authority().map_or("", http::uri::Authority::as_str));
        read.target = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned();
        let table = plane.table();
        let Some(route) = table.find(&read) else { continue };
        // By URL, which reaches every key that fields and cookies split it into.
        let key = format!("{}://{}{}", read.scheme, read.authority, route.key.target(&read));
        let scope = Some(vec![route.namespace.name().to_owned()]);
        plane
            .parts
            .engine
            .invalidate(&Invalidation {
                keys: vec![key],
                scope,
                ..Invalidation::default()
            })
            .await;
    }
}
