//! PURGE, as in Varnish: a client that may do so takes a URL out of the cache, with all its variants and whatever route keeps
//! it. The answer is the receipt of the admin API.

use crate::failure::Failure;
use crate::plane::{Plane, Rules};
use crate::request::{RequestFacts, RequestView as _, normal_authority};
use http::{HeaderValue, Response, StatusCode, header};
use peregrine_cache::Invalidation;
use peregrine_net::http::Body;

/// The method. No specification has it; every cache does.
pub(crate) const METHOD: &str = "PURGE";

/// Purges the URL of `facts`.
///
/// # Errors
/// When nobody, or not this client, may purge; when no route reads the URL.
pub(crate) async fn answer(plane: &Plane, rules: &Rules, facts: &RequestFacts) -> Result<Response<Body>, Failure> {
    if rules.purgers.is_nobody() {
        return Err(Failure::PurgeOff);
    }
    if !rules.purgers.contains(facts.client) {
        return Err(Failure::PurgeForbidden);
    }
    let mut request = Invalidation::default();
    let mut namespaces: Vec<String> = Vec::new();
    // Who purges often reaches the cache by another scheme than those who read.
    for scheme in ["http", "https"] {
        let read = RequestFacts {
            method: http::Method::GET,
            scheme,
            authority: normal_authority(scheme, &facts.authority),
            ..facts.clone()
        };
        request.tags.push(read.path_tag());
        for route in rules.table.readers(&read) {
            let key = format!("{scheme}://{}{}", read.authority, route.key.target(&read));
            if !request.keys.contains(&key) {
                request.keys.push(key);
            }
            if !namespaces.iter().any(|name| name == route.namespace.name()) {
                namespaces.push(route.namespace.name().to_owned());
            }
        }
    }
    if request.keys.is_empty() {
        return Err(Failure::NoRoute);
    }
    request.scope = Some(namespaces);
    // A purge in a tenant's name takes what is the tenant's; one in nobody's name takes the URL from all of them.
    request.tenant = Some(facts.tenant.clone()).filter(|tenant| !tenant.is_empty());
    let receipt = plane.parts.engine.invalidate(&request).await;
    tracing::info!(url = facts.url(), client = %facts.client, id = receipt.id, "purged");
    let text = serde_json::to_vec(&receipt).unwrap_or_default();
    let mut response = Response::new(Body::full(text));
    if !receipt.is_confirmed() {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}
