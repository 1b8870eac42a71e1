//! A report in words: its title, what matters in it, and quantities as people read them.

use super::{setbacks, worst};
use crate::model::{Confidence, FigureChange, Report, SloState};
use peregrine_base::ByteSize;

/// A quantity with its unit, in so many digits as a person wants.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "" if value.abs() <= 1.0 => percent(value),
        "B" => bytes(value),
        "B/s" => format!("{}/s", bytes(value)),
        "1/s" => format!("{}/s", digits(value)),
        "ms" if value.abs() < 1.0 && value != 0.0 => format!("{} µs", digits(value * 1000.0)),
        "ms" if value >= 1000.0 => format!("{} s", digits(value / 1000.0)),
        "" => digits(value),
        unit => format!("{} {unit}", digits(value)),
    }
}

/// A ratio as percent.
pub(super) fn percent(ratio: f64) -> String {
    format!("{}%", digits(ratio * 100.0))
}

/// A number of bytes in the unit that fits.
pub(super) fn bytes(count: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded for people"
    )]
    let whole = count.max(0.0) as u64;
    let units = [("GiB", 30u32), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| whole >> shift > 0) {
        Some((unit, shift)) => format!("{} {unit}", digits(count / f64::from(1u32 << shift))),
        None => format!("{whole} B"),
    }
}

/// A size as it is written in the configuration, rounded up to whole mebibytes.
pub(super) fn size(count: u64) -> String {
    let mebibyte = 1u64 << 20;
    ByteSize::bytes(count.div_ceil(mebibyte) * mebibyte).to_string()
}

/// Three significant digits, and all of a whole number, in groups of three.
fn digits(value: f64) -> String {
    let text = match value.abs() {
        1000.0.. => grouped(&format!("{value:.0}")),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The digits of a whole number with a comma before each three that others follow.
fn grouped(whole: &str) -> String {
    let mut text = String::new();
    for (at, letter) in whole.chars().enumerate() {
        if letter.is_ascii_digit() && at > 0 && (whole.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(letter);
    }
    text
}

/// A number that may not be known.
pub(super) fn known(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(|| "–".to_owned(), |value| quantity(value, unit))
}

/// A change in words.
pub(super) fn change(change: &FigureChange) -> String {
    let (from, to) = (known(change.from, &change.unit), known(change.to, &change.unit));
    format!("{}: {from} → {to}", change.what)
}

/// What the report is about, in a line.
pub(super) fn title(report: &Report) -> String {
    let requests = report.figures.requests.unwrap_or(0.0);
    if requests == 0.0 {
        return "No requests".to_owned();
    }
    if let Some(severity) = worst(&report.alerts) {
        let count = report.alerts.len();
        let plural = if count == 1 { "alert fires" } else { "alerts fire" };
        return format!("{count} {plural}, the worst is {}", severity.as_str());
    }
    match setbacks(&report.changes).next() {
        Some(setback) => change(setback),
        None => format!(
            "{} requests, {} from the cache, {} errors",
            digits(requests),
            known(report.figures.hit_ratio.total, ""),
            known(report.figures.error_ratio, ""),
        ),
    }
}

/// What matters, a sentence each.
pub(super) fn headline(report: &Report) -> Vec<String> {
    let figures = &report.figures;
    let requests = figures.requests.unwrap_or(0.0);
    if requests == 0.0 {
        return vec!["Nobody asked for anything.".to_owned()];
    }
    let mut lines = vec![format!(
        "{} requests ({}), {} of those that asked the cache were answered from it; half took at most {}, 99 of a hundred {}; \
         {} errors.",
        digits(requests),
        known(figures.requests_per_s, "1/s"),
        known(figures.hit_ratio.total, ""),
        known(figures.latency_ms.p50, "ms"),
        known(figures.latency_ms.p99, "ms"),
        known(figures.error_ratio, ""),
    )];
    let saved = &report.saved;
    if saved.origin_requests > 0 {
        let money = saved.money.zip(saved.currency.as_ref());
        let money = money.map_or_else(String::new, |(money, currency)| {
            format!(", worth {money:.2} {currency}")
        });
        lines.push(format!(
            "The cache spared the origin {} requests, {} of work and {}{money}.",
            digits(saved.origin_requests as f64),
            quantity(saved.origin_seconds, "s"),
            bytes(saved.bytes as f64),
        ));
    }
    for alert in &report.alerts {
        lines.push(format!("Alert ({}): {}", alert.severity.as_str(), alert.text));
    }
    let in_trouble = report
        .slos
        .iter()
        .filter(|slo| matches!(slo.state, SloState::Burning | SloState::Exhausted));
    for slo in in_trouble {
        let left = known(slo.budget_left, "");
        lines.push(format!("Objective {}: {left} of its error budget is left.", slo.name));
    }
    let sure = report
        .changes
        .iter()
        .filter(|change| change.confidence == Confidence::High);
    lines.extend(sure.take(3).map(|found| {
        let judged = match found.better {
            Some(true) => " (better)",
            Some(false) => " (worse)",
            None => "",
        };
        format!("{}{judged}.", change(found))
    }));
    if let Some(first) = report.recommendations.first() {
        lines.push(format!("Most to gain: {}.", first.title));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        for (value, unit, text) in [
            (0.9312, "", "93.1%"),
            (0.0, "", "0%"),
            (12.345, "ms", "12.3 ms"),
            (0.003, "ms", "3 µs"),
            (0.25, "ms", "250 µs"),
            (0.0, "ms", "0 ms"),
            (2048.0, "ms", "2.05 s"),
            (1_572_864.0, "B", "1.5 MiB"),
            (12.0, "B", "12 B"),
            (1234.5, "1/s", "1,234/s"),
            (0.004, "1/s", "0.004/s"),
            (17.0, "", "17"),
            (1_234_567.0, "", "1,234,567"),
            (-123_456.0, "1/s", "-123,456/s"),
        ] {
            assert_eq!(quantity(value, unit), text);
        }
        assert_eq!(known(None, "ms"), "–");
        assert_eq!(size((300 << 20) + 5), "301MiB");
    }
}
