//! GET `explain`: why a URL is served as it is.

use crate::api::Checked;
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use http::{HeaderName, HeaderValue, Method, Uri};
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Which request to explain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// A URL, or a path on the address that Peregrine listens on; a `Host` field names another.
    pub url: String,
    /// The method; GET when it is not given.
    pub method: String,
    /// Whether to make the request too, as a client would: through the cache, which stores what may be stored. Without that, only
    /// what is stored and known is looked at.
    pub fetch: bool,
    /// Header fields of the request.
    pub headers: BTreeMap<String, String>,
}

impl ExplainRequest {
    /// Reads it from the query `url=&method=&fetch=&headers=`, the last one a JSON object.
    pub(crate) fn from_query(query: Option<&str>) -> Result<Self, Refusal> {
        let mut faults = Vec::new();
        let mut query = Query::parse(query, &["url", "method", "fetch", "headers"], &mut faults);
        let url = query.take("url").unwrap_or_else(|| {
            faults.push(fault("url", "is missing: name the URL to explain, percent-encoded"));
            "/".to_owned()
        });
        let method = query.take("method").unwrap_or_else(|| "GET".to_owned());
        let fetch = match query.take("fetch").as_deref() {
            None | Some("false") => false,
            Some("true" | "") => true,
            Some(_) => {
                faults.push(fault("fetch", "is neither `true` nor `false`"));
                false
            }
        };
        let headers = query.take("headers").map_or_else(BTreeMap::new, |text| {
            serde_json::from_str(&text).unwrap_or_else(|error| {
                faults.push(fault(
                    "headers",
                    format!("is not a JSON object from names to texts: {error}"),
                ));
                BTreeMap::new()
            })
        });
        let request = Self {
            url,
            method,
            fetch,
            headers,
        };
        request.check(&mut faults);
        if faults.is_empty() {
            Ok(request)
        } else {
            Err(Refusal::invalid(faults))
        }
    }
}

impl Checked for ExplainRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_url("url", &self.url, faults);
        if Method::from_bytes(self.method.as_bytes()).is_err() {
            faults.push(fault("method", "is not a method"));
        }
        check_headers(&self.headers, faults);
    }
}

/// A URL with host, or a path.
pub(super) fn check_url(field: &str, url: &str, faults: &mut Vec<Fault>) {
    let problem = match url.parse::<Uri>() {
        Err(error) => format!("is not a URL: {error}"),
        Ok(uri) => match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
                "must not contain a user or password".to_owned()
            }
            (Some("http" | "https"), Some(_)) => return,
            (Some(_), _) => "begins with neither `http://` nor `https://`".to_owned(),
            (None, None) if url.starts_with('/') => return,
            (None, _) => "is neither a URL (`http://…`) nor a path (`/…`)".to_owned(),
        },
    };
    faults.push(fault(field, problem));
}

pub(super) fn check_headers(headers: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
    for (name, value) in headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            faults.push(fault(format!("headers.{name}"), "is not the name of a header field"));
        } else if HeaderValue::from_str(value).is_err() {
            faults.push(fault(format!("headers.{name}"), "is not the value of a header field"));
        }
    }
}

/// Why a URL is served as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct Explanation {
    /// The URL that was asked about.
    pub url: String,
    /// The method.
    pub method: String,
    /// The route that takes it; none: 404.
    pub route: Option<String>,
    /// The upstream behind the route.
    pub upstream: Option<String>,
    /// The strategy.
    pub strategy: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// Whose request it is, if anybody's.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The cache key.
    pub key: Option<String>,
    /// What selects the variant under the key.
    pub variant: Option<String>,
    /// What lies there.
    pub state: EntryState,
    /// The entry's age, in seconds.
    pub age_s: Option<f64>,
    /// For how many seconds it is still fresh; negative when it is stale.
    pub ttl_s: Option<f64>,
    /// The entry's tags.
    pub tags: Vec<String>,
    /// The size of its body, in bytes.
    pub size: Option<u64>,
    /// How often it was served.
    pub hits: Option<u64>,
    /// How it is stored: `identity`, `zstd`, …; several where it is kept in several encodings.
    pub stored_encoding: Option<String>,
    /// What is held of it, where that is not all.
    pub held: Option<Held>,
    /// The steps that a request takes now, with what each decides and why.
    pub steps: Vec<Step>,
    /// What happened the last time such a request came.
    pub last: Option<LastOutcome>,
    /// What to change so that it would be cached, or cached better.
    pub advice: Option<String>,
}

/// What is held of a response of which not all is; its size is that of what is held.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct Held {
    /// The stretches as ranges of bytes, first and last position: `0-99`.
    pub ranges: Vec<String>,
    /// The length of the whole, in bytes.
    pub complete: u64,
}

/// What lies under a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// A fresh entry: it is served.
    Fresh,
    /// A stale one.
    Stale,
    /// Nothing.
    #[default]
    Absent,
    /// A marker: this key's answers were found not to be storable a moment ago.
    HitForMiss,
    /// The request does not go through the cache.
    Bypass,
    /// No route takes it.
    NotRouted,
}

impl EntryState {
    /// The word in JSON and in the terminal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
            Self::HitForMiss => "hit_for_miss",
            Self::Bypass => "bypass",
            Self::NotRouted => "not_routed",
        }
    }
}

/// One step of the way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[schema(as = ExplainStep)]
pub struct Step {
    /// `route`, `identify`, `admit`, `lookup`, `fetch`, `store`, `deliver`.
    pub step: String,
    /// What comes of it.
    pub outcome: String,
    /// The reason's word.
    pub reason: Option<String>,
    /// The clause that says so: `RFC 9111 §3.5`.
    pub clause: Option<String>,
    /// The same for people.
    pub sentence: Option<String>,
}

/// What happened the last time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct LastOutcome {
    /// When, as RFC 3339 writes it.
    pub when: String,
    /// The `Cache-Status` that it was answered with.
    pub cache_status: String,
    /// The reason's word.
    pub decision: Option<String>,
    /// The clause.
    pub clause: Option<String>,
    /// The same for people.
    pub sentence: Option<String>,
}
