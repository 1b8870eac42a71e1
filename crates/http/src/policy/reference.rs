//! References to URIs in fields (RFC 3986 §5): resolving one against the request's URI, and whether two share an origin.

use http::Uri;
use http::uri::Scheme;

/// The absolute URI that `reference` means beside `base`, without its fragment; `None` if it cannot be read.
pub(super) fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next()?.trim_matches([' ', '\t']);
    let scheme = base.scheme_str()?;
    let authority = base.authority()?.as_str();
    let absolute = if has_scheme(reference) {
        reference.to_owned()
    } else if let Some(after) = reference.strip_prefix("//") {
        format!("{scheme}://{after}")
    } else if reference.starts_with('/') {
        format!("{scheme}://{authority}{reference}")
    } else if reference.is_empty() {
        return Some(base.clone());
    } else if reference.starts_with('?') {
        format!("{scheme}://{authority}{}{reference}", base.path())
    } else {
        let folder = base
            .path()
            .rfind('/')
            .and_then(|slash| base.path().get(..=slash))
            .unwrap_or("/");
        format!("{scheme}://{authority}{folder}{reference}")
    };
    without_dot_segments(&absolute.parse().ok()?)
}

/// Whether two absolute URIs have the same scheme, host and port (RFC 9110 §4.3.1).
pub(super) fn same_origin(one: &Uri, other: &Uri) -> bool {
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && host(one).is_some() && port(one) == port(other)
}

fn port(uri: &Uri) -> Option<u16> {
    let by_scheme = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    uri.port_u16().or(Some(by_scheme))
}

/// Whether `reference` begins with a scheme (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    let scheme = reference
        .find([':', '/', '?'])
        .filter(|end| reference.as_bytes().get(*end) == Some(&b':'));
    let scheme = scheme.and_then(|end| reference.get(..end)).unwrap_or_default();
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Takes `.` and `..` out of the path (RFC 3986 §5.2.4).
fn without_dot_segments(uri: &Uri) -> Option<Uri> {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in uri.path().split('/').skip(1) {
        ends_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => _ = kept.pop(),
            _ => kept.push(segment),
        }
    }
    let mut path_and_query = format!("/{}", kept.join("/"));
    if ends_open && !kept.is_empty() {
        path_and_query.push('/');
    }
    if let Some(query) = uri.query() {
        path_and_query.push('?');
        path_and_query.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}
