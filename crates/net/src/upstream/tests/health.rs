//! Health checks over real sockets: who fails them gets nothing, who passes them again is back, and a reload starts nothing
//! twice.

use super::*;
use crate::config::TargetConfig;
use crate::tests::until;

/// An origin that answers health checks as `well` says, everything else with its path, and counts both.
struct Checked {
    origin: Origin,
    well: Arc<AtomicBool>,
    checks: Arc<AtomicUsize>,
    others: Arc<AtomicUsize>,
}

impl Checked {
    async fn start() -> Self {
        let (well, checks, others) = (
            Arc::new(AtomicBool::new(true)),
            Arc::<AtomicUsize>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let parts = (Arc::clone(&well), Arc::clone(&checks), Arc::clone(&others));
        let origin = Origin::start(move |mut wire, _| {
            let (well, checks, others) = parts.clone();
            async move {
                while let Some(head) = wire.head().await {
                    if head.starts_with("GET /up ") {
                        assert!(head.contains("host: checked.example\r\n"), "{head}");
                        checks.fetch_add(1, Ordering::SeqCst);
                        let status = if well.load(Ordering::SeqCst) { 204 } else { 503 };
                        wire.send(&format!("HTTP/1.1 {status} X\r\n\r\n")).await;
                    } else {
                        others.fetch_add(1, Ordering::SeqCst);
                        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    }
                }
            }
        })
        .await;
        Self {
            origin,
            well,
            checks,
            others,
        }
    }

    fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }
}

fn checking(config: &mut UpstreamConfig) {
    config.balance = Balance::RoundRobin;
    config.slow_start = "0s".parse().unwrap();
    config.health.path = Some("/up".to_owned());
    config.health.host = Some("checked.example".to_owned());
    config.health.interval = "100ms".parse().unwrap();
    config.health.healthy_after = 1;
    config.health.unhealthy_after = 2;
}

fn health(upstream: &Upstream, index: usize) -> (Health, &'static str) {
    let target = &upstream.status().targets[index];
    (target.health, target.checks.verdict)
}

#[tokio::test]
async fn who_fails_its_checks_gets_nothing_until_it_passes_them() {
    let (one, other) = (Checked::start().await, Checked::start().await);
    let upstream = upstream_of(&[&one.origin.url(), &other.origin.url()], checking);
    assert_eq!(health(&upstream, 0), (Health::Healthy, "unknown"));
    upstream.take_over();
    until("both pass", || {
        [0, 1].map(|index| health(&upstream, index).1) == ["passing"; 2]
    })
    .await;
    one.well.store(false, Ordering::SeqCst);
    until("one fails", || health(&upstream, 0) == (Health::Failing, "failing")).await;
    assert!(
        target(&upstream)
            .checks
            .last_error
            .is_some_and(|error| error.contains("503"))
    );
    for _ in 0..10 {
        fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    }
    let counts = [&one, &other].map(|origin| origin.others.load(Ordering::SeqCst));
    assert_eq!(counts, [0, 10]);
    other.well.store(false, Ordering::SeqCst);
    until("both fail", || health(&upstream, 1) == (Health::Failing, "failing")).await;
    assert_eq!(
        failure(&upstream, get("/"), Retry::Safe).await,
        UpstreamErrorKind::NoHealthyTarget
    );
    one.well.store(true, Ordering::SeqCst);
    until("one is back", || health(&upstream, 0) == (Health::Healthy, "passing")).await;
    fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
    assert_eq!(one.others.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn checks_bring_back_what_failures_left_out() {
    let (down, other) = (Checked::start().await, Checked::start().await);
    let upstream = upstream_of(&[&down.origin.url(), &other.origin.url()], |config| {
        checking(config);
        config.ejection.time_min = "1h".parse().unwrap();
        config.ejection.time_max = "1h".parse().unwrap();
    });
    let member = &upstream.chooser.members()[0];
    while !member.ejection().is_out() {
        member.fail(ejection::Admission::Normal);
    }
    down.well.store(false, Ordering::SeqCst);
    upstream.take_over();
    until("it fails", || health(&upstream, 0).1 == "failing").await;
    down.well.store(true, Ordering::SeqCst);
    until("it is back", || health(&upstream, 0) == (Health::Healthy, "passing")).await;
    assert_eq!(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().0, "ok");
}

#[tokio::test]
async fn the_last_that_passes_its_checks_is_not_left_out() {
    let (down, other) = (Checked::start().await, Checked::start().await);
    let upstream = upstream_of(&[&down.origin.url(), &other.origin.url()], |config| {
        checking(config);
        config.ejection.failures = 1;
    });
    down.well.store(false, Ordering::SeqCst);
    upstream.take_over();
    until("it fails", || health(&upstream, 0).1 == "failing").await;
    let last = &upstream.chooser.members()[1];
    last.fail(ejection::Admission::Normal);
    assert!(!last.ejection().is_out(), "there is nobody else");
    down.well.store(true, Ordering::SeqCst);
    until("it is back", || health(&upstream, 0).1 == "passing").await;
    last.fail(ejection::Admission::Normal);
    assert!(last.ejection().is_out());
}

#[tokio::test]
async fn a_target_that_does_not_answer_checks_in_time_fails_them() {
    let silent = Origin::start(|mut wire, _| async move {
        let _ = wire.rest().await;
    })
    .await;
    let upstream = upstream_of(&[&silent.url()], |config| {
        checking(config);
        config.health.timeout = "20ms".parse().unwrap();
    });
    upstream.take_over();
    until("it fails", || health(&upstream, 0).1 == "failing").await;
    assert!(
        target(&upstream)
            .checks
            .last_error
            .is_some_and(|error| error.contains("in time"))
    );
}

/// What becomes of `before` under its own configuration, changed by `change`.
pub(super) fn reloaded(before: &Arc<Upstream>, change: impl FnOnce(&mut UpstreamConfig)) -> Arc<Upstream> {
    let mut config = before.config().clone();
    change(&mut config);
    let parts = UpstreamParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SeededRandom::new(2)),
    };
    Upstream::after(&config, parts, Some(before)).unwrap()
}

#[tokio::test]
async fn a_reload_keeps_connections_health_and_counts_of_targets_that_stay() {
    let (stays, new) = (Origin::echo().await, Origin::echo().await);
    let first = upstream_of(&[&stays.url()], |config| config.ejection.failures = 2);
    fetch(&first, get("/"), Retry::Safe).await.unwrap();
    first.chooser.members()[0].fail(ejection::Admission::Normal);
    let second = reloaded(&first, |config| {
        config.connections_max = 1;
        config.idle_timeout = "1s".parse().unwrap();
        config.targets.push(TargetConfig::at(&new.url()));
    });
    second.take_over();
    drop(first);
    let status = second.status();
    let shown = |index: usize| {
        (
            status.targets[index].requests,
            status.targets[index].failures,
            status.targets[index].idle,
        )
    };
    assert_eq!((shown(0), shown(1)), ((1, 1, 1), (0, 0, 0)));
    assert!(
        status.targets[1].share < 1.0 && status.targets[0].share >= 1.0,
        "who is new starts slowly"
    );
    let third = reloaded(&second, |config| {
        config.targets.pop();
    });
    third.take_over();
    assert!(fetch(&third, get("/"), Retry::Safe).await.unwrap().1.reused);
    assert_eq!((stays.accepted(), new.accepted()), (1, 0));
    let other = reloaded(&third, |config| config.http_version = HttpVersion::Http1);
    assert!(
        !fetch(&other, get("/"), Retry::Safe).await.unwrap().1.reused,
        "made in another way"
    );
    assert_eq!(target(&other).requests, 3, "but still the same target");
}

#[tokio::test]
async fn the_limit_of_a_reload_holds_for_what_is_under_way() {
    let origin = Origin::start(|mut wire, _| async move {
        while wire.head().await.is_some() {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await;
        }
    })
    .await;
    let first = upstream_of(&[&origin.url()], |config| config.connections_max = 2);
    let held = [
        first.send(get("/"), Retry::Never).await.unwrap(),
        first.send(get("/"), Retry::Never).await.unwrap(),
    ];
    let second = reloaded(&first, |config| {
        config.connections_max = 1;
        config.waiters_max = 0;
    });
    second.take_over();
    let [one, other] = held;
    drop(one);
    assert_eq!(
        failure(&second, get("/"), Retry::Never).await,
        UpstreamErrorKind::TooManyWaiting
    );
    drop(other);
    let held = second.send(get("/"), Retry::Never).await.unwrap();
    // Its connections are made in another way; the target is the same.
    let third = reloaded(&second, |config| config.http_version = HttpVersion::Http1);
    third.take_over();
    assert_eq!(
        failure(&third, get("/"), Retry::Never).await,
        UpstreamErrorKind::TooManyWaiting
    );
    drop(held);
    assert!(third.send(get("/"), Retry::Never).await.is_ok());
}

#[tokio::test]
async fn a_reload_starts_no_checks_twice_and_the_end_of_an_upstream_ends_them() {
    let origin = Checked::start().await;
    let first = upstream_of(&[&origin.origin.url()], checking);
    first.take_over();
    until("it is checked", || origin.checks() > 0).await;
    let checks = first.chooser.members()[0].checks();
    let second = reloaded(&first, |config| config.connections_max = 7);
    second.take_over();
    second.take_over();
    assert_eq!(checks.starts.value(), 1);
    let third = reloaded(&second, |config| config.health.unhealthy_after = 9);
    third.take_over();
    assert_eq!(checks.starts.value(), 2, "they changed");
    drop((first, second));
    let before = origin.checks();
    until("it is still checked", || origin.checks() > before + 1).await;
    let running = Arc::downgrade(&checks);
    drop((third, checks));
    until("nobody holds the checks", || running.strong_count() == 0).await;
}
