//! Lines, redaction, injection, and a log that cannot be written.

use super::*;
use crate::config::{Level, LogFormat};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

fn config(access: AccessFormat, path: &Path) -> LogConfig {
    let access_path = path.to_str().unwrap().to_owned();
    LogConfig {
        level: Level::Info,
        format: LogFormat::Text,
        access,
        access_path,
        access_sample: 1.0,
        slow: None,
        redact: vec!["Customer-ID".to_owned()],
    }
}

fn access() -> Access<'static> {
    Access {
        time: WallTime::from_millis(1_767_225_600_250),
        request_id: "7f3a",
        client: "192.0.2.7".parse().unwrap(),
        tenant: None,
        method: "GET",
        scheme: "http",
        host: "shop.test:8080",
        target: "/products?page=2&token=hunter2",
        status: 200,
        received_bytes: 0,
        sent_bytes: 1234,
        duration: Duration::from_micros(1250),
        upstream_duration: None,
        route: Some("api"),
        strategy: Some("default"),
        cache: "hit",
        reason: None,
        upstream: None,
        error: None,
        user_agent: Some(b"curl/8.5"),
        trace: None,
    }
}

/// The lines that `accesses` leave in a log of `format`.
fn lines(format: AccessFormat, accesses: &[Access<'_>]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let log = AccessLog::start(&config(format, &path)).unwrap();
    for access in accesses {
        log.record(access);
    }
    drop(log);
    fs::read_to_string(path)
        .unwrap()
        .split_terminator('\n')
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_request_is_one_json_object() {
    let full = Access {
        upstream_duration: Some(Duration::from_millis(3)),
        reason: Some("uri_miss"),
        upstream: Some("http://10.0.0.1:3000"),
        error: Some("timeout"),
        ..access()
    };
    let lines = lines(AccessFormat::Json, &[access(), full]);
    assert_eq!(
        lines[0],
        "{\"time\":\"2026-01-01T00:00:00.250Z\",\"request_id\":\"7f3a\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\
         \"scheme\":\"http\",\"host\":\"shop.test:8080\",\"target\":\"/products?page=2&token=[redacted]\",\"status\":200,\
         \"received_bytes\":0,\"sent_bytes\":1234,\"duration_ms\":1.250,\"cache\":\"hit\",\"route\":\"api\",\
         \"strategy\":\"default\",\"user_agent\":\"curl/8.5\"}"
    );
    let full: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(full["upstream_duration_ms"], 3.0);
    assert_eq!(full["reason"], "uri_miss");
    assert_eq!(full["upstream"], "http://10.0.0.1:3000");
    assert_eq!(full["error"], "timeout");
}

#[test]
fn a_request_is_one_line_for_people() {
    assert_eq!(
        lines(AccessFormat::Text, &[access()]),
        [
            "2026-01-01T00:00:00.250Z 192.0.2.7 GET http://shop.test:8080/products?page=2&token=[redacted] 200 1234B 1.250ms \
          cache=hit route=api strategy=default received=0B id=7f3a agent=\"curl/8.5\""
        ]
    );
}

#[test]
fn secrets_in_the_query_are_hidden_however_their_names_are_written() {
    let redaction = Redaction::new(&["Customer-ID".to_owned()]);
    let hidden = [
        "token",
        "TOKEN",
        "access_token",
        "accessToken",
        "api_key",
        "api-key",
        "X-Api-Key",
        "key",
        "password",
        "secret",
        "client_secret",
        "signature",
        "X-Amz-Signature",
        "sig",
        "code",
        "%74oken",
        "user%5Bpassword%5D",
        "user[password]",
        "a.token",
        "customer_id",
        "session",
    ];
    for name in hidden {
        let shown = redaction.apply(&format!("/a?x=1&{name}=hunter2;y=2")).into_owned();
        assert_eq!(shown, format!("/a?x=1&{name}=[redacted];y=2"));
    }
    for target in [
        "/token=hunter",
        "/a",
        "/a?",
        "/a?page=2&sort=name",
        "/a?monkey=1",
        "/a?country_code=de",
        "/a?token",
        "/a?token=",
    ] {
        assert_eq!(redaction.apply(target), target);
    }
    // Everything behind the first question mark is query.
    assert_eq!(
        redaction.apply("/a?b?token=x&token=y"),
        "/a?b?token=[redacted]&token=[redacted]"
    );
}

#[test]
fn no_request_writes_a_second_line_or_leaves_its_field() {
    let hostile = "x\n{\"forged\":1}\r\u{1b}[2J\u{9b}1m \"} cache=hit\\\u{2028}";
    let event = Access {
        request_id: hostile,
        method: hostile,
        host: hostile,
        target: hostile,
        cache: hostile,
        route: Some(hostile),
        user_agent: Some(b"x\n{\"forged\":1} \xff\x9b \" error=none"),
        ..access()
    };
    let json = lines(AccessFormat::Json, std::slice::from_ref(&event));
    let text = lines(AccessFormat::Text, &[event]);
    for line in [&json, &text] {
        assert_eq!(line.len(), 1, "{line:?}");
        assert!(!line[0].chars().any(crate::escape::is_unsafe), "{line:?}");
    }
    let value: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(value["target"], hostile);
    assert_eq!(value["host"], hostile);
    assert!(value.get("forged").is_none());
    // The one quoted text ends where it should, and no word contains a blank.
    assert!(text[0].ends_with("\\\" error=none\""), "{text:?}");
    assert!(!text[0].contains(" cache=hit\\"), "{text:?}");
}

#[test]
fn credentials_before_the_host_are_not_logged_and_long_texts_are_cut() {
    let target = format!("/{}?token=hunter2", "ä".repeat(5000));
    let event = Access {
        host: "user:hunter2@shop.test",
        target: &target,
        ..access()
    };
    for format in [AccessFormat::Json, AccessFormat::Text] {
        let lines = lines(format, std::slice::from_ref(&event));
        assert!(
            lines[0].contains("shop.test") && !lines[0].contains("hunter2"),
            "{lines:?}"
        );
        assert!(lines[0].len() < 3000, "{}", lines[0].len());
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_counted_while_nobody_waits() {
    // A pipe that nobody reads: the writer gets stuck in it, and the buffer fills up.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let reader = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let log = AccessLog::start(&config(AccessFormat::Json, &path)).unwrap();
    let recorded = 40_000;
    for _ in 0..recorded {
        log.record(&access());
    }
    assert!(log.statistics().dropped > 0);
    assert!(log.writer.buffered_bytes() <= BUFFER_MAX_BYTES);
    // Somebody begins to read: what was not dropped arrives whole.
    let arrived = std::thread::spawn(move || {
        let mut lines = 0u64;
        for line in io::BufRead::lines(io::BufReader::new(reader)) {
            let line = line.unwrap();
            if line == "end" {
                break;
            }
            assert!(line.starts_with("{\"time\"") && line.ends_with('}'), "{line}");
            lines += 1;
        }
        lines
    });
    assert!(log.flush(LONG));
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all(b"end\n")
        .unwrap();
    let statistics = log.statistics();
    assert_eq!(arrived.join().unwrap(), statistics.written);
    assert_eq!(statistics.written + statistics.dropped, recorded);
    let mut exposition = Exposition::new();
    log.expose(&mut exposition);
    let text = String::from_utf8(exposition.finish(crate::prometheus::Format::Prometheus)).unwrap();
    assert!(
        text.contains(&format!("lines_total{{outcome=\"dropped\"}} {}", statistics.dropped)),
        "{text}"
    );
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (
        directory.path().join("access.log"),
        directory.path().join("access.log.1"),
    );
    let log = AccessLog::start(&config(AccessFormat::Json, &path)).unwrap();
    log.record(&Access {
        target: "/first",
        ..access()
    });
    assert!(log.flush(LONG));
    fs::rename(&path, &moved).unwrap();
    log.reopen().unwrap();
    log.record(&Access {
        target: "/second",
        ..access()
    });
    assert!(log.flush(LONG));
    assert!(fs::read_to_string(&moved).unwrap().contains("/first"));
    let now = fs::read_to_string(&path).unwrap();
    assert!(now.contains("/second") && !now.contains("/first"), "{now}");
}

#[test]
fn a_changed_configuration_is_applied_and_an_impossible_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let log = AccessLog::start(&config(AccessFormat::Off, &path)).unwrap();
    assert!(!log.is_on());
    log.record(&access());
    assert!(!path.exists());
    log.reconfigure(&config(AccessFormat::Text, &path)).unwrap();
    assert!(log.is_on());
    log.record(&access());
    let impossible = directory.path().join("absent").join("access.log");
    assert!(log.reconfigure(&config(AccessFormat::Json, &impossible)).is_err());
    log.record(&access());
    assert!(log.flush(LONG));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text.lines().filter(|line| line.contains("cache=hit")).count(),
        2,
        "{text}"
    );
}

#[test]
fn lines_that_cannot_be_written_are_counted_as_failed() {
    let log = AccessLog::start(&config(AccessFormat::Json, Path::new("/dev/full"))).unwrap();
    log.record(&access());
    assert!(log.flush(LONG));
    assert_eq!(
        log.statistics(),
        AccessStatistics {
            written: 0,
            dropped: 0,
            failed: 1
        }
    );
}
