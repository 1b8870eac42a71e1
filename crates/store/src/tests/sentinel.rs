//! A primary, a replica, three sentinels.

use super::*;
use crate::{Mode, ReadFrom, Script};
use peregrine_test_servers::{RedisServer, SentinelSet};

static COUNT: Script = Script::new("return redis.call('INCR', KEYS[1])");

/// Runs what blocks beside a writer that goes on; what the writer got.
async fn meanwhile(redis: &Arc<Redis>, harm: impl FnOnce() + Send + 'static) -> Vec<Result<(), StoreError>> {
    let harm = tokio::task::spawn_blocking(harm);
    let mut results = Vec::new();
    while !harm.is_finished() {
        results.push(redis.set(b"traffic", b"v", PATIENCE).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    harm.await.unwrap();
    results
}

fn primary(redis: &Redis) -> String {
    redis.status().primary.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_in_the_middle_of_traffic() {
    let set = Arc::new(SentinelSet::start());
    let redis = connected(&config(&set.url())).await;
    assert_eq!(redis.status().mode, Mode::Sentinel);
    let old = set.primary().address().to_string();
    assert_eq!(primary(&redis), old);
    let mut nudges = redis.nudges(b"c");
    let mut control = redis.control(b"n");
    reconnected(&mut nudges).await;
    let done = control
        .script_and_wait(&COUNT, &[b"n"], &[], 1, PATIENCE)
        .await
        .unwrap();
    assert_eq!((done.reply.int(), done.replicas), (Some(1), 1));

    let harmed = Arc::clone(&set);
    let results = meanwhile(&redis, move || harmed.failover()).await;
    assert!(results.iter().any(Result::is_ok), "traffic went on");
    let new = set.primary().address().to_string();
    assert_ne!(new, old);
    until("the new primary is followed", || async {
        primary(&redis) == new && redis.is_up()
    })
    .await;
    assert_eq!(redis.status().failovers, 1);
    redis.set(b"after", b"v", PATIENCE).await.unwrap();
    assert_eq!(set.primary().ask(&["GET", "after"]).text(), "v");

    soon("the control follows", async {
        loop {
            let done = control.script_and_wait(&COUNT, &[b"n"], &[], 1, PATIENCE).await;
            if done.is_ok_and(|done| done.replicas == 1 && done.reply.int() > Some(1)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    heard(set.primary(), &mut nudges, "c", "new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_stops_is_left_and_not_gone_back_to() {
    let set = SentinelSet::start();
    let mut hasty = config(&set.url());
    hasty.operation_timeout = Span::new(Duration::from_millis(300));
    hasty.connect_timeout = Span::new(Duration::from_secs(2));
    let redis = connected(&hasty).await;
    let (old, new) = (set.primary(), set.replica());
    old.freeze();
    until("the replica is promoted and followed", || async {
        primary(&redis) == new.address().to_string() && redis.set(b"k", b"new", PATIENCE).await.is_ok()
    })
    .await;
    old.thaw();
    until("the old primary is a replica", || async { old.info("role") == "slave" }).await;
    assert_eq!(primary(&redis), new.address().to_string());
    until("values are read", || async {
        redis.get(b"k").await.is_ok_and(|value| value.is_some())
    })
    .await;
    assert_eq!(redis.status().failovers, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_from_replicas_while_there_are_some() {
    let set = SentinelSet::start();
    let mut config = config(&set.url());
    config.read_from = ReadFrom::Replica;
    let redis = connected(&config).await;
    until("the replica is connected to", || async {
        let nodes = redis.status().nodes;
        nodes.iter().any(|node| node.role == "replica" && node.connections > 0)
    })
    .await;
    redis.set(b"k", b"v", PATIENCE).await.unwrap();
    until("the replica has it", || async {
        redis.get(b"k").await.unwrap().is_some()
    })
    .await;
    assert_eq!(redis.mget(&[Bytes::from("k")]).await.unwrap(), [Some(Bytes::from("v"))]);
    let (primary, replica) = (set.primary(), set.replica());
    assert_eq!(
        (primary.calls("get"), primary.calls("mget"), replica.calls("mget")),
        (0, 0, 1)
    );
    assert_eq!(redis.get_from(b"k", ReadFrom::Primary).await.unwrap().unwrap(), "v");
    assert_eq!(primary.calls("get"), 1);

    replica.kill();
    for _ in 0..50 {
        // Whatever the replica's connections are just doing.
        assert_eq!(redis.get(b"k").await.unwrap().unwrap(), "v");
        assert_eq!(redis.mget(&[Bytes::from("k")]).await.unwrap(), [Some(Bytes::from("v"))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let set = SentinelSet::start();
    let unknown = begin(&config(&set.url().replace("/mymaster", "/other")));
    let fault = |redis: &Arc<Redis>| redis.status().fault.unwrap_or_default();
    until("the name is not known", || async {
        fault(&unknown).contains("knows no primary by the name \"other\"")
    })
    .await;
    assert!(is_away(&unknown.get(b"k").await.unwrap_err()));

    let replica: &RedisServer = set.replica();
    let wrong = begin(&config(&replica.url()));
    until("a replica is no primary", || async {
        fault(&wrong).contains("is a replica")
    })
    .await;
    assert!(is_away(&wrong.set(b"k", b"v", PATIENCE).await.unwrap_err()));

    let sentinel = begin(&config(&set.sentinels()[0].url()));
    until("a sentinel is no server", || async {
        fault(&sentinel).contains("redis+sentinel://")
    })
    .await;
}
