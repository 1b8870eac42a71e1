//! The typed configuration of this room. Every default and bound stands in [`crate::PARAMETERS`]; the program fills them in
//! before it deserializes, so that nothing here is optional unless its absence means something.

use crate::http::hygiene::TrustedProxies;
use peregrine_base::{ByteSize, Complaint, Span};
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[server]` as far as it belongs to this room.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Addresses and networks of proxies whose forwarded fields are believed.
    pub trusted_proxies: Vec<String>,
    /// Addresses and networks of clients that may PURGE.
    pub purge_from: Vec<String>,
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
    /// The most connections of clients, over all listeners.
    pub connections_max: u32,
    /// The longest request target.
    pub uri_length_max: ByteSize,
    /// The largest request body.
    pub request_body_max: ByteSize,
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

/// One `[[listener]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Where it listens.
    pub address: String,
    /// What it speaks.
    pub protocol: Protocol,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// The LLM gateway; a later part.
    Llm,
    /// The Postgres proxy; a later part.
    Postgres,
    /// The cache for any Redis client; a later part.
    Resp,
}

impl ListenerConfig {
    /// Where it listens.
    ///
    /// # Errors
    /// The complaint about an address that is none.
    pub fn socket_address(&self) -> Result<SocketAddr, Complaint> {
        self.address.parse().map_err(|_| {
            let problem = format!("is no address with a port: {:?}", self.address);
            Complaint::new(
                "address",
                problem,
                "write an IP address and a port: \"127.0.0.1:8080\", \"[::1]:8080\"",
            )
        })
    }

    /// # Errors
    /// What is wrong across fields, or cannot be said by a bound.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let mut complaints: Vec<Complaint> = self.socket_address().err().into_iter().collect();
        if self.protocol != Protocol::Http {
            complaints.push(Complaint::new("protocol", "is not built yet", "use \"http\""));
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }
}

/// One `[[upstream]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// How routes name it.
    pub name: String,
    /// URLs of its servers: scheme, host and port.
    pub targets: Vec<String>,
    /// How a target is chosen for a request.
    pub balance: Balance,
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
    /// The one with the lowest recent latency times requests under way.
    LeastLatency,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EjectionConfig {
    /// How many failures in a row leave a target out; 0 never does.
    pub failures: u32,
    /// How long it is left out the first time; each further time twice as long.
    pub time_min: Span,
    /// How long it is left out at most.
    pub time_max: Span,
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
        for (index, text) in self.targets.iter().enumerate() {
            if let Err(error) = crate::upstream::Target::parse(text) {
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

/// Typed configurations made from the table alone, for callers without a configuration file.
mod table {
    use peregrine_base::Fallback;
    use serde_json::{Map, Value};

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
