//! Users, passwords, databases, TLS.

use super::*;
use crate::{Reply, Script};
use peregrine_base::Secret;
use peregrine_test_servers::{RedisCluster, RedisServer, SentinelSet, TlsFiles};

async fn fault(redis: &Redis, words: &str) -> String {
    until(words, || async {
        redis.status().fault.is_some_and(|fault| fault.contains(words))
    })
    .await;
    format!("{:?} {:?}", redis.status(), redis.get(b"k").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acl_user_is_let_in_and_a_wrong_password_is_not_shown() {
    let server = RedisServer::start_secured("cache", "hunter2");
    let redis = connected(&config(&server.url())).await;
    redis.set(b"k", b"v", PATIENCE).await.unwrap();

    let plain = format!("redis://127.0.0.1:{}", server.port());
    let mut given = config(&plain);
    given.username = Some("cache".into());
    given.password = Some(Secret::new("hunter2"));
    let by_fields = connected(&given).await;
    assert_eq!(by_fields.get(b"k").await.unwrap().unwrap(), "v");

    let wrong = begin(&config(&format!("redis://cache:hunter3@127.0.0.1:{}", server.port())));
    let shown = fault(&wrong, "refuses the user or the password").await;
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(is_away(&wrong.get(b"k").await.unwrap_err()));
    let nobody = begin(&config(&plain));
    fault(&nobody, "wants a password").await;

    server.ask(&["ACL", "SETUSER", "cache", "-@write"]);
    let refused = redis.set(b"k", b"w", PATIENCE).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Refused { code, .. } if &**code == "NOPERM"),
        "{refused:?}"
    );
    assert_eq!(
        redis.get(b"k").await.unwrap().unwrap(),
        "v",
        "what is allowed still works"
    );
}

/// The rules that the page about Redis shows are enough.
#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_documentation_can_do_what_is_done_here() {
    const PAGE: &str = include_str!("../../../../docs/concepts/redis.md");
    let rules = PAGE.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    let server = RedisServer::start(&[]);
    assert_eq!(server.ask(&rules.split(' ').collect::<Vec<_>>()).text(), "OK");
    let url = format!("redis://cache:secret@127.0.0.1:{}", server.port());
    let redis = connected(&config(&url)).await;
    redis.set(b"pg:v:1", b"v", PATIENCE).await.unwrap();
    assert_eq!(redis.get(b"pg:v:1").await.unwrap().unwrap(), "v");
    let keys = [Bytes::from("pg:v:1"), Bytes::from("pg:l:1")];
    assert_eq!(redis.mget(&keys).await.unwrap(), [Some(Bytes::from("v")), None]);
    assert_eq!(redis.delete(&keys).await.unwrap(), 1);

    let mut nudges = redis.nudges(b"{pg:0}c");
    reconnected(&mut nudges).await;
    let mut control = redis.control(b"{pg:0}m");
    let done = control
        .script_and_wait(&NUDGE, &[b"{pg:0}m"], &[b"{pg:0}c"], 1, Duration::from_millis(1))
        .await;
    assert_eq!(done.unwrap().reply, Reply::Int(1));
    assert_eq!(message(&mut nudges).await, "said");
    assert_eq!(control.replicas().await.unwrap(), 0);
    let other = redis.get(b"other").await.unwrap_err();
    assert!(
        matches!(&other, StoreError::Refused { code, .. } if &**code == "NOPERM"),
        "{other:?}"
    );
}

static NUDGE: Script = Script::new(
    "redis.call('HSET', KEYS[1], 'at', redis.call('TIME')[1])
    redis.call('ZADD', '{pg:0}z', 1, 'one')
    return redis.call('SPUBLISH', ARGV[1], 'said')",
);

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_name_are_those_of_the_configuration() {
    let server = RedisServer::start(&[]);
    let mut config = config(&format!("{}/3", server.url()));
    config.client_name = "tests".into();
    let redis = connected(&config).await;
    redis.set(b"k", b"v", PATIENCE).await.unwrap();
    assert!(server.info("db3").contains("keys=1"), "{}", server.info("db3"));
    assert!(server.ask(&["CLIENT", "LIST"]).text().contains("name=tests "));

    let none = begin(&self::config(&format!("{}/99", server.url())));
    fault(&none, "no database of that number").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_an_authority_and_a_certificate_of_ones_own() {
    let server = RedisServer::start_tls();
    let files = server.tls().unwrap();
    let mut trusting = config(&server.url());
    trusting.tls.ca = Some(files.ca.clone());
    let redis = connected(&trusting).await;
    redis.set(b"k", b"v", PATIENCE).await.unwrap();
    assert_eq!(redis.get(b"k").await.unwrap().unwrap(), "v");

    let mut wrong_name = trusting.clone();
    wrong_name.url = Some(Secret::new(format!("rediss://127.0.0.2:{}", server.port())));
    let stranger = begin(&wrong_name);
    until("it is not trusted under another name", || async {
        redis_fault(&stranger).contains("failed in TLS") || redis_fault(&stranger).contains("cannot be connected")
    })
    .await;

    server.ask(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
    let nobody = begin(&trusting);
    let mut known = trusting.clone();
    known.tls.certificate = Some(files.certificate.clone());
    known.tls.key = Some(files.key.clone());
    let known = connected(&known).await;
    assert_eq!(known.get(b"k").await.unwrap().unwrap(), "v");
    until("who shows no certificate is told", || async {
        !redis_fault(&nobody).is_empty()
    })
    .await;
    assert!(!nobody.is_up());
}

fn trusting(url: &str, files: Option<&TlsFiles>) -> RedisConfig {
    let mut config = config(url);
    config.tls.ca = files.map(|files| files.ca.clone());
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_their_servers_are_spoken_to_by_tls() {
    let set = SentinelSet::start_tls();
    assert!(set.url().starts_with("rediss+sentinel://"));
    let redis = connected(&trusting(&set.url(), set.tls())).await;
    redis.set(b"k", b"before", PATIENCE).await.unwrap();
    let new = set.replica().address().to_string();
    set.failover();
    until("the new primary is followed", || async {
        redis.status().primary == Some(new.clone()) && redis.set(b"k", b"after", PATIENCE).await.is_ok()
    })
    .await;
    assert_eq!(set.primary().ask(&["GET", "k"]).text(), "after");
    let stranger = begin(&config(&set.url()));
    until("nobody is trusted whose authority is not known", || async {
        !redis_fault(&stranger).is_empty()
    })
    .await;
    assert!(is_away(&stranger.get(b"k").await.unwrap_err()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_of_a_cluster_are_spoken_to_by_tls() {
    let cluster = RedisCluster::start_tls();
    assert!(cluster.url().starts_with("rediss+cluster://"));
    let redis = connected(&trusting(&cluster.url(), cluster.tls())).await;
    let keys = keys(30);
    for key in &keys {
        redis.set(key, key, PATIENCE).await.unwrap();
    }
    assert_eq!(
        redis.mget(&keys).await.unwrap(),
        keys.iter().cloned().map(Some).collect::<Vec<_>>()
    );
    let ports: Vec<u16> = cluster.nodes().iter().map(RedisServer::port).collect();
    let status = redis.status();
    let known = |address: &str| ports.iter().any(|port| address.ends_with(&format!(":{port}")));
    assert!(
        status.nodes.len() >= 3 && status.nodes.iter().all(|node| known(&node.address)),
        "{status:?}"
    );
    cluster.failover("key:0");
    until("the new primary is found", || async {
        redis.set(b"key:0", b"after", PATIENCE).await.is_ok()
    })
    .await;
    assert_eq!(cluster.primary_of("key:0").ask(&["GET", "key:0"]).text(), "after");
}

fn redis_fault(redis: &Redis) -> String {
    redis.status().fault.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_named() {
    let mut config = config("rediss://localhost:1");
    config.tls.ca = Some("/nowhere/ca.pem".into());
    let complaints = Redis::start(&config, parts()).err().unwrap();
    assert_eq!(complaints[0].field, "tls.ca");
    assert!(complaints[0].problem.contains("/nowhere/ca.pem"));
    let complaints = Redis::start(&RedisConfig::defaults(), parts()).err().unwrap();
    assert_eq!(complaints[0].field, "url");
}
