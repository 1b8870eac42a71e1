//! What Redis keeps of invalidations is lost, emptied, full, or kept by a primary that is none any more, while one of the nodes
//! does not look: each time it learns that it missed something, and nobody gets what was invalidated meanwhile.

use crate::harness::fleet::backplane;
use crate::harness::{Fleet, Peregrine, until};
use peregrine_test_servers::{Proxy, RedisServer, Said};

fn number(node: &Peregrine, pointer: &str) -> u64 {
    backplane(node, pointer).as_u64().unwrap_or(0)
}

/// The number of the last invalidation that Redis knows.
fn last_in(redis: &RedisServer) -> u64 {
    redis.ask(&["HGET", "{pg:0}m", "seq"]).text().parse().unwrap()
}

/// Waits until Redis counts more invalidations than `node` knows of.
fn overtaken(redis: &RedisServer, node: &Peregrine) {
    until("Redis to be ahead of the node", || {
        redis.ask(&["EXISTS", "{pg:0}m"]).int() == 1 && last_in(redis) > number(node, "/shards/0/cursor")
    });
}

/// Waits until `node` knows that there is another history than when it had seen `before` of them.
fn noticed(node: &Peregrine, before: u64) {
    until("the node to notice", || number(node, "/generation_changes") > before);
}

#[test]
fn the_records_are_lost_while_a_node_is_cut_off() {
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.address());
    let fleet = Fleet::start(&[redis.url(), redis.url(), proxy.url()], "");
    let watch = fleet.watch();
    let away = &fleet.nodes[2];
    // All of it, after which they count from the beginning; then the records alone, of which the count tells.
    let losses: [&[&str]; 2] = [&["FLUSHALL"], &["DEL", "{pg:0}z"]];
    for loss in losses {
        let before = number(away, "/generation_changes");
        watch.invalidate_through(&[0, 1]);
        proxy.cut();
        watch.confirm(4); // these are among what is lost
        redis.ask(loss);
        watch.confirm(4);
        overtaken(&redis, away);
        proxy.restore();
        noticed(away, before);
        watch.invalidate_through(&[0, 1, 2]);
        watch.confirm(10);
    }
    fleet.kept_all(watch);
}

#[test]
fn a_full_redis_takes_invalidations_and_no_values() {
    let redis = RedisServer::start(&[]);
    let fleet = Fleet::of(2, &redis.url());
    let watch = fleet.watch();
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(redis.ask(&["SET", "one", "more"]), Said::Error(refusal) if refusal.starts_with("OOM")));
    let refused = |node: &Peregrine| node.metric("peregrine_redis_tier_writes_total", &["outcome=\"failed\""]);
    let before: f64 = fleet.nodes.iter().map(refused).sum();
    watch.confirm(30);
    until("values to be refused", || {
        fleet.nodes.iter().map(refused).sum::<f64>() > before
    });
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    watch.confirm(10);
    fleet.kept_all(watch);
}

/// Makes `follower` a replica of `primary`.
fn follow(follower: &RedisServer, primary: &RedisServer) {
    follower.ask(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    until("the replica to follow", || follower.info("master_link_status") == "up");
}

/// Makes a primary of `replica`.
fn promote(replica: &RedisServer) {
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
}

/// As one does that on purpose: `new` has everything when it takes the place of `old`, to which nobody writes any more.
fn hand_over(old: &RedisServer, new: &RedisServer) {
    until("the nodes to be gone", || {
        !old.ask(&["CLIENT", "LIST"]).text().contains("name=peregrine")
    });
    let port = format!("port={},", new.port());
    let replica = || {
        (0..8)
            .map(|slave| old.info(&format!("slave{slave}")))
            .find(|line| line.contains(&port))
    };
    until("the replica to have everything", || {
        let has = replica().unwrap_or_default();
        let upto = old.info("master_repl_offset");
        has.contains(&format!("offset={upto},"))
    });
    promote(new);
    follow(old, new);
}

/// Leads whoever comes by `proxy` to `server` from now on.
fn lead(proxy: &Proxy, server: &RedisServer) {
    proxy.cut();
    proxy.retarget(server.address());
    proxy.restore();
}

#[test]
fn a_primary_is_stopped_deposed_goes_on_and_is_primary_again() {
    let first = RedisServer::start(&[]);
    let second = RedisServer::start_replica_of(&first);
    let proxies = [Proxy::start(first.address()), Proxy::start(first.address())];
    let fleet = Fleet::start(&proxies.each_ref().map(Proxy::url), "");
    let watch = fleet.watch();
    let behind = &fleet.nodes[1];

    // It is stopped and another is promoted, with a replica of its own. One node does not hear of that: when the first goes on
    // it answers this node as if nothing had happened.
    watch.invalidate_through(&[0]);
    first.freeze();
    promote(&second);
    let third = RedisServer::start_replica_of(&second);
    lead(&proxies[0], &second);
    watch.confirm(4);
    first.thaw();
    watch.confirm(8);
    let before = number(behind, "/generation_changes");
    lead(&proxies[1], &second);
    noticed(behind, before);
    watch.invalidate_through(&[0, 1]);
    watch.confirm(10);

    // A failover back to it and, before one of the nodes looks again, another: the server that this node knew is primary
    // again, as the same process.
    follow(&first, &second);
    watch.invalidate_through(&[0]);
    let before = number(behind, "/generation_changes");
    proxies[1].cut();
    for (old, new) in [(&second, &first), (&first, &second)] {
        proxies[0].cut();
        hand_over(old, new);
        lead(&proxies[0], new);
        watch.confirm(4);
    }
    proxies[1].restore();
    noticed(behind, before);
    watch.invalidate_through(&[0, 1]);
    watch.confirm(10);
    fleet.kept_all(watch);
    drop(third);
}
