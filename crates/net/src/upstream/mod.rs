//! Requests to origins: which target, on which connection, within which time, and whether again.

mod attempts;
mod balance;
mod budget;
mod choose;
mod connect;
mod ejection;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod health;
mod http1;
mod incoming;
mod latency;
mod limit;
mod member;
mod outgoing;
mod pool;
mod sending;
mod status;
mod streams;
mod target;
mod ticket;
mod tls;
mod trailers;
mod tunnel;
mod warm;

pub use error::{UpstreamError, UpstreamErrorKind};
pub use status::{ChecksStatus, Health, TargetStatus, UpstreamStatus};
pub use target::{Target, TargetError};

use crate::config::{TargetConfig, UpstreamConfig};
use crate::http::{Body, Interim};
use ::http::{Request, Response, Version};
use attempts::{Attempts, Next, Tried};
use budget::Budget;
use choose::{Choice, Chooser};
use ejection::Need;
use member::{Common, Crew, Known, Member};
use outgoing::Outgoing;
use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Random, Runtime, Span};
use peregrine_telemetry::Counter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ticket::Ticket;
use tls::Connectors;

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
    /// Only if not a byte of it was sent, or the target says that it processed nothing of it.
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
    retries: budget::Rule,
    slow_start: Duration,
}

/// What an upstream counts whatever its configuration; a reload hands it on.
#[derive(Default)]
struct Counts {
    budget: Budget,
    no_healthy_target: Counter,
}

/// A group of servers that answer the same requests.
pub struct Upstream {
    name: Arc<str>,
    config: UpstreamConfig,
    chooser: Chooser,
    settings: Arc<Settings>,
    /// What tells the certificates that it trusts from others; nothing where no target speaks TLS.
    roots: Option<u64>,
    /// Why they could not be read when that was tried last.
    roots_problem: Mutex<Option<String>>,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
}

impl Upstream {
    /// An upstream without connections. [`Upstream::take_over`] starts its health checks.
    ///
    /// # Errors
    /// [`UpstreamConfigError`], to be read by whoever wrote the configuration.
    pub fn new(config: &UpstreamConfig, parts: UpstreamParts) -> Result<Arc<Self>, UpstreamConfigError> {
        Self::after(config, parts, None)
    }

    /// What becomes of `before` under another configuration. Targets that stay keep what is known of them (health, latency,
    /// counts) and, unless TLS or the version of HTTP changed, their connections; those that are new start slowly. Nothing
    /// changes for `before` until [`Upstream::take_over`].
    ///
    /// # Errors
    /// As [`Upstream::new`].
    pub fn after(
        config: &UpstreamConfig,
        parts: UpstreamParts,
        before: Option<&Self>,
    ) -> Result<Arc<Self>, UpstreamConfigError> {
        let targets = parse(config)?;
        let tls = connectors(config, &targets)?;
        let roots = tls.as_ref().map(|tls| tls.roots);
        let settings = Arc::new(Settings {
            first_byte_timeout: config.first_byte_timeout.get(),
            idle_timeout: config.idle_timeout.get(),
            total_timeout: config.total_timeout.map(Span::get),
            retries_max: config.retries_max,
            retries: budget::Rule {
                share: config.retry_budget,
                per_second_min: config.retries_per_second_min,
            },
            slow_start: config.slow_start.get(),
        });
        let mut old: Vec<&Arc<Member>> =
            before.map_or_else(Vec::new, |before| before.chooser.members().iter().collect());
        let known: Vec<(Option<&Arc<Member>>, Known)> = targets
            .iter()
            .map(|target| {
                // Each at most once: a target may be listed twice.
                let same = old.iter().position(|old| old.name() == target.name());
                let same = same.map(|position| old.remove(position));
                let known = same.map_or_else(|| Known::nothing(config), |same| same.known(config));
                if before.is_some() && same.is_none() {
                    known.begin_cold(parts.clock.now());
                }
                (same, known)
            })
            .collect();
        let common = Common {
            config,
            settings: &settings,
            tls: tls.as_ref(),
            parts: &parts,
            crew: Arc::new(Crew {
                all: known.iter().map(|(_, known)| known.clone()).collect(),
                share_max: config.ejection.share_max,
            }),
            same_version: before.is_some_and(|before| before.config.http_version == config.http_version),
            same_roots: before.is_some_and(|before| before.roots == roots),
        };
        let members = config.targets.iter().zip(targets).zip(known);
        let members = members.map(|((written, target), (same, known))| {
            Member::new(&common, written, target, known, same.map(|same| &**same))
        });
        Ok(Arc::new(Self {
            name: config.name.as_str().into(),
            config: config.clone(),
            chooser: Chooser::new(members.collect(), config.balance, Arc::clone(&parts.random)),
            settings: Arc::clone(&settings),
            roots,
            roots_problem: Mutex::default(),
            clock: parts.clock,
            counts: before.map_or_else(Arc::default, |before| Arc::clone(&before.counts)),
        }))
    }

    /// From now on this is the upstream of its name: its limits hold for what is under way too, and its health checks run
    /// until it, and whatever follows it, is gone. Calling it again changes nothing.
    pub fn take_over(&self) {
        for member in self.chooser.members() {
            member.take_over();
        }
    }

    /// Whether one that was made by `config` now would do the same. Trusted certificates are read again: they may be others
    /// under the same name. Where they cannot be read, those that are in use stay so, and hold up nothing else.
    #[must_use]
    pub fn is_as(&self, config: &UpstreamConfig) -> bool {
        if self.config != *config {
            return false;
        }
        match parse(config).and_then(|targets| connectors(config, &targets)) {
            Ok(tls) => tls.map(|tls| tls.roots) == self.roots,
            Err(error) => {
                let problem = error.to_string();
                if self.roots_problem.lock().replace(problem.clone()).as_ref() != Some(&problem) {
                    tracing::error!(
                        problem,
                        "trusted certificates cannot be used: those from before stay in use"
                    );
                }
                true
            }
        }
    }

    /// The configuration that it was made from.
    #[must_use]
    pub const fn config(&self) -> &UpstreamConfig {
        &self.config
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
    /// ([`crate::http::hygiene::strip_hop_by_hop`]), except `Upgrade`, which offers the target to change the protocol, `TE:
    /// trailers` and `Trailer`; framing fields are written anew. Interim responses go to the request's
    /// [`crate::http::Interim`]. A body that stands under `Expect: 100-continue` is asked for when the target wants it, or
    /// after a second.
    ///
    /// The body of the response keeps to the time limits, ends cleanly only when it is whole, and gives the connection back
    /// when it was read to its end; dropped before, it closes the connection. A response with status 101 carries a
    /// [`crate::http::Tunnel`].
    ///
    /// # Errors
    /// [`UpstreamError`] when there is no response to pass on. Whatever a target answers, 5xx included, is a response.
    pub async fn send(
        &self,
        request: Request<Body>,
        retry: Retry,
    ) -> Result<(Response<Body>, Exchange), UpstreamError> {
        let interim = request.extensions().get::<Interim>().cloned();
        self.send_with(request, interim, retry).await
    }

    /// As [`Upstream::send`]; interim responses go to `interim`, and what the request's extensions say of that is not looked at:
    /// they cost memory.
    ///
    /// # Errors
    /// As [`Upstream::send`].
    pub async fn send_with(
        &self,
        request: Request<Body>,
        interim: Option<Interim>,
        retry: Retry,
    ) -> Result<(Response<Body>, Exchange), UpstreamError> {
        let now = self.clock.now();
        let deadline = self
            .settings
            .total_timeout
            .map_or(Instant::FAR, |limit| now.after(limit));
        let mut attempts = Attempts::new(self.settings.retries_max);
        let mut outgoing = Outgoing::new(request, interim);
        let repeatable = retry == Retry::Safe && outgoing.is_repeatable();
        let mut choice = self.choose(&attempts.tried, repeatable)?;
        // Not before: what no target is there for is not sent, and allows no more of others to be sent again.
        self.counts.budget.request(now);
        let mut asked = false;
        loop {
            let (index, ticket) = choice;
            let newer_than = attempts.newer_than(index);
            let failed = match Member::attempt(ticket, outgoing, newer_than, deadline, retry).await {
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
            asked |= failed.error.kind.was_asked();
            let error = UpstreamError { asked, ..failed.error };
            let Some(again) = failed.again.map(|again| *again) else {
                return Err(error);
            };
            if failed.probed {
                attempts.forgive_probe();
            }
            let now = self.clock.now();
            let next = attempts.next(index, error.kind, failed.grown_old, now);
            let next = (now < deadline)
                .then(|| self.follow(next, index, &mut attempts))
                .flatten();
            let Some(next) = next else {
                return Err(error);
            };
            self.chooser.members()[index].statistics().retries.increment();
            (outgoing, choice) = (again, next);
        }
    }

    /// Where a request goes after a failure, if anywhere.
    fn follow(&self, next: Next, failed: usize, attempts: &mut Attempts) -> Option<Choice> {
        let now = self.clock.now();
        let same = || Ticket::take(&self.chooser.members()[failed], now, Need::Any).map(|ticket| (failed, ticket));
        let other = |attempts: &Attempts| self.chooser.choose(&attempts.tried, now, false);
        let choice = match next {
            Next::Stop => None,
            Next::Same => match same() {
                // Left out, or failing its checks, since the connection was made: another one is to be asked, as after any
                // other failure.
                None if attempts.take_retry(failed) => other(attempts),
                choice => return choice,
            },
            Next::Other => other(attempts),
            Next::OtherOrSame => other(attempts).or_else(same),
        };
        // Last, so that only what can be sent again is taken from the budget.
        choice.filter(|_| self.counts.budget.retry(now, self.settings.retries))
    }

    /// The target for a request, and the right to send it there.
    fn choose(&self, tried: &Tried, may_probe: bool) -> Result<Choice, UpstreamError> {
        let now = self.clock.now();
        let choice = self
            .chooser
            .choose(tried, now, may_probe)
            .or_else(|| self.chooser.probe(tried, now, Need::LastResort));
        choice.ok_or_else(|| {
            self.counts.no_healthy_target.increment();
            UpstreamError::new(UpstreamErrorKind::NoHealthyTarget)
        })
    }

    /// What it does and did.
    #[must_use]
    pub fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            name: Arc::clone(&self.name),
            no_healthy_target: self.counts.no_healthy_target.value(),
            budget_exhausted: self.counts.budget.exhausted.value(),
            targets: self.chooser.members().iter().map(|member| member.status()).collect(),
        }
    }
}

/// The side of TLS that connects, where one of `targets` speaks it.
fn connectors(config: &UpstreamConfig, targets: &[Target]) -> Result<Option<Connectors>, UpstreamConfigError> {
    let is_needed = targets.iter().any(Target::is_tls);
    is_needed.then(|| tls::connectors(config)).transpose()
}

/// The targets of `config`, at least one.
fn parse(config: &UpstreamConfig) -> Result<Vec<Target>, UpstreamConfigError> {
    let parse = |target: &TargetConfig| {
        Target::parse(&target.url).map_err(|error| UpstreamConfigError::Target {
            upstream: config.name.clone(),
            target: target.url.clone(),
            error,
        })
    };
    let targets = config.targets.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(UpstreamConfigError::NoTargets(config.name.clone()));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests;
