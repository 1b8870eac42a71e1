//! A primary, its replica, and three sentinels that watch them.

use crate::redis::{RedisServer, program};
use crate::resp::Said;
use crate::tls::{self, TlsFiles};
use crate::wait::until;

/// What the sentinels call the primary.
const NAME: &str = "mymaster";

/// How long a primary must be silent before a sentinel calls it down, in milliseconds: long for a busy machine, short for a
/// test.
const DOWN_AFTER_MS: u32 = 1500;

/// Two servers and three sentinels.
pub struct SentinelSet {
    servers: [RedisServer; 2],
    sentinels: Vec<RedisServer>,
}

impl SentinelSet {
    /// Starts all five; the sentinels know each other and the replica when this returns.
    pub fn start() -> Self {
        Self::around(RedisServer::start(&[]), |text| {
            RedisServer::launch(program(), &[], &[("sentinel.conf", text)], None, None)
        })
    }

    /// The same, and all of them speak TLS with clients and with each other.
    pub fn start_tls() -> Self {
        let (authority, by_tls) = (tls::make(), ["--tls-replication", "yes"]);
        Self::around(RedisServer::start_tls_by(&authority, &by_tls), |text| {
            RedisServer::launch(program(), &by_tls, &[("sentinel.conf", text)], None, Some(&authority))
        })
    }

    fn around(primary: RedisServer, sentinel: impl Fn(&str) -> RedisServer) -> Self {
        // Before the sentinels: they learn of replicas when they first look, and then only every ten seconds.
        let replica = RedisServer::start_replica_of(&primary);
        let port = primary.port();
        let text = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {NAME} 5000\n"
        );
        let sentinels = (0..3).map(|_| sentinel(&text)).collect();
        let set = Self {
            servers: [primary, replica],
            sentinels,
        };
        until("three sentinels that know each other and the replica", || {
            set.sentinels.iter().all(|sentinel| {
                let known = |field: &str| field_of(sentinel, field);
                known("num-other-sentinels") == "2" && known("num-slaves") == "1" && known("flags") == "master"
            })
        });
        set
    }

    /// The name of the primary at the sentinels.
    pub fn name(&self) -> &str {
        NAME
    }

    /// The URL of all three sentinels.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.sentinels.iter().map(|one| one.address().to_string()).collect();
        let scheme = if self.tls().is_some() { "rediss" } else { "redis" };
        format!("{scheme}+sentinel://{}/{NAME}", addresses.join(","))
    }

    /// The files of a client of a set with TLS.
    pub fn tls(&self) -> Option<&TlsFiles> {
        self.servers[0].tls()
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The primary as the first sentinel sees it.
    pub fn primary(&self) -> &RedisServer {
        let port = primary_port(&self.sentinels[0]);
        let found = self.servers.iter().find(|server| server.port() == port);
        found.expect("the sentinels know no other server")
    }

    /// The other one.
    pub fn replica(&self) -> &RedisServer {
        let primary = self.primary().port();
        let found = self.servers.iter().find(|server| server.port() != primary);
        found.expect("there are two servers")
    }

    /// Has the sentinels promote the replica. When this returns all of them say so and the old primary follows the new one.
    pub fn failover(&self) {
        let (old, new) = (self.primary(), self.replica());
        until("a sentinel that begins the failover", || {
            let begun = self.sentinels[0].ask(&["SENTINEL", "FAILOVER", NAME]);
            // It refuses while another failover is just over.
            !matches!(begun, Said::Error(_)) || primary_port(&self.sentinels[0]) == new.port()
        });
        until("the failover", || {
            let agreed = self
                .sentinels
                .iter()
                .all(|sentinel| primary_port(sentinel) == new.port());
            agreed && new.info("role") == "master" && old.info("master_link_status") == "up"
        });
    }
}

/// The port of the primary as a sentinel sees it.
fn primary_port(sentinel: &RedisServer) -> u16 {
    let address = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).list();
    address[1].text().parse().unwrap()
}

/// A field of what a sentinel knows of the primary.
fn field_of(sentinel: &RedisServer, name: &str) -> String {
    let fields = sentinel.ask(&["SENTINEL", "MASTER", NAME]).list();
    let found = fields.chunks(2).find(|pair| pair[0].text() == name);
    found.map(|pair| pair[1].text()).unwrap_or_default()
}
