//! The origin whose values have version numbers. It answers a version that is at least as new as the one at the moment of
//! the request, and lets a while pass in between, so that invalidations overtake loads.

use super::history::{History, Read, Told};
use super::{Promise, run::FreshnessSettings};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use peregrine_base::{Clock, Random, Runtime, SystemClock, SystemRandom, TokioRuntime};
use peregrine_net::drain;
use peregrine_net::http::{Body, Handler, Peer, Server, ServerLimits, ServerParts};
use peregrine_net::listen::{BindError, Listener};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Under which path the values live: the nodes need a route for it that leads here.
pub const PATH: &str = "/peregrine-verify/";

/// How long a cache may keep a value: longer than any run, so that only invalidations make it go.
const CACHE_CONTROL: &str = "public, max-age=86400";

/// What an answer says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Value {
    pub(super) run: String,
    pub(super) key: usize,
    pub(super) version: u64,
}

/// What the origin and the checker share.
pub(super) struct Truth {
    pub(super) run: String,
    keys: Vec<Mutex<History>>,
    delay_max: Duration,
    requests: AtomicU64,
}

impl Truth {
    /// The path of a key.
    pub(super) fn path(&self, key: usize) -> String {
        format!("{PATH}{}/{key}", self.run)
    }

    /// The tag of one key's values.
    pub(super) fn tag(&self, key: usize) -> String {
        format!("{}-{key}", self.tag_of_all())
    }

    /// The tag of all of them.
    pub(super) fn tag_of_all(&self) -> String {
        format!("peregrine-verify-{}", self.run)
    }

    /// Has the origin answer with a new version of `key`.
    pub(super) fn change(&self, key: usize) -> u64 {
        let mut history = self.keys[key].lock();
        // Under the lock: whoever reads the new version reads it after this time.
        history.change(SystemClock.now())
    }

    pub(super) fn told(&self, key: usize, version: u64, told: Told) {
        self.keys[key].lock().told(version, told);
    }

    pub(super) fn confirmed_last(&self, key: usize) -> Option<peregrine_base::Instant> {
        self.keys[key].lock().confirmed_last()
    }

    pub(super) fn read(&self, key: usize, read: Read, bound: Duration) -> (Duration, Option<Promise>) {
        self.keys[key].lock().read(read, bound)
    }

    pub(super) fn tell(&self, key: usize, start: peregrine_base::Instant, nodes: &[String]) -> Vec<String> {
        self.keys[key].lock().tell(start, nodes)
    }

    /// The version that the origin answers with.
    #[cfg(test)]
    pub(super) fn current(&self, key: usize) -> u64 {
        self.keys[key].lock().current()
    }

    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Requests that came through to the origin.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The key that `path` names, if it is one of this run's.
    fn key_at(&self, path: &str) -> Option<usize> {
        let (run, key) = path.strip_prefix(PATH)?.split_once('/')?;
        let key = key.parse().ok()?;
        (run == self.run && key < self.keys.len()).then_some(key)
    }
}

/// A running origin. Dropping it closes it.
pub struct VersionedOrigin {
    /// Where it listens.
    pub address: SocketAddr,
    pub(super) truth: Arc<Truth>,
    drain: drain::Drain,
}

impl VersionedOrigin {
    /// Starts one at `address`; needs the context of a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(address: SocketAddr, settings: &FreshnessSettings) -> Result<Self, BindError> {
        let listener = Listener::bind(address)?;
        let address = listener.address();
        let truth = Arc::new(Truth {
            run: format!("{:016x}", SystemRandom.next_u64()),
            keys: (0..settings.keys.max(1)).map(|_| Mutex::default()).collect(),
            delay_max: settings.origin_delay_max,
            requests: AtomicU64::new(0),
        });
        let parts = ServerParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
        };
        let (drain, watch) = drain::channel();
        Server::new(ServerLimits::default(), parts).serve(listener, Arc::new(Service(truth.clone())), watch);
        Ok(Self { address, truth, drain })
    }
}

impl Drop for VersionedOrigin {
    fn drop(&mut self) {
        self.drain.start();
    }
}

struct Service(Arc<Truth>);

impl Handler for Service {
    async fn handle(&self, request: Request<Body>, _peer: Peer) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let Some(key) = self.0.key_at(request.uri().path()) else {
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let version = self.0.keys[key].lock().current();
        TokioRuntime
            .sleep(self.0.delay_max.mul_f64(SystemRandom.next_unit()))
            .await;
        let run = self.0.run.clone();
        let entity_tag = format!("\"{run}-{key}-{version}\"");
        let is_known = request
            .headers()
            .get(header::IF_NONE_MATCH)
            .is_some_and(|known| known.as_bytes() == entity_tag.as_bytes());
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let value = serde_json::to_vec(&Value { run, key, version }).expect("numbers and text are JSON");
            *response.body_mut() = Body::full(value);
        }
        let tags = format!("{} {}", self.0.tag_of_all(), self.0.tag(key));
        let fields = response.headers_mut();
        for (name, value) in [
            (header::CACHE_CONTROL.as_str(), CACHE_CONTROL),
            (header::CONTENT_TYPE.as_str(), "application/json"),
            (header::ETAG.as_str(), &entity_tag),
            ("surrogate-key", &tags),
        ] {
            let value = HeaderValue::from_str(value).expect("hexadecimal digits and words");
            fields.insert(header::HeaderName::from_bytes(name.as_bytes()).expect("a name"), value);
        }
        response
    }
}
