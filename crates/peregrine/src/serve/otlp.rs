//! Sends metrics and spans to an OpenTelemetry collector (OTLP over HTTP, protobuf), over an upstream of its own, which brings
//! pools, TLS and time limits. What the collector does not take is sent again a few times and then given up and counted;
//! nobody waits for it, and no more waits than the tracer's queue holds.

use super::program::Program;
use crate::Failure;
use crate::config::Settings;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use peregrine_base::{Complaint, Random, Runtime, SystemRandom, TokioRuntime, WallTime};
use peregrine_net::config::UpstreamConfig;
use peregrine_net::http::Body;
use peregrine_net::upstream::{Retry, Upstream, UpstreamParts};
use peregrine_telemetry::otlp::{OtlpConfig, Resource, metrics_request};
use peregrine_telemetry::{Counter, Exposition, Recorder};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often spans are sent.
const SPANS_EVERY: Duration = Duration::from_secs(1);
/// How often a body is sent before it is given up.
const ATTEMPTS_MAX: u32 = 4;
/// How long the first pause before sending again is; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// How many batches of spans go out in a row before the clock is looked at again.
const BATCHES_MAX: usize = 8;

/// The way to the collector.
pub(super) struct Collector {
    upstream: Arc<Upstream>,
    base: Uri,
    headers: HeaderMap,
    resource: Resource,
    config: OtlpConfig,
    counts: [[Counter; Outcome::ALL.len()]; Signal::ALL.len()],
}

#[derive(Clone, Copy)]
enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    const ALL: [Self; 2] = [Self::Traces, Self::Metrics];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

/// What came of a body.
#[derive(Clone, Copy)]
enum Outcome {
    Sent,
    Again,
    Refused,
    GivenUp,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Sent, Self::Again, Self::Refused, Self::GivenUp];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Again => "again",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is wrong with the section, beyond the bounds of its rows.
pub(crate) fn check(config: &OtlpConfig) -> Result<(), Vec<Complaint>> {
    let mut complaints = Vec::new();
    if let Some(endpoint) = &config.endpoint
        && base(endpoint).is_none()
    {
        let help = "write it as \"http://127.0.0.1:4318\" or \"https://collector.example/otlp\"";
        complaints.push(Complaint::new(
            "endpoint",
            format!("{endpoint:?} is no http or https URL"),
            help,
        ));
    }
    for (name, value) in &config.headers {
        if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(value).is_err() {
            complaints.push(Complaint::new(
                "headers",
                format!("{name:?} is no field, or its value has a character that none may have"),
                "names are letters, digits and `-`; values one line of text",
            ));
        }
    }
    if config
        .authorization
        .as_ref()
        .is_some_and(|secret| HeaderValue::from_str(secret.expose()).is_err())
    {
        let problem = "has a character that no field may have";
        complaints.push(Complaint::new(
            "authorization",
            problem,
            "write one line of visible text",
        ));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// An endpoint as scheme, host and the path before what is added.
fn base(endpoint: &str) -> Option<Uri> {
    let uri: Uri = endpoint.trim_end_matches('/').parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.authority().is_some() && uri.query().is_none()).then_some(uri)
}

impl Collector {
    /// The collector that `settings` names; nothing where it names none.
    fn of(settings: &Settings) -> Result<Option<Self>, Failure> {
        let config = &settings.otlp;
        let Some(base) = config.endpoint.as_deref().and_then(base) else {
            return Ok(None);
        };
        let parts = UpstreamParts {
            clock: Program::clock(),
            runtime: Arc::new(TokioRuntime),
            random: Arc::new(SystemRandom),
        };
        let place = format!(
            "{}://{}",
            base.scheme_str().unwrap_or("http"),
            base.authority().map_or("", http::uri::Authority::as_str)
        );
        let upstream = Upstream::new(&UpstreamConfig::defaults("otlp", &[&place]), parts)
            .map_err(|error| Failure::Usage(format!("otlp.endpoint: {error}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in &config.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        let secret = config.authorization.as_ref();
        if let Some(Ok(mut value)) = secret.map(|secret| HeaderValue::from_str(secret.expose())) {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Some(Self {
            upstream,
            base,
            headers,
            resource: resource(config),
            config: config.clone(),
            counts: Default::default(),
        }))
    }

    /// As [`Collector::of`]; where traces are to be sent, `recorder` traces from now on.
    pub(super) fn begin(settings: &Settings, recorder: &Recorder) -> Result<Option<Arc<Self>>, Failure> {
        let collector = Self::of(settings)?.map(Arc::new);
        if let Some(Self { config, .. }) = collector.as_deref()
            && config.traces
        {
            recorder.trace(config.sample);
        }
        Ok(collector)
    }

    /// Its metrics.
    pub(super) fn expose(&self, out: &mut Exposition) {
        for (signal, counts) in Signal::ALL.into_iter().zip(&self.counts) {
            for (outcome, count) in Outcome::ALL.into_iter().zip(counts) {
                let labels = [("signal", signal.as_str()), ("outcome", outcome.as_str())];
                out.counter("peregrine_otlp_exports_total", &labels, count.value());
            }
        }
    }

    fn count(&self, signal: Signal, outcome: Outcome) {
        let counts = self.counts.get(signal as usize);
        if let Some(counter) = counts.and_then(|counts| counts.get(outcome as usize)) {
            counter.increment();
        }
    }

    /// Sends `body` until the collector takes or refuses it, or it was sent often enough.
    async fn send<const N: usize>(&self, signal: Signal, body: [Vec<u8>; N]) {
        let body = body.map(Bytes::from);
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.try_send(signal, body.clone()).await {
                Ok(status) if status.is_success() => return self.count(signal, Outcome::Sent),
                Ok(status) if !is_for_a_while(status) => {
                    tracing::warn!(signal = signal.as_str(), %status, "the collector of otlp.endpoint refuses what it is sent");
                    return self.count(signal, Outcome::Refused);
                }
                Ok(_) | Err(_) if attempt == ATTEMPTS_MAX => {}
                Ok(_) | Err(_) => {
                    self.count(signal, Outcome::Again);
                    // Not all nodes at once.
                    TokioRuntime.sleep(pause.mul_f64(0.5 + SystemRandom.next_unit())).await;
                    pause *= 2;
                }
            }
        }
        tracing::warn!(
            signal = signal.as_str(),
            "the collector of otlp.endpoint does not take what it is sent"
        );
        self.count(signal, Outcome::GivenUp);
    }

    async fn try_send<const N: usize>(&self, signal: Signal, body: [Bytes; N]) -> Result<StatusCode, ()> {
        let path = format!("{}/v1/{}", self.base.path().trim_end_matches('/'), signal.as_str());
        let mut request = Request::post(path).body(Body::chunks(body)).map_err(drop)?;
        *request.headers_mut() = self.headers.clone();
        if let Some(Ok(host)) = self.base.authority().map(|host| HeaderValue::from_str(host.as_str())) {
            request.headers_mut().insert(header::HOST, host);
        }
        // Sending again is decided here.
        let (response, _) = self.upstream.send(request, Retry::Never).await.map_err(drop)?;
        Ok(response.status())
    }
}

/// Whether a collector that answers so may take the same later (OTLP, "Retryable Response Codes").
fn is_for_a_while(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// What is told of this program.
fn resource(config: &OtlpConfig) -> Resource {
    let own = [
        ("service.name", config.service_name.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", format!("{:016x}", SystemRandom.next_u64())),
    ];
    let given = config
        .attributes
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()));
    let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
    Resource(
        own.filter(|(key, _)| !config.attributes.contains_key(key))
            .chain(given)
            .collect(),
    )
}

/// Sends as long as the program is there.
pub(super) fn watch(program: &Weak<Program>) {
    let Some(collector) = program.upgrade().and_then(|program| program.collector.clone()) else {
        return;
    };
    collector.upstream.take_over();
    if collector.config.traces {
        TokioRuntime.spawn(Box::pin(send_spans(Weak::clone(program), Arc::clone(&collector))));
    }
    if collector.config.metrics {
        TokioRuntime.spawn(Box::pin(send_metrics(Weak::clone(program), collector)));
    }
}

async fn send_spans(program: Weak<Program>, collector: Arc<Collector>) {
    loop {
        TokioRuntime.sleep(SPANS_EVERY).await;
        for _ in 0..BATCHES_MAX {
            let Some(program) = program.upgrade() else { return };
            let taken = program
                .recorder
                .tracer()
                .and_then(|tracer| tracer.take(&collector.resource));
            drop(program);
            let Some((body, _)) = taken else { break };
            collector.send(Signal::Traces, body).await;
        }
    }
}

async fn send_metrics(program: Weak<Program>, collector: Arc<Collector>) {
    let clock = Program::clock();
    let started: WallTime = clock.wall();
    loop {
        TokioRuntime.sleep(collector.config.interval.get()).await;
        let Some(program) = program.upgrade() else { return };
        let mut exposition = Exposition::new();
        super::metrics::expose(&program, &mut exposition);
        drop(program);
        let body = metrics_request(&exposition, &collector.resource, started, clock.wall());
        collector.send(Signal::Metrics, [body]).await;
    }
}

impl Program {
    /// Sends the spans that still wait, once, at the end.
    pub(super) async fn send_last_spans(&self) {
        let (Some(collector), Some(tracer)) = (&self.collector, self.recorder.tracer()) else {
            return;
        };
        for _ in 0..BATCHES_MAX {
            let Some((body, _)) = tracer.take(&collector.resource) else {
                return;
            };
            let sent = collector.try_send(Signal::Traces, body.map(Bytes::from)).await;
            let is_sent = sent.is_ok_and(|status| status.is_success());
            collector.count(Signal::Traces, if is_sent { Outcome::Sent } else { Outcome::GivenUp });
        }
    }
}
