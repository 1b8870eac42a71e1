//! Levels, their change at run time, and that an event stays on its line.

use super::*;
use crate::config::AccessFormat;
use std::io;
use std::sync::{Arc, Mutex};

/// Keeps what is written, for a look at it.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config(level: Level, format: LogFormat) -> LogConfig {
    LogConfig {
        level,
        format,
        access: AccessFormat::Off,
        access_path: "stdout".to_owned(),
        access_sample: 1.0,
        slow: None,
        redact: Vec::new(),
    }
}

/// What a log with `level` and `format` holds after `events`.
fn logged(level: Level, format: LogFormat, events: impl FnOnce(&LogHandle)) -> String {
    let paper = Paper::default();
    let out = paper.clone();
    let (subscriber, handle) = subscriber(&config(level, format), move || out.clone());
    tracing::subscriber::with_default(subscriber, || events(&handle));
    paper.take()
}

#[test]
fn libraries_are_quiet_below_trace() {
    let events = |_: &LogHandle| {
        tracing::debug!(target: "peregrine_http", "ours");
        tracing::info!(target: "hyper::proto", "theirs");
        tracing::warn!(target: "hyper::proto", "their warning");
    };
    let debug = logged(Level::Debug, LogFormat::Text, events);
    assert!(
        debug.contains("ours") && debug.contains("their warning") && !debug.contains("theirs"),
        "{debug}"
    );
    let info = logged(Level::Info, LogFormat::Text, events);
    assert!(!info.contains("ours") && info.contains("their warning"), "{info}");
    assert!(logged(Level::Trace, LogFormat::Text, events).contains("theirs"));
}

#[test]
fn the_level_changes_while_the_program_runs() {
    let text = logged(Level::Info, LogFormat::Text, |handle| {
        tracing::debug!(target: "peregrine_http", "before");
        handle.set_level(Level::Debug);
        tracing::debug!(target: "peregrine_http", "between");
        handle.set_level(Level::Error);
        tracing::info!(target: "peregrine_http", "after");
    });
    assert!(
        text.contains("between") && !text.contains("before") && !text.contains("after"),
        "{text}"
    );
}

#[test]
fn what_an_event_quotes_stays_on_its_line() {
    let hostile = "x\n2026-01-01T00:00:00Z ERROR peregrine: forged \u{1b}[2J";
    for format in [LogFormat::Text, LogFormat::Json] {
        let text = logged(Level::Info, format, |_| {
            tracing::info!(target: "peregrine_http", host = %hostile, name = hostile, "refused {hostile}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(text.contains("forged"), "{text}");
    }
}

#[test]
fn json_is_one_object_to_a_line() {
    let text = logged(Level::Info, LogFormat::Json, |_| {
        tracing::info!(target: "peregrine_http", route = "api", "ready");
    });
    let event: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(event["level"], "INFO");
    assert_eq!(event["message"], "ready");
    assert_eq!(event["route"], "api");
    assert_eq!(event["target"], "peregrine_http");
}
