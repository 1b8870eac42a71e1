//! What a call answers, and what every answer says beside it.

use crate::dashboard::SAFETY;
use crate::refusal::Refusal;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use peregrine_cache::Receipt;
use peregrine_net::http::Body;
use serde::Serialize;

/// What every answer of the API says: keep it nowhere, take its type as it is, run nothing of it.
pub(crate) fn protect(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    // A report's page has a policy of its own, for its style.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in SAFETY {
        headers.insert(name, value);
    }
}

/// What every page says: load and run only what comes from here.
pub(crate) fn protect_page(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(crate::dashboard::POLICY),
    );
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    for (name, value) in SAFETY {
        headers.insert(name, value);
    }
}

/// What a call answers.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Body,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub(crate) fn text(status: StatusCode, word: &str) -> Self {
        Self {
            status,
            ..Self::of("text/plain; charset=utf-8", format!("{word}\n"))
        }
    }

    /// `body`, which is of that type.
    pub(crate) fn of(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body: Body::full(body),
            headers: Vec::new(),
        }
    }

    /// Its bytes, where they are at hand.
    pub(crate) fn bytes(&self) -> Option<Bytes> {
        self.body.at_hand()
    }

    /// The same with a header field more.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(%error, "an admin answer cannot be written as JSON");
            Refusal::failed("The answer cannot be written as JSON.")
        })?;
        Ok(Self::of("application/json", body))
    }

    /// The same, as 202 where what the receipt tells does not hold everywhere yet (RFC 9110 §15.3.3).
    pub(crate) fn unless_pending(mut self, receipt: &Receipt) -> Self {
        if !receipt.is_confirmed() {
            self.status = StatusCode::ACCEPTED;
        }
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

/// The problem that the client reads.
pub(crate) fn refuse(refusal: Refusal) -> Response<Body> {
    let (problem, headers) = refusal.into_parts();
    let mut response = problem.into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The answer to HEAD: the same fields, and the length that the body would have.
pub(crate) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.length() {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
