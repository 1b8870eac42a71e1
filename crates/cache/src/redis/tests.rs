//! The tier with a real Redis: what one node loads, others have; what is damaged, old or invalidated nobody has; and losing
//! Redis costs loads only.

mod leases;
mod named;
mod nodes;
mod restamped;
mod snapshots;

use super::names::Name;
use super::tier::{Put, RedisTier, Writer, beginning};
use crate::backplane::Stamp;
use crate::config::Tier;
use crate::{Ask, EncryptionConfig, Invalidation, KeyRing, Lookup, Meta, Recalled, Selector, SetOptions, Variants};
use bytes::Bytes;
use nodes::{Node, text};
use peregrine_base::Span;
use peregrine_test_servers::{Proxy, RedisServer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn counter() -> Arc<AtomicUsize> {
    Arc::default()
}

fn count(loads: &Arc<AtomicUsize>) -> usize {
    loads.load(Ordering::SeqCst)
}

/// Two nodes, of which the first has loaded `/a`, which is `value`, and written it to Redis.
async fn where_one_has(value: &'static str) -> (RedisServer, Node, Node, Arc<AtomicUsize>) {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    let loads = counter();
    one.load("/a", value, &loads).await;
    one.written("stored", 1).await;
    (server, one, two, loads)
}

fn name(node: &Node, path: &str) -> Name {
    Name::of(node.key(path).text(), None)
}

fn lies_at(name: Name) -> String {
    String::from_utf8(name.value("pg").to_vec()).unwrap()
}

fn tier(node: &Node) -> Arc<RedisTier> {
    Arc::clone(node.engine.redis.get().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_loads_another_has_in_memory_then() {
    let (server, one, two, loads) = where_one_has("value").await;
    let hit = two.load("/a", "another", &loads).await;
    assert_eq!((text(&hit).as_str(), count(&loads)), ("value", 1));
    assert_eq!(hit.tags().collect::<Vec<_>>(), ["t"]);
    assert_eq!(two.statistics().hits, 1);
    two.load("/a", "another", &loads).await;
    assert_eq!(two.statistics().hits, 1, "the second time it is in memory");
    let left = server.ask(&["PTTL", &lies_at(name(&one, "/a"))]).int();
    assert!(left > 300_000, "it lives as long as it is of use: {left}");
    assert!(left <= 31 * 24 * 3_600_000, "and not for ever: {left}");
    let lease = String::from_utf8(name(&one, "/a").lease("pg").to_vec()).unwrap();
    assert_eq!(server.ask(&["EXISTS", &lease]).int(), 0, "the lease ends with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_by_a_quarter_of_an_hour_make_nothing_older_or_younger() {
    let server = RedisServer::start(&[]);
    let wrong = Duration::from_secs(900);
    let ttl = |strategy: &mut crate::StrategyConfig| strategy.ttl = Span::new(Duration::from_secs(600));
    let ahead = Node::with(&server.url(), wrong, ttl).await;
    let right = Node::with(&server.url(), Duration::ZERO, ttl).await;
    let loads = counter();
    for (writer, reader, path) in [(&ahead, &right, "/a"), (&right, &ahead, "/b")] {
        writer.load(path, "value", &loads).await;
        writer
            .until("the value", |_| {
                server.ask(&["EXISTS", &lies_at(name(writer, path))]).int() == 1
            })
            .await;
        let before = count(&loads);
        let hit = reader.load(path, "value", &loads).await;
        assert_eq!(count(&loads), before, "it is fresh on the other node");
        let age = hit.age(reader.engine.parts.clock.now());
        assert!(age < Duration::from_secs(300), "{age:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_no_envelope_is_loaded_again_and_counted() {
    let server = RedisServer::start(&[]);
    let one = Node::start(&server).await;
    let loads = counter();
    one.load("/a", "value", &loads).await;
    one.written("stored", 1).await;
    let at = lies_at(name(&one, "/a"));
    let length = server.ask(&["STRLEN", &at]).int();
    server.ask(&["SETRANGE", &at, &(length - 2).to_string(), "X"]);
    let two = Node::start(&server).await;
    assert_eq!(text(&two.load("/a", "value", &loads).await), "value");
    assert_eq!((count(&loads), two.statistics().misses_by_reason["damaged"]), (2, 1));
    two.written("stored", 1).await;

    server.ask(&["SET", &at, "something else"]);
    let three = Node::start(&server).await;
    assert_eq!(text(&three.load("/a", "value", &loads).await), "value");
    assert_eq!((count(&loads), three.statistics().misses_by_reason["damaged"]), (3, 1));
    server.ask(&["DEL", &at]);
    server.ask(&["LPUSH", &lies_at(name(&one, "/b")), "a list"]);
    assert_eq!(
        text(&three.load("/b", "value", &loads).await),
        "value",
        "of another type"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_written_in_another_way_is_not_used() {
    let server = RedisServer::start(&[]);
    let one = Node::start(&server).await;
    let loads = counter();
    one.load("/a", "value", &loads).await;
    one.written("stored", 1).await;
    let newer = Node::reading(&server.url(), 2).await;
    assert_eq!(text(&newer.load("/a", "newer", &loads).await), "newer");
    assert_eq!((count(&loads), newer.statistics().misses_by_reason["version"]), (2, 1));
    newer.written("stored", 1).await;
    let older = Node::start(&server).await;
    assert_eq!(text(&older.load("/a", "older", &loads).await), "older");
    assert_eq!(older.statistics().misses_by_reason["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_askers_on_three_nodes_are_one_load() {
    let server = RedisServer::start(&[]);
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(Node::start(&server).await));
    }
    let loads = counter();
    let mut asking = tokio::task::JoinSet::new();
    for asker in 0..1000 {
        let (node, loads) = (Arc::clone(&nodes[asker % 3]), Arc::clone(&loads));
        asking.spawn(async move { text(&node.load("/hot", "value", &loads).await) });
    }
    while let Some(answer) = asking.join_next().await {
        assert_eq!(answer.unwrap(), "value");
    }
    assert_eq!(count(&loads), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_gone_holds_nobody_up_for_long() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    let lease = String::from_utf8(name(&node, "/a").lease("pg").to_vec()).unwrap();
    // Its holder is dead: nobody extends it.
    server.ask(&["SET", &lease, "token of the dead", "PX", "700"]);
    let loads = counter();
    assert_eq!(text(&node.load("/a", "value", &loads).await), "value");
    assert_eq!(
        node.statistics().leases_by_outcome["taken"],
        1,
        "it waited for the lease"
    );
    node.written("stored", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lasts_as_long_as_its_load() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    let lease = String::from_utf8(name(&node, "/a").lease("pg").to_vec()).unwrap();
    let held = lead(&node, "/a").await;
    assert!(server.ask(&["EXISTS", &lease]).int() == 1);
    // As if nearly three seconds had passed.
    server.ask(&["PEXPIRE", &lease, "1500"]);
    node.until("the lease to be extended", |_| {
        server.ask(&["PTTL", &lease]).int() > 1600
    })
    .await;
    drop(held);
    node.until("word that nothing comes of it", |_| {
        server.ask(&["GET", &lease]).text() == "pass"
    })
    .await;
    let loads = counter();
    let two = Node::start(&server).await;
    assert_eq!(text(&two.load("/a", "value", &loads).await), "value");
}

/// The lease of a load for which Redis was asked.
async fn lead(node: &Node, path: &str) -> crate::Lease {
    let key = node.key(path);
    let ask = Ask::plain(node.engine.parts.clock.now(), &node.strategy);
    let Lookup::Lead(lease) = node.engine.lookup(&key, &ask) else {
        panic!("nothing is there");
    };
    match lease.recall(&crate::NoVariants).await {
        Recalled::Load(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_invalidated_is_not_taken_from_redis() {
    let (_server, one, two, loads) = where_one_has("old").await;
    two.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])).await;
    two.learn().await;
    let hit = two.load("/a", "new", &loads).await;
    assert_eq!((text(&hit).as_str(), count(&loads)), ("new", 2));
    two.written("stored", 1).await;
    one.learn().await;
    let hit = one.load("/a", "newer", &loads).await;
    assert_eq!(text(&hit), "new", "the first has what the second loaded");
    assert_eq!(count(&loads), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_an_invalidation_overtook_elsewhere_serves_nobody_else() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    let loads = counter();
    // Its position is from before the invalidation; it is written after it.
    let overtaken = lead(&one, "/a").await;
    two.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])).await;
    let meta = Meta {
        tags: vec!["t".into()],
        fresh_for: Duration::from_secs(60),
        ..Meta::default()
    };
    overtaken
        .store(meta, &Bytes::from_static(b"old"), &crate::NoVariants)
        .unwrap();
    one.written("stored", 1).await;
    assert_eq!(text(&two.load("/a", "new", &loads).await), "new");
    assert_eq!(two.statistics().misses_by_reason["invalidated"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_position_never_takes_the_place_of_a_newer_one() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    let (tier, name) = (tier(&node), name(&node, "/a"));
    let namespace = node.engine.namespace("default").unwrap();
    let now = node.engine.stamp_now(&namespace).unwrap();
    let of = |seq| {
        [
            &Stamp { seq, ..now }.encode(name.number())[..],
            &seq.to_string().into_bytes()[..],
        ]
        .concat()
    };
    let put = async |writer: Writer<'_>, seq| tier.put(name, writer, Duration::from_secs(60), &of(seq)).await.unwrap();
    let strategy = node.engine.default_strategy();
    let there = async || tier.get(name, &strategy).await.unwrap().unwrap()[Stamp::BYTES..].to_vec();
    assert_eq!(put(Writer::Anybody, 9).await, Put::Stored);
    assert_eq!(put(Writer::Anybody, 8).await, Put::Newer);
    assert_eq!(put(Writer::Setter, 8).await, Put::Newer);
    assert_eq!(there().await, b"9");
    assert_eq!(put(Writer::Anybody, 10).await, Put::Stored, "ten is more than nine");
    let seen = beginning(&tier.get(name, &strategy).await.unwrap().unwrap());
    tier.acquire(name, "mine", &seen).await.unwrap();
    assert_eq!(put(Writer::Leader("another's"), 11).await, Put::LeaseLost);
    assert_eq!(put(Writer::Leader("mine"), 11).await, Put::Stored);
    assert_eq!(there().await, b"11");
}

/// One who asks in a language.
struct Language(&'static str);

impl Variants for Language {
    fn variant(&self, selector: &Selector, out: &mut String) {
        assert_eq!(selector.names().collect::<Vec<_>>(), ["accept-language"]);
        out.push_str(self.0);
    }
}

async fn in_language(node: &Node, language: &'static str) -> Recalled {
    let variants = Language(language);
    let ask = Ask {
        variants: &variants,
        ..Ask::plain(node.engine.parts.clock.now(), &node.strategy)
    };
    match node.engine.lookup(&node.key("/page"), &ask) {
        Lookup::Lead(lease) => lease.recall(&variants).await,
        Lookup::Fresh { hit, .. } => Recalled::Found(hit),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_are_told_apart_on_every_node() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    for (language, count) in [("de", 1), ("en", 2)] {
        let Recalled::Load(lease) = in_language(&one, language).await else {
            panic!("nobody loaded it in {language}");
        };
        let meta = Meta {
            selector: Selector::new(["Accept-Language"]),
            fresh_for: Duration::from_secs(60),
            ..Meta::default()
        };
        let body = Bytes::from_static(language.as_bytes());
        lease.store(meta, &body, &Language(language)).unwrap();
        one.written("stored", count).await;
    }
    for language in ["en", "de", "en"] {
        let Recalled::Found(hit) = in_language(&two, language).await else {
            panic!("the first node loaded it in {language}");
        };
        assert_eq!(text(&hit), language);
    }
    let Recalled::Load(_) = in_language(&two, "fr").await else {
        panic!("nobody has it in French");
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_in_redis_serves_for_its_validators() {
    let server = RedisServer::start(&[]);
    let short = |strategy: &mut crate::StrategyConfig| strategy.ttl = Span::new(Duration::from_millis(1));
    let one = Node::with(&server.url(), Duration::ZERO, short).await;
    let loads = counter();
    one.load("/a", "value", &loads).await;
    one.written("stored", 1).await;
    let two = Node::start(&server).await;
    let lease = lead(&two, "/a").await;
    assert_eq!(lease.stale().map(text).as_deref(), Some("value"));
    assert_eq!(two.statistics().misses_by_reason["stale"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_redis_costs_loads_and_no_request() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address());
    let node = Node::with(&proxy.url(), Duration::ZERO, |_| {}).await;
    let loads = counter();
    node.load("/a", "value", &loads).await;
    node.written("stored", 1).await;
    proxy.cut();
    server.kill();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(text(&node.load(path, "value", &loads).await), "value");
    }
    assert_eq!(count(&loads), 3, "what memory has, it has");
    assert!(node.statistics().misses_by_reason["away"] >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_may_keep_its_entries_in_one_tier_only() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let only = |tier: Tier| move |strategy: &mut crate::StrategyConfig| strategy.tiers = Some(vec![tier]);
    let memory = Node::with(&url, Duration::ZERO, only(Tier::Memory)).await;
    let redis = Node::with(&url, Duration::ZERO, only(Tier::Redis)).await;
    let loads = counter();
    memory.load("/a", "value", &loads).await;
    redis.load("/a", "value", &loads).await;
    assert_eq!(count(&loads), 2, "nothing of memory's is in Redis");
    redis.written("stored", 1).await;
    redis.load("/a", "value", &loads).await;
    redis.load("/a", "value", &loads).await;
    assert_eq!((count(&loads), redis.statistics().hits), (2, 2), "each time from Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_by_name_are_the_same_on_every_node() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    let of = |node: &Node| node.engine.namespace("default").unwrap();
    let options = SetOptions::default();
    let set = async |node: &Node, name: &str, value: &'static str, written: u64| {
        let value = Bytes::from_static(value.as_bytes());
        assert!(node.engine.set_shared(&of(node), "", name, value, &options).await);
        node.written("stored", written).await;
    };
    let get = async |node: &Node, name: &str| node.engine.get_shared(&of(node), "", name).await.as_ref().map(text);
    set(&one, "a", "1", 1).await;
    two.learn().await;
    assert_eq!(get(&two, "a").await.as_deref(), Some("1"));
    set(&two, "a", "2", 1).await;
    one.learn().await;
    assert_eq!(
        get(&one, "a").await.as_deref(),
        Some("2"),
        "the first does not keep its own"
    );
    set(&one, "b", "3", 2).await;
    two.learn().await;
    let before = server.calls("mget");
    let names: Vec<String> = (0..100)
        .map(|n| if n == 7 { "b".into() } else { format!("n{n}") })
        .collect();
    let found = two.engine.mget_shared(&of(&two), "", &names).await;
    assert_eq!(found.iter().flatten().count(), 1);
    assert_eq!(found[7].as_ref().map(text).as_deref(), Some("3"));
    assert_eq!(server.calls("mget") - before, 1, "one round trip");
    assert!(two.engine.delete_shared(&of(&two), "", "a").await);
    one.learn().await;
    assert_eq!(get(&one, "a").await, None);
    assert_eq!(get(&two, "a").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_invalidation_elsewhere_makes_it_stale() {
    let (_server, one, two, loads) = where_one_has("old").await;
    let soft = Invalidation {
        soft: true,
        ..Invalidation::of_tags(vec!["t".into()])
    };
    one.engine.invalidate(&soft).await;
    two.learn().await;
    let lease = lead(&two, "/a").await;
    assert_eq!(lease.stale().map(text).as_deref(), Some("old"), "to be validated");
    drop(lease);
    assert_eq!(text(&two.load("/a", "new", &loads).await), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_within_its_window_comes_into_memory_and_is_renewed_from_there() {
    let server = RedisServer::start(&[]);
    let edit = |strategy: &mut crate::StrategyConfig| {
        strategy.ttl = Span::new(Duration::from_millis(1));
        strategy.stale_while_revalidate = Span::new(Duration::from_secs(600));
    };
    let one = Node::with(&server.url(), Duration::ZERO, edit).await;
    let two = Node::with(&server.url(), Duration::ZERO, edit).await;
    let loads = counter();
    one.load("/a", "old", &loads).await;
    one.written("stored", 1).await;
    let hit = two.load("/a", "new", &loads).await;
    assert_eq!((text(&hit).as_str(), count(&loads)), ("old", 1));
    let hit = two.load("/a", "new", &loads).await;
    assert_eq!(text(&hit), "old", "it is renewed in the background");
    two.written("stored", 1).await;
    assert_eq!(count(&loads), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_the_word_of_the_origin_gets_neither_a_value_nor_a_place_in_the_line() {
    let (_server, _one, two, _loads) = where_one_has("value").await;
    let key = two.key("/a");
    let ask = Ask {
        validate: true,
        ..Ask::plain(two.engine.parts.clock.now(), &two.strategy)
    };
    let Lookup::Lead(lease) = two.engine.lookup(&key, &ask) else {
        panic!("memory has nothing");
    };
    let crate::Lookup::Follow(mut follower) = two.engine.lookup(&key, &ask) else {
        panic!("a load is under way");
    };
    let Recalled::Load(lease) = lease.recall(&crate::NoVariants).await else {
        panic!("what Redis has is no answer");
    };
    assert_eq!(
        lease.stale().map(text).as_deref(),
        Some("value"),
        "but it can be validated"
    );
    assert!(two.statistics().leases_by_outcome.is_empty());
    drop(lease);
    assert!(matches!(
        follower.wait(&crate::NoVariants).await,
        crate::Followed::Again
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_on_terms_of_their_own_are_not_served_what_does_not_do_for_them() {
    let (_server, _one, two, _loads) = where_one_has("value").await;
    let key = two.key("/a");
    let plain = Ask::plain(two.engine.parts.clock.now(), &two.strategy);
    let strict = Ask {
        validate: true,
        ..plain
    };
    let Lookup::Lead(lease) = two.engine.lookup(&key, &plain) else {
        panic!("memory has nothing");
    };
    let mut waiting = Vec::new();
    for ask in [&plain, &strict] {
        let Lookup::Follow(follower) = two.engine.lookup(&key, ask) else {
            panic!("a load is under way");
        };
        waiting.push(follower);
    }
    let Recalled::Found(_) = lease.recall(&crate::NoVariants).await else {
        panic!("Redis has it");
    };
    let plain = waiting[0].wait(&crate::NoVariants).await;
    assert!(matches!(plain, crate::Followed::Recalled(_)), "{plain:?}");
    let strict = waiting[1].wait(&crate::NoVariants).await;
    assert!(matches!(strict, crate::Followed::Again), "{strict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_strategy_encrypts_shows_nowhere_in_redis_and_other_nodes_read_it() {
    use base64::Engine as _;
    let server = RedisServer::start(&[]);
    let secret = base64::prelude::BASE64_STANDARD.encode([7; 32]);
    let config = EncryptionConfig {
        keys: Some(peregrine_base::Secret::new(format!("m:{secret}"))),
        ..EncryptionConfig::default()
    };
    let node = async |encrypts: bool| {
        let node = Node::with(&server.url(), Duration::ZERO, |strategy| strategy.encryption = encrypts).await;
        let keys = node.engine.keys();
        keys.configure(KeyRing::open(&config).unwrap(), Duration::from_secs(10));
        node
    };
    let (one, two) = (node(true).await, node(true).await);
    let loads = counter();
    one.load("/secret-path", "a secret value", &loads).await;
    one.written("stored", 1).await;
    let dump = server.dump();
    for plain in ["a secret value", "secret-path"] {
        let shows = dump.windows(plain.len()).any(|part| part == plain.as_bytes());
        assert!(!shows, "`{plain}` can be read");
    }
    assert_eq!(
        text(&two.load("/secret-path", "another", &loads).await),
        "a secret value"
    );
    assert_eq!(count(&loads), 1);

    let owner = crate::Owner {
        namespace: "default",
        tenant: "",
    };
    let page = one.engine.keys().page("").await.unwrap();
    let owners: Vec<_> = page
        .owners
        .iter()
        .map(|keys| (keys.owner.as_str(), keys.data_keys))
        .collect();
    assert_eq!((owners, page.next), (vec![("namespace.default", 1)], None));
    assert_eq!(two.engine.keys().rotate("", true).await.unwrap().renewed, 1);
    let third = node(true).await;
    let read = text(&third.load("/secret-path", "another", &loads).await);
    assert_eq!(read, "a secret value", "a rotation loses nothing");

    let stranger = Node::with(&server.url(), Duration::ZERO, |strategy| strategy.encryption = true).await;
    assert_eq!(text(&stranger.load("/secret-path", "value", &loads).await), "value");
    assert_eq!(stranger.statistics().misses_by_reason["no_key"], 1);
    stranger.written("no_key", 1).await;

    let open = node(false).await;
    open.load("/open", "value", &loads).await;
    open.written("stored", 1).await;
    let before = count(&loads);
    two.load("/open", "value", &loads).await;
    assert_eq!(count(&loads), before + 1, "what anybody may have written is not taken");
    assert_eq!(two.statistics().misses_by_reason["plain"], 1);

    one.load("/kept", "an old value", &loads).await;
    one.written("stored", 2).await;
    assert!(one.engine.keys().erase(owner).await.unwrap());
    let left = server.ask(&["HGET", "pg:keys", "namespace.default"]).text();
    assert!(left.contains("pgx1") && !left.contains("pgk1"), "{left}");
    let after = node(true).await;
    assert_eq!(text(&after.load("/kept", "a new value", &loads).await), "a new value");
    assert_eq!(after.statistics().misses_by_reason["no_key"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_compressed_as_their_strategy_says_and_large_ones_stay_at_home() {
    let server = RedisServer::start(&[]);
    let edit = |strategy: &mut crate::StrategyConfig| strategy.compression = crate::Compression::Zstd;
    let one = Node::with(&server.url(), Duration::ZERO, edit).await;
    let two = Node::start(&server).await;
    let loads = counter();
    let json: &'static str = "{\"id\": 7, \"name\": \"a shoe\", \"price\": 99}, "
        .repeat(2_000)
        .leak();
    one.load("/json", json, &loads).await;
    one.written("stored", 1).await;
    let statistics = one.statistics();
    assert!(
        statistics.bytes_written * 4 < statistics.bytes_written_plain,
        "{statistics:?}"
    );
    assert_eq!(text(&two.load("/json", "another", &loads).await), json);
    let large: &'static str = "x".repeat(2 << 20).leak();
    two.load("/large", large, &loads).await;
    two.written("too_large", 1).await;
}
