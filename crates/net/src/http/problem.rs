//! Problem details (RFC 9457): how an error reaches a client that is a program. Never holds addresses, secrets or anything
//! else of the inside; every fault of an input at once.

use crate::http::Body;
use ::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// What `type` begins with; the kind follows.
const TYPE_PREFIX: &str = "urn:peregrine:problem:";

/// An error as the client sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status of the response.
    pub status: StatusCode,
    /// The word that names this kind of problem, the same as in logs and metrics: `first_byte_timeout`.
    pub kind: &'static str,
    /// What went wrong, the same for every problem of the kind.
    pub title: Cow<'static, str>,
    /// What went wrong this time, and what to do about it.
    pub detail: Option<Cow<'static, str>>,
    /// Every fault of the input.
    pub errors: Vec<Fault>,
    /// Further members, such as `request_id`.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// One fault of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where it is: a field, dotted.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of `kind`; the title is the reason phrase of `status`.
    #[must_use]
    pub fn new(status: StatusCode, kind: &'static str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").into();
        Self {
            status,
            kind,
            title,
            detail: None,
            errors: Vec::new(),
            extra: serde_json::Map::new(),
        }
    }

    /// With the sentence that says what went wrong this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With one more fault of the input.
    #[must_use]
    pub fn fault(mut self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(Fault {
            field: field.into(),
            detail: detail.into(),
        });
        self
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// The JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let written = Written {
            kind: format!("{TYPE_PREFIX}{}", self.kind),
            title: &self.title,
            status: self.status.as_u16(),
            detail: self.detail.as_deref(),
            errors: &self.errors,
            extra: &self.extra,
        };
        serde_json::to_string(&written).expect("strings and numbers are always JSON")
    }

    /// The response: `application/problem+json`, not to be stored by anyone.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<Problem> for Response<Body> {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    #[serde(flatten)]
    extra: &'a serde_json::Map<String, serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_as_rfc_9457_says() {
        let response = Problem::new(StatusCode::BAD_GATEWAY, "connect")
            .detail("The origin cannot be reached.")
            .fault("tags[0]", "is empty")
            .with("request_id", "abc")
            .into_response();
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let text = response.into_body().collect(1000).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:peregrine:problem:connect", "title": "Bad Gateway", "status": 502,
                "detail": "The origin cannot be reached.",
                "errors": [{"field": "tags[0]", "detail": "is empty"}], "request_id": "abc",
            })
        );
    }
}
