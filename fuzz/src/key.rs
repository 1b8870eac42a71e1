//! Keys of the cache.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use peregrine_http::OwnRequest;
use peregrine_http::fuzzing::key_text;

/// Two requests, each as three lines of URL, `X-Key` and `Cookie`: what may differ for the origin never shares a key.
pub fn key(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (Some(one), Some(other)) = (request(&mut lines), request(&mut lines)) else {
        return;
    };
    if key_text(&one) != key_text(&other) {
        return;
    }
    let path = |request: &OwnRequest| request.url.path().to_owned();
    assert_eq!(path(&one), path(&other), "two paths with one key");
    let host = |request: &OwnRequest| request.url.host().map(str::to_ascii_lowercase);
    assert_eq!(host(&one), host(&other), "two hosts with one key");
    let field = |request: &OwnRequest, name: &str| request.headers.get(name).cloned();
    assert_eq!(
        field(&one, "x-key"),
        field(&other, "x-key"),
        "two values of a field in the key"
    );
    let query = |request: &OwnRequest| request.url.query().map(str::to_owned);
    let leaves_out = |request: &OwnRequest| query(request).is_some_and(|query| query.contains(['u', '%']));
    if !leaves_out(&one) && !leaves_out(&other) {
        assert_eq!(query(&one), query(&other), "two queries with one key");
    }
}

fn request<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<OwnRequest> {
    let (url, field, cookie) = (lines.next()?, lines.next()?, lines.next()?);
    let url = Uri::try_from(url).ok()?;
    // As a server makes it of what a client sent; other forms never come so far.
    url.host()
        .filter(|_| matches!(url.scheme_str(), Some("http" | "https")))?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-key"), HeaderValue::from_bytes(field).ok()?);
    headers.insert(header::COOKIE, HeaderValue::from_bytes(cookie).ok()?);
    Some(OwnRequest {
        url,
        method: Method::GET,
        headers,
    })
}
