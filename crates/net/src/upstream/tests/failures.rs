//! Origins that fail: what the asker is told, where else the request goes, and when a target is left out.

use super::*;
use crate::http::{BodyError, BodyFault};
use crate::tests::{nobody, until};
use peregrine_base::{Blame, Party};

/// The outcome of reading the body that belongs to this response, whose connection then ends (`reset`: with a reset).
async fn body_of(response: &'static str, reset: bool) -> Result<String, BodyFault> {
    let origin = Origin::start(move |mut wire, _| async move {
        wire.head().await;
        wire.send(response).await;
        if reset {
            wire.reset();
        }
    })
    .await;
    let upstream = upstream(&origin);
    let (response, _) = upstream.send(get("/"), Retry::Never).await.unwrap();
    let whole = response.into_body().collect(1000).await;
    let whole = whole.map_err(|error: BodyError| {
        assert_eq!(error.party, Party::Upstream);
        error.fault
    });
    let target = target(&upstream);
    assert_eq!(
        target.failures,
        u32::from(whole.is_err()),
        "a body cut short tells against the target"
    );
    assert_eq!(
        target.errors.get("body_truncated").copied().unwrap_or(0),
        u64::from(whole == Err(BodyFault::Truncated))
    );
    whole.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_and_never_an_end() {
    let table = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole", false, Ok("whole")),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal",
            false,
            Err(BodyFault::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            false,
            Err(BodyFault::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
            false,
            Ok("whole"),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n",
            false,
            Err(BodyFault::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n",
            false,
            Err(BodyFault::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwh",
            false,
            Err(BodyFault::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            false,
            Err(BodyFault::Malformed),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", false, Ok("until the end")),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the reset", true, Err(BodyFault::Broken)),
    ];
    for (response, reset, expected) in table {
        assert_eq!(
            body_of(response, reset).await,
            expected.map(str::to_owned),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn answers_whose_framing_is_in_doubt_are_refused() {
    let table = [
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            UpstreamErrorKind::Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            UpstreamErrorKind::Framing,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            UpstreamErrorKind::Framing,
        ),
        ("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", UpstreamErrorKind::Protocol),
    ];
    for (response, kind) in table {
        let origin = Origin::start(move |mut wire, _| async move {
            wire.head().await;
            wire.send(response).await;
        })
        .await;
        let error = upstream(&origin).send(get("/"), Retry::Never).await.err().unwrap();
        assert_eq!(
            (error.kind, error.status().as_u16()),
            (kind, 502),
            "{response:?}: {error}"
        );
        assert!(
            !error.public().contains("127.0.0.1") && error.to_string().contains("127.0.0.1"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn one_way_only_is_left_to_tell_where_a_body_ends() {
    for (response, length) in [
        (
            "transfer-encoding: chunked\r\ncontent-length: 99\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            None,
        ),
        ("content-length: 2\r\ncontent-length: 2\r\n\r\nok", Some("2")),
    ] {
        let origin = Origin::start(move |mut wire, _| async move {
            wire.head().await;
            wire.send(&format!("HTTP/1.1 200 OK\r\n{response}")).await;
        })
        .await;
        let (response, _) = upstream(&origin).send(get("/"), Retry::Never).await.unwrap();
        let lengths: Vec<_> = response
            .headers()
            .get_all("content-length")
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect();
        assert_eq!(lengths, length.into_iter().collect::<Vec<_>>());
        assert_eq!(response.into_body().collect(10).await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn early_hints_are_passed_over() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
    })
    .await;
    assert_eq!(fetch(&upstream(&origin), get("/"), Retry::Never).await.unwrap().0, "ok");
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_named_in_the_log_and_not_to_the_client() {
    let address = nobody().await;
    let error = upstream_of(&[&format!("http://{address}")], |_| {})
        .send(get("/"), Retry::Safe)
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.as_str(), error.party(), error.status().as_u16()),
        ("connect", Party::Upstream, 502)
    );
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!error.problem().to_json().contains(&address.to_string()));
    let unknown = upstream_of(&["http://name.invalid"], |_| {});
    assert_eq!(
        failure(&unknown, get("/"), Retry::Safe).await,
        UpstreamErrorKind::Resolve
    );
}

#[tokio::test]
async fn what_was_not_sent_goes_to_another_target() {
    let origin = Origin::start(|mut wire, _| async move {
        while let Some(head) = wire.head().await {
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            assert_eq!(wire.bytes(11).await, b"1\r\nx\r\n0\r\n\r\n");
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let down = format!("http://{}", nobody().await);
    let upstream = upstream_of(&[&down, &origin.url()], |config| config.balance = Balance::RoundRobin);
    let mut attempts = 0;
    for _ in 0..4 {
        // Neither idempotent nor at hand again, but not a byte of it was sent.
        attempts += fetch(&upstream, request("POST", "/", stream("x")), Retry::Never)
            .await
            .unwrap()
            .1
            .attempts;
    }
    let status = upstream.status();
    assert!(attempts > 4);
    assert_eq!(u64::from(attempts), 4 + status.targets[0].errors["connect"]);
    assert_eq!(status.targets[0].retries, status.targets[0].errors["connect"]);
}

#[tokio::test]
async fn a_broken_answer_is_asked_for_again_only_where_that_is_safe() {
    for (method, retry, expected) in [
        ("GET", Retry::Safe, Ok(2)),
        ("DELETE", Retry::Safe, Ok(2)),
        ("POST", Retry::Safe, Err(UpstreamErrorKind::Broken)),
        ("GET", Retry::Never, Err(UpstreamErrorKind::Broken)),
    ] {
        let origin = Origin::start(|mut wire, number| async move {
            wire.head().await;
            if number > 0 {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        })
        .await;
        let found = fetch(&upstream(&origin), request(method, "/", Body::empty()), retry).await;
        assert_eq!(
            found.map(|(_, exchange)| exchange.attempts).map_err(|error| error.kind),
            expected,
            "{method} {retry:?}"
        );
    }
}

#[tokio::test]
async fn a_partial_answer_is_never_asked_for_again() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal").await;
    })
    .await;
    let upstream = upstream(&origin);
    let (response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    assert_eq!(
        response.into_body().collect(10).await.unwrap_err().fault,
        BodyFault::Truncated
    );
    assert_eq!(origin.accepted(), 1);
}

#[tokio::test]
async fn a_request_body_that_fails_is_not_the_origins_fault() {
    let origin = Origin::start(|mut wire, _| async move {
        let _ = wire.rest().await;
    })
    .await;
    let upstream = upstream(&origin);
    for (fault, status) in [
        (BodyFault::Truncated, 400),
        (BodyFault::TooLarge, 413),
        (BodyFault::IdleTimeout, 408),
    ] {
        let mut pieces = vec![
            Err(BodyError::new(fault, Party::Downstream)),
            Ok(bytes::Bytes::from_static(b"begins")),
        ];
        let body = Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop()));
        let error = upstream
            .send(request("PUT", "/", body), Retry::Safe)
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind, UpstreamErrorKind::RequestBody(fault));
        assert_eq!((error.status().as_u16(), error.party()), (status, Party::Downstream));
    }
    // The last one may be over before the origin looks.
    until("each has its connection", || origin.accepted() == 3).await;
    assert_eq!(target(&upstream).failures, 0);
}

#[tokio::test]
async fn a_target_is_left_out_and_comes_back() {
    let clock = Arc::new(ManualClock::default());
    let works = Arc::new(AtomicBool::new(false));
    let (good, flaky) = (Origin::echo().await, {
        let works = Arc::clone(&works);
        Origin::start(move |mut wire, _| {
            let works = Arc::clone(&works);
            async move {
                while wire.head().await.is_some() && works.load(Ordering::SeqCst) {
                    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nflaky").await;
                }
            }
        })
        .await
    });
    let upstream = upstream_with(clock.clone(), &[&flaky.url(), &good.url()], |config| {
        config.balance = Balance::RoundRobin;
        config.ejection.failures = 3;
        config.slow_start = "0s".parse().unwrap();
    });
    let answers = async |count: usize| {
        let mut flaky = 0;
        for _ in 0..count {
            flaky += usize::from(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().0 == "flaky");
        }
        flaky
    };
    assert_eq!(answers(20).await, 0, "nobody notices");
    let left_out = target(&upstream);
    assert_eq!(
        (left_out.health, left_out.ejections, left_out.requests),
        (Health::Ejected, 1, 3)
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(answers(20).await, 0);
    assert_eq!(target(&upstream).requests, 4, "one request probed it");
    works.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(2));
    let answered = answers(20).await;
    assert!(
        (10..=11).contains(&answered),
        "one probes, then both take turns: {answered}"
    );
    assert_eq!(target(&upstream).health, Health::Healthy);
}

#[tokio::test]
async fn who_probes_one_target_is_answered_by_one_that_serves() {
    let (good, down) = (Origin::echo().await, [nobody().await, nobody().await]);
    let down = down.map(|address| format!("http://{address}"));
    for (targets, retries_max) in [(vec![&down[0], &down[1]], 1), (vec![&down[0]], 0)] {
        let clock = Arc::new(ManualClock::default());
        let good = good.url();
        let all: Vec<&str> = targets.iter().map(|url| url.as_str()).chain([&*good]).collect();
        let upstream = upstream_with(clock.clone(), &all, |config| {
            config.ejection.failures = 1;
            config.retries_max = retries_max;
        });
        let is_out = |target: &TargetStatus| target.health == Health::Ejected;
        while upstream.status().targets.iter().filter(|target| is_out(target)).count() < targets.len() {
            let _ = upstream.send(get("/"), Retry::Safe).await;
        }
        let attempts = || {
            upstream
                .status()
                .targets
                .iter()
                .map(|target| target.requests)
                .sum::<u64>()
        };
        let before = attempts();
        for round in 0..5 {
            clock.advance(Duration::from_secs(60));
            let answered = fetch(&upstream, get("/"), Retry::Safe).await;
            assert!(answered.is_ok(), "{retries_max} retries, round {round}: {answered:?}");
        }
        assert_eq!(attempts() - before, 10, "each probed once");
    }
}

#[tokio::test]
async fn an_upstream_that_is_all_left_out_fails_fast_and_is_probed_every_shortest_time() {
    let clock = Arc::new(ManualClock::default());
    let (one, other) = (
        format!("http://{}", nobody().await),
        format!("http://{}", nobody().await),
    );
    let upstream = upstream_with(clock.clone(), &[&one, &other], |config| config.ejection.failures = 1);
    let ask = async || failure(&upstream, get("/"), Retry::Safe).await;
    for _ in 0..5 {
        let mut probes = 0;
        while ask().await == UpstreamErrorKind::Connect {
            probes += 1;
        }
        assert!((1..=2).contains(&probes), "each of the two is tried once: {probes}");
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(upstream.status().no_healthy_target, 5);
}

#[tokio::test]
async fn a_sole_target_is_never_left_out() {
    let down = format!("http://{}", nobody().await);
    let upstream = upstream_with(Arc::new(ManualClock::default()), &[&down], |config| {
        config.ejection.failures = 1;
    });
    for _ in 0..5 {
        let kind = failure(&upstream, get("/"), Retry::Safe).await;
        assert_eq!(kind, UpstreamErrorKind::Connect, "it is asked each time");
    }
    assert_eq!(upstream.status().no_healthy_target, 0);
}

#[tokio::test]
async fn the_faster_target_gets_more_and_the_slower_is_not_forgotten() {
    let clock = Arc::new(ManualClock::default());
    let origin = async |millis: u64| {
        let clock = Arc::clone(&clock);
        Origin::start(move |mut wire, _| {
            let clock = Arc::clone(&clock);
            async move {
                while wire.head().await.is_some() {
                    clock.advance(Duration::from_millis(millis));
                    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
            }
        })
        .await
    };
    let (slow, fast) = (origin(100).await, origin(5).await);
    let upstream = upstream_with(clock.clone(), &[&slow.url(), &fast.url()], |_| {});
    for _ in 0..100 {
        fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    }
    assert_eq!(target(&upstream).requests, 1, "{:?}", upstream.status());
    clock.advance(Duration::from_secs(60));
    fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    assert_eq!(target(&upstream).requests, 2, "{:?}", upstream.status());
}

#[tokio::test]
async fn only_a_part_of_the_targets_is_left_out_and_who_comes_back_starts_slowly() {
    let clock = Arc::new(ManualClock::default());
    let down = [
        format!("http://{}", nobody().await),
        format!("http://{}", nobody().await),
    ];
    let upstream = upstream_with(clock.clone(), &[&down[0], &down[1]], |config| {
        config.ejection.failures = 1;
        config.ejection.share_max = 0.5;
    });
    for _ in 0..10 {
        assert_eq!(
            failure(&upstream, get("/"), Retry::Safe).await,
            UpstreamErrorKind::Connect
        );
    }
    let left_out = || {
        let targets = upstream.status().targets;
        targets.iter().position(|target| target.health == Health::Ejected)
    };
    let out: Vec<u64> = upstream
        .status()
        .targets
        .iter()
        .map(|target| target.ejections)
        .collect();
    assert_eq!(out.iter().sum::<u64>(), 1, "one of two");
    let member = &upstream.chooser.members()[left_out().unwrap()];
    clock.advance(Duration::from_secs(1));
    let mut ticket = Ticket::take(member, clock.now(), Need::Any).unwrap();
    ticket.answered(clock.now());
    assert_eq!(left_out(), None);
    let share = |after: u64| member.share(clock.now().after(Duration::from_secs(after)));
    assert!(share(0) < 0.2 && share(5) < 0.6 && share(10) >= 1.0);
}
