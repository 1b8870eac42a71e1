//! Stored answers that would be a third of their length in a coding, sent as they are because the strategy offers none.

use super::super::words::{bytes, percent};
use super::{Advice, Facts, RouteFacts};
use crate::model::{Confidence, Recommendation};

/// Fewer bytes within the span are not worth a change.
const BYTES_MIN: u64 = 1 << 20;
/// From how many on it is sure.
const BYTES_SURE: u64 = 64 << 20;
/// Which part of the bytes of a route they have to be.
const SHARE_MIN: f64 = 0.05;
/// Which part of text codings take away, at least (docs/concepts/compression.md has what was measured).
const GAIN: f64 = 0.65;

/// The parameters of a strategy that can keep it so, as they are counted, with what each says then.
const PARAMETERS: [(&str, &str, &str); 3] = [
    ("encode", "strategy.*.encode", "offers no coding"),
    (
        "encode_types",
        "strategy.*.encode_types",
        "does not offer codings for their type",
    ),
    (
        "encode_min_size",
        "strategy.*.encode_min_size",
        "offers codings for larger answers only",
    ),
];

/// What the numbers of a route suggest.
pub(super) fn of_route(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Option<Recommendation> {
    let sent = |(word, ..): &(&'static str, &str, &str)| {
        let of = |reading: &crate::reading::RouteReading| reading.uncompressed_bytes.get(word).copied().unwrap_or(0);
        let (now, before) = (of(route.reading), route.before.map_or(0, of));
        if now >= before { now - before } else { now }
    };
    let (because, count) = PARAMETERS
        .iter()
        .map(|parameter| (parameter, sent(parameter)))
        .max_by_key(|(_, count)| *count)?;
    let (word, row, says) = *because;
    let part = count as f64 / (route.did.bytes_sent.max(count) as f64).max(1.0);
    if count < BYTES_MIN || part < SHARE_MIN || holds_secrets(facts, route) {
        return None;
    }
    let parameter = route.of_strategy(word);
    let to = facts.configured.default_of(row)?;
    if facts.configured.text(&parameter)? == to {
        return None;
    }
    let strategy = &route.reading.strategy;
    let title = format!("Compress what the route {} answers: {parameter} = {to}", route.name());
    let why = format!(
        "{} of stored answers that compress well went to clients that take a coding as they are, {} of what the route sent: the \
         strategy {strategy} {says}.",
        bytes(count as f64),
        percent(part),
    );
    let confidence = if count >= BYTES_SURE {
        Confidence::High
    } else {
        Confidence::Medium
    };
    let advice = Advice::new("compression", route.name(), title, why)
        .evidence("sent uncompressed to clients that take a coding", count as f64, "B")
        .evidence("sent by the route", route.did.bytes_sent as f64, "B")
        .set(facts.configured, &parameter, to)
        .sure(confidence);
    Some(advice.so(
        format!(
            "About {} fewer bytes sent in as long a span, and answers that arrive sooner.",
            bytes(count as f64 * GAIN)
        ),
        "Each encoding is made once, in the background, and takes about a third of its body beside it in memory.",
    ))
}

/// Whether the strategy shares answers that may be one user's: their lengths are better left alone (BREACH).
fn holds_secrets(facts: &Facts<'_>, route: &RouteFacts<'_>) -> bool {
    let is = |field: &str, word: &str| facts.configured.word(&route.of_strategy(field)) == Some(word);
    is("allow_set_cookie", "true") || is("allow_authorization", "true") || is("freshness", "force")
}
