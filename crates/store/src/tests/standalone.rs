//! One server and nothing wrong with it.

use super::*;
use crate::{Mode, ReadFrom, Reply, Script};
use peregrine_test_servers::RedisServer;

static ECHO: Script = Script::new("return {KEYS[1], ARGV[1], 7, false}");
static COUNT: Script = Script::new("return redis.call('INCR', KEYS[1])");
static FAIL: Script = Script::new("return redis.error_reply('STALE the token is old')");

#[tokio::test(flavor = "multi_thread")]
async fn commands() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    assert_eq!(redis.get(b"none").await.unwrap(), None);
    redis
        .set(b"key:1", b"\0one\r\n", Duration::from_secs(60))
        .await
        .unwrap();
    redis.set(b"key:2", b"", Duration::from_secs(60)).await.unwrap();
    assert_eq!(redis.get(b"key:1").await.unwrap().unwrap(), &b"\0one\r\n"[..]);
    let ttl_ms = redis.command("PTTL", &[b"key:1"], &[]).await.unwrap().int().unwrap();
    assert!((1..=60_000).contains(&ttl_ms), "{ttl_ms}");

    let asked = keys(4);
    let some = |text: &'static [u8]| Some(Bytes::from_static(text));
    assert_eq!(
        redis.mget(&asked).await.unwrap(),
        [None, some(b"\0one\r\n"), some(b""), None]
    );
    assert_eq!(redis.mget(&[]).await.unwrap(), []);
    assert_eq!(server.calls("mget"), 1, "one round trip");
    assert_eq!(redis.delete(&asked).await.unwrap(), 2);
    assert_eq!(redis.delete(&[]).await.unwrap(), 0);
    assert_eq!(
        redis.get_from(b"key:1", ReadFrom::Replica).await.unwrap(),
        None,
        "there are no replicas"
    );

    redis.set(b"brief", b"x", Duration::ZERO).await.unwrap();
    until("a lifetime of nothing ends", || async {
        redis.get(b"brief").await.unwrap().is_none()
    })
    .await;

    let status = redis.status();
    assert_eq!((status.mode, status.state), (Mode::Standalone, State::Up));
    assert_eq!(
        status.primary.as_deref(),
        Some(&*format!("127.0.0.1:{}", server.port()))
    );
    assert!(status.commands >= 9 && status.latency_ms.is_some() && status.fault.is_none());
    assert_eq!((status.failovers, status.in_flight, status.away_since_s), (0, 0, None));
    assert!(serde_json::to_string(&status).unwrap().contains(r#""timed_out":0"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_loaded_once_and_again_when_they_are_forgotten() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    let reply = redis.script(&ECHO, &[b"k"], &[b"a"]).await.unwrap();
    let text = |text: &'static str| Reply::Bytes(text.into());
    assert_eq!(
        reply,
        Reply::Array(vec![text("k"), text("a"), Reply::Int(7), Reply::Nil])
    );
    for count in 1..=3 {
        assert_eq!(redis.script(&COUNT, &[b"n"], &[]).await.unwrap().int(), Some(count));
    }
    server.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(
        redis.script(&COUNT, &[b"n"], &[]).await.unwrap().int(),
        Some(4),
        "ran once"
    );
    assert_eq!(
        server.calls("eval"),
        3,
        "the text travelled once for each script and once more"
    );

    let error = redis.script(&FAIL, &[b"k"], &[]).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { code, message, .. } if &**code == "STALE" && &**message == "the token is old"),
        "{error:?}"
    );
    redis.command("HSET", &[b"h"], &[b"f", b"1"]).await.unwrap();
    let fields = redis.command("HGETALL", &[b"h"], &[]).await.unwrap();
    assert_eq!(fields.array().unwrap(), [text("f"), text("1")]);
    let wrong = redis.get(b"h").await.unwrap_err();
    assert!(
        matches!(&wrong, StoreError::Refused { code, .. } if &**code == "WRONGTYPE"),
        "{wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_askers_share_the_connections() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    let askers = (0..500_u32).map(|number| {
        let redis = Arc::clone(&redis);
        tokio::spawn(async move {
            let key = format!("own:{number}");
            redis.set(key.as_bytes(), key.as_bytes(), PATIENCE).await.unwrap();
            assert_eq!(redis.get(key.as_bytes()).await.unwrap().unwrap(), key);
        })
    });
    for asker in askers.collect::<Vec<_>>() {
        asker.await.unwrap();
    }
    let named = server
        .ask(&["CLIENT", "LIST"])
        .text()
        .matches("name=peregrine ")
        .count();
    assert!(named <= 2, "{named} connections");
    assert_eq!(redis.status().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_waits_for_replicas_that_are_there() {
    let server = RedisServer::start(&[]);
    let replica = RedisServer::start_replica_of(&server);
    let redis = connected(&config(&server.url())).await;
    let mut control = redis.control(b"{pg:0}m");
    assert_eq!(control.replicas().await.unwrap(), 1);
    let done = control
        .script_and_wait(&COUNT, &[b"{pg:0}m"], &[], 1, PATIENCE)
        .await
        .unwrap();
    assert_eq!((done.reply.int(), done.replicas), (Some(1), 1));
    let done = control
        .script_and_wait(&COUNT, &[b"{pg:0}m"], &[], 0, PATIENCE)
        .await
        .unwrap();
    assert_eq!((done.reply.int(), done.replicas), (Some(2), 0));

    replica.freeze();
    let brief = Duration::from_millis(20);
    let done = control
        .script_and_wait(&COUNT, &[b"{pg:0}m"], &[], 1, brief)
        .await
        .unwrap();
    assert_eq!((done.reply.int(), done.replicas), (Some(3), 0), "said, not an error");
    replica.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn nudges_come() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    let mut nudges = redis.nudges(b"{pg:0}c");
    assert_eq!(soon("it is subscribed", nudges.next()).await, Nudge::Reconnected);
    assert_eq!(server.ask(&["SPUBLISH", "{pg:0}c", "7"]).int(), 1);
    assert_eq!(soon("a nudge comes", nudges.next()).await, Nudge::Message("7".into()));
    for number in 0..200 {
        server.ask(&["SPUBLISH", "{pg:0}c", &number.to_string()]);
    }
    assert_eq!(message_after_missing(&mut nudges).await, "199");

    drop(nudges);
    let subscribed = || async { server.ask(&["PUBSUB", "SHARDCHANNELS"]).list().is_empty() };
    until("a subscription ends with its handle", subscribed).await;
}

/// The last of many nudges, which must have been more than are kept.
async fn message_after_missing(nudges: &mut Nudges) -> Bytes {
    let mut missed = false;
    soon("the last nudge comes", async {
        loop {
            match nudges.next().await {
                Nudge::Missed => missed = true,
                Nudge::Message(last) if last == "199" => {
                    assert!(missed, "200 were kept");
                    return last;
                }
                _ => {}
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_client_leaves_no_connection() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    let _nudges = redis.nudges(b"c");
    let mut control = redis.control(b"c");
    control.replicas().await.unwrap();
    drop((redis, control));
    let gone = || async { !server.ask(&["CLIENT", "LIST"]).text().contains("name=peregrine ") };
    until("all connections end", gone).await;
}
