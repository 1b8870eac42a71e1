//! Where a series is going: the median of all slopes between two of its points (Theil 1950, Sen 1968), which a few wild
//! points do not move, and the test of Mann (1945) and Kendall (1975) for whether it is going anywhere at all, which asks of
//! its values only which is larger. Ties are accounted for; a series that stands still has no trend.

use super::changes::MILLIS_MIN;
use crate::model::{History, Trend};
use crate::series::{Better, GLOBAL, Series};

/// With fewer points nothing is said: the test's normal approximation holds from ten on.
const POINTS_MIN: usize = 10;
/// How sure it must be that there is a trend before it is told.
const CONFIDENCE_MIN: f64 = 0.95;
/// A slope of less than this part of the series' level in an hour is nothing to tell.
const RELATIVE_MIN: f64 = 0.05;
/// The series that a report looks at.
const WATCHED: [&str; 10] = [
    "requests_per_s",
    "error_ratio",
    "latency_p95_ms",
    "upstream_p95_ms",
    "hit_ratio",
    "origin_requests_per_s",
    "evictions_per_s",
    "cache_bytes",
    "memory_bytes",
    "cpu_ratio",
];

/// A slope for each second, and how sure it is that there is one, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) slope_per_s: f64,
    pub(super) confidence: f64,
}

/// The trend of `points` (seconds, value), which are in order; nothing when there are too few.
pub(super) fn find(points: &[(f64, f64)]) -> Option<Found> {
    if points.len() < POINTS_MIN {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut sign_sum = 0.0;
    for (index, (at, value)) in points.iter().enumerate() {
        for (later, next) in &points[index + 1..] {
            let rise = next - value;
            if rise != 0.0 {
                sign_sum += rise.signum();
            }
            if later > at {
                slopes.push(rise / (later - at));
            }
        }
    }
    Some(Found {
        slope_per_s: median(&mut slopes)?,
        confidence: 1.0 - two_sided_p(sign_sum, points),
    })
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// How likely such a sum of signs is without a trend.
fn two_sided_p(sign_sum: f64, points: &[(f64, f64)]) -> f64 {
    let of = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values
        .chunk_by(|one, next| one == next)
        .map(|tied| of(tied.len() as f64))
        .sum();
    let variance = (of(points.len() as f64) - ties) / 18.0;
    if variance <= 0.0 || sign_sum == 0.0 {
        return 1.0;
    }
    let z = (sign_sum - sign_sum.signum()) / variance.sqrt();
    2.0 * upper_tail(z.abs())
}

/// The part of a normal distribution above `z`, which is not negative (Abramowitz and Stegun 26.2.17; off by less than
/// 7.5e-8).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let terms = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (density * sum).clamp(0.0, 0.5)
}

/// The trends in `history` that are worth telling.
pub(super) fn of(history: &History) -> Vec<Trend> {
    let watched = GLOBAL.iter().filter(|series| WATCHED.contains(&series.name));
    watched.filter_map(|series| one(history, *series)).collect()
}

fn one(history: &History, series: Series) -> Option<Trend> {
    let values = history.series.get(series.name)?;
    let known = history
        .at
        .iter()
        .zip(values)
        .filter_map(|(at, value)| Some((*at as f64, (*value)?)));
    let points: Vec<(f64, f64)> = known.collect();
    let found = find(&points)?;
    let mut levels: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let level = median(&mut levels)?;
    let slope_per_h = found.slope_per_s * 3600.0;
    let least = RELATIVE_MIN * level.abs().max(1e-3);
    let least = if series.unit == "ms" {
        least.max(MILLIS_MIN)
    } else {
        least
    };
    let tells = found.confidence >= CONFIDENCE_MIN && slope_per_h.abs() >= least;
    tells.then(|| Trend {
        series: series.name.to_owned(),
        slope_per_h: Some(slope_per_h),
        unit: series.unit.to_owned(),
        confidence: Some(found.confidence),
        text: text(series, slope_per_h, level),
    })
}

fn text(series: Series, slope_per_h: f64, level: f64) -> String {
    let direction = if slope_per_h > 0.0 { "rises" } else { "falls" };
    let judged = match (series.better, slope_per_h > 0.0) {
        (Better::Neither, _) => "",
        (Better::Higher, true) | (Better::Lower, false) => ", which is better",
        (Better::Higher, false) | (Better::Lower, true) => ", which is worse",
    };
    let by = super::words::quantity(slope_per_h.abs(), series.unit);
    let from = super::words::quantity(level, series.unit);
    format!(
        "{} {direction} by {by} in an hour, from about {from}{judged}",
        series.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(values: &[f64]) -> Vec<(f64, f64)> {
        values
            .iter()
            .enumerate()
            .map(|(index, value)| (index as f64 * 60.0, *value))
            .collect()
    }

    #[test]
    fn a_line_is_found_and_a_wild_point_does_not_bend_it() {
        let mut line: Vec<f64> = (0..60).map(|minute| 100.0 + 2.0 * f64::from(minute)).collect();
        let found = find(&points(&line)).unwrap();
        assert!((found.slope_per_s - 2.0 / 60.0).abs() < 1e-12);
        assert!(found.confidence > 0.9999);
        line[30] = 1e6;
        line[31] = -1e6;
        let found = find(&points(&line)).unwrap();
        assert!((found.slope_per_s - 2.0 / 60.0).abs() < 1e-3, "{found:?}");
        assert!(found.confidence > 0.9999);
    }

    #[test]
    fn what_stands_still_or_swings_has_no_trend() {
        assert_eq!(
            find(&points(&[5.0; 30])).unwrap(),
            Found {
                slope_per_s: 0.0,
                confidence: 0.0
            }
        );
        let swing: Vec<f64> = (0..40).map(|minute| f64::from(minute % 2)).collect();
        assert!(find(&points(&swing)).unwrap().confidence < 0.5);
        assert_eq!(find(&points(&[1.0; 9])), None);
    }

    #[test]
    fn the_tail_of_the_normal_distribution_is_that_of_the_tables() {
        for (z, p) in [
            (0.0, 0.5),
            (1.0, 0.158_655_3),
            (1.959_964, 0.025),
            (2.575_829, 0.005),
            (4.0, 3.167e-5),
        ] {
            assert!((upper_tail(z) - p).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn the_test_is_that_of_a_worked_example() {
        // S and its variance by hand: of 45 pairs of ten values 38 rise and 7 fall, S = 31, variance 125, z = 30/sqrt(125).
        let values = [1.0, 3.0, 2.0, 5.0, 4.0, 7.0, 6.0, 10.0, 8.0, 9.0];
        let pairs = || {
            values
                .iter()
                .enumerate()
                .flat_map(|(index, one)| values[index + 1..].iter().map(move |next| next - one))
        };
        let sum: f64 = pairs().map(f64::signum).sum();
        let p = 2.0 * upper_tail((sum - 1.0) / 125f64.sqrt());
        let found = find(&points(&values)).unwrap();
        assert!((found.confidence - (1.0 - p)).abs() < 1e-12);
        assert!(found.confidence > 0.99);
    }

    proptest! {
        /// The slope turns with the series, moves with its unit, and is between the least and the greatest.
        #[test]
        fn slopes_behave(values in prop::collection::vec(-1000.0f64..1000.0, 10..40)) {
            let found = find(&points(&values)).unwrap();
            prop_assert!((0.0..=1.0).contains(&found.confidence));
            let turned: Vec<f64> = values.iter().map(|value| -3.0 * value).collect();
            let other = find(&points(&turned)).unwrap();
            prop_assert!((other.slope_per_s + 3.0 * found.slope_per_s).abs() < 1e-9);
            prop_assert!((other.confidence - found.confidence).abs() < 1e-12);
        }
    }
}
