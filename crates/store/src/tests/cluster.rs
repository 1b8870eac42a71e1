//! A cluster of six.

use super::*;
use crate::slot::slot_of;
use crate::{Mode, ReadFrom, Script};
use peregrine_test_servers::{RedisCluster, RedisServer};
use std::sync::atomic::{AtomicBool, Ordering};

static COUNT: Script = Script::new("return redis.call('INCR', KEYS[1])");

fn values(keys: &[Bytes]) -> Vec<Option<Bytes>> {
    keys.iter().map(|key| Some(key.clone())).collect()
}

async fn fill(redis: &Redis, keys: &[Bytes]) {
    for key in keys {
        redis.set(key, key, PATIENCE).await.unwrap();
    }
}

fn reads(server: &RedisServer) -> u64 {
    server.info("total_reads_processed").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_find_their_nodes_in_one_round_trip_each_and_slots_are_followed() {
    let cluster = Arc::new(RedisCluster::start());
    let redis = connected(&config(&cluster.url())).await;
    assert_eq!((redis.status().mode, redis.replicas()), (Mode::Cluster, 1));
    assert_eq!(redis.status().nodes.len(), 3);
    let keys = keys(1000);
    fill(&redis, &keys).await;

    let primaries: Vec<&RedisServer> = cluster.nodes().iter().take(3).collect();
    let before: Vec<u64> = primaries.iter().map(|node| reads(node)).collect();
    assert_eq!(redis.mget(&keys).await.unwrap(), values(&keys));
    assert_eq!(redis.status().redirects, 0);
    for (node, before) in primaries.iter().zip(before) {
        // About 333 keys are here. Asked for one by one they would be as many reads. A few are of replicas and of these looks.
        let gets = node.calls("get");
        let more = reads(node) - before;
        assert!(gets > 200 && more < 100, "{gets} commands in {more} reads");
    }
    a_wrong_map_is_mended(&redis, &keys).await;
    assert_eq!(redis.delete(&keys).await.unwrap(), 1000);
    assert_eq!(redis.mget(&keys).await.unwrap(), vec![None; 1000]);

    slots_are_followed(&cluster, &redis).await;
}

/// Nodes send elsewhere what they do not own.
async fn a_wrong_map_is_mended(redis: &Redis, keys: &[Bytes]) {
    let ports: Vec<u16> = redis
        .core
        .atlas
        .map()
        .primaries()
        .map(|node| node.address.port())
        .collect();
    for round in 0..12 {
        for (number, key) in keys.iter().take(30).enumerate() {
            redis
                .core
                .atlas
                .moved(slot_of(key), "127.0.0.1", ports[(round + number) % 3]);
        }
        assert_eq!(redis.mget(&keys[..30]).await.unwrap(), values(&keys[..30]));
        redis.core.atlas.moved(slot_of(&keys[0]), "127.0.0.1", ports[round % 3]);
        assert_eq!(redis.get(&keys[0]).await.unwrap().as_ref(), Some(&keys[0]));
    }
}

async fn slots_are_followed(cluster: &Arc<RedisCluster>, redis: &Arc<Redis>) {
    let tagged: Vec<Bytes> = (0..300)
        .map(|number| Bytes::from(format!("{{pg:0}}{number}")))
        .collect();
    fill(redis, &tagged).await;
    let mut control = redis.control(b"{pg:0}n");
    let mut nudges = redis.nudges(b"{pg:0}c");
    reconnected(&mut nudges).await;
    let done = control
        .script_and_wait(&COUNT, &[b"{pg:0}n"], &[], 1, PATIENCE)
        .await
        .unwrap();
    assert_eq!((done.reply.int(), done.replicas), (Some(1), 1));

    let old = cluster.primary_of("{pg:0}").port();
    let moved = Arc::clone(cluster);
    let move_slot = tokio::task::spawn_blocking(move || moved.move_slot("{pg:0}"));
    let mut rounds = 0_i64;
    // At least one round after the move.
    let mut over = false;
    while !over {
        over = move_slot.is_finished();
        assert_eq!(
            redis.mget(&tagged).await.unwrap(),
            values(&tagged),
            "nothing is missing while a slot moves"
        );
        assert_eq!(redis.get(&tagged[0]).await.unwrap().as_ref(), Some(&tagged[0]));
        rounds += 1;
        let done = control
            .script_and_wait(&COUNT, &[b"{pg:0}n"], &[], 0, Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(done.reply.int(), Some(1 + rounds), "each ran once");
    }
    move_slot.await.unwrap();
    let new = cluster.primary_of("{pg:0}");
    assert_ne!(new.port(), old);
    assert!(redis.status().redirects > 0);
    let done = control
        .script_and_wait(&COUNT, &[b"{pg:0}n"], &[], 1, PATIENCE)
        .await
        .unwrap();
    assert_eq!(done.replicas, 1, "of the new owner");

    let subscribed = || async { new.ask(&["PUBSUB", "SHARDNUMSUB", "{pg:0}c"]).list()[1].int() == 1 };
    until("the subscription follows its slot", subscribed).await;
    reconnected(&mut nudges).await;
    new.ask(&["SPUBLISH", "{pg:0}c", "moved"]);
    assert_eq!(message(&mut nudges).await, "moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_and_replicas_serve_reads() {
    let cluster = Arc::new(RedisCluster::start());
    let redis = connected(&config(&cluster.url())).await;
    let keys = keys(60);
    fill(&redis, &keys).await;
    let mut nudges = redis.nudges(b"{key:1}c");
    reconnected(&mut nudges).await;

    // A failover that is asked for: refusals for a moment, no wrong value.
    let over = Arc::new(AtomicBool::new(false));
    let (harmed, told) = (Arc::clone(&cluster), Arc::clone(&over));
    let failover = tokio::task::spawn_blocking(move || {
        harmed.failover("key:1");
        told.store(true, Ordering::SeqCst);
    });
    while !over.load(Ordering::SeqCst) && !failover.is_finished() {
        for key in &keys {
            if let Ok(value) = redis.get(key).await {
                assert_eq!(value.as_ref(), Some(key));
            }
        }
    }
    failover.await.unwrap();
    let new = cluster.primary_of("key:1").address().to_string();
    until("the new primary is followed", || async {
        let status = redis.status();
        status.failovers == 1 && status.state == State::Up && status.nodes.iter().any(|node| node.address == new)
    })
    .await;
    assert_eq!(redis.mget(&keys).await.unwrap(), values(&keys));

    let new = cluster.primary_of("key:1");
    until("the subscription follows the primary", || async {
        new.ask(&["PUBSUB", "SHARDNUMSUB", "{key:1}c"]).list()[1].int() == 1
    })
    .await;

    replicas_serve_reads(&cluster, &keys).await;
    a_primary_dies(&cluster, &redis, &keys).await;
}

async fn replicas_serve_reads(cluster: &RedisCluster, keys: &[Bytes]) {
    let mut config = config(&cluster.url());
    config.read_from = ReadFrom::Replica;
    let redis = connected(&config).await;
    until("three replicas are connected to", || async {
        let nodes = redis.status().nodes;
        let replicas = nodes
            .iter()
            .filter(|node| node.role == "replica" && node.connections > 0);
        replicas.count() == 3
    })
    .await;
    let replica = cluster.replica_of("key:1");
    let (primary, before) = (cluster.primary_of("key:1"), replica.calls("get"));
    let untouched = primary.calls("get");
    assert_eq!(redis.mget(keys).await.unwrap(), values(keys));
    assert!(replica.calls("get") > before);
    assert_eq!(primary.calls("get"), untouched);
}

async fn a_primary_dies(cluster: &RedisCluster, redis: &Arc<Redis>, keys: &[Bytes]) {
    let survivor = cluster.replica_of("key:1").port();
    cluster.primary_of("key:1").kill();
    until("what the others have is read", || async {
        redis.status().state == State::Partly || redis.status().failovers > 1
    })
    .await;
    let read = redis.mget(keys).await.unwrap();
    assert!(read.iter().any(Option::is_some));
    until("the replica takes over and is followed", || async {
        let nodes = redis.status().nodes;
        let followed = nodes.iter().any(|node| node.address.ends_with(&format!(":{survivor}")));
        followed && redis.get(b"key:1").await.is_ok_and(|value| value.is_some())
    })
    .await;
    // A redirection tells of one slot; the others are known with the next look at the whole.
    until("every key is read again", || async {
        redis.mget(keys).await.is_ok_and(|read| read == values(keys))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_alone_is_no_cluster() {
    let server = RedisServer::start(&[]);
    let redis = begin(&config(&server.url().replace("redis://", "redis+cluster://")));
    until("it is said", || async {
        redis
            .status()
            .fault
            .is_some_and(|fault| fault.contains("is no cluster"))
    })
    .await;
    assert!(is_away(&redis.get(b"k").await.unwrap_err()));
}
