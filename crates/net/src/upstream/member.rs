//! A target in service: its connections, its health, its latency, its counts, and what one attempt on it does.

use super::connect::Dialer;
use super::ejection::{Admission, Ejection, Need};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::incoming::{Held, Keep, ResponseBody};
use super::latency::Latency;
use super::outgoing::{Outgoing, Sending};
use super::pool::{Connection, Lane, Pool};
use super::status::{TargetStatistics, TargetStatus};
use super::target::Target;
use super::{Exchange, Settings, UpstreamParts};
use crate::config::{HostRule, UpstreamConfig};
use crate::http::{Body, BodyFault};
use crate::timer::Timer;
use ::http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use ::http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use peregrine_base::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// How a target says for how long it keeps a connection.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How much earlier than the target we close, so that a request does not meet it closing.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);
/// What a failure counts as in the latency, at least: a target that refuses fast must not look fast.
const FAILURE_LATENCY: Duration = Duration::from_secs(1);

pub(crate) struct Member {
    target: Target,
    host: HostRule,
    upstream: Arc<str>,
    settings: Arc<Settings>,
    parts: UpstreamParts,
    pool: Arc<Pool>,
    ejection: Ejection,
    latency: Latency,
    in_flight: AtomicUsize,
    statistics: TargetStatistics,
}

/// A request under way to a target: counted until it is dropped, and judged at most once.
pub(crate) struct Ticket {
    member: Arc<Member>,
    admission: Admission,
    /// A probe that has no verdict yet.
    undecided: bool,
}

/// An attempt that brought no response.
pub(crate) struct Failed {
    pub(crate) error: UpstreamError,
    /// The request, when not a byte of it was sent.
    pub(crate) unsent: Option<Box<Outgoing>>,
    /// Whether it went over a connection that had been used before.
    pub(crate) reused: bool,
}

impl Member {
    pub(crate) fn new(
        config: &UpstreamConfig,
        target: Target,
        settings: &Arc<Settings>,
        tls: Option<&TlsConnector>,
        parts: &UpstreamParts,
    ) -> Arc<Self> {
        let kept = if target.is_tls() {
            HostRule::Target
        } else {
            HostRule::Keep
        };
        let dialer = Dialer {
            version: config.http_version,
            timeout: config.connect_timeout.get(),
            tls: if target.is_tls() { tls.cloned() } else { None },
            parts: parts.clone(),
        };
        Arc::new(Self {
            target,
            host: config.host.clone().unwrap_or(kept),
            upstream: config.name.as_str().into(),
            settings: Arc::clone(settings),
            parts: parts.clone(),
            pool: Arc::new(Pool::new(config, dialer)),
            ejection: Ejection::new(config.ejection),
            latency: Latency::default(),
            in_flight: AtomicUsize::new(0),
            statistics: TargetStatistics::default(),
        })
    }

    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        self.target.name()
    }

    /// The right to send a request here, if the target is not left out.
    pub(crate) fn admit(self: &Arc<Self>, now: Instant, need: Need) -> Option<Ticket> {
        let admission = self.ejection.admit(now, need)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Ticket {
            member: Arc::clone(self),
            admission,
            undecided: admission == Admission::Probe,
        })
    }

    pub(crate) fn cost(&self, now: Instant) -> f64 {
        self.latency.cost(self.in_flight.load(Ordering::Relaxed), now)
    }

    pub(crate) fn retried(&self) {
        self.statistics.retries.increment();
    }

    /// Sends `outgoing` once; `fresh` over a connection made for it.
    pub(crate) async fn attempt(
        mut ticket: Ticket,
        outgoing: Outgoing,
        fresh: bool,
        deadline: Instant,
    ) -> Result<(Response<Body>, Exchange), Failed> {
        let member = Arc::clone(&ticket.member);
        member.statistics.requests.increment();
        let started = member.parts.clock.now();
        let connected = member
            .pool
            .connect(&member.target, fresh, deadline, &member.statistics)
            .await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => return Err(ticket.failed(error, Some(Box::new(outgoing)), false)),
        };
        let sent_at = member.parts.clock.now();
        let (sending, sent) = member.exchange(&mut connection, outgoing, sent_at, deadline).await;
        let response = match sent.and_then(|response| check(response).map_err(|error| (error, None))) {
            Ok(response) => response,
            // What is a failure of a fresh connection tells against the target; a kept one may just have grown too old.
            Err((error, unsent)) => return Err(ticket.failed(error, unsent, connection.reused)),
        };
        let now = member.parts.clock.now();
        member.latency.record(now.since(sent_at), now);
        member.statistics.first_byte.record(now.since(sent_at));
        ticket.answered(now);
        let exchange = Exchange {
            target: Arc::clone(member.name()),
            reused: connection.reused,
            attempts: 1,
            version: response.version(),
            connect: sent_at.since(started),
            first_byte: now.since(sent_at),
        };
        Ok((
            member.deliver(response, connection, ticket, sending, deadline),
            exchange,
        ))
    }

    /// Writes the request and waits for the head of the response.
    async fn exchange(
        &self,
        connection: &mut Connection,
        outgoing: Outgoing,
        sent_at: Instant,
        deadline: Instant,
    ) -> (
        Option<Arc<Sending>>,
        Result<Response<Incoming>, (UpstreamError, Option<Box<Outgoing>>)>,
    ) {
        let clock = &self.parts.clock;
        let message = match &connection.lane {
            Lane::Http1(_) => outgoing.into_http1(&self.target, &self.host, clock),
            Lane::Http2 { .. } => outgoing.into_http2(&self.target, &self.host, clock),
        };
        let sending = message.body().sending();
        let overdue = self.overdue(sending.as_deref(), sent_at, deadline);
        let result = match &mut connection.lane {
            Lane::Http1(sender) => tokio::select! {
                biased;
                result = sender.try_send_request(message) => Ok(result),
                kind = overdue => Err(kind),
            },
            Lane::Http2 { sender, .. } => tokio::select! {
                biased;
                result = sender.try_send_request(message) => Ok(result),
                kind = overdue => Err(kind),
            },
        };
        let result = match result {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(mut error)) => {
                let unsent = error.take_message().map(|message| Box::new(Outgoing::unsent(message)));
                Err((classify(&error.into_error(), sending.as_deref()), unsent))
            }
            Err(kind) => Err((UpstreamError::new(kind), None)),
        };
        (sending, result)
    }

    /// Completes when the head of the response is overdue. While the client has to send more of its request, it is not.
    async fn overdue(&self, sending: Option<&Sending>, sent_at: Instant, deadline: Instant) -> UpstreamErrorKind {
        let mut timer = Timer::new(Arc::clone(&self.parts.clock), Arc::clone(&self.parts.runtime));
        loop {
            let now = timer.now();
            let due_since = sending.map_or(Some(sent_at), Sending::target_due_since).unwrap_or(now);
            let limit = due_since.after(self.settings.first_byte_timeout);
            if deadline <= now {
                return UpstreamErrorKind::TotalTimeout;
            }
            if limit <= now {
                return UpstreamErrorKind::FirstByteTimeout;
            }
            timer.until(limit.min(deadline)).await;
        }
    }

    /// The response for whoever asked: its body holds the connection until it was read.
    fn deliver(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        ticket: Ticket,
        sending: Option<Arc<Sending>>,
        deadline: Instant,
    ) -> Response<Body> {
        let keep = keep(response.version(), response.headers());
        let held = Held {
            connection,
            ticket,
            sending,
            keep,
        };
        response.map(|incoming| {
            if incoming.is_end_stream() {
                held.finish();
                return Body::empty();
            }
            let timer = Timer::new(Arc::clone(&self.parts.clock), Arc::clone(&self.parts.runtime));
            Body::stream(ResponseBody::new(
                incoming,
                held,
                timer,
                self.settings.idle_timeout,
                deadline,
            ))
        })
    }

    pub(crate) fn status(&self) -> TargetStatus {
        let (health, failures) = self.ejection.health();
        TargetStatus {
            target: Arc::clone(self.name()),
            health,
            failures,
            ejections: self.statistics.ejections.value(),
            in_flight: self.in_flight.load(Ordering::Relaxed) as u64,
            latency_ms: self.latency.milliseconds(),
            requests: self.statistics.requests.value(),
            retries: self.statistics.retries.value(),
            errors: self.statistics.errors(),
            connects: self.statistics.connects.value(),
            reuses: self.statistics.reuses.value(),
            idle: self.pool.idle() as u64,
            waiting: self.pool.waiting() as u64,
            waits: self.statistics.waits.value(),
            first_byte: self.statistics.first_byte.snapshot(),
        }
    }

    fn fail(&self, admission: Admission) {
        let now = self.parts.clock.now();
        self.latency.record(self.latency_of_failure(), now);
        if let Some(span) = self.ejection.failed(now, admission) {
            self.statistics.ejections.increment();
            let seconds = span.as_secs_f64();
            tracing::warn!(upstream = %self.upstream, target = %self.name(), seconds, "left out after failures");
        }
    }

    fn latency_of_failure(&self) -> Duration {
        let average = self.latency.milliseconds().unwrap_or(0.0) / 1000.0;
        FAILURE_LATENCY.max(Duration::try_from_secs_f64(average).unwrap_or_default())
    }
}

impl Ticket {
    pub(crate) const fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The head of a response arrived: a probe has told enough.
    fn answered(&mut self, now: Instant) {
        if std::mem::take(&mut self.undecided) && self.member.ejection.probe_succeeded(now) {
            tracing::info!(upstream = %self.member.upstream, target = %self.member.name(), "back in service");
        }
        self.admission = Admission::Normal;
    }

    /// The response came whole.
    pub(crate) fn succeeded(&self) {
        self.member.ejection.succeeded(self.member.parts.clock.now());
    }

    /// The body of the response did not come whole.
    pub(crate) fn body_failed(&self, fault: BodyFault) {
        self.member.statistics.body_error(fault);
        if fault != BodyFault::TotalTimeout {
            self.member.fail(Admission::Normal);
        }
    }

    /// There is no response.
    fn failed(mut self, error: UpstreamError, unsent: Option<Box<Outgoing>>, reused: bool) -> Failed {
        let error = error.at(self.member.name());
        self.member.statistics.error(error.kind);
        // A kept connection that the target closed meanwhile is nobody's fault.
        let grown_old = reused && error.kind == UpstreamErrorKind::Broken;
        if error.kind.is_failure_of_target() && !grown_old {
            self.undecided = false;
            self.member.fail(self.admission);
        }
        Failed { error, unsent, reused }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.undecided {
            self.member.ejection.release_probe();
        }
    }
}

/// What an error of hyper before the head of a response says.
fn classify(error: &hyper::Error, sending: Option<&Sending>) -> UpstreamError {
    let fault = sending.and_then(Sending::fault).map(UpstreamErrorKind::RequestBody);
    let malformed = if error.is_parse() {
        UpstreamErrorKind::Protocol
    } else {
        UpstreamErrorKind::Broken
    };
    UpstreamError::because(fault.unwrap_or(malformed), Chain(error))
}

/// An error with its causes, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Refuses a response whose framing is in doubt, and leaves one way only to tell where its body ends (RFC 9112 §6.3).
fn check(mut response: Response<Incoming>) -> Result<Response<Incoming>, UpstreamError> {
    let wrong = |cause: &'static str| Err(UpstreamError::because(UpstreamErrorKind::Protocol, cause));
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return wrong("it switches protocols without being asked");
    }
    let headers = response.headers_mut();
    let codings: Vec<&HeaderValue> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    match codings.as_slice() {
        [] => {
            if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
                headers.insert(CONTENT_LENGTH, length);
            }
        }
        [coding] if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            headers.remove(CONTENT_LENGTH);
        }
        _ => return wrong("its Transfer-Encoding is not chunked"),
    }
    Ok(response)
}

/// Whether and how long the target keeps the connection after this response.
fn keep(version: Version, headers: &HeaderMap) -> Keep {
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let close = options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
    if close || version < Version::HTTP_11 {
        return Keep::No;
    }
    let parameters = headers
        .get(KEEP_ALIVE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(',');
    let timeout = parameters
        .filter_map(|parameter| parameter.trim().strip_prefix("timeout=")?.parse().ok())
        .next();
    Keep::Yes(timeout.map(|seconds| Duration::from_secs(seconds).saturating_sub(KEEP_ALIVE_MARGIN)))
}
