//! The commands' way to a running Peregrine: its admin API. Answers are bounded in size and time, and an error says what to
//! do next.

mod problem;

use crate::Failure;
use crate::commands::found;
use crate::config::{self, Environment, Origin, Overrides, Settings};
use clap::Args;
use http::{Method, Request, StatusCode, header};
use peregrine_admin::token;
use peregrine_base::{Secret, Span, SystemClock, SystemRandom, TokioRuntime};
use peregrine_net::http::Body;
use peregrine_net::upstream::{Retry, Upstream, UpstreamParts};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Under which path the admin API lives.
const API: &str = "/api/performance";

/// The largest answer that is read.
const ANSWER_SIZE_MAX: usize = 64 << 20;

/// How long an answer may take: an invalidation that counts what it matches walks all entries.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// How to reach a running Peregrine.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which Peregrine")]
pub struct Address {
    /// The address of its admin API; without it as the configuration says, or http://127.0.0.1:9180.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// The file with its token; without it PEREGRINE_ADMIN_TOKEN, or admin.token in its state directory.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Its configuration file, which says where it listens and where its state directory is; without it PEREGRINE_CONFIG,
    /// or peregrine.toml in this directory.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Address {
    /// The admin API at `admin`, with the token in `token_file`; what is missing comes from where it does otherwise.
    #[must_use]
    pub fn of(admin: Option<String>, token_file: Option<PathBuf>) -> Self {
        Self {
            admin,
            token_file,
            config: None,
        }
    }

    /// Of whatever `config` configures.
    #[must_use]
    pub fn in_file(config: Option<PathBuf>) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }
}

/// A client of one admin API.
pub struct Client {
    base: String,
    upstream: Arc<Upstream>,
    token: Option<Secret>,
}

impl Client {
    /// A client of the Peregrine that `address` and the environment describe.
    ///
    /// # Errors
    /// When the address is none, or the token cannot be read.
    pub fn new(address: &Address, environment: &Environment) -> Result<Self, Failure> {
        let settings = settings(address, environment)?;
        let base = match &address.admin {
            Some(url) if url.contains("://") => url.trim_end_matches('/').to_owned(),
            Some(authority) => format!("http://{authority}"),
            None => format!("http://{}", reachable(settings.admin.address)),
        };
        let token = token_of(address, &settings.server.state_dir, environment)?;
        let upstream = connect(&base, environment)?;
        Ok(Self { base, upstream, token })
    }

    /// Where the admin API is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GETs `path` under the API.
    ///
    /// # Errors
    /// When nobody answers, or not with success.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, Body::empty()).await
    }

    /// POSTs `value` as JSON to `path` under the API.
    ///
    /// # Errors
    /// When nobody answers, or not with success.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, value: &Value) -> Result<T, Failure> {
        self.call(Method::POST, path, Body::full(value.to_string())).await
    }

    /// Sends DELETE for `path` under the API.
    ///
    /// # Errors
    /// When nobody answers, or not with success.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::DELETE, path, Body::empty()).await
    }

    /// GETs `path` under the API, whose answer is text.
    ///
    /// # Errors
    /// When nobody answers, or not with success.
    pub async fn get_text(&self, path: &str) -> Result<String, Failure> {
        let bytes = self.send(Method::GET, path, Body::empty(), "*/*").await?;
        String::from_utf8(bytes).map_err(|error| self.foreign(&error))
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, Failure> {
        let bytes = self.send(method, path, body, "application/json").await?;
        serde_json::from_slice(&bytes).map_err(|error| self.foreign(&error))
    }

    /// What answers is no admin API.
    fn foreign(&self, error: &dyn std::fmt::Display) -> Failure {
        let base = &self.base;
        Failure::Failed(format!(
            "what answers at {base} does not speak as the admin API does: {error}"
        ))
    }

    async fn send(&self, method: Method, path: &str, body: Body, accept: &'static str) -> Result<Vec<u8>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{API}/{path}", self.base))
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request
            .body(body)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.base)))?;
        let (status, bytes) = send(&self.upstream, request, ANSWER_SIZE_MAX).await.map_err(|error| {
            let base = &self.base;
            Failure::Failed(format!(
                "no Peregrine answers at {base} ({error}): start one with `peregrine serve`, or name another with --admin"
            ))
        })?;
        if !status.is_success() {
            return Err(problem::failure(status, &bytes, &self.base, self.token.is_some()));
        }
        Ok(bytes)
    }
}

/// Fetches `url`: the body of an answer with status 200.
///
/// # Errors
/// When the URL is none, nobody answers, the status is another, or the body is larger than `size_max`.
pub async fn fetch(url: &str, size_max: usize, environment: &Environment) -> Result<Vec<u8>, Failure> {
    let wrong = |what: &dyn std::fmt::Display| Failure::Failed(format!("{url}: {what}"));
    let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error))?;
    let authority = uri.authority().ok_or_else(|| wrong(&"is not a whole URL"))?;
    let base = format!("{}://{authority}", uri.scheme_str().unwrap_or("http"));
    let upstream = connect(&base, environment)?;
    let request = Request::builder()
        .uri(uri)
        .header(header::USER_AGENT, "peregrine-warm")
        .body(Body::empty());
    let request = request.map_err(|error| wrong(&error))?;
    match send(&upstream, request, size_max).await {
        Ok((StatusCode::OK, bytes)) => Ok(bytes),
        Ok((status, _)) => Err(wrong(&format!("answered {status}"))),
        Err(error) => Err(wrong(&error)),
    }
}

async fn send(upstream: &Upstream, request: Request<Body>, size_max: usize) -> Result<(StatusCode, Vec<u8>), String> {
    let (response, _) = upstream
        .send(request, Retry::Never)
        .await
        .map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let bytes = body.collect(size_max).await.map_err(|error| error.to_string())?;
    Ok((head.status, bytes.into()))
}

/// The state directory of the Peregrine that `address` and the environment describe.
///
/// # Errors
/// When its configuration cannot be read.
pub fn state_dir(address: &Address, environment: &Environment) -> Result<PathBuf, Failure> {
    Ok(settings(address, environment)?.server.state_dir)
}

/// The settings that the running Peregrine probably has. A file that merely lies here and is faulty is passed over.
fn settings(address: &Address, environment: &Environment) -> Result<Settings, Failure> {
    let load = |origin: &Origin| config::load(origin, &Overrides::default(), environment).map(|loaded| loaded.settings);
    let anything = Origin::Upstream("http://127.0.0.1".to_owned());
    match found::file(address.config.as_deref(), environment) {
        None => Ok(load(&anything)?),
        Some(found) => match load(&Origin::File(found.path)) {
            Ok(settings) => Ok(settings),
            Err(_) if !found.is_named => Ok(load(&anything)?),
            Err(faults) => Err(faults.into()),
        },
    }
}

/// An address that listens everywhere is called on this machine.
fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
        };
        address.set_ip(loopback);
    }
    address
}

fn token_of(address: &Address, state_dir: &Path, environment: &Environment) -> Result<Option<Secret>, Failure> {
    let load = |path: &Path| token::load(path).map_err(|error| Failure::Failed(error.to_string()));
    if let Some(path) = &address.token_file {
        let token = load(path)?;
        return token
            .map(Some)
            .ok_or_else(|| Failure::Usage(format!("{}: no such file", path.display())));
    }
    match environment.get("PEREGRINE_ADMIN_TOKEN") {
        Some(token) => Ok(Some(Secret::new(token))),
        None => load(&state_dir.join(token::FILE_NAME)),
    }
}

/// An upstream with one target and the defaults of the table, except that it is patient.
fn connect(base: &str, environment: &Environment) -> Result<Arc<Upstream>, Failure> {
    let loaded = config::load(
        &Origin::Upstream(base.to_owned()),
        &Overrides::default(),
        &environment.without_fields(),
    )?;
    let mut config = loaded
        .settings
        .upstreams
        .into_iter()
        .next()
        .ok_or_else(|| Failure::Usage(base.to_owned()))?;
    (config.first_byte_timeout, config.idle_timeout) = (Span::new(ANSWER_TIME_MAX), Span::new(ANSWER_TIME_MAX));
    let parts = UpstreamParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    Upstream::new(&config, parts).map_err(|error| Failure::Usage(error.to_string()))
}
