//! The client against real servers, with harm done to them and to the way there. Waits are for conditions, with a limit that
//! only a defect reaches.

mod cluster;
mod faults;
mod secured;
mod sentinel;
mod standalone;

use crate::{Nudge, Nudges, Parts, Redis, RedisConfig, State, StoreError};
use bytes::Bytes;
use peregrine_base::{Span, SystemClock, SystemRandom, TokioRuntime};
use peregrine_test_servers::RedisServer;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What only a defect makes longer.
const PATIENCE: Duration = Duration::from_secs(30);

fn parts() -> Parts {
    Parts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    }
}

/// A client that has limits which a busy machine does not reach by itself.
fn config(url: &str) -> RedisConfig {
    RedisConfig {
        connect_timeout: Span::new(PATIENCE),
        operation_timeout: Span::new(PATIENCE),
        ..RedisConfig::at(url)
    }
}

fn begin(config: &RedisConfig) -> Arc<Redis> {
    Redis::start(config, parts()).unwrap_or_else(|complaints| panic!("{complaints:?}"))
}

/// A client whose connections are all there; ready is one that has some.
async fn connected(config: &RedisConfig) -> Arc<Redis> {
    let redis = begin(config);
    let ready = tokio::time::timeout(PATIENCE, redis.ready()).await;
    assert!(ready.is_ok(), "not connected: {:?}", redis.status());
    let all = u64::from(config.connections);
    until("every connection is there", || async {
        redis.status().nodes.iter().all(|node| node.connections == all)
    })
    .await;
    redis
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("in {PATIENCE:?} it did not come true that {what}"),
    }
}

/// Waits until `condition` holds, looking again and again.
async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn until_state(redis: &Redis, state: State) {
    until(state.as_str(), || async { redis.status().state == state }).await;
}

/// The next nudge that is a message.
async fn message(nudges: &mut Nudges) -> Bytes {
    soon("a nudge comes", async {
        loop {
            if let Nudge::Message(message) = nudges.next().await {
                return message;
            }
        }
    })
    .await
}

/// Publishes until it is heard: what is published while a subscription is made anew is lost.
async fn heard(server: &RedisServer, nudges: &mut Nudges, channel: &str, text: &'static str) {
    soon("nudges are heard again", async {
        loop {
            server.ask(&["SPUBLISH", channel, text]);
            let nudge = tokio::time::timeout(Duration::from_millis(20), nudges.next()).await;
            if nudge.is_ok_and(|nudge| nudge == Nudge::Message(text.into())) {
                return;
            }
        }
    })
    .await;
}

async fn reconnected(nudges: &mut Nudges) {
    soon("the subscription is made", async {
        while nudges.next().await != Nudge::Reconnected {}
    })
    .await;
}

fn keys(count: usize) -> Vec<Bytes> {
    (0..count).map(|number| Bytes::from(format!("key:{number}"))).collect()
}

fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Away { .. })
}
