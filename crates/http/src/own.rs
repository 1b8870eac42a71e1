//! Requests that Peregrine itself makes through the plane: to warm the cache and to explain an answer. They go the way of
//! any other request up to their answer, and are neither logged nor counted.

use crate::content::Content;
use crate::deliver;
use crate::hop::Hop;
use crate::identify::{Asking, Identity};
use crate::outcome::{CacheOutcome, Outcome};
use crate::plane::{Plane, Rules};
use crate::policy::Reason;
use crate::request::{RequestFacts, normal_authority, said_by_proxy};
use crate::tenant::TenantRules;
use http::{HeaderMap, HeaderValue, Method, Response, Uri, Version, header};
use peregrine_cache::Peek;
use peregrine_net::http::{Body, BodyFault, hygiene};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// The host of a path for which nobody names one.
const NO_HOST: &str = "localhost";
/// How long the body of an answer is read at most; some never end.
const READING_TIME_MAX: Duration = Duration::from_secs(60);

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
    /// It was loaded, or confirmed by the origin, and is stored.
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
    pub(crate) fn facts(&self, tenants: &TenantRules) -> RequestFacts {
        let scheme = if self.url.scheme_str() == Some("https") {
            "https"
        } else {
            "http"
        };
        let mut headers = self.headers.clone();
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let named = named.map(str::to_owned);
        let host = self.url.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| named.clone()).unwrap_or_else(|| NO_HOST.to_owned());
        let authority = normal_authority(scheme, &host);
        let sent = named.map_or_else(|| authority.clone(), |named| normal_authority(scheme, &named));
        if let Ok(value) = HeaderValue::from_str(&sent) {
            headers.insert(header::HOST, value);
        }
        let by_header = tenants.take(&mut headers, true);
        hygiene::strip_hop_by_hop(&mut headers);
        // As a proxy in front would have it that says of the URL, and of another host too where one is named.
        let written = [
            (hygiene::X_FORWARDED_FOR, Ipv4Addr::LOCALHOST.to_string()),
            (hygiene::X_FORWARDED_PROTO, scheme.to_owned()),
            (hygiene::X_FORWARDED_HOST, authority.clone()),
        ];
        for (name, value) in written {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.entry(name).or_insert(value);
            }
        }
        hygiene::add_via(&mut headers, Version::HTTP_11);
        let mut facts = RequestFacts {
            method: self.method.clone(),
            scheme,
            said_by_proxy: said_by_proxy(&headers, &sent, scheme, &authority),
            authority,
            target: self
                .url
                .path_and_query()
                .map_or("/", http::uri::PathAndQuery::as_str)
                .to_owned(),
            headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: String::new(),
            body_length: Some(0),
            hop: Hop::default(),
            tenant: String::new(),
            tenant_fault: None,
            trace: None,
        };
        tenants.settle(&mut facts, by_header);
        facts
    }
}

impl Plane {
    /// Loads one URL into the cache, where it can be stored and is not fresh there already.
    pub async fn warm(&self, request: &OwnRequest) -> Warmed {
        let mut request = request.clone();
        // An entry whose time is over would be served once more while it is renewed; here the renewal is what counts.
        let wants_fresh = HeaderValue::from_static("min-fresh=1");
        request.headers.entry(header::CACHE_CONTROL).or_insert(wants_fresh);
        let rules = self.rules();
        let facts = Arc::new(request.facts(&rules.tenants));
        let (response, outcome) = self.own(&rules, &facts).await;
        let status = response.status().as_u16();
        match outcome.cache {
            CacheOutcome::Hit => return Warmed::Fresh,
            CacheOutcome::StaleIfError | CacheOutcome::StaleWhileSlow => {
                return Warmed::Failed(status, outcome.detail.unwrap_or(outcome.cache.as_str()));
            }
            _ => {}
        }
        if let Some(error) = outcome.error {
            return Warmed::Failed(status, error);
        }
        let not_stored = |reason: Option<Reason>| Warmed::NotStored(status, reason.map_or("unknown", Reason::as_str));
        if !outcome.stored && outcome.cache != CacheOutcome::Collapsed {
            return not_stored(outcome.reason());
        }
        if let Err(error) = self.read(response).await {
            return Warmed::Failed(status, error);
        }
        // What was to be stored when its head came may have been too large at its end.
        match self.peek(&rules, &facts).is_some_and(|peek| peek.hit.is_some()) {
            true => Warmed::Stored,
            false => not_stored(Some(Reason::NoRoom)),
        }
    }

    /// The answer to a request of Peregrine's own and what happened on the way.
    pub(crate) async fn own(&self, rules: &Rules, facts: &Arc<RequestFacts>) -> (Response<Body>, Outcome) {
        let mut outcome = Outcome::begin(self.parts.clock.now(), self.parts.clock.wall());
        let answer = self.serve(rules, facts, Body::empty(), &mut outcome).await;
        let response = deliver::complete(answer, facts, &mut outcome);
        (response, outcome)
    }

    /// Reads an answer to its end, so that what was to be stored is; the word of the error when that fails.
    pub(crate) async fn read(&self, response: Response<Body>) -> Result<(), &'static str> {
        let mut body = response.into_body();
        let reading = async {
            while let Some(chunk) = body.next().await {
                chunk.map_err(|error| error.fault.as_str())?;
            }
            Ok(())
        };
        tokio::select! {
            read = reading => read,
            () = self.parts.runtime.sleep(READING_TIME_MAX) => Err(BodyFault::TotalTimeout.as_str()),
        }
    }

    /// What lies under the key of `facts`; nothing where the request does not ask the cache.
    fn peek(&self, rules: &Rules, facts: &Arc<RequestFacts>) -> Option<Peek> {
        let route = rules.table.find(facts).cloned()?;
        match Identity::of(facts, &route, Some(Content::default()), &Body::empty()) {
            Identity::Cached(asking) => Some(self.peek_for(&asking)),
            Identity::Past { .. } => None,
        }
    }

    /// What lies under the key of `asking`.
    pub(crate) fn peek_for(&self, asking: &Asking) -> Peek {
        let variants = asking.variants();
        let lies_in = |hit: &peregrine_cache::Hit| asking.lies_in(hit);
        let ask = asking.ask(&variants, &lies_in, self.parts.clock.now());
        self.parts.engine.peek(&asking.key, &ask)
    }
}
