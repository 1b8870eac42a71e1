//! A program that notes what it is asked to do, and a client that talks to the handler.

use super::described::{Described, Exchange};
use crate::api::config::{ConfigReport, LogLevel, PatchRequest, Patched};
use crate::api::explain::{EntryState, ExplainRequest, Explanation};
use crate::api::health::{Health, HealthStatus, Readiness};
use crate::api::keys::{EraseRequest, Erased, KeysReport, RotateRequest};
use crate::api::operation::{Act, Item, Operation, Outcome};
use crate::api::preload::{PreloadReport, PreloadRequest};
use crate::api::reload::Reloaded;
use crate::api::statistics::{ReasonShare, StatisticsReport, TenantReport};
use crate::{Admin, AdminConfig, AdminParts, Answering, Audit, Control, Live, Refusal};
use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, Request, StatusCode};
use parking_lot::Mutex;
use peregrine_base::{ByteSize, ManualClock, Runtime, Secret, Span, TokioRuntime};
use peregrine_cache::{
    EntriesQuery, EntryView, Found, Invalidation, Layer, Matched, NamespaceStatistics, Receipt, Rotated, Statistics,
    TagView, TenantStatistics,
};
use peregrine_insight::model::TenantFigures;
use peregrine_insight::report::Configured;
use peregrine_insight::{Alerting, DeskConfig, Insight, InsightConfig};
use peregrine_net::http::{Body, Handler, Peer};
use peregrine_telemetry::Exposition;
use peregrine_telemetry::access::Redaction;
use peregrine_telemetry::tail::Tail;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The description of the API.
pub(crate) static DESCRIBED: LazyLock<Described> =
    LazyLock::new(|| Described::new(serde_json::from_str(&crate::openapi::text()).unwrap()));

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// The token of the tenant `acme`.
pub(crate) const ACME_TOKEN: &str = "the-token-of-acme-alone";

/// A program that does nothing but note what it was asked.
#[derive(Default)]
pub(crate) struct Fake {
    asked: Mutex<Vec<String>>,
    pub(crate) starting: Mutex<bool>,
    /// Whether some entries are encrypted.
    pub(crate) sealed: Mutex<bool>,
    /// Whether what it is asked never ends.
    pub(crate) hangs: Mutex<bool>,
    pub(crate) refuses: Mutex<Option<Refusal>>,
}

impl Fake {
    /// What it was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }

    fn note<T: Send + 'static>(&self, what: &impl Debug, answer: T) -> Answering<'_, T> {
        self.asked.lock().push(format!("{what:?}"));
        let (refusal, hangs) = (self.refuses.lock().take(), *self.hangs.lock());
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            refusal.map_or(Ok(answer), Err)
        })
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        id: "r1".to_owned(),
        matched: Matched {
            memory: Some(2),
            redis: None,
        },
        layers: vec![Layer {
            layer: "memory",
            confirmed: 1,
            of: 1,
            took_ms: 0,
            nodes: Vec::new(),
        }],
        journaled: false,
    }
}

impl Control for Fake {
    fn readiness(&self) -> Readiness {
        if *self.starting.lock() {
            Readiness::Starting
        } else {
            Readiness::Ready
        }
    }

    fn health(&self) -> Health {
        Health {
            status: HealthStatus::Ok,
            readiness: self.readiness(),
            version: "0.1.0".to_owned(),
            uptime_s: 7,
            complaints: Vec::new(),
            upstreams: Vec::new(),
        }
    }

    fn configured(&self) -> Configured {
        Configured::default()
    }

    fn names_are_sealed(&self) -> bool {
        *self.sealed.lock()
    }

    fn namespaces(&self) -> BTreeMap<String, NamespaceStatistics> {
        self.statistics().cache.namespaces
    }

    fn statistics(&self) -> StatisticsReport {
        let cache = Statistics {
            tenants: BTreeMap::new(),
            other_tenants: TenantStatistics::default(),
            total: NamespaceStatistics::default(),
            namespaces: ["default", "images", "other"]
                .map(|name| (name.to_owned(), NamespaceStatistics::default()))
                .into(),
            memory_max: 1 << 20,
            in_flight_bytes: 0,
            loads_under_way: 0,
            targets: 0,
            patterns: 0,
            routes: BTreeMap::new(),
            redis: None,
        };
        let reason = ReasonShare {
            reason: "no_freshness".to_owned(),
            count: 81,
            share: 0.81,
            sentence: "no freshness from the origin".to_owned(),
            advice: Some("`freshness = \"fallback\"` would cache these".to_owned()),
        };
        StatisticsReport {
            uptime_s: 7,
            requests: 100,
            reasons: vec![reason],
            cache,
            keys: None,
            backplane: None,
            redis: None,
        }
    }

    fn metrics(&self, exposition: &mut Exposition) {
        exposition.counter("peregrine_unrouted_requests_total", &[], 100u64);
    }

    fn explain(&self, request: ExplainRequest) -> Answering<'_, Explanation> {
        let explanation = Explanation {
            url: request.url.clone(),
            method: request.method.clone(),
            state: EntryState::Fresh,
            ..Explanation::default()
        };
        self.note(&request, explanation)
    }

    fn operation(&self, operation: Operation) -> Answering<'_, Outcome> {
        let item = |value: &'static [u8]| Item {
            value: Bytes::from_static(value),
            age: Duration::from_millis(1500),
            ttl: Duration::from_secs(60),
            tags: vec!["a".to_owned()],
        };
        let outcome = match &operation.act {
            Act::Get(key) if key == "absent" => Outcome::Got(None),
            Act::Get(key) if key == "binary" => Outcome::Got(Some(item(b"\xff\x00"))),
            Act::Get(_) => Outcome::Got(Some(item("grün".as_bytes()))),
            Act::Set(..) => Outcome::Set(1),
            Act::Delete(_) => Outcome::Deleted(true),
            Act::GetMany(keys) => Outcome::GotMany(keys.iter().map(|key| (key == "a").then(|| item(b"1"))).collect()),
            Act::Clear => Outcome::Cleared(receipt()),
        };
        self.note(&operation, outcome)
    }

    fn invalidate(&self, invalidation: Invalidation) -> Answering<'_, Receipt> {
        self.note(&invalidation, receipt())
    }

    fn preload(&self, request: PreloadRequest) -> Answering<'_, PreloadReport> {
        self.note(
            &request,
            PreloadReport {
                stored: 1,
                ..PreloadReport::default()
            },
        )
    }

    fn tenants(&self) -> Vec<TenantFigures> {
        vec![TenantFigures {
            tenant: "acme".to_owned(),
            ..TenantFigures::default()
        }]
    }

    fn tenant_report<'a>(&self, tenant: &'a str) -> TenantReport<'a> {
        self.asked.lock().push(format!("statistics of {tenant}"));
        TenantReport {
            tenant,
            cache: Some(TenantStatistics {
                hits: 7,
                ..TenantStatistics::default()
            }),
            traffic: None,
        }
    }

    fn keys(&self, cursor: String) -> Answering<'_, KeysReport> {
        self.note(&("keys", cursor), KeysReport::default())
    }

    fn rotate_keys(&self, request: RotateRequest) -> Answering<'_, Rotated> {
        self.note(&request, Rotated::default())
    }

    fn erase_keys(&self, request: EraseRequest) -> Answering<'_, Erased> {
        let erased = Erased {
            erased: true,
            within_s: 10,
            receipt: receipt(),
        };
        self.note(&request, erased)
    }

    fn entries(&self, query: EntriesQuery) -> Answering<'_, Found<EntryView>> {
        self.note(
            &query,
            Found {
                found: Vec::new(),
                looked_at: 0,
                complete: true,
            },
        )
    }

    fn tags(&self, namespaces: Option<Vec<String>>, limit: usize) -> Answering<'_, Found<TagView>> {
        self.note(
            &(namespaces, limit),
            Found {
                found: Vec::new(),
                looked_at: 0,
                complete: true,
            },
        )
    }

    fn config(&self) -> Answering<'_, ConfigReport> {
        let report = ConfigReport {
            etag: "e1".to_owned(),
            ..ConfigReport::default()
        };
        self.note(&"config", report)
    }

    fn patch_config(&self, request: PatchRequest, etag: Option<String>) -> Answering<'_, Patched> {
        let patched = Patched {
            applied: request.changes.keys().cloned().collect(),
            ..Patched::default()
        };
        self.note(&(request, etag), patched)
    }

    fn log_level(&self) -> LogLevel {
        LogLevel {
            level: "info".to_owned(),
        }
    }

    fn set_log_level(&self, level: LogLevel) -> Result<LogLevel, Refusal> {
        Ok(level)
    }

    fn reload(&self) -> Answering<'_, Reloaded> {
        self.note(
            &"reload",
            Reloaded {
                applied: vec!["log.level".to_owned()],
                needs_restart: Vec::new(),
            },
        )
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Read {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The word at the end of a problem's type.
    pub(crate) fn kind(&self) -> String {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{:?}",
            self.body
        );
        let kind = self.json()["type"].as_str().unwrap().to_owned();
        kind.strip_prefix("urn:peregrine:problem:").unwrap().to_owned()
    }
}

pub(crate) struct Bench {
    pub(crate) admin: Arc<Admin>,
    pub(crate) fake: Arc<Fake>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) insight: Arc<Insight>,
}

pub(crate) fn config() -> AdminConfig {
    AdminConfig {
        enabled: true,
        address: "127.0.0.1:0".parse().unwrap(),
        allowed_hosts: vec!["Peregrine.internal".to_owned()],
        metrics_open: false,
        body_max: ByteSize::kib(64),
        token_attempts_max: 3,
        token_attempts_window: Span::new(Duration::from_secs(60)),
        session_idle: Span::new(Duration::from_secs(600)),
        session_lifetime: Span::new(Duration::from_secs(3600)),
        audit_file_max: ByteSize::kib(64),
        audit_files: 3,
    }
}

fn insight() -> InsightConfig {
    let span = |text: &str| text.parse().unwrap();
    InsightConfig {
        enabled: true,
        persist: false,
        sample_interval: span("30s"),
        retention: span("30d"),
        report_interval: span("5m"),
        routes_max: 8,
        upstreams_max: 8,
        apdex_threshold: span("500ms"),
        origin_second_cost: None,
        gigabyte_cost: None,
        currency: "EUR".to_owned(),
    }
}

/// One rule.
fn desk() -> DeskConfig {
    let rule = json!({
        "name": "errors", "metric": "error_ratio", "above": 0.05, "below": null, "clear": null, "for_s": 0, "keep_firing_s": 0,
        "severity": "critical", "min_events": 0, "enabled": true,
    });
    DeskConfig {
        node: "here".to_owned(),
        rules: vec![serde_json::from_value(rule).unwrap()],
        ..DeskConfig::default()
    }
}

/// A runtime whose every wait is over.
pub(crate) struct Hasty;

impl Runtime for Hasty {
    fn spawn(&self, task: peregrine_base::Task) {
        TokioRuntime.spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        TokioRuntime.spawn_blocking(work);
    }

    fn sleep(&self, _: Duration) -> peregrine_base::Task {
        Box::pin(std::future::ready(()))
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&config())
    }

    pub(crate) fn with(config: &AdminConfig) -> Self {
        Self::keeping(config, None)
    }

    /// One that keeps what outlives a restart in `state_dir`.
    pub(crate) fn keeping(config: &AdminConfig, state_dir: Option<PathBuf>) -> Self {
        Self::on(Arc::new(TokioRuntime), config, state_dir)
    }

    /// One whose streams wait for nothing.
    pub(crate) fn hasty() -> Self {
        Self::on(Arc::new(Hasty), &config(), None)
    }

    fn on(runtime: Arc<dyn Runtime>, config: &AdminConfig, state_dir: Option<PathBuf>) -> Self {
        let (fake, clock) = (Arc::new(Fake::default()), Arc::new(ManualClock::default()));
        let control: Arc<dyn Control> = Arc::<Fake>::clone(&fake);
        let insight = Arc::new(Insight::new(insight(), "0.1.0", "here"));
        let parts = AdminParts {
            control,
            token: Secret::new(TOKEN),
            tenants: vec![("acme".to_owned(), Secret::new(ACME_TOKEN))],
            live: Live {
                tail: Arc::new(Tail::new(Redaction::default())),
                node: "node-1".to_owned(),
                drain: peregrine_net::drain::channel().1,
                runtime,
            },
            clock: Arc::<ManualClock>::clone(&clock),
            audit: Audit::open(
                config,
                state_dir.clone(),
                Arc::<ManualClock>::clone(&clock),
                Arc::new(TokioRuntime),
            )
            .unwrap(),
            insight: Arc::clone(&insight),
            alerting: Arc::new(Alerting::new(desk())),
            state_dir,
        };
        let admin = Admin::new(config, parts).unwrap();
        Self {
            admin: Arc::new(admin),
            fake,
            clock,
            insight,
        }
    }

    /// Sends `request` as from `address`.
    pub(crate) async fn send_from(&self, address: &str, tls: bool, request: Request<Body>) -> Read {
        let peer = Peer {
            address: address.parse().unwrap(),
            local: "127.0.0.1:9180".parse().unwrap(),
            tls,
        };
        let (parts, body) = self.admin.handle(request, peer).await.into_parts();
        let body = body.collect(1 << 20).await.unwrap();
        Read {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Sends `request`; what is answered has to be what is told of its call.
    pub(crate) async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Read {
        let body = body.into();
        let request = request.body(Body::full(body.clone())).unwrap();
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let answer = self.send_from("127.0.0.1:50000", false, request).await;
        let content_type = answer.headers.get("content-type");
        let faults = DESCRIBED.faults(&Exchange {
            method: &method,
            path: &path,
            sent: &body,
            status: answer.status.as_u16(),
            content_type: content_type.map_or("", |kind| kind.to_str().unwrap()),
            body: &answer.body,
        });
        assert!(faults.is_empty(), "{method} {path}: {faults:#?}");
        answer
    }

    /// GET with token.
    pub(crate) async fn get(&self, path: &str) -> Read {
        self.send(request("GET", path), "").await
    }

    /// A changing call with token and JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Read {
        self.send(
            request(method, path).header("content-type", "application/json"),
            body.to_owned(),
        )
        .await
    }
}

/// A request as it should be, with token, without a body's type.
pub(crate) fn request(method: &str, path: &str) -> Builder {
    plain(method, path).header("authorization", format!("Bearer {TOKEN}"))
}

/// A request without token.
pub(crate) fn plain(method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:9180")
}
