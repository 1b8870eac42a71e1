//! Numbers as people read them, with their units.

use std::time::Duration;

/// `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 MiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(number: u64) -> String {
    let units = [
        (1u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match units.iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => format!("{} {unit}", three_digits(number as f64 / *size as f64)),
        None => format!("{number} B"),
    }
}

/// `81.2%`.
#[must_use]
pub fn share(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// `part` of `whole` as `81.2%`; a dash of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn share_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        "–".to_owned()
    } else {
        share(part as f64 / whole as f64)
    }
}

/// `1.23 ms`, `45.6 s`.
#[must_use]
pub fn time(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s >= 120.0 => format!("{} min", three_digits(s / 60.0)),
        s if s >= 1.0 => format!("{} s", three_digits(s)),
        s if s >= 0.001 => format!("{} ms", three_digits(s * 1e3)),
        s => format!("{} µs", three_digits(s * 1e6)),
    }
}

fn three_digits(number: f64) -> String {
    match number {
        n if n >= 99.95 => format!("{n:.0}"),
        n if n >= 9.995 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1_572_864), "1.50 MiB");
        assert_eq!(share(0.812), "81.2%");
        assert_eq!(share_of(1, 0), "–");
        assert_eq!(time(Duration::from_micros(1_230)), "1.23 ms");
        assert_eq!(time(Duration::from_millis(45_600)), "45.6 s");
        assert_eq!(time(Duration::from_nanos(500)), "0.50 µs");
    }
}
