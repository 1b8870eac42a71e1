//! What a person finds in the logs.

use super::*;
use crate::config::{AccessFormat, Level, LogFormat};
use peregrine_base::{Span, WallTime};
use std::net::{IpAddr, Ipv4Addr};

fn config(path: &std::path::Path) -> LogConfig {
    LogConfig {
        level: Level::Info,
        format: LogFormat::Text,
        access: AccessFormat::Json,
        access_path: path.to_str().unwrap().to_owned(),
        access_sample: 0.25,
        slow: Some(Span::new(Duration::from_secs(2))),
        redact: Vec::new(),
    }
}

fn access<'a>(request_id: &'a str, target: &'a str, status: u16) -> Access<'a> {
    Access {
        time: WallTime::from_millis(1_767_225_600_000),
        request_id,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: "GET",
        scheme: "http",
        host: "shop.example",
        target,
        tenant: None,
        status,
        received_bytes: 0,
        sent_bytes: 0,
        duration: Duration::from_millis(1),
        upstream_duration: None,
        route: Some("shop"),
        strategy: None,
        cache: "hit",
        reason: None,
        upstream: None,
        error: None,
        user_agent: None,
        trace: None,
    }
}

/// Ends a request as a plane does.
fn end(recorder: &Recorder, access: &Access<'_>, began: Duration) {
    let now = Instant::from_nanos(1_000_000_000);
    let ended = Ended {
        now,
        duration: access.duration,
        began,
        status: access.status,
        failed: access.error.is_some(),
        traced: false,
        request_id: access.request_id,
    };
    let wanted = recorder.wanted(&ended);
    if wanted.is_any() {
        recorder.record(wanted, now, access, None);
    }
}

#[test]
fn a_sample_is_logged_and_with_it_all_that_failed_or_was_slow() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let recorder = Recorder::start(&config(file.path())).unwrap();
    let ids: Vec<_> = (0..4000).map(|number| format!("{number:032x}")).collect();
    for id in &ids {
        end(&recorder, &access(id, "/well", 200), Duration::ZERO);
    }
    for id in ids.iter().take(100) {
        end(&recorder, &access(id, "/failed", 503), Duration::ZERO);
        let broken = Access {
            error: Some("client_gone"),
            ..access(id, "/broken", 200)
        };
        end(&recorder, &broken, Duration::ZERO);
        end(&recorder, &access(id, "/slow", 200), Duration::from_secs(3));
    }
    assert!(recorder.access_log.flush(Duration::from_secs(30)));
    let text = std::fs::read_to_string(file.path()).unwrap();
    let count = |target: &str| text.lines().filter(|line| line.contains(target)).count();
    assert_eq!([count("/failed"), count("/broken"), count("/slow")], [100, 100, 100]);
    assert!((850..=1150).contains(&count("/well")), "{}", count("/well"));
    assert_eq!(recorder.left_out.value(), 4000 - count("/well") as u64);
    assert_eq!(recorder.slow_requests.value(), 100);
}

#[test]
fn two_nodes_log_the_same_requests() {
    let chosen = |salt: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let recorder = Recorder::start(&config(file.path())).unwrap();
        let ids = (0..1000).map(|number| format!("{salt}{number}"));
        let logged = |id: &String| {
            let ended = Ended {
                now: Instant::ZERO,
                duration: Duration::ZERO,
                began: Duration::ZERO,
                status: 200,
                failed: false,
                traced: false,
                request_id: id,
            };
            recorder.wanted(&ended).log
        };
        ids.filter(logged).collect::<Vec<_>>()
    };
    assert_eq!(chosen("a"), chosen("a"));
    assert_ne!(chosen("a").len(), 0);
}

#[test]
fn the_keys_that_are_asked_for_most_hide_secrets() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let recorder = Recorder::start(&config(file.path())).unwrap();
    for _ in 0..1000 {
        end(
            &recorder,
            &access("1", "/page?token=hunter2&page=7", 200),
            Duration::ZERO,
        );
    }
    let top = recorder.top_keys.top(9);
    assert_eq!(top.len(), 1);
    assert_eq!(top[0].key, "GET http://shop.example/page?token=[redacted]&page=7");
    assert!((500..=1600).contains(&top[0].count), "{top:?}");
}
