//! Which connection a request goes over, and what becomes of it.

use super::*;
use crate::tests::{Wire, until};
use tokio::sync::Notify;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let origin = Origin::echo().await;
    let upstream = upstream(&origin);
    for number in 0..3 {
        let (body, exchange) = fetch(&upstream, get("/a"), Retry::Safe).await.unwrap();
        assert_eq!(
            (body.as_str(), exchange.reused, exchange.attempts),
            ("/a", number > 0, 1)
        );
    }
    let target = target(&upstream);
    assert_eq!(
        (origin.accepted(), target.connects, target.reuses, target.in_flight),
        (1, 1, 2, 0)
    );
}

#[tokio::test]
async fn responses_without_a_body_give_the_connection_back_at_once() {
    let origin = Origin::start(|mut wire, _| async move {
        while let Some(head) = wire.head().await {
            let status = if head.starts_with("HEAD") {
                "200 OK\r\ncontent-length: 99"
            } else {
                "204 No Content"
            };
            wire.send(&format!("HTTP/1.1 {status}\r\n\r\n")).await;
        }
    })
    .await;
    let upstream = upstream(&origin);
    for method in ["HEAD", "GET", "HEAD"] {
        let (response, _) = upstream
            .send(request(method, "/", Body::empty()), Retry::Safe)
            .await
            .unwrap();
        assert!(response.body().is_empty());
        assert_eq!(response.headers().contains_key("content-length"), method == "HEAD");
    }
    assert_eq!(origin.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_is_dropped_early_takes_the_connection_with_it() {
    let closed = Arc::new(Notify::new());
    let seen = Arc::clone(&closed);
    let origin = Origin::start(move |mut wire, number| {
        let seen = Arc::clone(&seen);
        async move {
            wire.head().await;
            if number > 0 {
                return wire.send(OK).await;
            }
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\nbegins")
                .await;
            // Ends, cleanly or not, only because the other side closed.
            let _ = wire.rest().await;
            seen.notify_one();
        }
    })
    .await;
    let upstream = upstream(&origin);
    let (mut response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    assert_eq!(response.body_mut().next().await.unwrap().unwrap(), "begins");
    assert_eq!(target(&upstream).in_flight, 1);
    drop(response);
    closed.notified().await;
    assert_eq!(target(&upstream).in_flight, 0);
    assert!(!fetch(&upstream, get("/"), Retry::Safe).await.unwrap().1.reused);
}

#[tokio::test]
async fn connections_that_the_origin_closes_are_not_kept() {
    for close in [
        "HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 2",
        "HTTP/1.0 200 OK\r\ncontent-length: 2",
    ] {
        let origin = Origin::start(move |mut wire, _| async move {
            wire.head().await;
            wire.send(&format!("{close}\r\n\r\nok")).await;
            // Says that it closes, and takes its time.
            let _ = wire.head().await;
        })
        .await;
        let upstream = upstream(&origin);
        for _ in 0..2 {
            assert!(
                !fetch(&upstream, get("/"), Retry::Never).await.unwrap().1.reused,
                "{close}"
            );
        }
    }
}

#[tokio::test]
async fn a_response_that_overtakes_its_request_ends_the_connection() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(OK).await;
        let _ = wire.rest().await;
    })
    .await;
    let upstream = upstream(&origin);
    let endless = || Body::from_poll(None, |_| std::task::Poll::Pending);
    for _ in 0..2 {
        let (body, exchange) = fetch(&upstream, request("POST", "/", endless()), Retry::Never)
            .await
            .unwrap();
        assert_eq!(
            (body.as_str(), exchange.reused, target(&upstream).idle),
            ("ok", false, 0)
        );
    }
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time() {
    let origin = Origin::echo().await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.keepalive_time = "50ms".parse().unwrap()
    });
    fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    until("the idle connection is closed", || target(&upstream).idle == 0).await;
    assert!(!fetch(&upstream, get("/"), Retry::Safe).await.unwrap().1.reused);
}

#[tokio::test]
async fn an_origin_may_ask_for_a_shorter_time() {
    let clock = Arc::new(ManualClock::default());
    let origin = Origin::start(|mut wire, _| async move {
        while wire.head().await.is_some() {
            wire.send("HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=100\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    })
    .await;
    let upstream = upstream_with(clock.clone(), &[&origin.url()], |_| {});
    let mut reused = Vec::new();
    for seconds in [0, 3, 4, 5] {
        clock.advance(Duration::from_secs(seconds));
        reused.push(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().1.reused);
    }
    assert_eq!(reused, [false, true, false, false]);
}

#[tokio::test]
async fn a_connection_in_use_is_replaced_when_it_is_old() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let clock = Arc::new(ManualClock::default());
        let origin = Origin::start(move |mut wire, _| async move {
            if version == HttpVersion::Http2 {
                return super::secure::serve(wire.stream, true).await;
            }
            while wire.head().await.is_some() {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        })
        .await;
        let upstream = upstream_with(clock.clone(), &[&origin.url()], |config| config.http_version = version);
        let mut new_at = Vec::new();
        for seconds in (0..=500).step_by(20) {
            if !fetch(&upstream, get("/"), Retry::Safe).await.unwrap().1.reused {
                new_at.push(seconds);
            }
            clock.advance(Duration::from_secs(20));
        }
        assert!(
            matches!(new_at[..], [0, 280..=340]),
            "{version:?}: after five minutes, give or take a tenth: {new_at:?}"
        );
    }
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_replaced_once_where_that_is_safe() {
    let origin = || async {
        Origin::start(|mut wire, number| async move {
            // The first connection takes a second request and closes without a word.
            let answers = if number == 0 { 1 } else { 9 };
            for _ in 0..answers {
                if wire.head().await.is_some() {
                    wire.send(OK).await;
                }
            }
            wire.head().await;
        })
        .await
    };
    let safe = origin().await;
    let one = upstream_of(&[&safe.url()], |config| {
        (config.retries_max, config.ejection.failures) = (0, 1);
    });
    fetch(&one, get("/"), Retry::Safe).await.unwrap();
    let (body, exchange) = fetch(&one, get("/"), Retry::Safe).await.unwrap();
    assert_eq!(
        (body.as_str(), exchange.reused, exchange.attempts, safe.accepted()),
        ("ok", false, 2, 2)
    );
    assert_eq!(target(&one).ejections, 0, "a connection that grew old is no failure");

    for (method, retry) in [("POST", Retry::Safe), ("GET", Retry::Never)] {
        let unsafe_one = origin().await;
        let two = upstream(&unsafe_one);
        fetch(&two, get("/"), Retry::Safe).await.unwrap();
        assert_eq!(
            failure(&two, request(method, "/", Body::full("x")), retry).await,
            UpstreamErrorKind::Broken
        );
        assert_eq!(unsafe_one.accepted(), 1, "{method} {retry:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_breaks_at_a_target_left_out_meanwhile_is_replaced_at_another() {
    let gone = Arc::new(tokio::sync::Semaphore::new(0));
    let goes = Arc::clone(&gone);
    let first = Origin::start(move |mut wire, _| {
        let goes = Arc::clone(&goes);
        async move {
            wire.head().await;
            wire.send(OK).await;
            wire.head().await;
            let _ = goes.acquire().await;
        }
    })
    .await;
    let other = Origin::echo().await;
    let upstream = upstream_of(&[&first.url(), &other.url()], |config| {
        (config.retries_max, config.ejection.failures) = (1, 1);
        config.targets[1].priority = 1;
    });
    fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    let member = &upstream.chooser.members()[0];
    let leave = async {
        until("it is there", || member.statistics().requests.value() == 2).await;
        member.fail(ejection::Admission::Normal);
        gone.add_permits(1);
    };
    let (answer, ()) = tokio::join!(fetch(&upstream, get("/"), Retry::Safe), leave);
    assert_eq!(&*answer.unwrap().1.target, other.url());
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_used() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(OK).await;
    })
    .await;
    let upstream = upstream(&origin);
    for _ in 0..20 {
        // Even what may not be sent twice gets through, over a connection of its own.
        fetch(&upstream, request("POST", "/", stream("x")), Retry::Never)
            .await
            .unwrap();
        until("the end is noticed", || {
            target(&upstream).idle == 0 || upstream.chooser.members()[0].pool().idle_is_closed()
        })
        .await;
    }
    assert_eq!(origin.accepted(), 20);
}

#[tokio::test]
async fn what_stands_behind_a_response_is_never_taken_for_the_next() {
    let origin = Origin::start(|mut wire, number| async move {
        let poison = if number == 0 {
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
        } else {
            ""
        };
        while wire.head().await.is_some() {
            wire.send(&format!("{OK}{poison}")).await;
        }
    })
    .await;
    let upstream = upstream(&origin);
    for _ in 0..3 {
        assert_eq!(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().0, "ok");
    }
    assert_eq!(origin.accepted(), 2);
}

/// An origin that answers when it is told to.
async fn holding(release: &Arc<tokio::sync::Semaphore>, seen: &Arc<AtomicUsize>) -> Origin {
    let (release, seen) = (Arc::clone(release), Arc::clone(seen));
    Origin::start(move |mut wire: Wire, _| {
        let (release, seen) = (Arc::clone(&release), Arc::clone(&seen));
        async move {
            while wire.head().await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
                release.acquire().await.unwrap().forget();
                wire.send(OK).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_thousand_askers_wait_in_a_bounded_line() {
    let (release, seen) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let origin = holding(&release, &seen).await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        (config.connections_max, config.waiters_max) = (2, 10);
    });
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let upstream = Arc::clone(&upstream);
        askers.spawn(async move {
            fetch(&upstream, get("/"), Retry::Safe)
                .await
                .map(|(body, _)| body)
                .map_err(|e| e.kind)
        });
    }
    // Two are under way, ten wait; the others are told at once.
    for _ in 0..988 {
        let told = askers.join_next().await.unwrap().unwrap();
        assert_eq!(told, Err(UpstreamErrorKind::TooManyWaiting));
    }
    until("the line is full", || {
        target(&upstream).waiting == 10 && seen.load(Ordering::SeqCst) == 2
    })
    .await;
    release.add_permits(12);
    while let Some(served) = askers.join_next().await {
        assert_eq!(served.unwrap().unwrap(), "ok");
    }
    let target = target(&upstream);
    assert_eq!(
        (origin.accepted(), target.waits, target.waiting, target.in_flight),
        (2, 10, 0, 0)
    );
}

#[tokio::test]
async fn who_leaves_the_line_makes_room() {
    let (release, seen) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let origin = holding(&release, &seen).await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        (config.connections_max, config.waiters_max) = (1, 1);
    });
    let ask = || {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move {
            fetch(&upstream, get("/"), Retry::Safe)
                .await
                .map_err(|error| error.kind)
        })
    };
    let first = ask();
    until("the first is under way", || seen.load(Ordering::SeqCst) == 1).await;
    let second = ask();
    until("the second waits", || target(&upstream).waiting == 1).await;
    second.abort();
    until("the second is gone", || target(&upstream).waiting == 0).await;
    let third = ask();
    until("the third waits", || target(&upstream).waiting == 1).await;
    // Who is under way and leaves makes room too, and takes the connection along.
    first.abort();
    release.add_permits(2);
    assert_eq!(third.await.unwrap().unwrap().0, "ok");
}
