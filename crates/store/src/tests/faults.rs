//! Servers that stop, die, and come back, and ways there that are cut.

use super::*;
use crate::dial::{Dialer, Role};
use crate::map::{Plan, PlannedShard};
use crate::place::{Address, Place};
use crate::wire::{Ask, NoReply};
use crate::{Reply, Script};
use peregrine_base::Instant;
use peregrine_test_servers::{Proxy, RedisServer};
use std::task::Poll;

static ECHO: Script = Script::new("return ARGV[1]");

/// A limit that a server which is stopped reaches soon.
fn hasty(url: &str) -> RedisConfig {
    RedisConfig {
        operation_timeout: Span::new(Duration::from_millis(250)),
        ..config(url)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_at_once_and_found_when_it_comes() {
    let server = RedisServer::start(&[]);
    server.kill();
    let redis = begin(&config(&server.url()));
    for _ in 0..100 {
        // With a limit of half a minute, a hundred of these end only because none of them waits.
        assert!(is_away(&redis.get(b"k").await.unwrap_err()));
    }
    until("the reason is known", || async {
        redis
            .status()
            .fault
            .is_some_and(|fault| fault.contains("cannot be connected to"))
    })
    .await;
    assert!(redis.status().away_since_s.is_some());
    server.restart_empty();
    soon("it is found", redis.ready()).await;
    redis.set(b"k", b"v", PATIENCE).await.unwrap();

    server.kill();
    until_state(&redis, State::Down).await;
    assert!(is_away(&redis.get(b"k").await.unwrap_err()));
    server.restart_empty();
    soon("it is found again", redis.ready()).await;
    assert_eq!(redis.get(b"k").await.unwrap(), None);
    assert!(redis.status().reconnects >= 1);
    assert_eq!(redis.status().away_since_s, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_costs_one_limit() {
    let server = RedisServer::start(&[]);
    let redis = connected(&hasty(&server.url())).await;
    until("it answers", || async { redis.get(b"k").await.is_ok() }).await;
    server.freeze();
    let mut timed_out = 0;
    for _ in 0..100 {
        match redis.get(b"k").await.unwrap_err() {
            StoreError::TimedOut { .. } => timed_out += 1,
            error => assert!(is_away(&error), "{error:?}"),
        }
    }
    assert!(timed_out <= 1, "{timed_out} of 100 waited for a server that is stopped");
    assert_eq!(redis.status().state, State::Down);
    server.thaw();
    until("it answers again", || async { redis.get(b"k").await.is_ok() }).await;
}

/// A server that says things, only too late: after some such requests its connections are made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_always_late_is_left_as_well() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    let map = redis.core.atlas.map();
    let node = map.primaries().next().unwrap();
    let late = || node.explain(NoReply::TimedOut { silent: false }, Instant::ZERO, PATIENCE);
    for _ in 0..7 {
        late();
    }
    redis.get(b"k").await.unwrap();
    for _ in 0..7 {
        late();
    }
    assert_eq!(redis.status().reconnects, 0, "not in a row");
    late();
    until("both connections are made anew", || async {
        redis.status().reconnects == 2
    })
    .await;
}

/// A request for several servers gives the last what the others left of its time.
#[tokio::test(flavor = "multi_thread")]
async fn silence_for_a_small_rest_of_the_limit_closes_nothing() {
    let server = RedisServer::start(&[]);
    let redis = connected(&config(&server.url())).await;
    let map = redis.core.atlas.map();
    let node = map.primaries().next().unwrap();
    let limit = redis.core.limit();
    let silent = |limit| node.explain(NoReply::TimedOut { silent: true }, Instant::FAR, limit);
    silent(limit / 10);
    assert_eq!(node.connections(), 2, "both stay");
    silent(limit * 9 / 10);
    until("both are made anew", || async { redis.status().reconnects == 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nobody_uses_is_found_dead() {
    let server = RedisServer::start(&[]);
    let redis = connected(&hasty(&server.url())).await;
    server.freeze();
    until_state(&redis, State::Down).await;
    server.thaw();
    until_state(&redis, State::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_refused_even_when_nobody_waits_for_them_any_more() {
    let server = RedisServer::start(&[]);
    let redis = connected(&RedisConfig {
        in_flight_max: 16,
        connections: 1,
        ..config(&server.url())
    })
    .await;
    server.freeze();
    let askers: Vec<_> = (0..16)
        .map(|_| {
            let redis = Arc::clone(&redis);
            tokio::spawn(async move { redis.get(b"k").await })
        })
        .collect();
    until("all wait", || async { redis.status().in_flight == 16 }).await;
    for asker in askers {
        asker.abort();
    }
    let error = redis.get(b"k").await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { limit: 16 }), "{error:?}");
    assert!(error.to_string().contains("redis.in_flight_max"));
    server.thaw();
    until("there is room again", || async { redis.get(b"k").await.is_ok() }).await;
}

/// On one connection: what comes late for one who left is never the answer to the next.
#[tokio::test]
async fn a_late_reply_answers_no_other_question() {
    let server = RedisServer::start(&[]);
    let config = config(&server.url());
    let dialer = Dialer::new(&config, &Place::parse(&server.url()).unwrap(), parts()).unwrap();
    let address = Address::new("127.0.0.1", server.port());
    let wire = dialer
        .dial(&address, Role::Primary { known: true }, None)
        .await
        .unwrap();
    let ask = |text: String, limit: Duration| {
        let wire = &wire;
        async move { wire.ask(Ask::One(redis::cmd("ECHO").arg(text)), limit, &parts()).await }
    };
    for number in 0..200 {
        // Sent, and left in the middle.
        let mut left = Box::pin(ask(format!("left {number}"), PATIENCE));
        std::future::poll_fn(|context| Poll::Ready(left.as_mut().poll(context).is_pending())).await;
        // On this one thread the connection writes when it is its turn.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        drop(left);
        let reply = ask(format!("{number}"), PATIENCE).await.unwrap();
        assert_eq!(reply, redis::Value::BulkString(number.to_string().into_bytes()));
    }
    assert!(server.calls("echo") > 200, "nothing was late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_hears_nothing_that_was_said_to_an_earlier_call() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address());
    let redis = connected(&config(&proxy.url())).await;
    let mut control = redis.control(b"k");
    let echo = |text: &'static str| Ok(Reply::Bytes(text.into()));
    let ask = async |control: &mut crate::Control, text: &'static str| {
        let done = control
            .script_and_wait(&ECHO, &[b"k"], &[text.as_bytes()], 0, Duration::ZERO)
            .await;
        done.map(|done| done.reply)
    };
    assert_eq!(ask(&mut control, "first").await, echo("first"));
    let before = proxy.connections();
    assert_eq!(ask(&mut control, "again").await, echo("again"));
    assert_eq!(proxy.connections(), before, "it is kept");
    proxy.freeze();
    // The asker goes away while the reply is under way.
    let dropped = tokio::time::timeout(Duration::from_millis(50), ask(&mut control, "dropped")).await;
    assert!(dropped.is_err());
    proxy.restore();
    assert_eq!(ask(&mut control, "second").await, echo("second"));
    assert!(proxy.connections() > before, "it is another connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_whose_limit_passed_begins_anew() {
    let server = RedisServer::start(&[]);
    let redis = connected(&hasty(&server.url())).await;
    let mut control = redis.control(b"k");
    let mut unused = redis.control(b"k");
    until("it answers", || async { redis.get(b"k").await.is_ok() }).await;
    soon("the control is connected", async {
        while control.replicas().await.is_err() {}
    })
    .await;
    server.freeze();
    // Connecting to a server that is stopped may take half a minute here; that it is stopped is known sooner.
    let error = unused.replicas().await.unwrap_err();
    assert!(
        is_away(&error) && error.to_string().contains("said nothing"),
        "{error:?}"
    );
    let stopped = control
        .script_and_wait(&ECHO, &[b"k"], &[b"old"], 0, Duration::ZERO)
        .await;
    let error = stopped.expect_err("the server is stopped");
    assert!(error.maybe_executed() || is_away(&error), "{error:?}");
    server.thaw();
    soon("the next call is answered", async {
        loop {
            match control
                .script_and_wait(&ECHO, &[b"k"], &[b"new"], 0, Duration::ZERO)
                .await
            {
                Ok(done) => return assert_eq!(done.reply, Reply::Bytes("new".into())),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
}

/// Cut off from its sentinels but not from here, an old primary goes on as if nothing had happened.
#[tokio::test(flavor = "multi_thread")]
async fn another_primary_is_followed_while_the_old_one_still_answers() {
    let (old, new) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let redis = connected(&config(&old.url())).await;
    let mut nudges = redis.nudges(b"c");
    reconnected(&mut nudges).await;
    let mut control = redis.control(b"k");
    let run = async |control: &mut crate::Control| {
        let done = control
            .script_and_wait(&ECHO, &[b"k"], &[b"x"], 0, Duration::ZERO)
            .await;
        done.is_ok()
    };
    assert!(run(&mut control).await);
    redis.core.atlas.redraw(&Plan {
        shards: vec![PlannedShard {
            primary: Address::new("127.0.0.1", new.port()),
            replicas: Vec::new(),
        }],
        slots: None,
    });
    soon("the new one is connected to", redis.ready()).await;
    heard(&new, &mut nudges, "c", "new").await;
    assert!(run(&mut control).await);
    assert_eq!((old.calls("eval"), new.calls("eval")), (1, 1), "the control went along");
    redis.set(b"k", b"v", PATIENCE).await.unwrap();
    assert_eq!(new.ask(&["GET", "k"]).text(), "v");
    assert_eq!(redis.status().failovers, 1);
    let left = || async { !old.ask(&["CLIENT", "LIST"]).text().contains("name=peregrine ") };
    until("nothing is connected to the old one", left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nudges_survive_a_cut_and_a_silent_loss() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address());
    let redis = connected(&hasty(&proxy.url())).await;
    let mut nudges = redis.nudges(b"c");
    reconnected(&mut nudges).await;
    server.ask(&["SPUBLISH", "c", "1"]);
    assert_eq!(message(&mut nudges).await, "1");

    proxy.cut();
    proxy.restore();
    reconnected(&mut nudges).await;
    server.ask(&["SPUBLISH", "c", "2"]);
    assert_eq!(message(&mut nudges).await, "2");

    // Without a word from the way, the loss is found by asking; what is published meanwhile is lost.
    proxy.drop_bytes();
    until_state(&redis, State::Down).await;
    proxy.restore();
    heard(&server, &mut nudges, "c", "3").await;
}
