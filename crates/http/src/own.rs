//! Requests that Peregrine itself makes through the plane: to warm the cache and to explain an answer. They go the way of
//! any other request up to their answer, and are neither logged nor counted.

use crate::deliver;
use crate::outcome::{CacheOutcome, Outcome};
use crate::plane::Plane;
use crate::request::{RequestFacts, normal_authority};
use http::{HeaderMap, HeaderValue, Method, Response, Uri, Version, header};
use peregrine_net::http::{Body, hygiene};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The host of a path for which nobody names one.
const NO_HOST: &str = "localhost";

/// A request of Peregrine's own.
#[derive(Clone, Debug)]
pub struct OwnRequest {
    /// A URL, or a path on the host that `headers` names.
    pub url: Uri,
    /// The method.
    pub method: Method,
    /// The fields.
    pub headers: HeaderMap,
}

/// What became of warming one URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// It was loaded and is stored.
    Stored,
    /// It was fresh in the cache already.
    Fresh,
    /// It was answered with this status and is not stored, for the reason with this word.
    NotStored(u16, &'static str),
    /// It was not answered, or its answer broke off; the word of the error.
    Failed(u16, &'static str),
}

impl OwnRequest {
    /// What a request from outside would be after it was received.
    pub(crate) fn facts(&self) -> RequestFacts {
        let scheme = if self.url.scheme_str() == Some("https") {
            "https"
        } else {
            "http"
        };
        let mut headers = self.headers.clone();
        let named = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or(NO_HOST)
            .to_owned();
        let host = self
            .url
            .authority()
            .map_or(named, |authority| authority.as_str().to_owned());
        if let Ok(value) = HeaderValue::from_str(&host) {
            headers.insert(header::HOST, value);
        }
        hygiene::strip_hop_by_hop(&mut headers);
        hygiene::add_via(&mut headers, Version::HTTP_11);
        RequestFacts {
            method: self.method.clone(),
            scheme,
            authority: normal_authority(scheme, &host),
            target: self
                .url
                .path_and_query()
                .map_or("/", http::uri::PathAndQuery::as_str)
                .to_owned(),
            headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: String::new(),
            body_length: Some(0),
        }
    }
}

impl Plane {
    /// Loads one URL into the cache, where it can be stored.
    pub async fn warm(&self, request: &OwnRequest) -> Warmed {
        let (response, outcome) = self.own(request).await;
        let status = response.status().as_u16();
        if let Some(error) = outcome.error {
            return Warmed::Failed(status, error);
        }
        let mut body = response.into_body();
        while let Some(chunk) = body.next().await {
            if let Err(error) = chunk {
                return Warmed::Failed(status, error.fault.as_str());
            }
        }
        match outcome.cache {
            CacheOutcome::Hit => Warmed::Fresh,
            CacheOutcome::Collapsed => Warmed::Stored,
            _ if outcome.stored => Warmed::Stored,
            _ => Warmed::NotStored(
                status,
                outcome.reason().map_or("unknown", crate::policy::Reason::as_str),
            ),
        }
    }

    /// The answer to a request of Peregrine's own and what happened on the way.
    pub(crate) async fn own(&self, request: &OwnRequest) -> (Response<Body>, Outcome) {
        let facts = Arc::new(request.facts());
        let mut outcome = Outcome::begin(self.parts.clock.now(), self.parts.clock.wall());
        let answer = self.serve(&facts, Body::empty(), &mut outcome).await;
        let response = deliver::complete(answer, &facts, &mut outcome);
        (response, outcome)
    }
}
