//! Requests that get no page, and what they get instead.

use crate::shop::latency::Overloaded;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use peregrine_net::http::{Body, Problem};

/// Why a request gets no page.
pub(crate) enum Refused {
    NotFound,
    NoSession,
    Method(&'static str),
    TooLarge,
    Body(&'static str),
    Precondition,
    Overloaded,
}

impl From<Overloaded> for Refused {
    fn from(_: Overloaded) -> Self {
        Self::Overloaded
    }
}

impl Refused {
    /// A problem document; no cache keeps it unless it says so.
    pub(crate) fn into_response(self) -> Response<Body> {
        use StatusCode as Status;
        let problem = |status, kind, detail| Problem::new(status, kind).detail(detail).into_response();
        let with = |mut response: Response<Body>, name: HeaderName, value| {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            response
        };
        match self {
            // What is not there may be remembered for a moment, too.
            Self::NotFound => {
                let response = problem(Status::NOT_FOUND, "not_found", "There is nothing here.");
                with(response, header::CACHE_CONTROL, "public, max-age=5")
            }
            Self::NoSession => {
                let detail = "A cart is somebody's: send a session cookie or a bearer token.";
                with(
                    problem(Status::UNAUTHORIZED, "no_session", detail),
                    header::WWW_AUTHENTICATE,
                    "Bearer",
                )
            }
            Self::Method(allowed) => {
                let response = problem(Status::METHOD_NOT_ALLOWED, "method", "This cannot be done here.");
                with(response, header::ALLOW, allowed)
            }
            Self::TooLarge => problem(
                Status::PAYLOAD_TOO_LARGE,
                "too_large",
                "A change is no longer than 64 KiB.",
            ),
            Self::Body(detail) => problem(Status::BAD_REQUEST, "body", detail),
            Self::Precondition => problem(Status::PRECONDITION_FAILED, "changed", "It has changed since."),
            Self::Overloaded => {
                let response = problem(Status::SERVICE_UNAVAILABLE, "overloaded", "The database is busy.");
                with(response, header::RETRY_AFTER, "1")
            }
        }
    }
}
