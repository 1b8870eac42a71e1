//! An access as a line. Every field is bounded, so that a client decides neither how long a line is nor where it ends.

use super::{Access, Redaction};
use crate::escape::{self, Visible};
use crate::time::Rfc3339;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

/// The longest path and query that is logged, in bytes.
pub(crate) const TARGET_MAX_BYTES: usize = 2048;
/// The longest of any other text.
pub(crate) const TEXT_MAX_BYTES: usize = 512;

/// Appends one JSON object and a line feed.
pub(super) fn json(access: &Access<'_>, redaction: &Redaction, out: &mut String) {
    let _ = write!(out, "{{\"time\":\"{}\"", Rfc3339(access.time));
    json_text(out, "request_id", access.request_id);
    let _ = write!(out, ",\"client\":\"{}\"", access.client);
    json_text(out, "method", access.method);
    json_text(out, "scheme", access.scheme);
    json_text(out, "host", without_credentials(access.host));
    out.push_str(",\"target\":\"");
    redaction.pieces(cut(access.target, TARGET_MAX_BYTES), |piece| escape::json(piece, out));
    let _ = write!(out, "\",\"status\":{}", access.status);
    let _ = write!(
        out,
        ",\"received_bytes\":{},\"sent_bytes\":{}",
        access.received_bytes, access.sent_bytes
    );
    let _ = write!(out, ",\"duration_ms\":{}", Millis(access.duration));
    if let Some(duration) = access.upstream_duration {
        let _ = write!(out, ",\"upstream_duration_ms\":{}", Millis(duration));
    }
    json_text(out, "cache", access.cache);
    for (name, text) in optional(access) {
        if let Some(text) = text {
            json_text(out, name, text);
        }
    }
    if let Some(trace) = access.trace {
        let _ = write!(out, ",\"trace_id\":\"{trace}\"");
    }
    if let Some(agent) = access.user_agent {
        json_text(out, "user_agent", &String::from_utf8_lossy(agent));
    }
    out.push_str("}\n");
}

/// Appends a line for people: time, client, request, answer, then what else there is as `name=value`.
pub(super) fn text(access: &Access<'_>, redaction: &Redaction, out: &mut String) {
    let _ = write!(out, "{} {} ", Rfc3339(access.time), access.client);
    word(out, access.method);
    out.push(' ');
    word(out, access.scheme);
    out.push_str("://");
    word(out, without_credentials(access.host));
    redaction.pieces(cut(access.target, TARGET_MAX_BYTES), |piece| word_uncut(out, piece));
    let _ = write!(
        out,
        " {} {}B {}ms cache=",
        access.status,
        access.sent_bytes,
        Millis(access.duration)
    );
    word(out, access.cache);
    for (name, text) in optional(access) {
        if let Some(text) = text {
            let _ = write!(out, " {name}=");
            word(out, text);
        }
    }
    if let Some(duration) = access.upstream_duration {
        let _ = write!(out, " upstream_duration={}ms", Millis(duration));
    }
    let _ = write!(out, " received={}B id=", access.received_bytes);
    word(out, access.request_id);
    if let Some(trace) = access.trace {
        let _ = write!(out, " trace={trace}");
    }
    if let Some(agent) = access.user_agent {
        out.push_str(" agent=\"");
        let agent = String::from_utf8_lossy(agent);
        let _ = Visible(&mut *out).write_str(&cut(&agent, TEXT_MAX_BYTES).replace('\\', "\\\\").replace('"', "\\\""));
        out.push('"');
    }
    out.push('\n');
}

/// The fields that may be absent, in the order in which they are written.
fn optional<'a>(access: &Access<'a>) -> [(&'static str, Option<&'a str>); 6] {
    [
        ("tenant", access.tenant),
        ("reason", access.reason),
        ("route", access.route),
        ("strategy", access.strategy),
        ("upstream", access.upstream),
        ("error", access.error),
    ]
}

fn json_text(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, ",\"{name}\":\"");
    escape::json(cut(text, TEXT_MAX_BYTES), out);
    out.push('"');
}

/// A text that must not contain the blank that ends it.
fn word(out: &mut String, text: &str) {
    word_uncut(out, cut(text, TEXT_MAX_BYTES));
}

fn word_uncut(out: &mut String, text: &str) {
    let text = if text.contains(' ') {
        Cow::Owned(text.replace(' ', "\\x20"))
    } else {
        Cow::Borrowed(text)
    };
    let _ = Visible(out).write_str(&text);
}

/// A host without the `user:password@` that does not belong there.
pub(crate) fn without_credentials(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// The beginning of `text`, at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// Milliseconds with three decimals.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}
