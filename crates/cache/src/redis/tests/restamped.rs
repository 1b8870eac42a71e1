//! Positions that are brought up to date while a value lies in Redis.

use super::{counter, name, tier};
use crate::backplane::Stamp;
use crate::redis::tests::nodes::Node;
use crate::redis::tier::{Put, Writer, beginning};
use peregrine_test_servers::RedisServer;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn another_value_with_the_same_position_keeps_it() {
    let server = RedisServer::start(&[]);
    let node = Node::start(&server).await;
    node.load("/a", "value", &counter()).await;
    node.written("stored", 1).await;
    let (tier, name) = (tier(&node), name(&node, "/a"));
    let strategy = node.engine.default_strategy();
    let there = async || tier.get(name, &strategy).await.unwrap().unwrap();
    let stamp_there = async || Stamp::decode(&there().await, name.number()).unwrap();
    let (seen, old) = (there().await, stamp_there().await);
    let new = Stamp { seq: 50_000, ..old };
    // Written anew: the same position, another number of writing.
    let mut another = seen.to_vec();
    another[Stamp::BYTES + 8] ^= 1;
    let put = tier.put(name, Writer::Anybody, Duration::from_secs(60), &another).await;
    assert_eq!(put.unwrap(), Put::Stored);
    tier.restamp(name, &beginning(&seen), new).await;
    assert_eq!((stamp_there().await, node.statistics().restamped), (old, 0));
    tier.restamp(name, &beginning(&there().await), new).await;
    assert_eq!((stamp_there().await, node.statistics().restamped), (new, 1));
}
