//! The first step: from what arrived to what is known of it. Fields that end at this hop come off, whom the request came
//! from is settled, and the effective URL is put together.

use crate::hop::Hop;
use crate::policy::Fields;
use crate::request::{RequestFacts, normal_authority, said_by_proxy};
use crate::tenant::TenantRules;
use http::{HeaderValue, Request, StatusCode, header};
use peregrine_base::Random;
use peregrine_net::http::hygiene::{self, Forwarded, TrustedProxies};
use peregrine_net::http::{Body, Peer, Problem};

/// Through how many Peregrines a request may come. More of them means that one is its own origin.
const HOPS_MAX: usize = 10;

/// Reads a request.
///
/// # Errors
/// A problem for the client when there is no URL that could be asked for, or the request goes round in circles.
pub(crate) fn receive(
    request: Request<Body>,
    peer: &Peer,
    trusted: &TrustedProxies,
    tenants: &TenantRules,
    random: &dyn Random,
) -> Result<(RequestFacts, Body), Problem> {
    let (head, body) = request.into_parts();
    let hop = Hop::read(&head);
    let mut headers = head.headers;
    // Before fields come off: which do, the sender says too.
    let by_header = tenants.take(&mut headers, trusted.contains(peer.address.ip()));
    hygiene::strip_hop_by_hop(&mut headers);
    let mut forwarded = Forwarded::read(&headers, peer, trusted);
    let scheme = if forwarded.https { "https" } else { "http" };
    let normal = |host: &HeaderValue| Some(normal_authority(scheme, host.to_str().ok()?));
    let sent = headers.get(header::HOST).and_then(normal);
    let asked = forwarded.host.take();
    let is_named = asked.is_some();
    let authority = asked.as_ref().and_then(normal);
    let authority = authority.unwrap_or_else(|| normal_authority(scheme, &peer.local.to_string()));
    // HTTP/1.0 clients need not send one, origins want one.
    let sent = sent.unwrap_or_else(|| authority.clone());
    // An origin is asked in the words of the key: for some a capital or a port makes it another host (RFC 9110 §4.2.3).
    if let Ok(host) = HeaderValue::from_str(&sent) {
        headers.insert(header::HOST, host);
    }
    forwarded.host = HeaderValue::from_str(&authority).ok().filter(|_| is_named);
    forwarded.write(&mut headers, peer);
    let request_id = hygiene::request_id(&mut headers, peer, trusted, random);
    if goes_round(&headers) {
        return Err(Problem::new(StatusCode::LOOP_DETECTED, "loop")
            .detail("The request has come here again and again: an upstream leads back to its own proxy."));
    }
    hygiene::add_via(&mut headers, head.version);
    let Some(target) = head
        .uri
        .path_and_query()
        .map(|target| target.as_str())
        .filter(|target| target.starts_with('/'))
    else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_target")
            .detail("The request target must be a path, such as /products?page=2."));
    };
    let mut facts = RequestFacts {
        method: head.method,
        scheme,
        said_by_proxy: said_by_proxy(&headers, &sent, scheme, &authority),
        authority,
        target: target.to_owned(),
        headers,
        client: forwarded.client,
        request_id: request_id.to_str().unwrap_or_default().to_owned(),
        body_length: body.length(),
        hop,
        tenant: String::new(),
        tenant_fault: None,
        trace: None,
    };
    tenants.settle(&mut facts, by_header);
    Ok((facts, body))
}

/// Whether a request came through so many Peregrines, by its `Via` (RFC 9110 §7.6.3), that one leads back to itself.
pub(crate) fn goes_round(fields: &impl Fields) -> bool {
    let lines = fields.lines(header::VIA.as_str());
    let members = lines.flat_map(|line| line.split(|byte| *byte == b','));
    let named = |member: &&[u8]| member.trim_ascii().ends_with(hygiene::VIA_NAME.as_bytes());
    members.filter(named).count() >= HOPS_MAX
}
