//! What is set and deleted by name while Redis has still to hear of it.

use super::nodes::{Node, member, text, until};
use crate::engine::Engine;
use crate::{Invalidation, Key, Namespace, SetOptions};
use bytes::Bytes;
use peregrine_test_servers::RedisServer;
use std::sync::Arc;
use std::time::Duration;

fn of(engine: &Engine) -> Arc<Namespace> {
    engine.namespace("default").unwrap()
}

/// Sets it before anything else happens.
async fn set(engine: &Arc<Engine>, name: &str, value: Bytes) {
    set_tagged(engine, name, value, &[]).await;
}

async fn set_tagged(engine: &Arc<Engine>, name: &str, value: Bytes, tags: &[&str]) {
    let options = SetOptions {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..SetOptions::default()
    };
    let values = vec![(name.to_owned(), value)];
    engine.mset_now(&of(engine), "", values, &options).await;
}

/// What a node that has heard of everything finds.
async fn get(engine: &Arc<Engine>, name: &str) -> Option<String> {
    engine.verify(&Key::named(&of(engine), "", name)).await;
    engine.get_shared(&of(engine), "", name).await.as_ref().map(text)
}

/// Waits until so many values were written, or were not for a reason.
async fn concluded(engine: &Arc<Engine>, count: u64) {
    until("the values to be written or not", || {
        let outcomes = engine.statistics().redis.unwrap().writes_by_outcome;
        outcomes.values().sum::<u64>() >= count
    })
    .await;
}

// One thread: what is asked for at once waits together, because nobody is told before each has asked.
#[tokio::test]
async fn what_is_deleted_before_redis_heard_that_it_was_set_does_not_come_back() {
    let server = RedisServer::start(&[]);
    let (one, _backplane) = member(&server, "one", |_| {}).await;
    let (two, _other) = member(&server, "two", |_| {}).await;
    let delete = async || one.delete_shared(&of(&one), "", "name").await;
    tokio::join!(set(&one, "name", Bytes::from("deleted")), delete());
    concluded(&one, 1).await;
    assert_eq!((get(&two, "name").await, get(&one, "name").await), (None, None));
    tokio::join!(delete(), set(&one, "name", Bytes::from("kept")));
    concluded(&one, 2).await;
    assert_eq!(get(&one, "name").await.as_deref(), Some("kept"));
    assert_eq!(get(&two, "name").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn what_is_invalidated_before_redis_heard_that_it_was_set_does_not_come_back() {
    let server = RedisServer::start(&[]);
    let (one, _backplane) = member(&server, "one", |_| {}).await;
    let (two, _other) = member(&server, "two", |_| {}).await;
    for soft in [false, true] {
        let request = Invalidation {
            soft,
            ..Invalidation::of_tags(vec!["t".into()])
        };
        // The second is told by the mark of the first, which stands before that of the value.
        tokio::join!(
            one.invalidate(&request),
            set_tagged(&one, "name", Bytes::from("invalidated"), &["t"]),
            one.invalidate(&request),
        );
        concluded(&one, 1 + u64::from(soft)).await;
        assert_eq!(get(&two, "name").await, None);
    }
}

#[tokio::test]
async fn of_values_that_redis_heard_of_together_the_last_one_stays() {
    let server = RedisServer::start(&[]);
    let edit = |strategy: &mut crate::StrategyConfig| strategy.compression = crate::Compression::Zstd;
    let (one, _backplane) = member(&server, "one", edit).await;
    let (two, _other) = member(&server, "two", |_| {}).await;
    // It takes longer to compress than the other takes to be written.
    let large = Bytes::from("an older value ".repeat(60_000));
    tokio::join!(set(&one, "name", large), set(&one, "name", Bytes::from("the last")));
    concluded(&one, 2).await;
    assert_eq!(get(&two, "name").await.as_deref(), Some("the last"));
}

#[tokio::test]
async fn a_deletion_is_over_when_redis_has_heard_of_it() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    set(&node.engine, "name", Bytes::from("set")).await;
    node.written("stored", 1).await;
    let silence = node.silence().await;
    let before = server.ask(&["DBSIZE"]).int();
    let delete = async {
        node.engine.delete_shared(&of(&node.engine), "", "name").await;
        node.engine.member(0).standing().pending
    };
    let speak = async {
        until("it to be gone in Redis", || server.ask(&["DBSIZE"]).int() == before - 1).await;
        // Time for the reply to be heard, and for a deletion that waits for nothing else to be over.
        node.learn().await;
        node.learn().await;
        drop(silence);
    };
    let (left, ()) = tokio::join!(delete, speak);
    assert_eq!(left, 0, "nothing is still to be told");
}

/// What another node does.
#[derive(Clone, Copy, Debug)]
enum Elsewhere {
    Invalidates,
    Deletes,
    Nothing,
}

#[tokio::test]
async fn what_another_node_did_before_redis_heard_that_it_was_set_reaches_it() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    let ways = [Elsewhere::Invalidates, Elsewhere::Deletes, Elsewhere::Nothing];
    for (elsewhere, count) in ways.into_iter().zip(1..) {
        let name = format!("{elsewhere:?}");
        let silence = one.silence().await;
        let act = async {
            match elsewhere {
                Elsewhere::Invalidates => drop(two.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])).await),
                Elsewhere::Deletes => drop(two.engine.delete_shared(&of(&two.engine), "", &name).await),
                Elsewhere::Nothing => {}
            }
            drop(silence);
        };
        tokio::join!(set_tagged(&one.engine, &name, Bytes::from("set"), &["t"]), act);
        concluded(&one.engine, count).await;
        let left = matches!(elsewhere, Elsewhere::Nothing).then(|| "set".to_owned());
        for node in [&two, &one] {
            node.learn().await;
            assert_eq!(get(&node.engine, &name).await, left, "{elsewhere:?}");
        }
    }
}

#[tokio::test]
async fn what_another_node_set_before_does_not_count_as_beside_it() {
    let server = RedisServer::start(&[]);
    let nodes = [Node::start(&server).await, Node::start(&server).await];
    // By turns, and neither has heard of the other since.
    for turn in 0..6u64 {
        let node = &nodes[usize::from(turn % 2 == 1)].engine;
        let value = format!("value {turn}");
        let options = SetOptions::default();
        assert!(
            node.set_shared(&of(node), "", "name", value.clone().into(), &options)
                .await
        );
        concluded(node, turn / 2 + 1).await;
        assert_eq!(node.get(&of(node), "name").as_ref().map(text), Some(value));
    }
    for node in &nodes {
        assert_eq!(get(&node.engine, "name").await.as_deref(), Some("value 5"));
    }
}

#[tokio::test]
async fn what_is_set_is_set_though_who_set_it_does_not_wait() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    let (options, namespace) = (SetOptions::default(), of(&one.engine));
    let mut setting = Box::pin(one.engine.set_shared(&namespace, "", "name", "value".into(), &options));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(setting.as_mut().poll(cx).is_pending())).await);
    drop(setting);
    concluded(&one.engine, 1).await;
    assert_eq!(get(&two.engine, "name").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn several_names_are_verified_together_and_once() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Node::start(&server).await, Node::start(&server).await);
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for (name, count) in names.iter().zip(1..) {
        set(&one.engine, name, Bytes::from("value")).await;
        concluded(&one.engine, count).await;
    }
    two.learn().await;
    let namespace = of(&two.engine);
    let (in_memory, _) = names.split_at(10);
    let found = async |names: &[String]| {
        let found = two.engine.mget_shared(&namespace, "", names).await;
        found.iter().flatten().count()
    };
    assert_eq!(found(in_memory).await, 10);
    // From now on nothing is known for long enough to be of use.
    two.engine.set_freshness_bound(Duration::ZERO);
    let before = two.asked();
    assert_eq!((found(&names).await, two.asked() - before), (0, 1));
}
