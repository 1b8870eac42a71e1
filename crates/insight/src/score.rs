//! How things are in one number: the Apdex, and the score with its parts. Both are computed from a tally and shown with
//! everything that they are made of, so that nobody has to believe them.

use crate::model::{Apdex, Score, ScorePart};
use crate::tally::{RouteTally, Tally};
use std::time::Duration;

/// How many times the threshold is still tolerated, by the definition of the Apdex.
const TOLERATED: u32 = 4;

/// How satisfied users are: (satisfied + tolerating / 2) / all. An answer that failed frustrates; since it is not known how
/// long the failed ones took, they are taken from the satisfied first, where quick failures are.
#[must_use]
pub fn apdex(tally: &RouteTally, threshold: Duration) -> Apdex {
    let total = tally.duration.count();
    let failed = tally.failed().min(total);
    let quick = tally.duration.count_at_most(threshold);
    let bearable = tally.duration.count_at_most(threshold * TOLERATED);
    let satisfied = quick.saturating_sub(failed);
    let tolerating = (bearable - quick).saturating_sub(failed.saturating_sub(quick));
    let value = (total > 0).then(|| (satisfied as f64 + tolerating as f64 / 2.0) / total as f64);
    Apdex {
        value,
        threshold_ms: threshold.as_secs_f64() * 1000.0,
        satisfied,
        tolerating,
        frustrated: total - satisfied - tolerating,
    }
}

/// A part of the score before it is measured: name, weight, unit, what makes 100, what makes 0, why.
type Rule = (&'static str, f64, &'static str, f64, f64, &'static str);

const RULES: [Rule; 7] = [
    (
        "errors",
        30.0,
        "ratio",
        0.001,
        0.05,
        "An error is the worst answer: one in a thousand is good, one in twenty is none.",
    ),
    (
        "apdex",
        25.0,
        "",
        0.95,
        0.5,
        "How many users find the answers quick enough.",
    ),
    (
        "cache",
        20.0,
        "ratio",
        0.9,
        0.3,
        "What the cache answers costs the origin nothing.",
    ),
    (
        "tail",
        10.0,
        "apdex thresholds",
        1.0,
        4.0,
        "The slowest answer of a hundred, in multiples of what satisfies.",
    ),
    (
        "dependencies",
        10.0,
        "down",
        0.0,
        1.0,
        "An upstream without a healthy target, or Redis, is away.",
    ),
    (
        "processor",
        5.0,
        "ratio",
        0.6,
        0.95,
        "Without a reserve the next peak is felt.",
    ),
    (
        "memory",
        5.0,
        "ratio",
        0.7,
        0.95,
        "Without a reserve the system may end the process.",
    ),
];

const FORMULA: &str = "Each part makes 100 at its good value, 0 at its bad one and in between by the straight line through \
                       both; the score is the mean of the parts by their weights. Parts that could not be measured are \
                       left out. Without a request there is no score.";

/// How things were within `tally`.
#[must_use]
pub fn score(tally: &Tally, threshold: Duration) -> Score {
    let measured = measured(tally, threshold);
    let parts: Vec<ScorePart> = RULES
        .iter()
        .zip(measured)
        .map(|((name, weight, unit, good, bad, why), measured)| ScorePart {
            name: (*name).to_owned(),
            weight: *weight,
            measured,
            unit: (*unit).to_owned(),
            good: *good,
            bad: *bad,
            score: measured.map(|measured| on_the_line(measured, *good, *bad)),
            why: (*why).to_owned(),
        })
        .collect();
    let value = mean(tally, parts.iter().filter_map(|part| Some((part.weight, part.score?))));
    Score {
        value,
        grade: value.map(|value| grade(value).to_owned()),
        formula: FORMULA.to_owned(),
        parts,
    }
}

/// Only the number of [`score`].
#[must_use]
pub fn score_value(tally: &Tally, threshold: Duration) -> Option<f64> {
    let parts = RULES.iter().zip(measured(tally, threshold));
    mean(
        tally,
        parts.filter_map(|((_, weight, _, good, bad, _), measured)| {
            Some((*weight, on_the_line(measured?, *good, *bad)))
        }),
    )
}

fn measured(tally: &Tally, threshold: Duration) -> [Option<f64>; RULES.len()] {
    let all = &tally.all;
    let ratio = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    let tail = all.duration.quantile_ms(0.99);
    [
        ratio(all.failed(), all.outcomes.total()),
        apdex(all, threshold).value,
        ratio(all.outcomes.spared(), all.outcomes.asked()),
        tail.map(|tail| tail / (threshold.as_secs_f64() * 1000.0)),
        tally.gauge("dependencies_down"),
        tally.gauge("cpu_ratio"),
        tally.gauge("memory_ratio"),
    ]
}

/// The mean by weights; of nothing there is none. What says only that nothing is missing and the machine is idle is not a
/// score: somebody must have asked for something.
fn mean(tally: &Tally, parts: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    if tally.all.outcomes.total() == 0 {
        return None;
    }
    let (weights, sum) = parts.fold((0.0, 0.0), |(weights, sum), (weight, score)| {
        (weights + weight, sum + weight * score)
    });
    (weights > 0.0).then(|| sum / weights)
}

fn on_the_line(measured: f64, good: f64, bad: f64) -> f64 {
    (100.0 * (measured - bad) / (good - bad)).clamp(0.0, 100.0)
}

fn grade(value: f64) -> &'static str {
    match value {
        90.0.. => "A",
        80.0.. => "B",
        70.0.. => "C",
        60.0.. => "D",
        _ => "F",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Outcomes;
    use crate::tally::{GAUGE_NAMES, Mean};

    fn tally(millis: &[u64], failed: u64) -> RouteTally {
        let mut tally = RouteTally::default();
        for millis in millis {
            tally.duration.add(Duration::from_millis(*millis));
        }
        tally.statuses[4] = failed;
        tally.outcomes.hit = millis.len() as u64;
        tally
    }

    #[test]
    fn the_apdex_is_what_its_definition_says() {
        let threshold = Duration::from_millis(511);
        for (millis, failed, value, counts) in [
            (&[100, 100, 100, 100][..], 0, Some(1.0), (4, 0, 0)),
            (&[100, 100, 1000, 5000], 0, Some(0.625), (2, 1, 1)),
            (&[100, 100, 1000, 5000], 1, Some(0.375), (1, 1, 2)),
            (&[100, 1000, 1000], 2, Some(1.0 / 6.0), (0, 1, 2)),
            (&[100], 3, Some(0.0), (0, 0, 1)),
            (&[], 0, None, (0, 0, 0)),
        ] {
            let apdex = apdex(&tally(millis, failed), threshold);
            assert_eq!(apdex.value, value, "{millis:?} {failed}");
            assert_eq!(
                (apdex.satisfied, apdex.tolerating, apdex.frustrated),
                counts,
                "{millis:?} {failed}"
            );
        }
    }

    #[test]
    fn parts_make_a_hundred_nothing_and_the_line_between() {
        for (measured, good, bad, score) in [
            (0.0, 0.001, 0.05, 100.0),
            (0.05, 0.001, 0.05, 0.0),
            (0.6, 0.9, 0.3, 50.0),
            (1.0, 0.9, 0.3, 100.0),
            (0.1, 0.9, 0.3, 0.0),
            (2.5, 1.0, 4.0, 50.0),
        ] {
            assert!((on_the_line(measured, good, bad) - score).abs() < 1e-9, "{measured}");
        }
        assert_eq!(
            [95.0, 90.0, 89.9, 75.0, 60.0, 0.0].map(grade),
            ["A", "A", "B", "C", "D", "F"]
        );
    }

    #[test]
    fn the_score_is_the_mean_of_its_measured_parts() {
        let mut all = Tally {
            all: tally(&[100; 10], 0),
            ..Tally::default()
        };
        all.all.outcomes = Outcomes {
            hit: 6,
            miss: 4,
            ..Outcomes::default()
        };
        let score = score(&all, Duration::from_millis(511));
        // 60% from the cache is half of the way from 30% to 90%; system and dependencies are not known.
        let expected = (30.0 * 100.0 + 25.0 * 100.0 + 20.0 * 50.0 + 10.0 * 100.0) / 85.0;
        assert!((score.value.unwrap() - expected).abs() < 1e-9, "{score:?}");
        assert_eq!(score.value, score_value(&all, Duration::from_millis(511)));
        assert_eq!(score.parts.iter().filter(|part| part.score.is_none()).count(), 3);

        let place = GAUGE_NAMES
            .iter()
            .position(|name| *name == "dependencies_down")
            .unwrap();
        all.gauges[place] = Mean { sum: 1.0, count: 1 };
        assert!(score_value(&all, Duration::from_millis(511)).unwrap() < expected);
        // An idle machine that lacks nothing has no score, and no grade of one.
        all.all = RouteTally::default();
        let idle = super::score(&all, Duration::from_millis(511));
        assert_eq!(
            (idle.value, idle.grade, score_value(&all, Duration::from_millis(511))),
            (None, None, None)
        );
        assert!(
            idle.parts.iter().any(|part| part.score.is_some()),
            "its parts are shown"
        );
    }
}
