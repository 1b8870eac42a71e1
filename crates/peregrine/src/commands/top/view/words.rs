//! Numbers as the terminal shows them: short, and a dash where nothing is known.

use peregrine_lab::report::units;

/// The dash of what is not known.
const UNKNOWN: &str = "–";

/// Turns numbers into words.
pub(super) struct Words;

impl Words {
    pub(super) fn of(value: Option<f64>, word: impl Fn(f64) -> String) -> String {
        value
            .filter(|value| value.is_finite())
            .map_or_else(|| UNKNOWN.to_owned(), word)
    }

    pub(super) fn rate(value: Option<f64>) -> String {
        Self::of(value, units::rate)
    }

    pub(super) fn share(value: Option<f64>) -> String {
        Self::of(value, units::share)
    }

    /// Milliseconds.
    pub(super) fn time(millis: Option<f64>) -> String {
        Self::of(millis, |millis| units::micros(millis * 1e3))
    }

    pub(super) fn count(value: Option<f64>) -> String {
        Self::of(value, |value| units::count(whole(value)))
    }

    pub(super) fn bytes(value: Option<f64>) -> String {
        Self::of(value, |value| units::bytes(whole(value)))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}
