//! The request that goes to the origin.

use crate::policy;
use crate::request::RequestFacts;
use crate::route::Route;
use http::{HeaderMap, HeaderName, Method, Request, header};
use peregrine_net::http::Body;

/// Fields that make a request conditional or partial.
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// The request of a load, for the whole response, because it is for everybody; with the validators of what is stored, where something is.
pub(crate) fn load(facts: &RequestFacts, route: &Route, stored: Option<&HeaderMap>) -> Request<Body> {
    let mut request = build(facts, route, Method::GET, Body::empty());
    for name in &CONDITIONS {
        request.headers_mut().remove(name);
    }
    for (name, value) in stored.map(policy::validators).unwrap_or_default() {
        request.headers_mut().insert(name, value);
    }
    request
}

/// The client's own request, passed on.
pub(crate) fn forward(facts: &RequestFacts, route: &Route, body: Body) -> Request<Body> {
    build(facts, route, facts.method.clone(), body)
}

fn build(facts: &RequestFacts, route: &Route, method: Method, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // What was received parsed as a target, so it does so again; `/` keeps this total without a panic.
    *request.uri_mut() = facts.target.parse().unwrap_or_default();
    *request.headers_mut() = facts.headers.clone();
    route.request_edits.apply(request.headers_mut());
    request
}
