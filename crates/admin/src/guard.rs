//! Who gets in. Every request but the health checks passes three gates, in this order:
//!
//! 1. its `Host` is an IP address, `localhost` or a configured name, so that a web page cannot reach the API through a name
//!    that it made point here (DNS rebinding);
//! 2. its `Origin`, if it has one, is the API's own, so that no other page's script can use a browser as its hand;
//! 3. it carries a token (the admin's, with which everything may be done; or a tenant's, with which that tenant's statistics
//!    may be read and its entries invalidated, and nothing else; or an API key), or the cookie of a session that began with one. An address
//!    that tries several wrong ones has to wait. A cookie, which a browser sends by itself, counts only for requests of our
//!    own pages.

mod attempts;

use crate::access::Who;
use crate::access::codes::Codes;
use crate::access::keys::Keys;
use crate::access::sessions::{self, Sessions};
use crate::api::access::LoginRequest;
use crate::config::AdminConfig;
use crate::refusal::{Barred, Refusal};
use crate::secrets::Digest;
use attempts::Attempts;
use http::request::Parts;
use http::{HeaderValue, Method, header};
use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Secret, WallTime};
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
    sessions: Sessions,
    codes: Codes,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

impl Guard {
    pub(crate) fn new(
        config: &AdminConfig,
        token: Secret,
        tenants: Vec<(String, Secret)>,
        keys: Keys,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let attempts = Attempts::new(config.token_attempts_max, config.token_attempts_window.get());
        Self {
            allowed_hosts: config.allowed_hosts.clone(),
            token,
            tenants,
            attempts: Mutex::new(attempts),
            sessions: Sessions::new(config.session_idle.get(), config.session_lifetime.get()),
            codes: Codes::default(),
            keys,
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

    /// The third gate, for somebody who wants to change something or not.
    pub(crate) fn authenticate(&self, request: &Parts, peer: &Peer) -> Result<Who, Refusal> {
        let (address, now) = (peer.address.ip(), self.clock.now());
        // Whoever has to wait learns nothing about the token at hand, not even that it is right.
        if let Some(wait) = self.attempts.lock().must_wait(address, now) {
            return Err(throttled(wait));
        }
        if let Some(token) = bearer(request) {
            return self.recognise(token, address, now);
        }
        if !request.headers.contains_key(header::AUTHORIZATION) {
            let mut ids = sessions::ids(request).peekable();
            if ids.peek().is_some() {
                let who = ids
                    .find_map(|id| self.sessions.find(id, now))
                    .filter(|who| self.is_good(who));
                let over = || Refusal::barred(Barred::Session, "This session is over: log in again.");
                let who = who.ok_or_else(over)?;
                return check_same_page(request).map(|()| who);
            }
        }
        let refusal = Refusal::barred(
            Barred::TokenMissing,
            "Send the admin token: `Authorization: Bearer …`. It stands in `admin.token` in the state directory.",
        );
        let challenge = HeaderValue::from_static("Bearer realm=\"peregrine\"");
        Err(refusal.header(header::WWW_AUTHENTICATE, challenge))
    }

    /// Whose token this is.
    fn recognise(&self, token: &str, address: IpAddr, now: Instant) -> Result<Who, Refusal> {
        let mut attempts = self.attempts.lock();
        if self.token.matches(token) {
            attempts.right(address);
            return Ok(Who::admin("admin token"));
        }
        // Who has one of these may not try the admin's as often as there is time for.
        if let Some((tenant, _)) = self.tenants.iter().find(|(_, secret)| secret.matches(token)) {
            return Ok(Who::tenant(tenant));
        }
        if Keys::is_key(token)
            && let Some(who) = self.keys.recognise(token, self.clock.wall())
        {
            return Ok(who);
        }
        attempts.wrong(address, token, now);
        let challenge = HeaderValue::from_static("Bearer realm=\"peregrine\", error=\"invalid_token\"");
        let refusal = Refusal::barred(
            Barred::TokenWrong,
            "This is neither the admin token of this Peregrine nor a key that it knows.",
        );
        Err(refusal.header(header::WWW_AUTHENTICATE, challenge))
    }

    /// Begins a session for whoever has what `login` says: who it is, and the field that gives the browser its cookie. The
    /// sessions that the browser had are over, so that none that somebody gave it beforehand goes on (session fixation).
    pub(crate) fn log_in(
        &self,
        login: &LoginRequest,
        request: &Parts,
        peer: &Peer,
    ) -> Result<(Who, HeaderValue), Refusal> {
        let (address, now) = (peer.address.ip(), self.clock.now());
        if let Some(wait) = self.attempts.lock().must_wait(address, now) {
            return Err(throttled(wait));
        }
        let mut who = match (&login.code, &login.token) {
            (Some(code), _) if self.codes.redeem(code, now) => {
                self.attempts.lock().right(address);
                Who::admin("login code")
            }
            (Some(code), _) => {
                self.attempts.lock().wrong(address, code, now);
                return Err(Refusal::barred(
                    Barred::TokenWrong,
                    "This code is not good, or not any more: each is good once and for ten minutes. Log in with the admin \
                     token or an API key, or restart for another.",
                ));
            }
            (None, token) => self.recognise(token.as_deref().unwrap_or_default(), address, now)?,
        };
        self.log_out(request);
        let until = self
            .clock
            .wall()
            .as_millis()
            .saturating_add(millis(self.sessions.lifetime()));
        let until = who.expires.map_or(until, |expires| expires.as_millis().min(until));
        who.expires = Some(WallTime::from_millis(until));
        let id = self.sessions.begin(who.clone(), now)?;
        Ok((who, self.sessions.cookie(&id, peer.tls)))
    }

    /// Ends the sessions that `request` brings; whether there were any.
    pub(crate) fn log_out(&self, request: &Parts) -> bool {
        sessions::ids(request).filter(|id| self.sessions.end(id)).count() > 0
    }

    /// The field that takes the cookie away.
    pub(crate) fn no_cookie(&self, peer: &Peer) -> HeaderValue {
        self.sessions.cookie("", peer.tls)
    }

    /// A code to log in with.
    pub(crate) fn issue_code(&self) -> Result<String, Refusal> {
        self.codes.issue(self.clock.now())
    }

    /// Whether what let `who` in still would.
    pub(crate) fn is_good(&self, who: &Who) -> bool {
        let now = self.clock.wall();
        who.expires.is_none_or(|expires| now < expires) && who.key.as_ref().is_none_or(|id| self.keys.is_good(id, now))
    }

    /// The session by which `request` came, if it came by one.
    pub(crate) fn session_of(&self, request: &Parts) -> Option<Digest> {
        let by_token = request.headers.contains_key(header::AUTHORIZATION);
        let mut ids = sessions::ids(request).filter(|_| !by_token).map(Digest::of);
        ids.find(|id| self.goes_on(id))
    }

    /// Whether `session` goes on, which looking at it does not prolong.
    pub(crate) fn goes_on(&self, session: &Digest) -> bool {
        self.sessions.is_open(session, self.clock.now())
    }

    /// The API keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.count()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A browser sends the cookie by itself. So whatever changes something has to say that one of our own pages sends it, and no
/// other page reads.
fn check_same_page(request: &Parts) -> Result<(), Refusal> {
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let site = request.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let foreign = site.is_some_and(|site| site != b"same-origin" && site != b"none");
    if !foreign && (reads || request.headers.contains_key(header::ORIGIN)) {
        return Ok(());
    }
    Err(Refusal::barred(
        Barred::Origin,
        "With a session only the dashboard's own pages are answered, and changes are taken with their `Origin`.",
    ))
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
