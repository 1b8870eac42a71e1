//! Answers the shop's requests.

use crate::shop::files::Files;
use crate::shop::latency::Database;
use crate::shop::refusal::Refused;
use crate::shop::resource::{Endpoint, Resource};
use crate::shop::truth::{Offer, Truth};
use crate::shop::{ShopConfig, pages, session};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use peregrine_base::WallTime;
use peregrine_net::http::{Body, Handler, Peer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// The largest body of a request.
const REQUEST_BODY_BYTES_MAX: usize = 64 << 10;

/// The shop behind its counter.
pub(crate) struct Service {
    config: ShopConfig,
    truth: Arc<Truth>,
    files: Arc<Files>,
    database: Database,
    requests: [AtomicU64; Endpoint::ALL.len()],
    not_found: AtomicU64,
    overloaded: AtomicU64,
    not_modified: AtomicU64,
    body_bytes: AtomicU64,
}

/// What a shop was asked. Health checks and questions about the truth are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopCounts {
    /// All requests.
    pub requests: u64,
    /// Requests by kind; what was not found is of no kind.
    pub by_endpoint: BTreeMap<String, u64>,
    /// Answers 503 because no database connection became free.
    pub overloaded: u64,
    /// Answers 304.
    pub not_modified: u64,
    /// Bytes of bodies sent.
    pub body_bytes: u64,
}

impl ShopCounts {
    /// What was asked since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |endpoint: &String| earlier.by_endpoint.get(endpoint).copied().unwrap_or(0);
        let by_endpoint = self
            .by_endpoint
            .iter()
            .map(|(endpoint, count)| (endpoint.clone(), count - before(endpoint)));
        Self {
            requests: self.requests - earlier.requests,
            by_endpoint: by_endpoint.collect(),
            overloaded: self.overloaded - earlier.overloaded,
            not_modified: self.not_modified - earlier.not_modified,
            body_bytes: self.body_bytes - earlier.body_bytes,
        }
    }
}

/// What a change of a product says. `PUT` says everything, the others what changes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductChange {
    price_cents: Option<u32>,
    stock: Option<u32>,
}

/// What is put into a cart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CartAddition {
    product: u32,
    quantity: u32,
}

impl Handler for Service {
    async fn handle(&self, request: Request<Body>, _peer: Peer) -> Response<Body> {
        let path = request.uri().path();
        // What the laboratory asks for itself is no traffic.
        let is_traffic = path != "/healthz" && !path.starts_with("/truth");
        let has_body = is_traffic && request.method() != Method::HEAD;
        let response = self.answer(request).await.unwrap_or_else(|refused| {
            self.count_refusal(&refused);
            refused.into_response()
        });
        if has_body {
            self.body_bytes
                .fetch_add(response.body().length().unwrap_or(0), Ordering::Relaxed);
        }
        response
    }
}

impl Service {
    pub(crate) fn new(config: ShopConfig, truth: Arc<Truth>, files: Arc<Files>, database: Database) -> Self {
        Self {
            config,
            truth,
            files,
            database,
            requests: Default::default(),
            not_found: AtomicU64::new(0),
            overloaded: AtomicU64::new(0),
            not_modified: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) const fn config(&self) -> &ShopConfig {
        &self.config
    }

    /// What was asked so far.
    pub(crate) fn counts(&self) -> ShopCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_endpoint = Endpoint::ALL
            .iter()
            .map(|endpoint| (endpoint.as_str().to_owned(), read(&self.requests[*endpoint as usize])));
        let by_endpoint: BTreeMap<String, u64> = by_endpoint.collect();
        ShopCounts {
            requests: by_endpoint.values().sum::<u64>() + read(&self.not_found),
            by_endpoint,
            overloaded: read(&self.overloaded),
            not_modified: read(&self.not_modified),
            body_bytes: read(&self.body_bytes),
        }
    }

    /// receive → route → read or write.
    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Refused> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        if path == "/healthz" {
            return Ok(plain(b"ok\n".as_slice()));
        }
        if let Some(path) = path.strip_prefix("/truth") {
            return self.tell_truth(path, &head.headers);
        }
        let user = self.user(&head.headers);
        if path == "/cart" && user.is_none() {
            return Err(Refused::NoSession);
        }
        let Some(resource) = Resource::at(path, user, self.truth.catalogue()) else {
            // To find nothing, one has to look, too.
            self.database.begin(Endpoint::Product).await?.finish().await;
            return Err(Refused::NotFound);
        };
        match (&head.method, resource) {
            (&Method::GET | &Method::HEAD, _) => self.read(resource, &head.headers).await,
            (&Method::PUT | &Method::PATCH | &Method::POST, Resource::Product(id)) => {
                self.change_product(id, &head.method, &head.headers, body).await
            }
            (&Method::POST, Resource::Cart(user)) => self.add_to_cart(user, body).await,
            (_, Resource::Product(_)) => Err(Refused::Method("GET, HEAD, PUT, PATCH, POST")),
            (_, Resource::Cart(_)) => Err(Refused::Method("GET, HEAD, POST")),
            _ => Err(Refused::Method("GET, HEAD")),
        }
    }

    fn user(&self, headers: &HeaderMap) -> Option<u32> {
        session::user(self.config.seed, self.config.users, session::find(headers)?)
    }

    fn count(&self, endpoint: Endpoint) {
        self.requests[endpoint as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn count_refusal(&self, refused: &Refused) {
        match refused {
            Refused::NotFound => self.not_found.fetch_add(1, Ordering::Relaxed),
            Refused::Overloaded => self.overloaded.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    async fn read(&self, resource: Resource, headers: &HeaderMap) -> Result<Response<Body>, Refused> {
        let endpoint = resource.endpoint();
        self.count(endpoint);
        let work = self.database.begin(endpoint).await?;
        let snapshot = self.truth.snapshot(resource);
        work.finish().await;

        let catalogue = self.truth.catalogue();
        let is_gzip = endpoint == Endpoint::Asset && accepts_gzip(headers);
        let mut tag = resource.entity_tag(snapshot.version);
        if is_gzip {
            // Another encoding is another representation, so a strong tag must differ (RFC 9110 §8.8.3).
            tag.insert_str(tag.len() - 1, "-gzip");
        }
        let mut response = Response::new(Body::empty());
        let fields = response.headers_mut();
        set(fields, header::ETAG, &tag);
        set(
            fields,
            header::CACHE_CONTROL,
            &self.config.freshness(endpoint).cache_control(),
        );
        if snapshot.changed != WallTime::default() {
            set(fields, header::LAST_MODIFIED, &date(snapshot.changed));
        }
        if let Some(vary) = pages::vary(endpoint) {
            fields.insert(header::VARY, HeaderValue::from_static(vary));
        }
        let keys = pages::surrogate_keys(resource, &snapshot, catalogue);
        if !keys.is_empty() {
            set(fields, HeaderName::from_static("surrogate-key"), &keys);
        }
        if matches_none(headers, &tag) {
            self.not_modified.fetch_add(1, Ordering::Relaxed);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(pages::media_type(resource)),
        );
        *response.body_mut() = match resource {
            Resource::Asset(asset) => {
                if is_gzip {
                    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                Body::full(self.files.bytes(asset, is_gzip).clone())
            }
            _ => Body::full(pages::body(resource, &snapshot, catalogue)),
        };
        Ok(response)
    }

    async fn change_product(
        &self,
        id: u32,
        method: &Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response<Body>, Refused> {
        self.count(Endpoint::Write);
        let body = body
            .collect(REQUEST_BODY_BYTES_MAX)
            .await
            .map_err(|_| Refused::TooLarge)?;
        let wanted = "a JSON object with the whole numbers price_cents and stock";
        let change: ProductChange = serde_json::from_slice(&body).map_err(|_| Refused::Body(wanted))?;
        if method == Method::PUT && (change.price_cents.is_none() || change.stock.is_none()) {
            return Err(Refused::Body(
                "PUT replaces price_cents and stock: give both, or use PATCH",
            ));
        }
        let work = self.database.begin(Endpoint::Write).await?;
        let resource = Resource::Product(id);
        let expected = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
        self.truth.change_product(id, |version, offer| {
            let tag = resource.entity_tag(version);
            if expected.is_some_and(|expected| expected != "*" && !list_has(expected, &tag)) {
                return Err(Refused::Precondition);
            }
            let Offer { price_cents, stock } = offer;
            Ok(Offer {
                price_cents: change.price_cents.unwrap_or(price_cents),
                stock: change.stock.unwrap_or(stock),
            })
        })?;
        let response = self.after_write(resource);
        work.finish().await;
        Ok(response)
    }

    async fn add_to_cart(&self, user: u32, body: Body) -> Result<Response<Body>, Refused> {
        self.count(Endpoint::Write);
        let body = body
            .collect(REQUEST_BODY_BYTES_MAX)
            .await
            .map_err(|_| Refused::TooLarge)?;
        let wanted = "a JSON object with the whole numbers product and quantity";
        let addition: CartAddition = serde_json::from_slice(&body).map_err(|_| Refused::Body(wanted))?;
        if self.truth.catalogue().product(addition.product).is_none() {
            return Err(Refused::Body("there is no such product"));
        }
        let work = self.database.begin(Endpoint::Write).await?;
        self.truth.add_to_cart(user, addition.product, addition.quantity);
        let response = self.after_write(Resource::Cart(user));
        work.finish().await;
        Ok(response)
    }

    /// The answer to a change: the resource as it is now.
    fn after_write(&self, resource: Resource) -> Response<Body> {
        let snapshot = self.truth.snapshot(resource);
        let mut response = Response::new(Body::full(pages::body(resource, &snapshot, self.truth.catalogue())));
        let fields = response.headers_mut();
        set(fields, header::ETAG, &resource.entity_tag(snapshot.version));
        set(
            fields,
            header::CACHE_CONTROL,
            &self.config.freshness(Endpoint::Write).cache_control(),
        );
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// Counts at `/truth`, the history of a resource below it.
    fn tell_truth(&self, path: &str, headers: &HeaderMap) -> Result<Response<Body>, Refused> {
        let text = if path.is_empty() || path == "/" {
            serde_json::to_vec(&self.counts())
        } else {
            let resource = Resource::at(path, self.user(headers), self.truth.catalogue()).ok_or(Refused::NotFound)?;
            serde_json::to_vec(&self.truth.record(resource))
        };
        let mut response = plain(text.expect("records are of texts and numbers"));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

/// An answer that no cache keeps.
fn plain(body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sets a field to a text of our own making.
fn set(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    fields.insert(
        name,
        HeaderValue::from_str(value).expect("our texts are of printable ASCII"),
    );
}

/// An HTTP date.
fn date(time: WallTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

/// Whether `If-None-Match` names this tag (weak comparison, RFC 9110 §13.1.2).
fn matches_none(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .into_iter()
        .any(|value| value.trim() == "*" || list_has(value, tag))
}

/// Whether a list of entity tags has this one; ours have no commas in them.
fn list_has(list: &str, tag: &str) -> bool {
    list.split(',')
        .any(|member| member.trim().trim_start_matches("W/") == tag)
}

/// Whether gzip is acceptable: named, and not with a weight of zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.into_iter().flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|weight| weight.parse().ok())
            .unwrap_or(1.0);
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}
