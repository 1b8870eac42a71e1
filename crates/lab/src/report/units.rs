//! Numbers as people read them.

/// A time in microseconds with the unit that fits: `85 µs`, `1.23 ms`, `2.1 s`.
#[must_use]
pub fn micros(micros: f64) -> String {
    let (value, unit) = match micros {
        _ if micros >= 999_950.0 => (micros / 1e6, "s"),
        _ if micros >= 999.5 => (micros / 1e3, "ms"),
        _ => (micros, "µs"),
    };
    format!("{} {unit}", significant(value))
}

/// Bytes in binary units: `512 B`, `1.5 KiB`, `2.3 GiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            return format!("{} {unit}", significant(value));
        }
        value /= 1024.0;
    }
    format!("{} TiB", significant(value))
}

/// A count with separators: `1,234,567`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second: with a digit behind the point while it is small.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
pub fn rate(per_s: f64) -> String {
    if per_s < 99.95 {
        format!("{per_s:.1}")
    } else {
        count(per_s.round() as u64)
    }
}

/// A share as percents: `91.2%`.
#[must_use]
pub fn share(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// How many times `larger` is `smaller`: `115×`; nothing when that says nothing.
#[must_use]
pub fn times(larger: f64, smaller: f64) -> Option<String> {
    (larger > 0.0 && smaller > 0.0).then(|| format!("{}×", significant(larger / smaller)))
}

/// Three significant digits, and none behind the point that do not matter.
fn significant(value: f64) -> String {
    let text = match value {
        _ if value >= 99.95 => return format!("{value:.0}"),
        _ if value >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    trimmed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (0.0, "0 µs"),
            (85.04, "85 µs"),
            (9.87, "9.87 µs"),
            (999.4, "999 µs"),
            (999.6, "1 ms"),
            (1_234.0, "1.23 ms"),
            (24_100.0, "24.1 ms"),
            (400_000.0, "400 ms"),
            (999_960.0, "1 s"),
            (2_100_000.0, "2.1 s"),
        ] {
            assert_eq!(micros(value), text);
        }
        for (value, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1_536, "1.5 KiB"),
            (1 << 30, "1 GiB"),
            (3 << 40, "3 TiB"),
        ] {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
        assert_eq!(
            (rate(7.25), rate(99.96), rate(12_345.6)),
            ("7.2".into(), "100".into(), "12,346".into())
        );
        assert_eq!(share(0.9123), "91.2%");
        assert_eq!(
            (times(230.0, 2.0), times(0.0, 2.0), times(3.0, 2.0)),
            (Some("115×".into()), None, Some("1.5×".into()))
        );
    }
}
