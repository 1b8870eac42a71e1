//! The way of a request through the admin API, from top to bottom in [`Admin::answer`].

use crate::api::explain::ExplainRequest;
use crate::api::health::Readiness;
use crate::api::invalidation::{ClearRequest, PatternRequest};
use crate::api::keys::{EraseRequest, RotateRequest};
use crate::api::operation::{Act, OperationRequest, Outcome, WrittenOutcome};
use crate::api::preload::PreloadRequest;
use crate::api::statistics::TenantReport;
use crate::calls::{CALLS, Call};
use crate::config::AdminConfig;
use crate::control::Control;
use crate::guard::{Guard, Rights};
use crate::json;
use crate::refusal::{Barred, Refusal};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use peregrine_base::{Clock, Secret};
use peregrine_cache::{Invalidation, Receipt};
use peregrine_net::http::{Body, BodyFault, Handler, Peer};
use peregrine_telemetry::prometheus::Format;
use peregrine_telemetry::{Counter, Exposition};
use serde::Serialize;
use std::sync::Arc;

/// What every answer says: keep it nowhere, take its type as it is, run nothing of it.
const ANSWER_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The admin API.
pub struct Admin {
    control: Arc<dyn Control>,
    guard: Guard,
    metrics_open: bool,
    body_max: u64,
    /// How often each call was let in, as in [`CALLS`].
    called: [Counter; CALLS.len()],
    /// How often each gate stayed shut, as in [`Barred::ALL`].
    barred: [Counter; Barred::ALL.len()],
}

/// What a call answers.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Handler for Admin {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let answered = self.answer(&parts, body, &peer).await;
        if let Some(gate) = answered.as_ref().err().and_then(Refusal::gate)
            && let Some(index) = Barred::ALL.iter().position(|known| *known == gate)
        {
            self.barred[index].increment();
            tracing::debug!(client = %peer.address, reason = gate.as_str(), "admin request turned away");
        }
        let mut response = match answered {
            Ok(answer) => answer.into_response(),
            Err(refusal) => refuse(refusal),
        };
        for (name, value) in ANSWER_HEADERS {
            response.headers_mut().insert(name, value);
        }
        if parts.method == Method::HEAD {
            without_body(response)
        } else {
            response
        }
    }
}

impl Admin {
    /// An admin API for `control` that lets in whoever carries `token`, and with less rights whoever carries that of one of
    /// `tenants`.
    #[must_use]
    pub fn new(
        control: Arc<dyn Control>,
        config: &AdminConfig,
        token: Secret,
        tenants: Vec<(String, Secret)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            control,
            guard: Guard::new(config, token, tenants, clock),
            metrics_open: config.metrics_open,
            body_max: config.body_max.as_u64(),
            called: std::array::from_fn(|_| Counter::new()),
            barred: std::array::from_fn(|_| Counter::new()),
        }
    }

    async fn answer(&self, request: &Parts, body: Body, peer: &Peer) -> Result<Answer, Refusal> {
        let path = request.uri.path();
        let mut rights = Rights::All;
        if !Call::is_probe(path) {
            self.guard.screen(request, peer)?;
            if !(self.metrics_open && path == "/metrics") {
                rights = self.guard.authenticate(request, peer)?;
            }
        }
        let call = Call::find(path, &request.method)?;
        rights.allow(call)?;
        self.called[call.index()].increment();
        if !call.changes() {
            return self.read(call, request, rights).await;
        }
        check_content_type(request)?;
        let body = self.take_body(body).await?;
        let answered = self.change(call, request, &body, rights).await;
        let status = answered.as_ref().map_or_else(Refusal::status, |answer| answer.status);
        let (word, client, status) = (call.as_str(), peer.address, status.as_u16());
        let tenant = rights.tenant();
        if call == Call::Operation {
            // A program that uses the cache as a store would fill the log.
            tracing::debug!(call = word, %client, status, "admin call");
        } else {
            tracing::info!(call = word, %client, status, tenant, "admin call");
        }
        answered
    }

    /// A call that changes nothing.
    async fn read(&self, call: Call, request: &Parts, rights: Rights<'_>) -> Result<Answer, Refusal> {
        match call {
            Call::Live => Ok(Answer::text(StatusCode::OK, "ok")),
            Call::Ready => {
                let readiness = self.control.readiness();
                let ready = readiness == Readiness::Ready;
                let status = if ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                Ok(Answer::text(status, readiness.as_str()))
            }
            Call::Metrics => Ok(self.metrics(request)),
            Call::Health => Answer::json(&self.control.health()),
            Call::Explain => {
                let asked = ExplainRequest::from_query(request.uri.query())?;
                Answer::json(&self.control.explain(asked).await?)
            }
            Call::Keys => {
                let cursor = crate::api::keys::cursor(request.uri.query())?;
                Answer::json(&self.control.keys(cursor).await?)
            }
            _ => match rights {
                Rights::All => Answer::json(&self.control.statistics()),
                Rights::Tenant(tenant) => Answer::json(&TenantReport {
                    tenant,
                    cache: self.control.tenant_statistics(tenant),
                }),
            },
        }
    }

    /// A call that changes something.
    async fn change(&self, call: Call, request: &Parts, body: &[u8], rights: Rights<'_>) -> Result<Answer, Refusal> {
        let invalidation = match call {
            Call::Operation => return self.operation(body).await,
            Call::Preload => {
                let asked: PreloadRequest = json::read(body)?;
                return Answer::json(&self.control.preload(asked).await?);
            }
            Call::RotateKeys => {
                let asked: RotateRequest = json::read(body)?;
                return Answer::json(&self.control.rotate_keys(asked).await?);
            }
            Call::EraseKeys => {
                let asked: EraseRequest = json::read(body)?;
                return Answer::json(&self.control.erase_keys(asked).await?);
            }
            Call::Reload => return Answer::json(&self.control.reload().await?),
            Call::Invalidate => json::read::<Invalidation>(body)?,
            Call::ClearPattern if body.is_empty() => PatternRequest::from_query(request.uri.query())?.into(),
            Call::ClearPattern => json::read::<PatternRequest>(body)?.into(),
            Call::Clear if !body.is_empty() => json::read::<ClearRequest>(body)?.into(),
            _ => ClearRequest::default().into(),
        };
        let receipt = self.control.invalidate(rights.limit(invalidation)?).await?;
        let answer = Answer::json(&receipt)?;
        Ok(answer.unless_pending(&receipt))
    }

    async fn operation(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let asked: OperationRequest = json::parse(body)?;
        let op = asked.op;
        let operation = asked.into_operation().map_err(Refusal::invalid)?;
        let keys: Vec<String> = match &operation.act {
            Act::GetMany(keys) => keys.clone(),
            Act::Set(values, _) => values.iter().map(|(key, _)| key.clone()).collect(),
            Act::Get(_) | Act::Delete(_) | Act::Clear => Vec::new(),
        };
        let outcome = self.control.operation(operation).await?;
        let answer = Answer::json(&WrittenOutcome::new(op, &keys, &outcome))?;
        Ok(match &outcome {
            Outcome::Cleared(receipt) => answer.unless_pending(receipt),
            _ => answer,
        })
    }

    fn metrics(&self, request: &Parts) -> Answer {
        let accept = request
            .headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        let format = Format::negotiate(accept);
        let mut exposition = Exposition::new();
        self.control.metrics(&mut exposition);
        self.expose(&mut exposition);
        for fault in exposition.faults() {
            tracing::error!(%fault, "a metric was left out");
        }
        let body = exposition.finish(format).into();
        Answer {
            status: StatusCode::OK,
            content_type: format.content_type(),
            body,
        }
    }

    /// The API's own metrics.
    fn expose(&self, exposition: &mut Exposition) {
        for ((.., word), count) in CALLS.iter().zip(&self.called) {
            let help = "Calls of the admin API that were let in.";
            exposition.counter("peregrine_admin_calls_total", help, &[("call", word)], count.value());
        }
        for (gate, count) in Barred::ALL.iter().zip(&self.barred) {
            let help = "Requests to the admin API that were turned away.";
            exposition.counter(
                "peregrine_admin_refused_total",
                help,
                &[("reason", gate.as_str())],
                count.value(),
            );
        }
    }

    async fn take_body(&self, body: Body) -> Result<Bytes, Refusal> {
        let limit = usize::try_from(self.body_max).unwrap_or(usize::MAX);
        body.collect(limit).await.map_err(|error| match error.fault {
            BodyFault::TooLarge => Refusal::too_large(self.body_max),
            _ => Refusal::body_failed(error),
        })
    }
}

impl Answer {
    fn text(status: StatusCode, word: &str) -> Self {
        let body = format!("{word}\n").into();
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body,
        }
    }

    fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(%error, "an admin answer cannot be written as JSON");
            Refusal::failed("The answer cannot be written as JSON.")
        })?;
        Ok(Self {
            status: StatusCode::OK,
            content_type: "application/json",
            body: body.into(),
        })
    }

    /// The same, as 202 where what the receipt tells does not hold everywhere yet (RFC 9110 §15.3.3).
    fn unless_pending(mut self, receipt: &Receipt) -> Self {
        if !receipt.is_confirmed() {
            self.status = StatusCode::ACCEPTED;
        }
        self
    }

    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.body));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

fn refuse(refusal: Refusal) -> Response<Body> {
    let (problem, headers) = refusal.into_parts();
    let mut response = problem.into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The answer to HEAD: the same fields, and the length that the body would have.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.length() {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}

/// A form on some page can send neither this type nor DELETE without asking first.
fn check_content_type(request: &Parts) -> Result<(), Refusal> {
    let mut types = request.headers.get_all(header::CONTENT_TYPE).iter();
    let (first, more) = (types.next().and_then(|value| value.to_str().ok()), types.next());
    let essence = first.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if more.is_none() && essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::wrong_content_type())
}
