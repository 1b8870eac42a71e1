//! A server is there when it says so, keeps its port through its deaths, and does what the other parts rely on.

use super::*;
use crate::{Proxy, RedisCluster, SentinelSet};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn comes_back_empty_on_the_same_port() {
    let server = RedisServer::start(&["--maxmemory", "8mb"]);
    assert_eq!(server.ask(&["SET", "a", "some text"]).text(), "OK");
    assert_eq!(server.calls("set"), 1);
    assert_eq!(server.info("maxmemory"), (8 << 20).to_string());
    assert!(String::from_utf8_lossy(&server.dump()).contains("some text"));
    let port = server.port();
    server.kill();
    assert!(server.try_ask(&["PING"]).is_err());
    server.restart_empty();
    assert_eq!((server.port(), server.ask(&["GET", "a"])), (port, Said::Nil));
}

#[test]
fn many_start_at_once() {
    let servers: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..8).map(|_| scope.spawn(|| RedisServer::start(&[]))).collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (number, server) in servers.iter().enumerate() {
        server.ask(&["SET", "number", &number.to_string()]);
    }
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(server.ask(&["GET", "number"]).text(), number.to_string());
    }
}

#[test]
fn freezes_and_ends_frozen() {
    let server = RedisServer::start(&[]);
    server.freeze();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let silent = stream.read(&mut [0; 16]).unwrap_err();
    assert!(matches!(silent.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    server.thaw();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), "+PONG\r\n".len());
    server.freeze(); // it ends all the same
}

#[test]
fn lets_only_its_user_in() {
    let server = RedisServer::start_secured("peregrine", "a-secret");
    assert_eq!(server.ask(&["ACL", "WHOAMI"]).text(), "peregrine");
    let said = Connection::open(server.address()).unwrap().ask(&[b"PING"]).unwrap();
    assert!(matches!(said, Said::Error(refusal) if refusal.starts_with("NOAUTH")));
}

#[test]
fn speaks_tls_beside_a_plain_port_of_the_tests() {
    let server = RedisServer::start_tls();
    assert!(server.url().starts_with("rediss://localhost:"));
    assert_eq!(server.ask(&["PING"]).text(), "PONG");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"+PONG"), "a plain client is not understood");
}

#[test]
fn a_replica_follows() {
    let primary = RedisServer::start(&[]);
    let replica = RedisServer::start_replica_of(&primary);
    primary.ask(&["SET", "a", "1"]);
    until("the write to arrive", || replica.ask(&["GET", "a"]).text() == "1");
}

#[test]
fn sentinels_promote_the_replica_and_go_back() {
    let set = SentinelSet::start();
    let (first, second) = (set.primary().port(), set.replica().port());
    set.failover();
    assert_eq!((set.primary().port(), set.replica().port()), (second, first));
    set.primary().kill();
    until("the sentinels to notice a death", || {
        set.primary().port() == first && set.primary().info("role") == "master"
    });
}

#[test]
fn a_cluster_survives_a_failover_and_moves_a_slot() {
    let cluster = RedisCluster::start();
    let first = cluster.primary_of("a").port();
    cluster.primary_of("a").ask(&["SET", "a", "1"]);
    cluster.failover("a");
    let second = cluster.primary_of("a").port();
    assert_ne!(first, second);
    assert_eq!(cluster.replica_of("a").port(), first);
    assert_eq!(cluster.primary_of("a").ask(&["GET", "a"]).text(), "1");
    cluster.move_slot("a");
    assert!(![first, second].contains(&cluster.primary_of("a").port()));
    assert_eq!(cluster.primary_of("a").ask(&["GET", "a"]).text(), "1");
}

#[test]
fn a_proxy_stands_before_it() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address());
    let mut connection = Connection::open(proxy.address()).unwrap();
    assert_eq!(connection.ask(&[b"PING"]).unwrap().text(), "PONG");
    proxy.cut();
    assert!(connection.ask(&[b"PING"]).is_err());
}
