//! A target in service: its connections, its health, its latency, its counts, and what one attempt on it does.

use super::connect::Dialer;
use super::ejection::{Admission, Ejection, Need, Standing};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::head::{Trust, check, classify, keep_alive};
use super::health::{Change, Checker, Checks, Verdict};
use super::incoming::{Arriving, Held, ResponseBody};
use super::latency::Latency;
use super::outgoing::Outgoing;
use super::pool::{Cause, Connection, Lane, Pool};
use super::sending::{Holding, Sending};
use super::status::{ChecksStatus, Health, TargetStatistics, TargetStatus};
use super::target::Target;
use super::ticket::{Failed, Ticket};
use super::tls::Connectors;
use super::tunnel;
use super::warm::Warmth;
use super::{Exchange, Retry, Settings, UpstreamParts};
use crate::config::{HealthConfig, HostRule, HttpVersion, TargetConfig, UpstreamConfig};
use crate::http::Body;
use crate::timer::Timer;
use ::http::{Response, StatusCode};
use peregrine_base::Instant;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a failure counts as in the latency, at least: a target that refuses fast must not look fast.
const FAILURE_LATENCY: Duration = Duration::from_secs(1);
/// How long a body waits for the target to ask for it. RFC 9110 §10.1.1: not for long, because targets may not know of it.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);

/// What is known of a target whatever its configuration; a reload hands it on.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) ejection: Ejection,
    checks: Arc<Checks>,
    warmth: Arc<Warmth>,
    latency: Arc<Latency>,
    in_flight: Arc<AtomicUsize>,
    statistics: Arc<TargetStatistics>,
}

impl Known {
    /// Nothing yet.
    pub(crate) fn nothing(config: &UpstreamConfig) -> Self {
        Self {
            ejection: Ejection::new(config.ejection),
            checks: Arc::default(),
            warmth: Arc::default(),
            latency: Arc::default(),
            in_flight: Arc::default(),
            statistics: Arc::default(),
        }
    }

    /// Whether it fails its health checks.
    fn is_failing(&self) -> bool {
        self.checks.verdict() == Some(Verdict::Failing)
    }

    /// The same under another configuration.
    fn under(&self, config: &UpstreamConfig) -> Self {
        Self {
            ejection: self.ejection.under(config.ejection),
            ..self.clone()
        }
    }

    /// The target is new among others that are warm.
    pub(crate) fn begin_cold(&self, now: Instant) {
        self.warmth.begin_new(now);
    }
}

/// Why there is no response.
struct Unanswered {
    error: UpstreamError,
    /// The request, if it may be sent again.
    again: Option<Box<Outgoing>>,
    /// Whether the connection is over with it.
    ends_connection: bool,
}

/// The targets of an upstream as far as they share a limit: not too many of them may be left out.
pub(crate) struct Crew {
    pub(crate) all: Vec<Known>,
    pub(crate) share_max: f64,
}

impl Crew {
    /// Whether one more may be left out. A sole target never is, nor one whose fellows all fail their checks: there is nobody to
    /// go to instead, and what breaks one part of a site would take down the whole of it.
    fn has_room(&self) -> bool {
        if self.all.iter().filter(|known| !known.is_failing()).count() < 2 {
            return false;
        }
        let out = self.all.iter().filter(|known| known.ejection.is_out()).count();
        #[expect(clippy::cast_precision_loss, reason = "targets are few")]
        let (after, all) = (out as f64 + 1.0, self.all.len() as f64);
        out == 0 || after <= all * self.share_max
    }
}

pub(crate) struct Member {
    target: Target,
    weight: f64,
    priority: u32,
    host: HostRule,
    health: HealthConfig,
    upstream: Arc<str>,
    settings: Arc<Settings>,
    parts: UpstreamParts,
    pool: Arc<Pool>,
    known: Known,
    crew: Arc<Crew>,
}

/// What the members of an upstream have in common.
pub(crate) struct Common<'a> {
    pub(crate) config: &'a UpstreamConfig,
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) tls: Option<&'a Connectors>,
    pub(crate) parts: &'a UpstreamParts,
    pub(crate) crew: Arc<Crew>,
    /// Whether the version of HTTP is that of before, and whether the certificates are that are trusted.
    pub(crate) same_version: bool,
    pub(crate) same_roots: bool,
}

impl Member {
    /// The target of `written`; `before` is what it was before a reload.
    pub(crate) fn new(
        common: &Common<'_>,
        written: &TargetConfig,
        target: Target,
        known: Known,
        before: Option<&Self>,
    ) -> Arc<Self> {
        let config = common.config;
        let kept = if target.is_tls() {
            HostRule::Target
        } else {
            HostRule::Keep
        };
        let tls = common.tls.filter(|_| target.is_tls());
        let dialer = Dialer::new(config, tls, common.parts);
        // Whether connections made before this configuration are as good as those made by it.
        let alike = common.same_version && (common.same_roots || !target.is_tls());
        let pool = match before {
            Some(before) => before.pool.after(config, dialer.after(before.pool.dialer()), alike),
            None => Pool::new(config, dialer),
        };
        Arc::new(Self {
            target,
            weight: f64::from(written.weight),
            priority: written.priority,
            host: config.host.clone().unwrap_or(kept),
            health: config.health.clone(),
            upstream: config.name.as_str().into(),
            settings: Arc::clone(common.settings),
            parts: common.parts.clone(),
            pool: Arc::new(pool),
            known,
            crew: Arc::clone(&common.crew),
        })
    }

    /// What is known of it, for what a reload makes of it.
    pub(crate) fn known(&self, config: &UpstreamConfig) -> Known {
        self.known.under(config)
    }

    /// From now on this configuration holds: its limits, and its health checks.
    pub(crate) fn take_over(&self) {
        self.pool.take_over();
        let host = self.health.host.clone().map(HostRule::Fixed);
        let checker = Checker {
            config: self.health.clone(),
            target: self.target.clone(),
            host: host.unwrap_or_else(|| self.host.clone()),
            dialer: self.pool.dialer().clone(),
        };
        let Known { ejection, warmth, .. } = self.known.clone();
        let (upstream, target, clock) = (
            Arc::clone(&self.upstream),
            Arc::clone(self.name()),
            Arc::clone(&self.parts.clock),
        );
        checker.run(&self.known.checks, move |change, error| match change {
            Change::Down => {
                let error = error.unwrap_or_default();
                tracing::warn!(%upstream, %target, error, "failed its health checks");
            }
            Change::Up => {
                let now = clock.now();
                ejection.restore(now);
                warmth.begin(now);
                tracing::info!(%upstream, %target, "passes its health checks again");
            }
        });
    }

    #[cfg(test)]
    pub(crate) fn checks(&self) -> Arc<Checks> {
        Arc::clone(&self.known.checks)
    }

    pub(crate) const fn weight(&self) -> f64 {
        self.weight
    }

    pub(crate) const fn priority(&self) -> u32 {
        self.priority
    }

    /// How it stands to a request at `now`. Who fails its health checks gets none, whatever the need.
    pub(crate) fn standing(&self, now: Instant, need: Need) -> Standing {
        if self.is_failing() {
            return Standing::Out;
        }
        self.known.ejection.standing(now, need)
    }

    fn is_failing(&self) -> bool {
        self.known.is_failing()
    }

    /// The right to send a request there, if it is in service or may be tried.
    pub(crate) fn admit(&self, now: Instant, need: Need) -> Option<Admission> {
        if self.is_failing() {
            return None;
        }
        self.known.ejection.admit(now, need)
    }

    /// In how many of the choices it takes part.
    pub(crate) fn share(&self, now: Instant) -> f64 {
        self.known.warmth.share(now, self.settings.slow_start)
    }

    /// How much of its weight counts as that of its group.
    pub(crate) fn expected(&self, now: Instant) -> f64 {
        self.weight * self.known.warmth.expected(now, self.settings.slow_start)
    }

    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        self.target.name()
    }

    pub(crate) const fn ejection(&self) -> &Ejection {
        &self.known.ejection
    }

    pub(crate) fn statistics(&self) -> &TargetStatistics {
        &self.known.statistics
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.known.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Instant {
        self.parts.clock.now()
    }

    /// One more request is under way.
    pub(crate) fn enter(&self) {
        self.known.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub(crate) fn leave(&self) {
        self.known.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn cost(&self, now: Instant) -> f64 {
        self.known.latency.cost(self.in_flight(), now)
    }

    /// Sends `outgoing` once; with `newer_than` over a connection that was made since. A failure brings it back if it may be
    /// sent again.
    pub(crate) async fn attempt(
        mut ticket: Ticket,
        outgoing: Outgoing,
        newer_than: Option<Instant>,
        deadline: Instant,
        retry: Retry,
    ) -> Result<(Response<Body>, Exchange), Failed> {
        let member = Arc::clone(ticket.member());
        member.statistics().requests.increment();
        let started = member.now();
        // Where only HTTP/2 is spoken, nothing changes its protocol.
        let own = outgoing.upgrade().is_some() && member.pool.dialer().version != HttpVersion::Http2;
        let connected = member
            .pool
            .connect(&member.target, newer_than, deadline, member.statistics(), own)
            .await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => return Err(ticket.failed(error, Some(Box::new(outgoing)), false)),
        };
        let sent_at = member.now();
        let (sending, sent) = member
            .exchange(&mut connection, outgoing, retry, sent_at, deadline)
            .await;
        let (response, trust) = match sent {
            Ok(answered) => answered,
            // What is a failure of a fresh connection tells against the target; a kept one may just have grown too old.
            Err(unanswered) => {
                let grown_old = connection.reused && unanswered.ends_connection;
                return Err(ticket.failed(unanswered.error, unanswered.again, grown_old));
            }
        };
        let now = member.now();
        // What the client took to send its request is not the target's time.
        if let Some(due) = sending.as_deref().map_or(Some(sent_at), Sending::target_due_since) {
            member.known.latency.record(now.since(due.max(sent_at)), now);
        }
        member.statistics().first_byte.record(now.since(sent_at));
        ticket.answered(now);
        let exchange = Exchange {
            target: Arc::clone(member.name()),
            reused: connection.reused,
            attempts: 1,
            version: response.version(),
            connect: sent_at.since(started),
            first_byte: now.since(sent_at),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let opened = tunnel::open(response, connection, ticket);
            return opened.map(|response| (response, exchange)).map_err(|failed| *failed);
        }
        let held = Held {
            connection,
            ticket,
            sending: Holding::new(sending),
            keep_alive: keep_alive(response.headers()),
            trust,
        };
        Ok((member.deliver(response, held, deadline), exchange))
    }

    /// Writes the request and waits for the head of the response.
    async fn exchange(
        &self,
        connection: &mut Connection,
        mut outgoing: Outgoing,
        retry: Retry,
        sent_at: Instant,
        deadline: Instant,
    ) -> (
        Option<Arc<Sending>>,
        Result<(Response<Arriving>, Trust), Box<Unanswered>>,
    ) {
        let clock = &self.parts.clock;
        match &mut connection.lane {
            Lane::Http1(link) => {
                let sending = link.begin(&mut outgoing, &self.target, &self.host, clock);
                let answered = self.in_time(link.answer(), sending.as_deref(), sent_at, deadline).await;
                let answered = answered
                    .and_then(|answered| answered.map_err(|fault| classify(&Cause::Http1(fault), sending.as_deref())));
                let result = answered.map(|(response, trust)| (response.map(|()| Arriving::Http1), trust));
                let result = result.map_err(|error| {
                    let is_unsent = link.take_back(&mut outgoing);
                    let again = is_unsent || (retry == Retry::Safe && outgoing.is_repeatable());
                    Box::new(Unanswered {
                        error,
                        again: again.then(|| Box::new(outgoing)),
                        ends_connection: true,
                    })
                });
                (sending, result)
            }
            Lane::Http2 { sender, .. } => {
                let is_repeatable = retry == Retry::Safe && outgoing.is_repeatable();
                let replay = outgoing.replay();
                let message = outgoing.into_http2(&self.target, &self.host, clock);
                let sending = message.body().sending();
                let answered = self
                    .in_time(sender.send(message), sending.as_deref(), sent_at, deadline)
                    .await;
                let mut unsent = None;
                let (mut ends_connection, mut may_repeat) = (false, is_repeatable);
                let answered = match answered {
                    Ok(Ok(response)) => check(response.map(Arriving::Http2), None),
                    Ok(Err(failed)) => {
                        unsent = failed.message.map(Outgoing::unsent);
                        ends_connection = failed.error.ends_connection();
                        may_repeat |= failed.error.was_unprocessed();
                        Err(classify(&Cause::Http2(failed.error), sending.as_deref()))
                    }
                    Err(error) => {
                        if error.kind == UpstreamErrorKind::FirstByteTimeout {
                            sender.retire();
                        }
                        Err(error)
                    }
                };
                let unanswered = |error| {
                    Box::new(Unanswered {
                        error,
                        again: unsent.or(replay.filter(|_| may_repeat)).map(Box::new),
                        ends_connection,
                    })
                };
                (sending, answered.map_err(unanswered))
            }
        }
    }

    /// What `answer` comes to, if the head of the response is not overdue before.
    async fn in_time<A: Future>(
        &self,
        answer: A,
        sending: Option<&Sending>,
        sent_at: Instant,
        deadline: Instant,
    ) -> Result<A::Output, UpstreamError> {
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            kind = self.overdue(sending, sent_at, deadline) => Err(UpstreamError::new(kind)),
            never = self.wait_for_continue(sending, sent_at) => match never {},
        }
    }

    /// Completes when the head of the response is overdue. While the client has to send more of its request, it is not.
    async fn overdue(&self, sending: Option<&Sending>, sent_at: Instant, deadline: Instant) -> UpstreamErrorKind {
        let mut timer = Timer::new(Arc::clone(&self.parts.clock), Arc::clone(&self.parts.runtime));
        loop {
            let now = timer.now();
            let due_since = sending.map_or(Some(sent_at), Sending::target_due_since).unwrap_or(now);
            let limit = due_since.after(self.settings.first_byte_timeout);
            if deadline <= now {
                // Where most of it was spent on waiting for the target, there is no question who was slow.
                let all = self.settings.total_timeout.unwrap_or(Duration::MAX);
                return if now.since(due_since) >= all / 2 {
                    UpstreamErrorKind::FirstByteTimeout
                } else {
                    UpstreamErrorKind::TotalTimeout
                };
            }
            if limit <= now {
                return UpstreamErrorKind::FirstByteTimeout;
            }
            timer.until(limit.min(deadline)).await;
        }
    }

    /// Lets a body go that waits for the target to ask for it, once that has had its time.
    async fn wait_for_continue(&self, sending: Option<&Sending>, sent_at: Instant) -> Infallible {
        if let Some(sending) = sending.filter(|sending| sending.is_held()) {
            let mut timer = Timer::new(Arc::clone(&self.parts.clock), Arc::clone(&self.parts.runtime));
            timer.until(sent_at.after(CONTINUE_PATIENCE)).await;
            sending.release();
        }
        std::future::pending().await
    }

    /// The response for whoever asked: its body holds the connection until it was read.
    fn deliver(&self, response: Response<Arriving>, held: Held, deadline: Instant) -> Response<Body> {
        response.map(|incoming| {
            if held.is_over(&incoming) {
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
        let (health, failures) = self.known.ejection.health();
        let Known { checks, latency, .. } = &self.known;
        let statistics = self.statistics();
        TargetStatus {
            target: Arc::clone(self.name()),
            weight: self.weight,
            priority: self.priority,
            health: if self.is_failing() { Health::Failing } else { health },
            checks: ChecksStatus {
                verdict: match (checks.verdict(), &self.health.path) {
                    (_, None) => "off",
                    (None, _) => "unknown",
                    (Some(Verdict::Passing), _) => "passing",
                    (Some(Verdict::Failing), _) => "failing",
                },
                passed: checks.passed.value(),
                failed: checks.failed.value(),
                last_error: checks.last_error(),
            },
            failures,
            ejections: statistics.ejections.value(),
            in_flight: self.in_flight() as u64,
            latency_ms: latency.milliseconds(),
            share: self.share(self.now()),
            requests: statistics.requests.value(),
            retries: statistics.retries.value(),
            errors: statistics.errors(),
            connects: statistics.connects.value(),
            reuses: statistics.reuses.value(),
            not_reused: statistics.not_reused.value(),
            idle: self.pool.idle() as u64,
            waiting: self.pool.waiting() as u64,
            waits: statistics.waits.value(),
            first_byte: statistics.first_byte.snapshot(),
        }
    }

    /// A failure that tells against the target.
    pub(crate) fn fail(&self, admission: Admission) {
        let now = self.now();
        self.known.latency.record(self.latency_of_failure(), now);
        if let Some(span) = self.known.ejection.failed(now, admission, self.crew.has_room()) {
            self.statistics().ejections.increment();
            let seconds = span.as_secs_f64();
            tracing::warn!(upstream = %self.upstream, target = %self.name(), seconds, "left out after failures");
        }
    }

    /// A probe was answered.
    pub(crate) fn probe_succeeded(&self, now: Instant) {
        if self.known.ejection.probe_succeeded(now) {
            self.known.warmth.begin(now);
            tracing::info!(upstream = %self.upstream, target = %self.name(), "back in service");
        }
    }

    fn latency_of_failure(&self) -> Duration {
        let average = self.known.latency.milliseconds().unwrap_or(0.0) / 1000.0;
        FAILURE_LATENCY.max(Duration::try_from_secs_f64(average).unwrap_or_default())
    }
}
