//! The request that goes to the origin.

use crate::encode::{self, tags};
use crate::identify::Asking;
use crate::policy;
use crate::request::RequestFacts;
use crate::route::Route;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use peregrine_net::http::Body;

/// Where surrogates say that they are there.
const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// That [`policy::SURROGATE_NAME`] is.
const SURROGATE_CAPABLE: HeaderValue = HeaderValue::from_static("peregrine=\"Surrogate/1.0\"");

/// Fields that make a request conditional or partial.
static CONDITIONS: [HeaderName; 6] = [
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
    /// Unless one of the variants with these entity tags is what would be sent.
    Other(&'a HeaderValue),
    /// Only the part that the client asks for; with a stored head, unless that is still right.
    Part(Option<&'a HeaderMap>),
    /// Only what is missing of a stored version, and everything if there is another by now: Range and If-Range.
    Rest(&'a HeaderValue, &'a HeaderValue),
    /// Unless the client's own copy is: nobody else waits for the answer, and the last one could not be stored.
    ByClient,
}

/// The request of a load. What the client has already makes no difference to it.
pub(crate) fn load(asking: &Asking, wanted: Wanted<'_>) -> Request<Body> {
    let route = &asking.route;
    let mut request = build(&asking.facts, route, asking.load_method(), asking.body(), true);
    if matches!(wanted, Wanted::ByClient) {
        // A request with one of the other conditions, or for a range, loads nothing.
        return request;
    }
    let headers = request.headers_mut();
    let keeps_range = matches!(wanted, Wanted::Part(_));
    let is_range = |name: &HeaderName| *name == header::RANGE || *name == header::IF_RANGE;
    for name in CONDITIONS.iter().filter(|name| !(keeps_range && is_range(name))) {
        headers.remove(name);
    }
    // A condition on a POST is one for doing something, not for sending the answer (RFC 9110 §13.1.2).
    let takes_conditions = asking.facts.method != Method::POST;
    match wanted {
        Wanted::Changed(stored) | Wanted::Part(Some(stored)) if takes_conditions => {
            for (name, value) in policy::validators(stored) {
                headers.insert(name, value);
            }
        }
        Wanted::Other(tags) if takes_conditions => {
            headers.insert(header::IF_NONE_MATCH, tags.clone());
        }
        Wanted::Rest(range, if_range) => {
            headers.insert(header::RANGE, range.clone());
            headers.insert(header::IF_RANGE, if_range.clone());
        }
        _ => {}
    }
    request
}

/// The client's own request, passed on.
pub(crate) fn forward(facts: &RequestFacts, route: &Route, body: Body) -> Request<Body> {
    let mut request = build(facts, route, facts.method.clone(), body, false);
    let headers = request.headers_mut();
    let by_date = headers.contains_key(header::IF_UNMODIFIED_SINCE) && !headers.contains_key(header::IF_MATCH);
    if by_date && route.encode.transforms() && !encode::takes_no_coding(headers) {
        // A date does not tell of which representation the client has a part (RFC 9110 §8.8.2.2): it gets all of one.
        headers.remove(header::RANGE);
    }
    if let Some(protocol) = facts.hop.upgrade(&route.upgrades).filter(|_| request.body().is_empty()) {
        request.headers_mut().insert(header::UPGRADE, protocol.clone());
    }
    request
}

/// The request as the route has it; of one whose answer is `for_all`, the client's fields are those that the key holds or that
/// make no difference.
fn build(facts: &RequestFacts, route: &Route, method: Method, body: Body, for_all: bool) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // What was received parsed as a target, so it does so again; `/` keeps this total without a panic.
    *request.uri_mut() = facts.target.parse().unwrap_or_default();
    *request.headers_mut() = facts.headers.clone();
    if for_all {
        route.key.canonical.apply(request.headers_mut());
        route.key.strip_overrides(request.headers_mut());
    }
    tags::restore(request.headers_mut());
    if route.rules.targeted_fields.contains(&policy::SURROGATE_CONTROL) {
        // Edge Architecture 1.0 §2: an origin speaks to surrogates only if one says that it is there.
        request.headers_mut().append(SURROGATE_CAPABILITY, SURROGATE_CAPABLE);
    }
    route.request_edits.apply(request.headers_mut());
    facts.hop.apply(&mut request);
    request
}
