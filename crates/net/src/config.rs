//! The typed configuration of this room. Every default and bound stands in [`crate::PARAMETERS`]; the program fills them in
//! before it deserializes, so that nothing here is optional unless its absence means something.

mod listener;

pub use listener::{CertificateConfig, ClientAuth, ListenerConfig, ListenerTlsConfig, Protocol, TlsVersion};

use crate::http::hygiene::TrustedProxies;
use peregrine_base::{ByteSize, Complaint, Span};
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// `[server]` as far as it belongs to this room.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Addresses and networks of proxies whose forwarded fields are believed.
    pub trusted_proxies: Vec<String>,
    /// Addresses and networks of clients that may PURGE.
    pub purge_from: Vec<String>,
    /// How long it goes on serving once a stop was asked for, so that what sends it clients finds out.
    pub drain_delay: Span,
    /// How long requests under way may take to finish once a stop was asked for.
    pub drain_time: Span,
    /// The largest request head.
    pub header_size_max: ByteSize,
    /// The most header fields of a request.
    pub header_count_max: u32,
    /// How long a client may take to send a request head.
    pub header_timeout: Span,
    /// How long a connection without a request is kept.
    pub keepalive_timeout: Span,
    /// How long a client may neither send the body it announced nor take what it is sent.
    pub stall_timeout: Span,
    /// How long a connection that changed its protocol is kept while nothing moves.
    pub tunnel_idle_timeout: Span,
    /// The most connections of clients, over all listeners.
    pub connections_max: u32,
    /// The longest request target.
    pub uri_length_max: ByteSize,
    /// The largest request body.
    pub request_body_max: ByteSize,
    /// HTTP/2.
    pub http2: Http2Config,
    /// TLS handshakes.
    pub tls: HandshakeConfig,
}

/// `[server.http2]`: what a client of HTTP/2 may do on one connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2Config {
    /// The most requests at the same time.
    pub streams_max: u32,
    /// How much of a request body is taken before it is read.
    pub window: ByteSize,
    /// The most requests that are taken back, in a minute.
    pub resets_max: u32,
    /// The most frames that carry nothing, in a minute.
    pub control_frames_max: u32,
    /// The most pieces of a head after its first.
    pub continuations_max: u32,
}

/// `[server.tls]`: TLS handshakes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeConfig {
    /// How long one may take.
    pub handshake_timeout: Span,
    /// The most at the same time.
    pub handshakes_max: u32,
}

impl ServerConfig {
    /// Every parameter at its default.
    #[must_use]
    pub fn defaults() -> Self {
        table::defaults("server.", &[])
    }

    /// # Errors
    /// What is wrong across fields, or cannot be said by a bound.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let lists = [
            ("trusted_proxies", &self.trusted_proxies),
            ("purge_from", &self.purge_from),
        ];
        let texts = lists
            .into_iter()
            .flat_map(|(field, list)| list.iter().enumerate().map(move |(index, text)| (field, index, text)));
        let complaints: Vec<Complaint> = texts
            .filter(|(_, _, text)| TrustedProxies::parse([text.as_str()]).is_err())
            .map(|(field, index, text)| {
                let problem = format!("is no address or network: {text:?}");
                Complaint::new(
                    format!("{field}[{index}]"),
                    problem,
                    "write \"10.0.0.7\" or \"10.0.0.0/8\"",
                )
            })
            .collect();
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }
}

/// One `[[upstream]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// How routes name it.
    pub name: String,
    /// Its servers.
    pub targets: Vec<TargetConfig>,
    /// How a target is chosen for a request.
    pub balance: Balance,
    /// How long a target that appears or comes back gets only a growing share.
    pub slow_start: Span,
    /// The `Host` that the origin sees; absent: kept for `http` targets, the target's own for `https`.
    pub host: Option<HostRule>,
    /// Which version of HTTP is spoken.
    pub http_version: HttpVersion,
    /// How long connecting may take, with TLS.
    pub connect_timeout: Span,
    /// How long the head of the response may take once the request is sent.
    pub first_byte_timeout: Span,
    /// How long the body of a response may pause.
    pub idle_timeout: Span,
    /// How long everything together may take; absent: as long as it moves.
    pub total_timeout: Option<Span>,
    /// The most requests under way to one target.
    pub connections_max: u32,
    /// The most connections to one target that are kept without a request.
    pub idle_max: u32,
    /// How long a connection without a request is kept.
    pub keepalive_time: Span,
    /// The most requests that wait for a connection to one target.
    pub waiters_max: u32,
    /// How long a request may wait for a connection.
    pub wait_timeout: Span,
    /// How often a request may be sent again when that is safe.
    pub retries_max: u32,
    /// How many retries each request of the last ten seconds allows.
    pub retry_budget: f64,
    /// How many retries each second are allowed in any case.
    pub retries_per_second_min: u32,
    /// The largest head of a response.
    pub response_head_max: ByteSize,
    /// The most header fields of a response.
    pub response_fields_max: u32,
    /// The most interim responses before the answer.
    pub interim_max: u32,
    /// How targets are asked whether they are well.
    pub health: HealthConfig,
    /// When a target is left out.
    pub ejection: EjectionConfig,
    /// TLS towards `https` targets.
    pub tls: UpstreamTlsConfig,
}

/// How a target is chosen for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// Of two by chance the one with the lower recent latency times requests under way.
    LeastLatency,
    /// Of two by chance the one with fewer requests under way.
    LeastRequests,
}

/// The `Host` that the origin sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// The one that the client asked for.
    Keep,
    /// The target's own.
    Target,
    /// Always this one.
    Fixed(String),
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "keep" => Self::Keep,
            "target" => Self::Target,
            _ => Self::Fixed(text),
        })
    }
}

/// Which version of HTTP is spoken to targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum HttpVersion {
    /// What TLS agrees on; HTTP/1.1 without TLS.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 only.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2 only; without TLS by prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

/// When a target is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EjectionConfig {
    /// How many failures in a row leave a target out; 0 never does.
    pub failures: u32,
    /// How long it is left out the first time; each further time twice as long.
    pub time_min: Span,
    /// How long it is left out at most.
    pub time_max: Span,
    /// The largest part of the targets that may be left out at once.
    pub share_max: f64,
}

/// How targets are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthConfig {
    /// What they are asked for; absent: they are not.
    pub path: Option<String>,
    /// How long after a check the next one begins.
    pub interval: Span,
    /// How long a check may take.
    pub timeout: Span,
    /// How many passed checks in a row bring a target back.
    pub healthy_after: u32,
    /// How many failed checks in a row take it out.
    pub unhealthy_after: u32,
    /// Which statuses pass.
    pub expect_status: Vec<StatusRange>,
    /// The `Host` of checks.
    pub host: Option<String>,
}

/// Statuses from one to another, both included: "204", "2xx", "200-299".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

impl StatusRange {
    /// What a range that cannot be read becomes, so that the check can name it.
    const NONE: Self = Self { from: 1, to: 0 };

    fn parse(text: &str) -> Option<Self> {
        let (from, to) = match text.split_once('-') {
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None if text.len() == 3 && text.ends_with("xx") => {
                let class: u16 = text[..1].parse().ok()?;
                (class * 100, class * 100 + 99)
            }
            None => {
                let status = text.parse().ok()?;
                (status, status)
            }
        };
        (100 <= from && from <= to && to <= 999).then_some(Self { from, to })
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?).unwrap_or(Self::NONE))
    }
}

/// One of the servers of an upstream: a URL alone, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfig {
    /// Scheme, host and port.
    pub url: String,
    /// How many times the requests of a target of weight 1 it can take.
    pub weight: u32,
    /// Targets of a higher number wait until too few of the lower ones are healthy.
    pub priority: u32,
}

impl TargetConfig {
    /// The target at `url`, with every other parameter at its default.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let default = |name| table::integer(crate::parameters::TARGET, name);
        Self {
            url: url.to_owned(),
            weight: default("weight"),
            priority: default("priority"),
        }
    }
}

impl<'de> Deserialize<'de> for TargetConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            url: String,
            weight: u32,
            priority: u32,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Url(String),
            Table(Table),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Url(url) => Self::at(&url),
            Written::Table(Table { url, weight, priority }) => Self { url, weight, priority },
        })
    }
}

/// TLS towards `https` targets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTlsConfig {
    /// A PEM file with the certificates that are trusted instead of the system's.
    pub roots: Option<PathBuf>,
}

impl UpstreamConfig {
    /// The upstream `name` with these targets and every other parameter at its default.
    #[must_use]
    pub fn defaults(name: &str, targets: &[&str]) -> Self {
        table::defaults("upstream[].", &[("name", name.into()), ("targets", targets.into())])
    }

    /// # Errors
    /// What is wrong across fields, or cannot be said by a bound.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let mut complaints = Vec::new();
        if self.targets.is_empty() {
            complaints.push(Complaint::new(
                "targets",
                "is empty",
                "name at least one: [\"http://127.0.0.1:3000\"]",
            ));
        }
        for (index, target) in self.targets.iter().enumerate() {
            if let Err(error) = crate::upstream::Target::parse(&target.url) {
                let field = format!("targets[{index}]");
                complaints.push(Complaint::new(
                    field,
                    error.to_string(),
                    "write \"http://127.0.0.1:3000\"",
                ));
            }
        }
        if let Some(HostRule::Fixed(name)) = &self.host
            && !crate::http::framing::is_host(name)
        {
            complaints.push(Complaint::new(
                "host",
                "is no host name",
                "write \"keep\", \"target\" or a name",
            ));
        }
        complaints.extend(self.health.check());
        if self.ejection.time_min > self.ejection.time_max {
            let problem = format!("is longer than time_max ({})", self.ejection.time_max);
            complaints.push(Complaint::new(
                "ejection.time_min",
                problem,
                "shorten it, or lengthen time_max",
            ));
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }
}

impl HealthConfig {
    fn check(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let is_path = |path: &str| {
            path.starts_with('/') && !path.contains('#') && path.parse::<::http::uri::PathAndQuery>().is_ok()
        };
        if self.path.as_deref().is_some_and(|path| !is_path(path)) {
            complaints.push(Complaint::new("health.path", "is no path", "write \"/healthz\""));
        }
        if self
            .host
            .as_deref()
            .is_some_and(|host| !crate::http::framing::is_host(host))
        {
            complaints.push(Complaint::new(
                "health.host",
                "is no host name",
                "write \"shop.example\"",
            ));
        }
        let help = "write \"204\", \"2xx\" or \"200-299\"";
        if self.expect_status.is_empty() {
            complaints.push(Complaint::new("health.expect_status", "is empty", help));
        }
        for (index, range) in self.expect_status.iter().enumerate() {
            if *range == StatusRange::NONE {
                let field = format!("health.expect_status[{index}]");
                complaints.push(Complaint::new(field, "is no status", help));
            }
        }
        complaints
    }
}

/// Typed configurations made from the table alone, for callers without a configuration file.
mod table {
    use peregrine_base::{Fallback, Parameter};
    use serde_json::{Map, Value};

    /// The default of the whole number `name` in `rows`.
    pub(super) fn integer(rows: &[Parameter], name: &str) -> u32 {
        let row = rows.iter().find(|row| row.name == name);
        let text = row.and_then(|row| match row.fallback {
            Fallback::Toml(text) => text.parse().ok(),
            Fallback::Required | Fallback::Absent => None,
        });
        text.expect("the table holds a default for every whole number")
    }

    /// The rows whose names begin with `prefix` at their defaults, and `given` for those that have none.
    pub(super) fn defaults<T: serde::de::DeserializeOwned>(prefix: &str, given: &[(&str, Value)]) -> T {
        let mut whole = Value::Object(Map::new());
        for row in crate::PARAMETERS {
            let Some(name) = row.name.strip_prefix(prefix) else {
                continue;
            };
            let value = match row.fallback {
                // What the table holds of TOML (texts, numbers, lists) reads the same as JSON.
                Fallback::Toml(text) => Some(serde_json::from_str(text).expect("a default is written well")),
                Fallback::Required | Fallback::Absent => {
                    given.iter().find(|(key, _)| *key == name).map(|(_, v)| v.clone())
                }
            };
            // Of an array of tables there are none by default.
            let (name, value) = match name.split_once("[]") {
                Some((array, _)) => (array, Some(Value::Array(Vec::new()))),
                None => (name, value),
            };
            let mut place = &mut whole;
            for part in name.split('.') {
                place = &mut place[part];
            }
            *place = value.unwrap_or(Value::Null);
        }
        serde_json::from_value(whole).expect("the table holds a default for every field that needs one")
    }
}

#[cfg(test)]
mod tests;
