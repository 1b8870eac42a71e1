//! Making a connection: TCP, TLS, `HELLO 3` with user and password, `SELECT`, `CLIENT SETNAME`, and the server's role. All of it
//! within `redis.connect_timeout`; a server that answers so much is one that answers.
//!
//! Reasons for a failure are words of our own wherever the server's own might repeat what it was sent: an old server lists the
//! arguments of a command that it does not know, and one of them is the password.

use crate::Parts;
use crate::config::RedisConfig;
use crate::place::{Address, Place};
use crate::reply::Reply;
use crate::tls;
use crate::wire::{Ask, Duplex, Heard, NoReply, Wire, end};
use peregrine_base::{Complaint, Secret};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError,
    ServerErrorKind,
};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

/// Requests that may lie between those who ask and the one who writes; more wait there, within their own limit.
const QUEUE_MAX: usize = 512;
/// A peer that acknowledges nothing for so long is gone, whatever TCP hopes.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);
/// How long a connection may say nothing before TCP itself asks.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What the server at the other end is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A primary; a replica is refused. `known`: not to be told is not to be one.
    Primary { known: bool },
    /// A replica that serves reads; of a cluster it has to be told so.
    Replica { cluster: bool },
    /// Any node of a cluster: one asks it only about the cluster.
    Node,
    /// A sentinel.
    Sentinel,
}

/// What is done with what a server says unasked.
pub(crate) type Pushed = Box<dyn Fn(PushInfo) + Send + Sync>;

/// Makes connections.
pub(crate) struct Dialer {
    connector: Option<TlsConnector>,
    username: Option<String>,
    password: Option<Secret>,
    sentinel_username: Option<String>,
    sentinel_password: Option<Secret>,
    database: i64,
    client_name: String,
    connect_limit: Duration,
    pub(crate) operation_limit: Duration,
    pub(crate) parts: Parts,
}

impl Dialer {
    pub(crate) fn new(config: &RedisConfig, place: &Place, parts: Parts) -> Result<Self, Vec<Complaint>> {
        Ok(Self {
            connector: place.tls.then(|| tls::connector(&config.tls)).transpose()?,
            username: place.username.clone().or_else(|| config.username.clone()),
            password: place.password.clone().or_else(|| config.password.clone()),
            sentinel_username: config.sentinel_username.clone(),
            sentinel_password: config.sentinel_password.clone(),
            database: i64::from(place.database.or(config.database).unwrap_or(0)),
            client_name: config.client_name.clone(),
            connect_limit: config.connect_timeout.get(),
            operation_limit: config.operation_timeout.get(),
            parts,
        })
    }

    /// A connection to `address`, or why there is none.
    pub(crate) async fn dial(&self, address: &Address, role: Role, pushed: Option<Pushed>) -> Result<Wire, Arc<str>> {
        tokio::select! {
            biased;
            wire = Box::pin(self.connect(address, role, pushed)) => wire,
            () = self.parts.runtime.sleep(self.connect_limit) => {
                Err(format!("did not answer within {:?} of connecting", self.connect_limit).into())
            }
        }
    }

    async fn connect(&self, address: &Address, role: Role, pushed: Option<Pushed>) -> Result<Wire, Arc<str>> {
        let stream = self.stream(address).await?;
        let (stream, heard) = Heard::new(stream, Arc::clone(&self.parts.clock));
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE_MAX);
        if let Some(pushed) = pushed {
            config = config.set_push_sender(move |info: PushInfo| -> Result<(), ()> {
                pushed(info);
                Ok(())
            });
        }
        let (connection, driver) = MultiplexedConnection::new_with_config(&self.hello(role), stream, config)
            .await
            .map_err(|error| refusal(&error))?;
        let ended = Arc::new(watch::Sender::new(None));
        let told = Arc::clone(&ended);
        self.parts.runtime.spawn(Box::pin(async move {
            let mut close = told.subscribe();
            tokio::select! {
                () = driver => {}
                _ = close.wait_for(Option::is_some) => {}
            }
            end(&told, "the server closed the connection");
        }));
        let mut wire = Wire::new(connection, ended, heard);
        wire.replicas = self.introduce(&wire, address, role).await?;
        Ok(wire)
    }

    async fn stream(&self, address: &Address) -> Result<Box<dyn Duplex>, Arc<str>> {
        let tcp = TcpStream::connect((address.host(), address.port()))
            .await
            .map_err(|error| format!("cannot be connected to: {error}"))?;
        let tune = |tcp: &TcpStream| {
            let socket = socket2::SockRef::from(tcp);
            socket.set_tcp_nodelay(true)?;
            #[cfg(target_os = "linux")]
            socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
            socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE))
        };
        tune(&tcp).map_err(|error| format!("has a socket that cannot be set up: {error}"))?;
        let Some(connector) = &self.connector else {
            return Ok(Box::new(tcp));
        };
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|_| "has a name that no certificate can be for".to_owned())?;
        match connector.connect(name, tcp).await {
            Ok(tls) => Ok(Box::new(tls)),
            Err(error) => Err(format!("failed in TLS: {error}").into()),
        }
    }

    /// What the library says first.
    fn hello(&self, role: Role) -> RedisConnectionInfo {
        let (username, password, database) = match role {
            Role::Sentinel => (&self.sentinel_username, &self.sentinel_password, 0),
            _ => (&self.username, &self.password, self.database),
        };
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(database);
        if let Some(username) = username {
            info = info.set_username(username);
        }
        if let Some(password) = password {
            info = info.set_password(password.expose());
        }
        info
    }

    /// Names the connection and asks for the server's role; tells how many replicas it has.
    async fn introduce(&self, wire: &Wire, address: &Address, role: Role) -> Result<u32, Arc<str>> {
        let mut first = Pipeline::new();
        first.cmd("CLIENT").arg("SETNAME").arg(&self.client_name);
        match role {
            Role::Primary { .. } => {
                first.cmd("ROLE");
            }
            Role::Replica { cluster: true } => {
                first.cmd("READONLY");
            }
            Role::Replica { cluster: false } | Role::Node | Role::Sentinel => {
                first.cmd("PING");
            }
        }
        let value = match wire.ask(Ask::Many(&first), self.operation_limit, &self.parts).await {
            Ok(value) => value,
            Err(NoReply::Lost(why)) => return Err(why),
            Err(NoReply::TimedOut { .. }) => {
                return Err(format!("did not answer within {:?}", self.operation_limit).into());
            }
        };
        let redis::Value::Array(mut values) = value else {
            return Err("answered something else than was asked".into());
        };
        let last = values.pop().unwrap_or_default();
        let reply = Reply::from_value(last, address);
        match (role, reply) {
            (Role::Primary { .. }, Ok(reply)) => primary(&reply),
            // Without the right to ask for the role one can still use the server; where sentinels name it, they may be wrong.
            (Role::Primary { known: false } | Role::Sentinel | Role::Node, _) | (_, Ok(_)) => Ok(0),
            (_, Err(error)) => Err(error.to_string().into()),
        }
    }
}

/// Whether a reply to `ROLE` is that of a primary, and of how many replicas.
fn primary(reply: &Reply) -> Result<u32, Arc<str>> {
    let parts = reply.array().unwrap_or_default();
    match parts.first().and_then(Reply::text) {
        Some("master") => {
            let replicas = parts.get(2).and_then(Reply::array).unwrap_or_default().len();
            Ok(u32::try_from(replicas).unwrap_or(u32::MAX))
        }
        Some("slave") => Err("is a replica, not a primary".into()),
        Some("sentinel") => Err("is a sentinel: write redis+sentinel://host/name in redis.url".into()),
        _ => Err("does not say what it is".into()),
    }
}

/// Why a server does not want us, in words that repeat nothing of what it was sent.
fn refusal(error: &RedisError) -> Arc<str> {
    match error.kind() {
        ErrorKind::RESP3NotSupported => "is too old: Redis 7.0 or Valkey is needed".into(),
        ErrorKind::AuthenticationFailed => "refuses the user or the password".into(),
        ErrorKind::Server(ServerErrorKind::NoPerm) => "gives the user too few rights".into(),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "is still loading its data".into(),
        ErrorKind::Server(_) | ErrorKind::Extension => match error.code() {
            Some("WRONGPASS") => "refuses the user or the password".into(),
            Some("NOAUTH") => "wants a password".into(),
            Some("ERR") if error.to_string().contains("switch database") => "has no database of that number".into(),
            Some(code) => format!("refuses the connection: {code}").into(),
            None => "refuses the connection".into(),
        },
        ErrorKind::Parse => "speaks another protocol".into(),
        // What the socket says, or TLS, whose refusals of a certificate come this late.
        ErrorKind::Io => format!("closed the connection at once: {error}").into(),
        _ => "closed the connection at once".into(),
    }
}
