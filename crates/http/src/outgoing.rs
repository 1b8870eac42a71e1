//! The request that goes to the origin.

use crate::encode::tags;
use crate::identify::Asking;
use crate::policy;
use crate::request::RequestFacts;
use crate::route::Route;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use peregrine_net::http::Body;

/// Where surrogates say that they are there.
const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// Fields that make a request conditional or partial.
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// On what condition a load wants a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// In any case: it is for everybody.
    Whole,
    /// Unless what is stored, with this head, is still right.
    Changed(&'a HeaderMap),
    /// Unless the client's own copy is: nobody else waits for the answer, and the last one could not be stored.
    ByClient,
}

/// The request of a load. It is for the whole response, whatever part or version of it the client has.
pub(crate) fn load(asking: &Asking, wanted: Wanted<'_>) -> Request<Body> {
    let route = &asking.route;
    let mut request = build(&asking.facts, route, asking.load_method(), asking.body());
    route.key.canonical.apply(request.headers_mut());
    route.key.strip_overrides(request.headers_mut());
    if matches!(wanted, Wanted::ByClient) {
        // A request with one of the other conditions, or for a range, loads nothing.
        return request;
    }
    for name in &CONDITIONS {
        request.headers_mut().remove(name);
    }
    // A condition on a POST is one for doing something, not for sending the answer (RFC 9110 §13.1.2).
    if let Wanted::Changed(stored) = wanted
        && *request.method() != Method::POST
    {
        for (name, value) in policy::validators(stored) {
            request.headers_mut().insert(name, value);
        }
    }
    request
}

/// The client's own request, passed on.
pub(crate) fn forward(facts: &RequestFacts, route: &Route, body: Body) -> Request<Body> {
    let mut request = build(facts, route, facts.method.clone(), body);
    if let Some(protocol) = facts.hop.upgrade(&route.upgrades).filter(|_| request.body().is_empty()) {
        request.headers_mut().insert(header::UPGRADE, protocol.clone());
    }
    request
}

fn build(facts: &RequestFacts, route: &Route, method: Method, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // What was received parsed as a target, so it does so again; `/` keeps this total without a panic.
    *request.uri_mut() = facts.target.parse().unwrap_or_default();
    *request.headers_mut() = facts.headers.clone();
    tags::restore(request.headers_mut());
    if route.rules.targeted_fields.contains(&policy::SURROGATE_CONTROL) {
        // Edge Architecture 1.0 §2: an origin speaks to surrogates only if one says that it is there.
        let capability = format!("{}=\"Surrogate/1.0\"", policy::SURROGATE_NAME);
        if let Ok(capability) = HeaderValue::from_str(&capability) {
            request.headers_mut().append(SURROGATE_CAPABILITY, capability);
        }
    }
    route.request_edits.apply(request.headers_mut());
    facts.hop.apply(&mut request);
    request
}
