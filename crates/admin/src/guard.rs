//! Who gets in. Every request but the health checks passes three gates, in this order:
//!
//! 1. its `Host` is an IP address, `localhost` or a configured name, so that a web page cannot reach the API through a name
//!    that it made point here (DNS rebinding);
//! 2. its `Origin`, if it has one, is the API's own, so that no other page's script can use a browser as its hand;
//! 3. it carries a token: the admin's, with which everything may be done, or a tenant's, with which that tenant's statistics
//!    may be read and its entries invalidated, and nothing else. An address that tries several wrong ones has to wait.

mod attempts;

use crate::calls::Call;
use crate::config::AdminConfig;
use crate::refusal::{Barred, Refusal};
use attempts::Attempts;
use http::request::Parts;
use http::{HeaderValue, header};
use parking_lot::Mutex;
use peregrine_base::{Clock, Secret};
use peregrine_cache::Invalidation;
use peregrine_net::http::Peer;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Checks who may come in.
pub(crate) struct Guard {
    allowed_hosts: Vec<String>,
    token: Secret,
    /// Tenants and their tokens.
    tenants: Vec<(String, Secret)>,
    attempts: Mutex<Attempts>,
    clock: Arc<dyn Clock>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights<'a> {
    /// Everything.
    All,
    /// What concerns this tenant alone.
    Tenant(&'a str),
}

impl<'a> Rights<'a> {
    /// The tenant to whom they are limited.
    pub(crate) fn tenant(self) -> Option<&'a str> {
        match self {
            Self::All => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }

    /// Whether `call` may be made with them.
    pub(crate) fn allow(self, call: Call) -> Result<(), Refusal> {
        match (self, call) {
            (Self::All, _)
            | (
                Self::Tenant(_),
                Call::Live
                | Call::Ready
                | Call::Statistics
                | Call::Invalidate
                | Call::Clear
                | Call::ClearAll
                | Call::ClearPattern,
            ) => Ok(()),
            (Self::Tenant(_), _) => Err(Refusal::barred(
                Barred::TenantToken,
                "With a tenant's token its statistics are read (`cache/stats`) and its entries are invalidated; for all else \
                 it takes the admin token.",
            )),
        }
    }

    /// `invalidation`, limited to what they reach.
    pub(crate) fn limit(self, mut invalidation: Invalidation) -> Result<Invalidation, Refusal> {
        if let Self::Tenant(tenant) = self {
            if invalidation.tenant.as_deref().is_some_and(|named| named != tenant) {
                let why = "With a tenant's token no other tenant's entries are invalidated.";
                return Err(Refusal::barred(Barred::TenantToken, why));
            }
            invalidation.tenant = Some(tenant.to_owned());
        }
        Ok(invalidation)
    }
}

impl Guard {
    pub(crate) fn new(
        config: &AdminConfig,
        token: Secret,
        tenants: Vec<(String, Secret)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let attempts = Attempts::new(config.token_attempts_max, config.token_attempts_window.get());
        Self {
            allowed_hosts: config.allowed_hosts.clone(),
            token,
            tenants,
            attempts: Mutex::new(attempts),
            clock,
        }
    }

    /// The first two gates.
    pub(crate) fn screen(&self, request: &Parts, peer: &Peer) -> Result<(), Refusal> {
        let host = host_of(request).filter(|host| is_allowed(host, &self.allowed_hosts));
        let Some(host) = host else {
            return Err(Refusal::barred(
                Barred::Host,
                "The admin API is called by IP address, as `localhost`, or by a name that `admin.allowed_hosts` lists.",
            ));
        };
        let mut origins = request.headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next());
        if more.is_none() && origin.is_none_or(|origin| is_own(origin, host, peer.tls)) {
            return Ok(());
        }
        Err(Refusal::barred(
            Barred::Origin,
            "The admin API takes no requests from pages of other origins.",
        ))
    }

    /// The third gate.
    pub(crate) fn authenticate(&self, request: &Parts, peer: &Peer) -> Result<Rights<'_>, Refusal> {
        let (address, now) = (peer.address.ip(), self.clock.now());
        // Whoever has to wait learns nothing about the token at hand, not even that it is right.
        if let Some(wait) = self.attempts.lock().must_wait(address, now) {
            return Err(throttled(wait));
        }
        let Some(token) = bearer(request) else {
            return Err(Refusal::barred(
                Barred::TokenMissing,
                "Send the admin token: `Authorization: Bearer …`. It stands in `admin.token` in the state directory.",
            )
            .header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"peregrine\""),
            ));
        };
        let mut attempts = self.attempts.lock();
        if self.token.matches(token) {
            attempts.right(address);
            return Ok(Rights::All);
        }
        if let Some((tenant, _)) = self.tenants.iter().find(|(_, secret)| secret.matches(token)) {
            attempts.right(address);
            return Ok(Rights::Tenant(tenant));
        }
        attempts.wrong(address, token, now);
        let challenge = HeaderValue::from_static("Bearer realm=\"peregrine\", error=\"invalid_token\"");
        let refusal = Refusal::barred(Barred::TokenWrong, "This is not the admin token of this Peregrine.");
        Err(refusal.header(header::WWW_AUTHENTICATE, challenge))
    }
}

fn throttled(wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let refusal = Refusal::barred(
        Barred::Throttled,
        "This address tried too many wrong tokens; wait, then try again.",
    );
    refusal.header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// The only `Host`; `None` when there is none or more than one, or not text.
fn host_of(request: &Parts) -> Option<&str> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        None
    } else {
        host.to_str().ok()
    }
}

/// Whether `host`, with or without a port, is an IP address, `localhost` or one of `names`.
fn is_allowed(host: &str, names: &[String]) -> bool {
    let Some(name) = without_port(host) else { return false };
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    if name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()) {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || names.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
}

/// `host` without its port; `None` when what stands there is no port.
fn without_port(host: &str) -> Option<&str> {
    let end_of_name = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = host.get(end_of_name..)?.find(':').map(|colon| colon + end_of_name) else {
        return Some(host);
    };
    let (name, port) = host.split_at(colon);
    let port = port.strip_prefix(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

/// Whether `origin` is the origin that `host` was called under. Without TLS here, both schemes are ours: something in front
/// may have taken the encryption off.
fn is_own(origin: &HeaderValue, host: &str, tls: bool) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    match origin.split_once("://") {
        Some(("https", authority)) => authority.eq_ignore_ascii_case(host),
        Some(("http", authority)) => !tls && authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The token of the only `Authorization` field (RFC 6750 §2.1).
fn bearer(request: &Parts) -> Option<&str> {
    let mut fields = request.headers.get_all(header::AUTHORIZATION).iter();
    let (field, more) = (fields.next()?, fields.next());
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (more.is_none() && scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
