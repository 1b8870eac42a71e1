//! The connections to one target. Every request under way holds a permit, so their number is bounded whatever the version
//! of HTTP; who finds none waits in line, and the line is bounded in length and time. An HTTP/1.1 connection serves one
//! request after the other and is kept between them; an HTTP/2 connection serves many at once.
//!
//! A connection is only opened while no idle one is there, or only few that other event loops opened, so there are never many
//! more of them than permits.

use super::UpstreamParts;
use super::connect::{Dialed, Dialer};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::http1::{Fault, Idle as Look, Link};
use super::limit::{Limit, Permit};
use super::status::TargetStatistics;
use super::streams::{STREAMS_MAX, StreamError, Streams};
use super::target::Target;
use crate::config::{HttpVersion, UpstreamConfig};
use crate::timer::Timer;
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};

/// How old a connection gets, give or take a tenth, before no further request goes over it: the name of the target may lead
/// elsewhere by now.
const AGE_MAX: Duration = Duration::from_secs(300);
/// With so many connections idle, one of another event loop is used rather than a further one opened.
const FOREIGN_IDLE_MAX: usize = 8;

/// The connections of a target under one configuration.
pub(crate) struct Pool {
    dialer: Dialer,
    connections_max: usize,
    waiters_max: usize,
    wait_timeout: Duration,
    idle_max: usize,
    keepalive_time: Duration,
    line: Arc<Line>,
    common: Arc<Common>,
}

/// How many requests go to a target at once, whatever reloads change.
struct Line {
    limit: Arc<Limit>,
    waiting: AtomicUsize,
}

/// The connections that pools of a target share which follow each other by reloads.
#[derive(Default)]
struct Common {
    kept: Mutex<Kept>,
    /// Held while a connection is made that many requests can share, so that only one is made for all who ask.
    sharing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    /// HTTP/1.1 connections without a request, the one used last at the end.
    idle: Vec<Idle>,
    /// HTTP/2 connections.
    shared: Vec<Shared>,
    /// Whether the target spoke HTTP/2 when it was last asked.
    speaks_http2: Option<bool>,
    /// Whether a task looks after connections that are idle for too long.
    swept: bool,
}

struct Idle {
    link: Box<Link>,
    until: Instant,
}

struct Shared {
    sender: Streams,
    load: Arc<Load>,
    made: Instant,
    retires_at: Instant,
}

/// The requests on a shared connection.
struct Load {
    streams: AtomicUsize,
    until: Mutex<Instant>,
}

/// A connection for one request. Dropped, it is closed (HTTP/1.1) or its stream is over (HTTP/2).
pub(crate) struct Connection {
    pub(crate) lane: Lane,
    /// Whether it had served requests before.
    pub(crate) reused: bool,
    permit: Permit,
}

/// A connection by its version.
pub(crate) enum Lane {
    Http1(Box<Link>),
    Http2 { sender: Streams, _stream: Stream },
}

/// The connection to use next, or none where a new one is better. Where each core has an event loop, a connection is driven
/// by the loop that opened it, and to use it from another costs two hops between threads for each exchange: each loop opens
/// connections of its own, unless many are idle.
fn take_idle(idle: &mut Vec<Idle>) -> Option<Idle> {
    if let Some(own) = idle.iter().rposition(|idle| idle.link.is_of_this_thread()) {
        return Some(idle.remove(own));
    }
    let is_loop =
        matches!(Handle::try_current(), Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
    if is_loop && idle.len() < FOREIGN_IDLE_MAX {
        return None;
    }
    idle.pop()
}

/// Why there is no response, by the version of HTTP.
pub(crate) enum Cause {
    Http1(Fault),
    Http2(StreamError),
}

/// A request on a shared connection, counted until it is dropped.
pub(crate) struct Stream {
    load: Arc<Load>,
    idle_until: IdleUntil,
}

/// Tells until when a connection that becomes idle now is kept.
#[derive(Clone)]
struct IdleUntil {
    parts: UpstreamParts,
    keepalive_time: Duration,
}

impl IdleUntil {
    fn now(&self) -> Instant {
        self.parts.clock.now().after(self.keepalive_time)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.load.until.lock() = self.idle_until.now();
        self.load.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    pub(crate) fn new(config: &UpstreamConfig, dialer: Dialer) -> Self {
        let line = Line {
            limit: Limit::new(config.connections_max as usize),
            waiting: AtomicUsize::new(0),
        };
        Self::with(config, dialer, Arc::new(line), Arc::default())
    }

    /// The connections of this pool under another configuration; those that are there are kept when they are made alike. The
    /// number of requests at once changes with [`Pool::take_over`].
    pub(crate) fn after(&self, config: &UpstreamConfig, dialer: Dialer, alike: bool) -> Self {
        let common = if alike {
            Arc::clone(&self.common)
        } else {
            Arc::default()
        };
        Self::with(config, dialer, Arc::clone(&self.line), common)
    }

    fn with(config: &UpstreamConfig, dialer: Dialer, line: Arc<Line>, common: Arc<Common>) -> Self {
        Self {
            dialer,
            connections_max: config.connections_max as usize,
            waiters_max: config.waiters_max as usize,
            wait_timeout: config.wait_timeout.get(),
            idle_max: config.idle_max as usize,
            keepalive_time: config.keepalive_time.get(),
            line,
            common,
        }
    }

    /// From now on this configuration holds.
    pub(crate) fn take_over(&self) {
        self.line.limit.resize(self.connections_max);
    }

    /// How connections are made.
    pub(crate) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A connection for one request; `newer_than` when one that was kept proved dead then, and the others may be too; `own` for
    /// one that nobody shares, because it is to change its protocol.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        target: &Target,
        newer_than: Option<Instant>,
        deadline: Instant,
        statistics: &TargetStatistics,
        own: bool,
    ) -> Result<Connection, UpstreamError> {
        let permit = self.permit(deadline, statistics).await?;
        let kept = if own {
            None
        } else {
            self.kept(target, newer_than, statistics)
        };
        let (lane, reused) = match kept {
            Some(lane) => (lane, true),
            // Apart: it is rare, and would be the largest part of every request's future.
            None => Box::pin(self.dial(target, newer_than, deadline, statistics, own)).await?,
        };
        if reused {
            statistics.reuses.increment();
        }
        Ok(Connection { lane, reused, permit })
    }

    /// Waits in line for the right to have one more request under way.
    async fn permit(&self, deadline: Instant, statistics: &TargetStatistics) -> Result<Permit, UpstreamError> {
        if let Some(permit) = self.line.limit.take_now() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.line.waiting, self.waiters_max)
            .ok_or_else(|| UpstreamError::new(UpstreamErrorKind::TooManyWaiting))?;
        statistics.waits.increment();
        let parts = &self.dialer.parts;
        let limit = parts.clock.now().after(self.wait_timeout);
        let mut timer = Timer::new(Arc::clone(&parts.clock), Arc::clone(&parts.runtime));
        let timed_out = if deadline < limit {
            UpstreamErrorKind::TotalTimeout
        } else {
            UpstreamErrorKind::WaitTimeout
        };
        tokio::select! {
            biased;
            permit = self.line.limit.take() => {
                permit.map_err(|closed| UpstreamError::because(UpstreamErrorKind::WaitTimeout, closed))
            }
            () = timer.until(limit.min(deadline)) => Err(UpstreamError::new(timed_out)),
        }
    }

    /// A connection that is there already.
    fn kept(&self, target: &Target, newer_than: Option<Instant>, statistics: &TargetStatistics) -> Option<Lane> {
        if let Some(lane) = self.shared(newer_than) {
            return Some(lane);
        }
        if newer_than.is_some() {
            return None;
        }
        loop {
            let now = self.dialer.parts.clock.now();
            let mut idle = take_idle(&mut self.common.kept.lock().idle)?;
            match idle.link.look() {
                Look::Quiet if idle.until > now => return Some(Lane::Http1(idle.link)),
                Look::Spoke => statistics.not_reused.increment(),
                Look::Quiet | Look::Closed => {}
            }
            tracing::trace!(target = %target.name(), "a kept connection was closed meanwhile");
        }
    }

    /// A place on the shared connection with the fewest requests, of those that were made at `newer_than` or later.
    fn shared(&self, newer_than: Option<Instant>) -> Option<Lane> {
        let mut kept = self.common.kept.lock();
        if kept.shared.is_empty() {
            return None;
        }
        let now = self.dialer.parts.clock.now();
        kept.shared
            .retain(|shared| now < shared.retires_at && !shared.sender.is_closed());
        let least = kept
            .shared
            .iter()
            .filter(|shared| newer_than.is_none_or(|time| shared.made >= time))
            .min_by_key(|shared| shared.load.streams.load(Ordering::Acquire))?;
        if least.load.streams.load(Ordering::Acquire) >= STREAMS_MAX as usize {
            return None;
        }
        Some(self.stream(least.sender.clone(), &least.load))
    }

    fn stream(&self, sender: Streams, load: &Arc<Load>) -> Lane {
        load.streams.fetch_add(1, Ordering::AcqRel);
        Lane::Http2 {
            sender,
            _stream: Stream {
                load: Arc::clone(load),
                idle_until: self.idle_until(),
            },
        }
    }

    fn idle_until(&self) -> IdleUntil {
        IdleUntil {
            parts: self.dialer.parts.clone(),
            keepalive_time: self.keepalive_time,
        }
    }

    /// A new connection, or a place on one that someone else made meanwhile.
    async fn dial(
        self: &Arc<Self>,
        target: &Target,
        newer_than: Option<Instant>,
        deadline: Instant,
        statistics: &TargetStatistics,
        own: bool,
    ) -> Result<(Lane, bool), UpstreamError> {
        // One limit for waiting and dialing: while the target does not answer, those who wait must not each begin anew.
        let limit = self.dialer.parts.clock.now().after(self.dialer.timeout);
        let sharing = if !own && self.may_share(target) {
            Some(self.sharing(limit, deadline).await?)
        } else {
            None
        };
        if sharing.is_some()
            && let Some(lane) = self.shared(newer_than)
        {
            return Ok((lane, true));
        }
        // Whoever dialed meanwhile may have learned that connections are not shared: then nobody waits for the others.
        let _sharing = sharing.filter(|_| self.may_share(target));
        statistics.connects.increment();
        let dialed = self.dialer.dial(target, limit, deadline, own).await?;
        let mut kept = self.common.kept.lock();
        if !own {
            kept.speaks_http2 = Some(matches!(dialed, Dialed::Http2(_)));
        }
        let made = self.dialer.parts.clock.now();
        let retires_at = made.after(AGE_MAX.mul_f64(0.9 + 0.2 * self.dialer.parts.random.next_unit()));
        match dialed {
            Dialed::Http1(mut link) => {
                link.retires_at = retires_at;
                Ok((Lane::Http1(link), false))
            }
            Dialed::Http2(sender) => {
                let load = Arc::new(Load {
                    streams: AtomicUsize::new(0),
                    until: Mutex::new(Instant::FAR),
                });
                let lane = self.stream(sender.clone(), &load);
                kept.shared.push(Shared {
                    sender,
                    load,
                    made,
                    retires_at,
                });
                self.sweep(&mut kept);
                Ok((lane, false))
            }
        }
    }

    /// Whether a connection to the target may turn out to serve many requests at once.
    fn may_share(&self, target: &Target) -> bool {
        match self.dialer.version {
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
            HttpVersion::Auto => target.is_tls() && self.common.kept.lock().speaks_http2 != Some(false),
        }
    }

    /// Waits for its turn to make a connection that others may share.
    async fn sharing(
        &self,
        limit: Instant,
        deadline: Instant,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, UpstreamError> {
        let parts = &self.dialer.parts;
        let mut timer = Timer::new(Arc::clone(&parts.clock), Arc::clone(&parts.runtime));
        tokio::select! {
            biased;
            sharing = self.common.sharing.lock() => Ok(sharing),
            () = timer.until(limit.min(deadline)) => Err(super::connect::overdue(limit, deadline)),
        }
    }

    /// Takes a connection back after its response was read to the end. `limit` is how long the target keeps it, if it said.
    pub(crate) fn give_back(self: &Arc<Self>, connection: Connection, limit: Option<Duration>) {
        let Connection { lane, permit, .. } = connection;
        if let Lane::Http1(link) = lane {
            let span = limit.map_or(self.keepalive_time, |limit| limit.min(self.keepalive_time));
            let now = self.dialer.parts.clock.now();
            let until = now.after(span).min(link.retires_at);
            let mut kept = self.common.kept.lock();
            if kept.idle.len() < self.idle_max && now < until {
                kept.idle.push(Idle { link, until });
                self.sweep(&mut kept);
            }
        }
        // Only now may the next one in line open a connection: it finds this one.
        drop(permit);
    }

    /// Sees to it that connections which are idle for too long are closed, also when no request comes.
    fn sweep(self: &Arc<Self>, kept: &mut Kept) {
        if std::mem::replace(&mut kept.swept, true) {
            return;
        }
        let common = Arc::downgrade(&self.common);
        let clock = Arc::clone(&self.dialer.parts.clock);
        let runtime = Arc::clone(&self.dialer.parts.runtime);
        let pause = self
            .keepalive_time
            .clamp(Duration::from_millis(100), Duration::from_secs(5));
        self.dialer.parts.runtime.spawn(Box::pin(async move {
            loop {
                runtime.sleep(pause).await;
                let Some(common) = common.upgrade() else { return };
                if common.close_overdue(clock.now()) == 0 {
                    return;
                }
            }
        }));
    }

    /// Connections without a request, to be shown.
    pub(crate) fn idle(&self) -> usize {
        let kept = self.common.kept.lock();
        let unused = |shared: &&Shared| shared.load.streams.load(Ordering::Acquire) == 0;
        kept.idle.len() + kept.shared.iter().filter(unused).count()
    }

    /// Whether every connection without a request is known to be closed.
    #[cfg(test)]
    pub(crate) fn idle_is_closed(&self) -> bool {
        let mut kept = self.common.kept.lock();
        kept.idle.iter_mut().all(|idle| idle.link.look() != Look::Quiet)
            && kept.shared.iter().all(|shared| shared.sender.is_closed())
    }

    /// Requests in line, to be shown.
    pub(crate) fn waiting(&self) -> usize {
        self.line.waiting.load(Ordering::Relaxed)
    }
}

impl Common {
    /// Closes what is idle for too long; how many connections are left. None left ends the sweeping.
    fn close_overdue(&self, now: Instant) -> usize {
        let mut kept = self.kept.lock();
        kept.idle
            .retain_mut(|idle| idle.until > now && idle.link.look() == Look::Quiet);
        kept.shared.retain(|shared| {
            let idle = shared.load.streams.load(Ordering::Acquire) == 0;
            let overdue = idle && *shared.load.until.lock() <= now;
            !overdue && !shared.sender.is_closed()
        });
        let left = kept.idle.len() + kept.shared.len();
        kept.swept = left > 0;
        left
    }
}

/// A place in the line.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let room = |count: usize| (count < max).then_some(count + 1);
        // Made only when there is room: a place that was never taken must not be given up.
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
