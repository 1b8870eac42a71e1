//! Requests to origins: which target, on which connection, within which time, and whether again.

mod error;
mod status;
mod target;

pub use error::{UpstreamError, UpstreamErrorKind};
pub use status::{Health, TargetStatus, UpstreamStatus};
pub use target::{Target, TargetError};

use crate::config::UpstreamConfig;
use crate::http::Body;
use ::http::{Request, Response, Version};
use peregrine_base::{Clock, Random, Runtime};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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

/// A group of servers that answer the same requests.
pub struct Upstream {
    name: Arc<str>,
    targets: Vec<Target>,
}

impl Upstream {
    /// An upstream without connections.
    ///
    /// # Errors
    /// [`UpstreamConfigError`], to be read by whoever wrote the configuration.
    pub fn new(config: &UpstreamConfig, _parts: UpstreamParts) -> Result<Arc<Self>, UpstreamConfigError> {
        let parse = |text: &String| {
            Target::parse(text).map_err(|error| UpstreamConfigError::Target {
                upstream: config.name.clone(),
                target: text.clone(),
                error,
            })
        };
        let targets = config.targets.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Self {
            name: config.name.as_str().into(),
            targets,
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
        _request: Request<Body>,
        _retry: Retry,
    ) -> Result<(Response<Body>, Exchange), UpstreamError> {
        std::future::ready(Err(
            UpstreamError::new(UpstreamErrorKind::NoHealthyTarget).at(self.targets[0].name())
        ))
        .await
    }

    /// What it does and did.
    #[must_use]
    pub fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            name: Arc::clone(&self.name),
            no_healthy_target: 0,
            targets: Vec::new(),
        }
    }
}
