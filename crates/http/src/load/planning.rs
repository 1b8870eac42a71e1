//! Whether and how the response to a load is stored: all rules, on all that is known of request and response.

use crate::head::StoredHead;
use crate::identify::Asking;
use crate::policy::{self, Decision, Plan, Reason, Storage, Times};
use crate::request::RequestView as _;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use peregrine_cache::PartMeta;
use peregrine_net::http::{Body, hygiene};

/// How a response is stored: its head, the plan, and which part it is with the length of its content, where it is one.
pub(crate) type Planned = (StoredHead, Plan, Option<(u64, PartMeta)>);

/// How the response to `asking` is stored.
///
/// # Errors
/// Why it is not.
pub(crate) fn plan(asking: &Asking, response: &Response<Body>, times: Times) -> Result<Planned, Decision> {
    let Asking {
        asked, route, facts, ..
    } = asking;
    let mut status = response.status();
    let mut headers = policy::headers_to_store(response.headers(), &route.rules, times.received);
    let mut part = None;
    if status == StatusCode::PARTIAL_CONTENT && asking.part.is_some() {
        let placed = policy::place_part(&headers, response.body().length())?;
        // A part is stored like the 200 that it is of (RFC 9111 §3.3).
        (status, headers) = (StatusCode::OK, policy::part_headers(&headers));
        let validator = policy::strong_validator(&headers).filter(|_| !placed.is_doubtful);
        let meta = PartMeta {
            start: placed.span.start,
            complete: placed.complete,
            validator: validator.map(|validator| validator.text),
        };
        part = Some((placed.span.length(), meta));
    }
    if route.refuse_path_confusion && policy::is_path_confusion(facts.path(), status, &headers) {
        return Err(Reason::PathConfusion.into());
    }
    if policy::is_refusal_of_request(status, &facts.headers) {
        return Err(Reason::StatusOfRequest.into());
    }
    // By all that the origin said, fields that are not stored included.
    let said = response.headers();
    match policy::decide_storage(asked, &asking.load_method(), status, said, &route.rules, times) {
        Storage::Store(plan) => {
            permits(asking, &plan, status, said)?;
            Ok((StoredHead::new(status, headers), plan, part))
        }
        Storage::Pass(decision) => Err(decision),
    }
}

/// Whether the key and the variant that were asked for are those of a response that may be stored by `plan`.
///
/// # Errors
/// Why not.
pub(crate) fn permits(asking: &Asking, plan: &Plan, status: StatusCode, headers: &HeaderMap) -> Result<(), Decision> {
    if plan.vary.iter().any(|name| is_imitated(name, asking)) {
        return Err(Reason::VaryImitated.into());
    }
    query_rule_permits(asking, status, headers)
}

/// Whether some origins take another field of the load for `name`, by which they chose the answer.
fn is_imitated(name: &HeaderName, asking: &Asking) -> bool {
    let Asking { facts, route, .. } = asking;
    let is_alike = |sent: &HeaderName| sent != name && hygiene::is_alike(name.as_str(), sent.as_str());
    facts
        .headers
        .keys()
        .any(|sent| is_alike(sent) && !route.key.is_imitation(sent))
}

/// Whether the response says of its query what the key was made by. What else it says holds from the next request on.
fn query_rule_permits(asking: &Asking, status: StatusCode, headers: &HeaderMap) -> Result<(), Decision> {
    let Asking { facts, route, rule, .. } = asking;
    let said = route.key.said_of_query(facts, headers);
    if said.as_ref() == rule.as_deref() {
        return Ok(());
    }
    // A redirect teaches its path too; an error that says nothing unteaches nothing.
    if status.is_success() || rule.is_none() {
        route.key.learn(facts, said);
    }
    Err(Reason::QueryRule.into())
}
