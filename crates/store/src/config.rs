//! The typed configuration: `[redis]`. Defaults and bounds of single fields stand in [`crate::PARAMETERS`]; here are the types
//! and the rules between fields.

use crate::place::{BadPlace, Mode, Place};
use peregrine_base::{Complaint, Fallback, Secret, Span};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// `[redis]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Where the servers are; absent: there is no Redis.
    pub url: Option<Secret>,
    /// The ACL user, unless the URL names one.
    pub username: Option<String>,
    /// The password, unless the URL names one.
    pub password: Option<Secret>,
    /// The number of the database, unless the URL names one.
    pub database: Option<u32>,
    /// The ACL user at the sentinels.
    pub sentinel_username: Option<String>,
    /// The password at the sentinels.
    pub sentinel_password: Option<Secret>,
    /// TLS for `rediss`.
    pub tls: RedisTlsConfig,
    /// How long connecting may take, with TLS and authentication.
    pub connect_timeout: Span,
    /// How long a request may wait for its reply.
    pub operation_timeout: Span,
    /// How many connections to each server carry the requests.
    pub connections: u32,
    /// How many requests may wait for their replies on one connection.
    pub in_flight_max: u32,
    /// Which servers values are read from.
    pub read_from: ReadFrom,
    /// What all keys begin with.
    pub prefix: String,
    /// What `CLIENT LIST` shows.
    pub client_name: String,
}

/// `[redis.tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisTlsConfig {
    /// The certificates that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate of this client.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// Which servers values are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadFrom {
    /// Primaries only.
    Primary,
    /// Replicas; the primary where none is to be had.
    Replica,
}

impl RedisConfig {
    /// The server at `url`, with every other parameter at its default.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: Some(Secret::new(url)),
            ..Self::defaults()
        }
    }

    /// Every parameter at its default: no Redis.
    #[must_use]
    pub fn defaults() -> Self {
        let mut whole = Value::Object(Map::new());
        for row in crate::PARAMETERS {
            let mut place = &mut whole;
            for part in row.name.split('.').skip(1) {
                place = &mut place[part];
            }
            if let Fallback::Toml(text) = row.fallback {
                // What the table holds of TOML reads the same as JSON.
                *place = serde_json::from_str(text).expect("a default is written well");
            }
        }
        serde_json::from_value(whole).expect("the table holds a default for every field that needs one")
    }

    /// Whether there is a Redis.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.url.is_some()
    }

    /// # Errors
    /// What is wrong across fields, or cannot be said by a bound. Fields are named as in `[redis]`.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let mut complaints = self.check_words();
        match self.place() {
            None => complaints.extend(self.check_without_url()),
            Some(Err(bad)) => complaints.push(Complaint::new("url", bad.problem, bad.help)),
            Some(Ok(place)) => complaints.extend(self.check_against(&place)),
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }

    /// What the URL says; `None` without one.
    pub(crate) fn place(&self) -> Option<Result<Place, BadPlace>> {
        self.url.as_ref().map(|url| Place::parse(url.expose()))
    }

    fn check_words(&self) -> Vec<Complaint> {
        let word = |text: &str| {
            !text.is_empty() && text.len() <= 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let fields = [("prefix", &self.prefix), ("client_name", &self.client_name)];
        let wrong = fields.into_iter().filter(|(_, text)| !word(text));
        let mut complaints: Vec<Complaint> = wrong
            .map(|(field, _)| {
                let help = "write 1 to 32 letters, digits, -, _ or .";
                Complaint::new(field, "holds what keys and names cannot", help)
            })
            .collect();
        let tls = &self.tls;
        for (given, missing, field) in [
            (&tls.certificate, &tls.key, "tls.key"),
            (&tls.key, &tls.certificate, "tls.certificate"),
        ] {
            if given.is_some() && missing.is_none() {
                complaints.push(Complaint::new(
                    field,
                    "is missing",
                    "set both tls.certificate and tls.key",
                ));
            }
        }
        complaints
    }

    fn check_without_url(&self) -> Option<Complaint> {
        let set = [
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("database", self.database.is_some()),
            ("sentinel_username", self.sentinel_username.is_some()),
            ("sentinel_password", self.sentinel_password.is_some()),
            ("tls", self.tls != RedisTlsConfig::default()),
        ];
        let (field, _) = set.into_iter().find(|(_, set)| *set)?;
        let help = "set redis.url or REDIS_URL, or remove it";
        Some(Complaint::new(field, "is set, but there is no redis.url", help))
    }

    fn check_against(&self, place: &Place) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |holds: bool, field: &str, problem: &str, help: &str| {
            if holds {
                complaints.push(Complaint::new(field, problem, help));
            }
        };
        let twice = "stands in redis.url as well";
        let once = "remove one of the two";
        complain(
            self.username.is_some() && place.username.is_some(),
            "username",
            twice,
            once,
        );
        complain(
            self.password.is_some() && place.password.is_some(),
            "password",
            twice,
            once,
        );
        complain(
            self.database.is_some() && place.database.is_some(),
            "database",
            twice,
            once,
        );
        let without = |name: &Option<String>, password: bool| name.is_some() && !password;
        complain(
            without(&self.username, self.password.is_some() || place.password.is_some()),
            "username",
            "is set without a password",
            "set redis.password",
        );
        complain(
            without(&self.sentinel_username, self.sentinel_password.is_some()),
            "sentinel_username",
            "is set without a password",
            "set redis.sentinel_password",
        );
        complain(
            self.sentinel_password.is_some() && place.mode != Mode::Sentinel,
            "sentinel_password",
            "is set, but redis.url names no sentinels",
            "write redis+sentinel://host1,host2/name, or remove it",
        );
        complain(
            self.database.is_some_and(|number| number != 0) && place.mode == Mode::Cluster,
            "database",
            "is set, but a cluster has only 0",
            "remove it",
        );
        complain(
            !place.tls && self.tls != RedisTlsConfig::default(),
            "tls",
            "is set, but redis.url is without TLS",
            "write rediss:// (rediss+sentinel://, rediss+cluster://), or remove it",
        );
        complain(
            self.read_from == ReadFrom::Replica && place.mode == Mode::Standalone,
            "read_from",
            "is \"replica\", but redis.url names one server alone",
            "write redis+sentinel:// or redis+cluster://, or \"primary\"",
        );
        complaints
    }
}

#[cfg(test)]
mod tests;
