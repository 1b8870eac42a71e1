//! A target in service: its connections, its health, its latency, its counts, and what one attempt on it does.

use super::connect::Dialer;
use super::ejection::{Admission, Ejection};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::head::{check, classify, keep_alive};
use super::incoming::{Held, ResponseBody};
use super::latency::Latency;
use super::outgoing::{Outgoing, Sending};
use super::pool::{Connection, Lane, Pool};
use super::status::{TargetStatistics, TargetStatus};
use super::target::Target;
use super::ticket::{Failed, Ticket};
use super::{Exchange, Settings, UpstreamParts};
use crate::config::{HostRule, UpstreamConfig};
use crate::http::Body;
use crate::timer::Timer;
use ::http::Response;
use http_body::Body as _;
use hyper::body::Incoming;
use peregrine_base::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_rustls::TlsConnector;

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

    pub(crate) const fn ejection(&self) -> &Ejection {
        &self.ejection
    }

    pub(crate) const fn statistics(&self) -> &TargetStatistics {
        &self.statistics
    }

    pub(crate) fn now(&self) -> Instant {
        self.parts.clock.now()
    }

    /// One more request is under way.
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn cost(&self, now: Instant) -> f64 {
        self.latency.cost(self.in_flight.load(Ordering::Relaxed), now)
    }

    /// Sends `outgoing` once; `fresh` over a connection made for it.
    pub(crate) async fn attempt(
        mut ticket: Ticket,
        outgoing: Outgoing,
        fresh: bool,
        deadline: Instant,
    ) -> Result<(Response<Body>, Exchange), Failed> {
        let member = Arc::clone(ticket.member());
        member.statistics.requests.increment();
        let started = member.now();
        let connected = member
            .pool
            .connect(&member.target, fresh, deadline, &member.statistics)
            .await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => return Err(ticket.failed(error, Some(Box::new(outgoing)), false)),
        };
        let sent_at = member.now();
        let (sending, sent) = member.exchange(&mut connection, outgoing, sent_at, deadline).await;
        let response = match sent.and_then(|response| check(response).map_err(|error| (error, None))) {
            Ok(response) => response,
            // What is a failure of a fresh connection tells against the target; a kept one may just have grown too old.
            Err((error, unsent)) => return Err(ticket.failed(error, unsent, connection.reused)),
        };
        let now = member.now();
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
        let result = tokio::select! {
            biased;
            result = connection.lane.send(message) => Ok(result),
            kind = overdue => Err(kind),
        };
        let result = match result {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(mut unanswered)) => {
                let unsent = unanswered
                    .take_message()
                    .map(|message| Box::new(Outgoing::unsent(message)));
                Err((classify(unanswered.error(), sending.as_deref()), unsent))
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
        let keep_alive = keep_alive(response.headers());
        let held = Held {
            connection,
            ticket,
            sending,
            keep_alive,
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

    /// A failure that tells against the target.
    pub(crate) fn fail(&self, admission: Admission) {
        let now = self.now();
        self.latency.record(self.latency_of_failure(), now);
        if let Some(span) = self.ejection.failed(now, admission) {
            self.statistics.ejections.increment();
            let seconds = span.as_secs_f64();
            tracing::warn!(upstream = %self.upstream, target = %self.name(), seconds, "left out after failures");
        }
    }

    /// A probe was answered.
    pub(crate) fn probe_succeeded(&self, now: Instant) {
        if self.ejection.probe_succeeded(now) {
            tracing::info!(upstream = %self.upstream, target = %self.name(), "back in service");
        }
    }

    fn latency_of_failure(&self) -> Duration {
        let average = self.latency.milliseconds().unwrap_or(0.0) / 1000.0;
        FAILURE_LATENCY.max(Duration::try_from_secs_f64(average).unwrap_or_default())
    }
}
