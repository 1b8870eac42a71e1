//! A plane in front of an origin that a test scripts, and the client that asks it.

use crate::config::RouteConfig;
use crate::{PARAMETERS, Parts, Plane, RouteMetrics, RouteTable, Rules, Surroundings, TenantRules};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use parking_lot::Mutex;
use peregrine_admission::Permissive;
use peregrine_base::{Clock, Fallback, Instant, ManualClock, SeededRandom, SystemClock, TokioRuntime, WallTime};
use peregrine_cache::{CacheConfig, Engine, NamespaceConfig, Settings, StrategyConfig};
use peregrine_net::config::UpstreamConfig;
use peregrine_net::drain::{self, Drain};
use peregrine_net::http::hygiene::TrustedProxies;
use peregrine_net::http::{Body, Handler, Peer, Server, ServerLimits, ServerParts};
use peregrine_net::listen::Listener;
use peregrine_net::upstream::{Upstream, UpstreamParts};
use peregrine_telemetry::Recorder;
use peregrine_telemetry::config::{AccessFormat, Level, LogConfig, LogFormat};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;

/// A request as the origin got it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) content: Bytes,
}

impl Heard {
    /// The value of a field; empty where there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What a client got.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    /// The value of a field, its lines joined; empty where there is none.
    pub(super) fn field(&self, name: &str) -> String {
        let lines = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        lines.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn is_hit(&self) -> bool {
        self.field("cache-status").contains("; hit")
    }
}

/// How a bench is set up.
pub(super) struct Setup {
    settings: Settings,
    routes: Vec<RouteConfig>,
    trusted: TrustedProxies,
    /// How much later it is after each look at the plane's clock.
    tick: Duration,
}

impl Setup {
    /// One route for everything, the strategy as by default.
    pub(super) fn plain() -> Self {
        Self::with(&[serde_json::json!({})])
    }

    /// These routes, each with what it sets beside the defaults.
    pub(super) fn with(routes: &[Value]) -> Self {
        let routes = routes.iter().map(route).collect();
        let mut settings = Settings::default();
        settings
            .namespaces
            .insert("other".to_owned(), NamespaceConfig::default());
        Self {
            settings,
            routes,
            trusted: TrustedProxies::none(),
            tick: Duration::ZERO,
        }
    }

    /// That believes what comes from `address`.
    pub(super) fn trusting(mut self, address: &str) -> Self {
        self.trusted = TrustedProxies::parse([address]).unwrap();
        self
    }

    /// With a clock that is `tick` later after each look that the plane takes.
    pub(super) fn ticking(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// With a change to the strategy.
    pub(super) fn strategy(mut self, change: impl FnOnce(&mut StrategyConfig)) -> Self {
        change(self.settings.strategies.get_mut("default").unwrap());
        self
    }

    /// With a change to the cache.
    pub(super) fn cache(mut self, change: impl FnOnce(&mut CacheConfig)) -> Self {
        change(&mut self.settings.cache);
        self
    }

    /// Runs a plane with this setup before an origin that answers by `answer`.
    pub(super) fn before<F, A>(self, answer: F) -> Bench
    where
        F: Fn(Heard) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Bench::start(self, answer)
    }
}

/// A route by the parameter table, with what `given` sets.
pub(super) fn route(given: &Value) -> RouteConfig {
    let mut whole = Value::Object(Map::new());
    for row in PARAMETERS {
        let mut place = &mut whole;
        for part in row.name.trim_start_matches("route[].").split('.') {
            place = &mut place[part];
        }
        *place = match row.fallback {
            Fallback::Toml(text) => serde_json::from_str(text).unwrap(),
            Fallback::Required => "origin".into(),
            Fallback::Absent => Value::Null,
        };
    }
    merge(&mut whole, given);
    serde_json::from_value(whole).unwrap()
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// A plane, the origin behind it, and the plane's clock.
pub(super) struct Bench {
    pub(super) plane: Arc<Plane>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) engine: Arc<Engine>,
    heard: Arc<Mutex<Vec<Heard>>>,
    origin: Drain,
    log: NamedTempFile,
}

/// A clock that each look moves.
struct Ticking {
    clock: Arc<ManualClock>,
    tick: Duration,
}

impl Clock for Ticking {
    fn now(&self) -> Instant {
        let now = self.clock.now();
        self.clock.advance(self.tick);
        now
    }

    fn wall(&self) -> WallTime {
        self.clock.wall()
    }
}

/// The origin as a handler.
struct Scripted<F> {
    answer: F,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl<F, A> Handler for Scripted<F>
where
    F: Fn(Heard) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        let content = body.collect(1 << 20).await.unwrap_or_default();
        let heard = Heard {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: head.headers,
            content,
        };
        self.heard.lock().push(heard.clone());
        (self.answer)(heard).await
    }
}

impl Bench {
    fn start<F, A>(setup: Setup, answer: F) -> Self
    where
        F: Fn(Heard) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let parts = ServerParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
        };
        let (origin, watch) = drain::channel();
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let handler = Arc::new(Scripted {
            answer,
            heard: Arc::clone(&heard),
        });
        let address = Server::new(ServerLimits::default(), parts)
            .serve(listener, handler, watch)
            .address();
        let log = NamedTempFile::new().unwrap();
        let clock = Arc::new(ManualClock::new(WallTime::from_millis(1_700_000_000_000)));
        let random = Arc::new(SeededRandom::new(1));
        let parts = peregrine_cache::Parts {
            clock: clock.clone(),
            runtime: Arc::new(TokioRuntime),
            random: random.clone(),
        };
        let engine = Engine::new(parts, setup.settings).unwrap();
        let parts = UpstreamParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
            random: random.clone(),
        };
        let config = UpstreamConfig::defaults("origin", &[&format!("http://{address}")]);
        let upstreams = BTreeMap::from([("origin".to_owned(), Upstream::new(&config, parts).unwrap())]);
        let surroundings = Surroundings {
            engine: &engine,
            upstreams: &upstreams,
            before: None,
        };
        let table = RouteTable::new(&setup.routes, surroundings).unwrap();
        let parts = Parts {
            engine: Arc::clone(&engine),
            admit: Arc::new(Permissive),
            clock: Arc::new(Ticking {
                clock: clock.clone(),
                tick: setup.tick,
            }),
            random,
            runtime: Arc::new(TokioRuntime),
            recorder: Arc::new(Recorder::start(&log_to(&log)).unwrap()),
            tenants: Arc::default(),
        };
        let rules = Rules {
            trusted: setup.trusted,
            ..Rules::of(table)
        };
        let plane = Arc::new(Plane::new(parts, rules));
        Self {
            plane,
            clock,
            engine,
            heard,
            origin,
            log,
        }
    }

    /// Asks for `url`, and reads the whole answer.
    pub(super) async fn ask(&self, method: &str, url: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(method, url, fields, Body::empty()).await
    }

    /// As [`Bench::ask`], with content.
    pub(super) async fn send(&self, method: &str, url: &str, fields: &[(&str, &str)], content: Body) -> Answer {
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (head, body) = self.begin_with(method, url, &fields, content).await.into_parts();
        let body = body.collect(64 << 20).await.unwrap();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(super) async fn get(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", url, fields).await
    }

    /// As [`Bench::get`], and waits until what came of it is stored: an answer may be read to its end a moment before.
    pub(super) async fn get_stored(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.get(url, fields).await;
        self.settled().await;
        answer
    }

    /// Waits until no load is under way.
    pub(super) async fn settled(&self) {
        until("the loads", || self.engine.statistics().loads_under_way == 0).await;
    }

    /// Asks for `url`, and reads nothing of the body yet.
    pub(super) async fn begin(&self, method: &str, url: &str, fields: &[(&str, &[u8])]) -> Response<Body> {
        self.begin_with(method, url, fields, Body::empty()).await
    }

    /// As [`Bench::begin`], with content.
    pub(super) async fn begin_with(
        &self,
        method: &str,
        url: &str,
        fields: &[(&str, &[u8])],
        content: Body,
    ) -> Response<Body> {
        let url: http::Uri = url.parse().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(url.path_and_query().unwrap().as_str());
        request = request.header("host", url.authority().unwrap().as_str());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let socket = SocketAddr::from(([127, 0, 0, 1], 4711));
        let peer = Peer {
            address: socket,
            local: socket,
            tls: false,
        };
        self.plane.handle(request.body(content).unwrap(), peer).await
    }

    /// What the origin was asked so far.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().clone()
    }

    /// The origin goes away.
    pub(super) async fn end_origin(&self) {
        self.origin.start();
        self.origin.finished(Duration::from_secs(10), &TokioRuntime).await;
    }

    /// How what lies under `url` is stored.
    pub(super) async fn stored_encoding(&self, url: &str) -> &'static str {
        let request = crate::OwnRequest {
            url: url.parse().unwrap(),
            method: http::Method::GET,
            headers: HeaderMap::new(),
        };
        let told = self.plane.explain(&request, false).await;
        told.entry.map_or("", |entry| entry.stored_encoding)
    }

    /// The lines of the access log so far.
    pub(super) fn logged(&self) -> Vec<Value> {
        self.plane.parts.recorder.access_log.flush(Duration::from_secs(10));
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lets `clients` PURGE.
    pub(super) fn let_purge(&self, clients: TrustedProxies) {
        self.go_on(|rules| rules.purgers = clients);
    }

    /// Tells tenants apart from now on.
    pub(super) fn identify_tenants(&self, tenants: TenantRules) {
        self.go_on(|rules| rules.tenants = tenants);
    }

    fn go_on(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = Rules::clone(&self.plane.rules());
        change(&mut rules);
        self.plane.reconfigure(rules);
    }

    /// What the first route counted.
    pub(super) fn metrics(&self) -> Arc<RouteMetrics> {
        Arc::clone(&self.plane.table().iter().next().unwrap().metrics)
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn log_to(file: &NamedTempFile) -> LogConfig {
    LogConfig {
        level: Level::Info,
        format: LogFormat::Text,
        access: AccessFormat::Json,
        access_path: file.path().to_str().unwrap().to_owned(),
        access_sample: 1.0,
        slow: None,
        redact: Vec::new(),
    }
}

/// What is wrong with routes like these; the strategy `writes` wants to store answers to PUT.
pub(super) async fn complaints(routes: &[Value]) -> Vec<String> {
    let mut setup = Setup::plain();
    let mut writes = setup.settings.strategies["default"].clone();
    writes.cache_methods = vec!["GET".to_owned(), "PUT".to_owned()];
    setup.settings.strategies.insert("writes".to_owned(), writes);
    let bench = setup.before(async |_| answer(200, &[], ""));
    let upstream = Arc::clone(&bench.plane.table().iter().next().unwrap().upstream);
    let upstreams = BTreeMap::from([("origin".to_owned(), upstream)]);
    let surroundings = Surroundings {
        engine: &bench.engine,
        upstreams: &upstreams,
        before: None,
    };
    let routes: Vec<RouteConfig> = routes.iter().map(route).collect();
    let complaints = RouteTable::new(&routes, surroundings).unwrap_err();
    complaints
        .iter()
        .map(|complaint| format!("{}: {}", complaint.field, complaint.problem))
        .collect()
}

/// An answer with these fields and this body.
pub(super) fn answer(status: u16, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Body::full(body)).unwrap()
}

/// Something that a test holds shut until it opens it.
#[derive(Clone)]
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Opens it for everybody.
    pub(super) fn open(&self) {
        self.0.close();
    }

    /// Waits until it is open.
    pub(super) async fn passed(self) {
        // Waiting ends with an error, because opening closes the semaphore.
        let _ = self.0.acquire().await;
    }

    /// A body of unknown length: `first`, and what is behind the gate.
    pub(super) fn body(&self, first: &'static str, second: &'static str) -> Body {
        let mut shut = Some(Box::pin(self.clone().passed()));
        let mut pieces = vec![second, first];
        Body::from_poll(None, move |context| {
            if pieces.len() == 1
                && let Some(gate) = &mut shut
            {
                std::task::ready!(gate.as_mut().poll(context));
                shut = None;
            }
            Poll::Ready(pieces.pop().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
        })
    }
}

/// Waits until `holds`; only a failing test ever waits long.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}
