//! Unsafe methods (RFC 9110 §9.2.1) and what their success makes invalid (RFC 9111 §4.4): the target, and what Location
//! and Content-Location name at the same origin.

use super::reference;
use http::header::{self, HeaderMap};
use http::{Method, StatusCode, Uri};

/// Whether a method promises to change nothing. One that is not known here is taken for unsafe.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    const REGISTERED: [&str; 4] = ["QUERY", "PROPFIND", "REPORT", "SEARCH"];
    method.is_safe() || REGISTERED.contains(&method.as_str())
}

/// The URIs whose stored responses are invalid after this response, each once, the target first: none after a safe
/// method, none after an error. `target` is the request's absolute URI, as in the key.
#[must_use]
pub fn invalidated_by(method: &Method, status: StatusCode, target: &Uri, headers: &HeaderMap) -> Vec<Uri> {
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut uris = vec![target.clone()];
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        for value in headers.get_all(name) {
            let Some(uri) = value.to_str().ok().and_then(|value| reference::resolve(target, value)) else {
                continue;
            };
            if reference::same_origin(target, &uri) && !uris.contains(&uri) {
                uris.push(uri);
            }
        }
    }
    uris
}
