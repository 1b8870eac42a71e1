//! Several nodes while something breaks between them: each time readers ask all of them, writers change and invalidate, and
//! every answer is judged by what was promised when it was asked for. Each time no request fails because of it.
//!
//! Bounds are a second and faults last for a few of them, where real ones last for longer: what counts is which of the two
//! is longer.

use crate::harness::fleet::{BOUND, backplane};
use crate::harness::{Fleet, Signal, until};
use peregrine_test_servers::{Proxy, RedisCluster, RedisServer, SentinelSet};
use std::thread::sleep;

#[test]
fn redis_is_killed_and_comes_back_empty() {
    let redis = RedisServer::start(&[]);
    let fleet = Fleet::of(2, &redis.url());
    let watch = fleet.watch();
    redis.kill();
    watch.stay_pending(3);
    sleep(BOUND * 2);
    redis.restart_empty();
    watch.confirm(20);
    let report = fleet.kept_all(watch);
    assert!(report.invalidations.pending > 0, "{report:#?}");
    // What was told while Redis was away reached it in the end.
    for node in &fleet.nodes {
        until("what was pending to be confirmed", || backplane(node, "/pending") == 0);
    }
}

#[test]
fn redis_says_nothing_for_a_while() {
    let redis = RedisServer::start(&[]);
    let fleet = Fleet::of(2, &redis.url());
    let watch = fleet.watch();
    redis.freeze();
    sleep(BOUND * 10);
    redis.thaw();
    watch.confirm(20);
    fleet.kept_all(watch);
}

#[test]
fn one_node_is_cut_off() {
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.address());
    let fleet = Fleet::start(&[redis.url(), redis.url(), proxy.url()], "");
    let watch = fleet.watch();
    for harm in [Proxy::cut, Proxy::drop_bytes, Proxy::drop_replies] {
        harm(&proxy);
        watch.confirm(10); // those of the others
        sleep(BOUND * 2);
        proxy.restore();
        watch.confirm(20);
    }
    fleet.kept_all(watch);
}

#[test]
fn sentinels_fail_over_in_the_middle_of_invalidations() {
    let set = SentinelSet::start();
    let fleet = Fleet::of(2, &set.url());
    let watch = fleet.watch();
    set.failover();
    watch.confirm(20);
    // And back, this time because the primary is gone. Nothing is confirmed until there are as many replicas as before.
    let (old, new) = (set.primary(), set.replica());
    old.kill();
    until("the sentinels to promote the other", || {
        set.primary().port() == new.port()
    });
    watch.stay_pending(3);
    old.restart_empty();
    old.ask(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    watch.confirm(20);
    fleet.kept_all(watch);
}

#[test]
fn a_cluster_fails_over_in_the_middle_of_invalidations() {
    let cluster = RedisCluster::start();
    let fleet = Fleet::of(2, &cluster.url());
    let watch = fleet.watch();
    cluster.failover("{pg:0}m");
    watch.confirm(20);
    cluster.move_slot("{pg:0}m");
    watch.confirm(20);
    fleet.kept_all(watch);
}

#[test]
fn a_node_that_was_frozen_across_invalidations_does_not_answer_from_before() {
    let redis = RedisServer::start(&[]);
    let fleet = Fleet::of(3, &redis.url());
    let watch = fleet.watch();
    let frozen = &fleet.nodes[2].process;
    for _ in 0..3 {
        watch.invalidate_through(&[0, 1]);
        frozen.signal(Signal::STOP);
        watch.confirm(10);
        sleep(BOUND * 3 / 2);
        frozen.signal(Signal::CONT);
        watch.invalidate_through(&[0, 1, 2]);
        watch.confirm(20);
    }
    fleet.kept_all(watch);
}

// An optimised build has no such clock.
#[cfg(debug_assertions)]
#[test]
fn the_clocks_of_two_nodes_are_a_quarter_of_an_hour_apart() {
    let redis = RedisServer::start(&[]);
    let skew = |number: usize| vec![("PEREGRINE_TEST_CLOCK_SKEW_S", ["450", "-450"][number].to_owned())];
    let fleet = Fleet::start_with(&[redis.url(), redis.url()], "", skew);
    let minutes = |node: &crate::harness::Peregrine| node.admin("GET", "/healthz", None).field("date")[..22].to_owned();
    assert_ne!(
        minutes(&fleet.nodes[0]),
        minutes(&fleet.nodes[1]),
        "their clocks are apart"
    );
    let watch = fleet.watch();
    watch.confirm(40);
    let report = fleet.kept_all(watch);
    for node in &report.nodes {
        assert!(node.hits * 2 > node.reads, "both keep what they load: {node:#?}");
    }
}
