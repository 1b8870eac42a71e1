//! Where the servers are: the URL of `redis.url` taken apart. Errors say what is wrong and what would be right, and never
//! repeat more of the URL than its scheme: the rest may hold a password, above all where it is written wrongly.

use percent_encoding::percent_decode_str;
use peregrine_base::Secret;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;

/// The port of a server that names none.
const PORT_OF_SERVERS: u16 = 6379;
/// The port of a sentinel that names none.
const PORT_OF_SENTINELS: u16 = 26_379;
/// The most hosts of a URL; they are only where the search for the others begins.
const HOSTS_MAX: usize = 64;

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    host: Arc<str>,
    port: u16,
    shown: Arc<str>,
}

impl Address {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let shown = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        Self {
            host: host.into(),
            port,
            shown: shown.into(),
        }
    }

    /// `host:port` as servers write it in redirections: the last colon divides, an IPv6 address has no brackets.
    pub(crate) fn of_redirection(text: &str) -> Option<(&str, u16)> {
        let (host, port) = text.rsplit_once(':')?;
        Some((host.trim_matches(['[', ']']), port.parse().ok()?))
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn shown(&self) -> Arc<str> {
        Arc::clone(&self.shown)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// How the servers belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RedisMode)]
pub enum Mode {
    /// One server.
    Standalone,
    /// A primary with replicas, watched by sentinels.
    Sentinel,
    /// Several primaries, each with a part of the slots.
    Cluster,
}

impl Mode {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) mode: Mode,
    pub(crate) tls: bool,
    /// The server; the sentinels; or some nodes of the cluster.
    pub(crate) hosts: Vec<Address>,
    /// How the sentinels call the primary; empty elsewhere.
    pub(crate) master: Arc<str>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<u32>,
}

/// Why a text is no URL of Redis, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadPlace {
    pub(crate) problem: String,
    pub(crate) help: &'static str,
}

const SCHEMES: &str = "write redis://, rediss:// (TLS), redis+sentinel:// or redis+cluster://";
const ONE_HOST: &str = "write \"redis://127.0.0.1:6379\"; for several hosts redis+sentinel:// or redis+cluster://";
const MASTER: &str = "write \"redis+sentinel://host1:26379,host2:26379/mymaster\"";
const ENCODE: &str =
    "write such characters of the user or the password as %XX, or set redis.username and redis.password";
const HOSTS: &str = "write \"host:port\", several divided by commas; IPv6 in brackets";

fn bad<T>(problem: impl Into<String>, help: &'static str) -> Result<T, BadPlace> {
    Err(BadPlace {
        problem: problem.into(),
        help,
    })
}

impl Place {
    pub(crate) fn parse(url: &str) -> Result<Self, BadPlace> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return bad("is no URL", SCHEMES);
        };
        let (mode, tls) = scheme_of(scheme)?;
        if let Some(at) = rest.rfind('@')
            && rest[..at].contains(['/', '?', '#', '@'])
        {
            return bad(
                "holds a character before its last @ that means something else there",
                ENCODE,
            );
        }
        if rest.contains(['?', '#']) {
            return bad("has a query or a fragment", "set everything else by fields of [redis]");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let (username, password) = credentials(user)?;
        let (master, database) = path_of(mode, path)?;
        Ok(Self {
            mode,
            tls,
            hosts: hosts_of(mode, hosts)?,
            master: master.into(),
            username,
            password,
            database,
        })
    }
}

fn scheme_of(scheme: &str) -> Result<(Mode, bool), BadPlace> {
    Ok(match scheme.replace("valkey", "redis").as_str() {
        "redis" => (Mode::Standalone, false),
        "rediss" => (Mode::Standalone, true),
        "redis+sentinel" => (Mode::Sentinel, false),
        "rediss+sentinel" => (Mode::Sentinel, true),
        "redis+cluster" => (Mode::Cluster, false),
        "rediss+cluster" => (Mode::Cluster, true),
        "unix" | "redis+unix" => return bad("names a Unix socket, which is not supported", ONE_HOST),
        "http" | "https" | "tcp" => return bad(format!("begins with {scheme}://"), SCHEMES),
        // Anything else may be the beginning of something that is not to be shown.
        _ => return bad("begins with a scheme that is not known", SCHEMES),
    })
}

fn credentials(user: Option<&str>) -> Result<(Option<String>, Option<Secret>), BadPlace> {
    let Some(user) = user else { return Ok((None, None)) };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => bad("has a user or a password that is no UTF-8", ENCODE),
    };
    let (name, password) = (decode(name)?, decode(password)?);
    if password.is_empty() {
        return bad("has a user without a password", "write user:password@ or :password@");
    }
    Ok(((!name.is_empty()).then_some(name), Some(Secret::new(password))))
}

fn path_of(mode: Mode, path: &str) -> Result<(&str, Option<u32>), BadPlace> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (master, database) = match mode {
        Mode::Sentinel => path.split_once('/').unwrap_or((path, "")),
        Mode::Standalone | Mode::Cluster => ("", path),
    };
    if mode == Mode::Sentinel && master.is_empty() {
        return bad("does not say how the sentinels call the primary", MASTER);
    }
    if database.is_empty() {
        return Ok((master, None));
    }
    match database.parse() {
        Ok(0) => Ok((master, Some(0))),
        Ok(_) if mode == Mode::Cluster => bad("names a database; a cluster has only 0", "leave the path away"),
        Ok(number) => Ok((master, Some(number))),
        Err(_) => bad(
            "has a path that is no number of a database",
            "write \"redis://127.0.0.1:6379/0\"",
        ),
    }
}

fn hosts_of(mode: Mode, text: &str) -> Result<Vec<Address>, BadPlace> {
    let port = match mode {
        Mode::Sentinel => PORT_OF_SENTINELS,
        Mode::Standalone | Mode::Cluster => PORT_OF_SERVERS,
    };
    let hosts: Vec<Address> = text
        .split(',')
        .map(|host| host_of(host, port))
        .collect::<Result<_, _>>()?;
    match hosts.len() {
        1 => Ok(hosts),
        _ if mode == Mode::Standalone => bad("names several hosts", ONE_HOST),
        count if count > HOSTS_MAX => bad(format!("names {count} hosts"), "name at most 64; the others are found"),
        _ => Ok(hosts),
    }
}

fn host_of(text: &str, default: u16) -> Result<Address, BadPlace> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some(""))),
            None => return bad("has a bracket that does not end", HOSTS),
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return bad("has a host that is empty or no name", HOSTS);
    }
    match port.map_or(Ok(default), str::parse) {
        Ok(0) | Err(_) => bad("has a port that is no number from 1 to 65535", HOSTS),
        Ok(port) => Ok(Address::new(host, port)),
    }
}

#[cfg(test)]
mod tests;
