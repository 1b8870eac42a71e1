//! Requests to origins: which target, on which connection, within which time, and whether again.

mod attempts;
mod connect;
mod ejection;
mod error;
mod head;
mod incoming;
mod latency;
mod member;
mod outgoing;
mod pool;
mod status;
mod target;
mod ticket;
mod tls;

pub use error::{UpstreamError, UpstreamErrorKind};
pub use status::{Health, TargetStatus, UpstreamStatus};
pub use target::{Target, TargetError};

use crate::config::{Balance, UpstreamConfig};
use crate::http::Body;
use ::http::{Request, Response, Version};
use attempts::{Attempts, Next};
use ejection::Need;
use member::Member;
use outgoing::Outgoing;
use peregrine_base::{Clock, Instant, Random, Runtime, Span};
use peregrine_telemetry::Counter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use ticket::Ticket;

/// What an upstream needs from outside.
#[derive(Clone)]
pub struct UpstreamParts {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where connections run.
    pub runtime: Arc<dyn Runtime>,
    /// Where chance comes from.
    pub random: Arc<dyn Random>,
}

/// Why an upstream cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamConfigError {
    /// It has no targets.
    #[error("upstream `{0}` has no targets")]
    NoTargets(String),
    /// One of its targets is none.
    #[error("upstream `{upstream}`: target `{target}` {error}")]
    Target {
        /// The upstream.
        upstream: String,
        /// The target as it was written.
        target: String,
        /// What is wrong with it.
        error: TargetError,
    },
    /// The file with the trusted certificates cannot be used.
    #[error("upstream `{upstream}`: tls.roots {path:?} {problem}")]
    Roots {
        /// The upstream.
        upstream: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no trusted certificates.
    #[error("upstream `{0}`: this system has no trusted certificates; install ca-certificates or set tls.roots")]
    NoSystemRoots(String),
}

/// Whether a request may be sent again when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only if not a byte of it was sent.
    Never,
    /// Also when it was sent, if its method is idempotent (RFC 9110 §9.2.2), its body is at hand and nothing of a response
    /// has arrived.
    Safe,
}

/// How a response came about.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The target that answered.
    pub target: Arc<str>,
    /// Whether the connection had been used before.
    pub reused: bool,
    /// How often the request was sent, at least once.
    pub attempts: u32,
    /// The version of HTTP in which the target answered, for `Via`.
    pub version: Version,
    /// How long getting a connection took, waiting for one included.
    pub connect: Duration,
    /// From then to the head of the response.
    pub first_byte: Duration,
}

/// The limits of an upstream that are not those of a pool.
pub(crate) struct Settings {
    first_byte_timeout: Duration,
    idle_timeout: Duration,
    total_timeout: Option<Duration>,
    retries_max: u32,
}

/// A group of servers that answer the same requests.
pub struct Upstream {
    name: Arc<str>,
    members: Vec<Arc<Member>>,
    balance: Balance,
    rotation: AtomicUsize,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    no_healthy_target: Counter,
}

impl Upstream {
    /// An upstream without connections.
    ///
    /// # Errors
    /// [`UpstreamConfigError`], to be read by whoever wrote the configuration.
    pub fn new(config: &UpstreamConfig, parts: UpstreamParts) -> Result<Arc<Self>, UpstreamConfigError> {
        let parse = |text: &String| {
            Target::parse(text).map_err(|error| UpstreamConfigError::Target {
                upstream: config.name.clone(),
                target: text.clone(),
                error,
            })
        };
        let targets = config.targets.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err(UpstreamConfigError::NoTargets(config.name.clone()));
        }
        let tls = targets
            .iter()
            .any(Target::is_tls)
            .then(|| tls::connector(config))
            .transpose()?;
        let settings = Arc::new(Settings {
            first_byte_timeout: config.first_byte_timeout.get(),
            idle_timeout: config.idle_timeout.get(),
            total_timeout: config.total_timeout.map(Span::get),
            retries_max: config.retries_max,
        });
        let member = |target| Member::new(config, target, &settings, tls.as_ref(), &parts);
        Ok(Arc::new(Self {
            name: config.name.as_str().into(),
            members: targets.into_iter().map(member).collect(),
            balance: config.balance,
            // Several programs that start together should not all begin with the same target.
            rotation: AtomicUsize::new(usize::try_from(parts.random.next_u64() >> 33).unwrap_or(0)),
            settings: Arc::clone(&settings),
            clock: parts.clock,
            no_healthy_target: Counter::new(),
        }))
    }

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Sends `request` to one of the targets and waits for the head of the response.
    ///
    /// The request's target is its path and query, or `*`; its `Host` is what the client asked for and is replaced where the
    /// configuration says so. Fields for one connection only must be off already
    /// ([`crate::http::hygiene::strip_hop_by_hop`]); framing fields are written anew. The body of the response keeps to the
    /// time limits, ends cleanly only when it is whole, and gives the connection back when it was read to its end; dropped
    /// before, it closes the connection.
    ///
    /// # Errors
    /// [`UpstreamError`] when there is no response to pass on. Whatever a target answers, 5xx included, is a response.
    pub async fn send(
        &self,
        request: Request<Body>,
        retry: Retry,
    ) -> Result<(Response<Body>, Exchange), UpstreamError> {
        let deadline = self
            .settings
            .total_timeout
            .map_or(Instant::FAR, |limit| self.clock.now().after(limit));
        let mut attempts = Attempts::new(self.members.len(), self.settings.retries_max);
        let mut outgoing = Outgoing::new(request);
        let mut choice = self.choose(&attempts.tried)?;
        loop {
            let replay = if retry == Retry::Safe { outgoing.replay() } else { None };
            let (index, ticket) = choice;
            let failed = match Member::attempt(ticket, outgoing, attempts.fresh, deadline).await {
                Ok((response, exchange)) => {
                    return Ok((
                        response,
                        Exchange {
                            attempts: attempts.count(),
                            ..exchange
                        },
                    ));
                }
                Err(failed) => failed,
            };
            let Some(again) = failed.unsent.map(|unsent| *unsent).or(replay) else {
                return Err(failed.error);
            };
            let next = attempts.next(index, failed.error.kind, failed.reused);
            let Some(next) = self.follow(next, index, &attempts) else {
                return Err(failed.error);
            };
            self.members[index].statistics().retries.increment();
            (outgoing, choice) = (again, next);
        }
    }

    /// Where a request goes after a failure, if anywhere.
    fn follow(&self, next: Next, failed: usize, attempts: &Attempts) -> Option<(usize, Ticket)> {
        let same = || Ticket::take(&self.members[failed], self.clock.now(), Need::Any).map(|ticket| (failed, ticket));
        match next {
            Next::Stop => None,
            Next::Same => same(),
            Next::Other => self.choose_among(&attempts.tried, Need::Any),
            Next::OtherOrSame => self.choose_among(&attempts.tried, Need::Any).or_else(same),
        }
    }

    /// The target for a request, and the right to send it there.
    fn choose(&self, tried: &[bool]) -> Result<(usize, Ticket), UpstreamError> {
        let choice = self
            .choose_among(tried, Need::Any)
            .or_else(|| self.choose_among(tried, Need::LastResort));
        choice.ok_or_else(|| {
            self.no_healthy_target.increment();
            UpstreamError::new(UpstreamErrorKind::NoHealthyTarget)
        })
    }

    /// The best of the targets that were not tried yet and are not left out.
    fn choose_among(&self, tried: &[bool], need: Need) -> Option<(usize, Ticket)> {
        let now = self.clock.now();
        let count = self.members.len();
        let first = self.rotation.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<usize> = (0..count).map(|step| first.wrapping_add(step) % count).collect();
        order.retain(|index| !tried[*index]);
        if self.balance == Balance::LeastLatency && order.len() > 1 {
            // Stable, so that targets which cost the same take turns.
            let mut costs: Vec<(f64, usize)> = order
                .iter()
                .map(|index| (self.members[*index].cost(now), *index))
                .collect();
            costs.sort_by(|one, other| one.0.total_cmp(&other.0));
            order = costs.into_iter().map(|(_, index)| index).collect();
        }
        order
            .into_iter()
            .find_map(|index| Some((index, Ticket::take(&self.members[index], now, need)?)))
    }

    /// What it does and did.
    #[must_use]
    pub fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            name: Arc::clone(&self.name),
            no_healthy_target: self.no_healthy_target.value(),
            targets: self.members.iter().map(|member| member.status()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
