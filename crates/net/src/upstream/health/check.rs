//! One check after the other: a GET over a connection of its own, judged by the status of the answer.

use super::{Change, Checks};
use crate::config::{HealthConfig, HostRule};
use crate::http::Body;
use crate::timer::Timer;
use crate::upstream::UpstreamError;
use crate::upstream::connect::{Dialed, Dialer};
use crate::upstream::head::classify;
use crate::upstream::outgoing::Outgoing;
use crate::upstream::pool::Cause;
use crate::upstream::target::Target;
use ::http::header::{ACCEPT, USER_AGENT};
use ::http::{HeaderValue, Request, StatusCode};
use peregrine_base::Instant;
use std::sync::Arc;
use std::time::Duration;

/// How health checks name themselves.
const AGENT: HeaderValue = HeaderValue::from_static("peregrine-health-check");
/// How long after the start the first checks are spread out, at most.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("there was no answer in time")]
    Timeout,
    #[error("{0}")]
    Upstream(UpstreamError),
}

/// What checks of one target need.
pub(crate) struct Checker {
    pub(crate) config: HealthConfig,
    pub(crate) target: Target,
    pub(crate) host: HostRule,
    pub(crate) dialer: Dialer,
}

impl Checker {
    /// Sees to it that `checks` run as configured; `changed` is told what came of them while somebody holds it.
    pub(crate) fn run(self, checks: &Arc<Checks>, changed: impl Fn(Change, Option<&str>) + Send + Sync + 'static) {
        let Some(path) = self.config.path.clone() else {
            return checks.stop();
        };
        let way = format!("{:?} {:?}", self.host, self.dialer.way());
        let Some(stopped) = checks.start(&self.config, &way) else {
            return;
        };
        let checks = Arc::downgrade(checks);
        let runtime = Arc::clone(&self.dialer.parts.runtime);
        let first = self.config.interval.get().min(FIRST_WITHIN);
        let mut pause = first.mul_f64(self.dialer.parts.random.next_unit());
        runtime.clone().spawn(Box::pin(async move {
            let checking = async {
                loop {
                    runtime.sleep(pause).await;
                    let result = self.check(&path).await;
                    let Some(checks) = checks.upgrade() else { return };
                    let change = checks.record(result.as_ref().copied(), &self.config);
                    if let Some(change) = change {
                        changed(change, checks.last_error().as_deref());
                    }
                    let jitter = 0.9 + 0.2 * self.dialer.parts.random.next_unit();
                    pause = self.config.interval.get().mul_f64(jitter);
                }
            };
            tokio::select! {
                () = checking => {}
                _ended = stopped => {}
            }
        }));
    }

    /// One check.
    async fn check(&self, path: &str) -> Result<(), CheckError> {
        let parts = &self.dialer.parts;
        let deadline = parts.clock.now().after(self.config.timeout.get());
        let mut timer = Timer::new(Arc::clone(&parts.clock), Arc::clone(&parts.runtime));
        let status = tokio::select! {
            biased;
            status = self.status(path, deadline) => status.map_err(CheckError::Upstream)?,
            () = timer.until(deadline) => return Err(CheckError::Timeout),
        };
        let passes = |range: &crate::config::StatusRange| (range.from..=range.to).contains(&status.as_u16());
        if self.config.expect_status.iter().any(passes) {
            Ok(())
        } else {
            Err(CheckError::Status(status))
        }
    }

    /// The status that the target answers with.
    async fn status(&self, path: &str, deadline: Instant) -> Result<StatusCode, UpstreamError> {
        let dialed = self.dialer.dial(&self.target, deadline, deadline, false).await?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert(USER_AGENT, AGENT);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
        let mut outgoing = Outgoing::new(request, None).closing();
        let clock = &self.dialer.parts.clock;
        let sent = match dialed {
            Dialed::Http1(mut link) => {
                link.begin(&mut outgoing, &self.target, &self.host, clock);
                let answered = link.answer().await;
                answered.map(|(answer, _)| answer.status()).map_err(Cause::Http1)
            }
            Dialed::Http2(sender) => {
                let message = outgoing.into_http2(&self.target, &self.host, clock);
                let sent = sender.send(message).await;
                sent.map(|answer| answer.status())
                    .map_err(|failed| Cause::Http2(failed.error))
            }
        };
        sent.map_err(|cause| classify(&cause, None))
    }
}
