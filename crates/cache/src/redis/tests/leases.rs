//! Nobody on another node waits for what will not come, and nothing that is known to be gone comes back by a load.

use super::nodes::{Node, text};
use super::{lead, lies_at, name};
use crate::backplane::{Gen, Stamp};
use crate::{Ask, Invalidation, Lookup, Meta, NoVariants, Selector, Variants};
use bytes::Bytes;
use peregrine_test_servers::{Proxy, RedisServer};
use std::sync::Arc;
use std::time::Duration;

fn for_a_minute() -> Meta {
    Meta {
        fresh_for: Duration::from_secs(60),
        ..Meta::default()
    }
}

fn lease(node: &Node, path: &str) -> String {
    String::from_utf8(name(node, path).lease("pg").to_vec()).unwrap()
}

/// Waits until nobody waits for the load of `path` any more.
async fn passed(server: &RedisServer, node: &Node, path: &str) {
    let lease = lease(node, path);
    node.until("word that nothing comes of it", |_| {
        server.ask(&["GET", &lease]).text() == "pass"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_lie_in_redis_holds_nobody_up_while_it_loads() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    let announced = Meta {
        length: Some(2 << 20),
        ..for_a_minute()
    };
    let too_long = lead(&node, "/announced").await.fill(announced, &NoVariants).unwrap();
    passed(&server, &node, "/announced").await;

    let mut grown = lead(&node, "/grown").await.fill(for_a_minute(), &NoVariants).unwrap();
    let reader = grown.reader();
    drop(reader);
    let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
    // Until it is larger than anything that is stored, and nobody reads it.
    while grown.push(mebibyte.clone()).await.is_ok() {}
    passed(&server, &node, "/grown").await;
    drop((too_long, grown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_taken_and_not_heard_of_has_its_holder() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address());
    let node = Arc::new(Node::with(&proxy.url(), Duration::ZERO, |_| {}).await);
    drop(lead(&node, "/known").await);
    // Nothing is under way: what Redis lets wait holds up what was sent behind it.
    passed(&server, &node, "/known").await;
    // Redis knows the script, is read from, and takes the lease when nobody hears that any more.
    server.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let leading = Arc::clone(&node);
    let leading = tokio::spawn(async move { lead(&leading, "/a").await });
    node.until("a look at the value", |now| now.misses_by_reason["absent"] == 2)
        .await;
    proxy.drop_replies();
    server.ask(&["CLIENT", "UNPAUSE"]);
    let lies = lease(&node, "/a");
    node.until("the lease to be taken", |_| server.ask(&["EXISTS", &lies]).int() == 1)
        .await;
    server.ask(&["PEXPIRE", &lies, "60000"]);
    proxy.cut();
    proxy.restore();
    let held = leading.await.unwrap();
    assert_eq!(node.statistics().leases_by_outcome["away"], 1);
    node.until("its holder to look after it", |_| {
        server.ask(&["PTTL", &lies]).int() <= 3000
    })
    .await;
    drop(held);
}

/// One who asks with a value for each name.
struct Asker;

impl Variants for Asker {
    fn variant(&self, selector: &Selector, out: &mut String) {
        selector.names().for_each(|name| out.push_str(&format!("{name}=x\n")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_for_another_variant_than_the_answer_is_given_back() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    let mut names = Vec::new();
    for (count, name) in ["accept-encoding", "accept-language"].into_iter().enumerate() {
        names.push(name);
        let ask = Ask {
            variants: &Asker,
            validate: true,
            ..Ask::plain(node.engine.parts.clock.now(), &node.strategy)
        };
        let Lookup::Lead(lease) = node.engine.lookup(&node.key("/page"), &ask) else {
            panic!("it wants the word of the origin");
        };
        // What wants it so asks for no lease, so this one is taken as by another load.
        let super::Recalled::Load(mut lease) = lease.recall(&Asker).await else {
            panic!("it wants the word of the origin");
        };
        let variant = lease.held().variant.clone();
        let of = super::Name::of(lease.key().text(), variant.as_deref());
        let token = "of this load".to_owned();
        let lies = String::from_utf8(of.lease("pg").to_vec()).unwrap();
        server.ask(&["SET", &lies, &token, "PX", "60000"]);
        let taken = super::super::lease::ClusterLease::keep(&super::tier(&node), of, token);
        lease.held_mut().cluster = Some(taken);
        let meta = Meta {
            selector: Selector::new(names.clone()),
            ..for_a_minute()
        };
        lease.store(meta, &Bytes::from_static(b"page"), &Asker).unwrap();
        node.written("stored", count as u64 + 1).await;
        node.until("the lease to be given back", |_| {
            server.ask(&["GET", &lies]).text() != "of this load"
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_outdated_does_not_come_back_from_redis() {
    let (_server, _one, two, loads) = super::where_one_has("old").await;
    assert_eq!(text(&two.load("/a", "new", &loads).await), "old");
    let ask = Ask {
        validate: true,
        ..Ask::plain(two.engine.parts.clock.now(), &two.strategy)
    };
    let Lookup::Lead(lease) = two.engine.lookup(&two.key("/a"), &ask) else {
        panic!("it wants the word of the origin");
    };
    lease.outdate();
    assert_eq!(text(&two.load("/a", "new", &loads).await), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_doubtful_is_gone_where_this_node_knows_that() {
    let (server, _one, two, _) = super::where_one_has("old").await;
    let name = name(&two, "/a");
    let tier = super::tier(&two);
    let there = tier.get(name, &two.strategy).await.unwrap().unwrap();
    // As if it had been written in another generation of the log.
    let namespace = two.engine.namespace("default").unwrap();
    let now = two.engine.stamp_now(&namespace).unwrap();
    let other = Stamp {
        generation: Gen::default(),
        ..now
    };
    let moved = [&other.encode(name.number())[..], &there[Stamp::BYTES..]].concat();
    server.ask(&["DEL", &lies_at(name)]);
    let put = tier
        .put(name, super::Writer::Setter, Duration::from_secs(60), &moved)
        .await;
    assert_eq!(put.unwrap(), super::Put::Stored);
    two.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])).await;
    let lease = lead(&two, "/a").await;
    assert_eq!(two.statistics().misses_by_reason["other_generation"], 1);
    let stale = lease.stale().expect("it serves for its validators").clone();
    assert!(two.engine.is_gone(lease.key(), &stale), "and for nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_since_redis_was_asked_stays() {
    let (_server, _one, two, loads) = super::where_one_has("old").await;
    let old = two.load("/a", "new", &loads).await;
    let asked = two.engine.parts.clock.now();
    two.until("another moment", |_| {
        two.engine.parts.clock.now().since(asked) > Duration::from_millis(20)
    })
    .await;
    let (key, ask) = (two.key("/a"), Ask::plain(two.engine.parts.clock.now(), &two.strategy));
    let alone = two.engine.lead_alone(&key, &ask);
    let meta = Meta {
        fresh_for: Duration::from_secs(1),
        ..Meta::default()
    };
    alone.store(meta, &Bytes::from_static(b"new"), &NoVariants).unwrap();
    two.engine.keep_recalled(&key, key.hash(), &old.0, asked);
    assert_eq!(text(&two.engine.peek(&key, &ask).hit.unwrap()), "new");
}
