//! Which figures of a span differ from those of the span before, and how sure it is that this is no chance. A ratio is
//! compared by the test of two proportions, a mean and a rate by how far apart they are in standard errors of counts; a
//! quantile by how many requests it stands on.

use crate::model::{Confidence, FigureChange};
use crate::series::Better;
use crate::tally::{RouteTally, Tally, counter};

/// A relative change of less than this is not told, however sure it is.
const RELATIVE_MIN: f64 = 0.1;
/// A ratio that changed by less than this is not told.
const POINTS_MIN: f64 = 0.005;
/// A duration that changed by less than this is not told: nobody waits for it, and near a microsecond every step is large.
pub(super) const MILLIS_MIN: f64 = 0.1;
/// From how many standard errors on a change is likely, and from how many it is hardly chance.
const MEDIUM_Z: f64 = 2.0;
const HIGH_Z: f64 = 3.3;
/// Requests on which a quantile must stand in both spans to be likely, and to be sure.
const MEDIUM_REQUESTS: u64 = 100;
const HIGH_REQUESTS: u64 = 1000;

/// What changed from `before` to `now`.
pub(super) fn of(now: &Tally, before: &Tally) -> Vec<FigureChange> {
    if before.seconds <= 0.0 || now.seconds <= 0.0 {
        return Vec::new();
    }
    let (one, other) = (&now.all, &before.all);
    let ratio = |what, part: fn(&RouteTally) -> u64, of: fn(&RouteTally) -> u64, better| {
        proportion(what, (part(one), of(one)), (part(other), of(other)), better)
    };
    let rate = |what, of: &dyn Fn(&Tally) -> f64, unit, better| {
        counted(what, (of(now), now.seconds), (of(before), before.seconds), unit, better)
    };
    let requests = one.duration.count().min(other.duration.count());
    let quantile = |what, quantile: f64, of: fn(&RouteTally) -> &crate::spread::Spread| {
        let (to, from) = (of(one).quantile_ms(quantile)?, of(other).quantile_ms(quantile)?);
        let on = of(one).count().min(of(other).count());
        level(what, from, to, on)
    };
    let found = [
        rate(
            "requests",
            &|tally| tally.all.outcomes.total() as f64,
            "1/s",
            Better::Neither,
        ),
        ratio("errors", RouteTally::failed, |of| of.outcomes.total(), Better::Lower),
        quantile("median latency", 0.5, |of| &of.duration),
        quantile("p95 latency", 0.95, |of| &of.duration),
        quantile("p99 latency", 0.99, |of| &of.duration).filter(|_| requests >= MEDIUM_REQUESTS),
        quantile("p95 of the origin", 0.95, |of| &of.upstream_time),
        ratio(
            "hit ratio",
            |of| of.outcomes.spared(),
            |of| of.outcomes.asked(),
            Better::Higher,
        ),
        ratio(
            "past the cache",
            |of| of.outcomes.bypass,
            |of| of.outcomes.total(),
            Better::Neither,
        ),
        rate(
            "origin requests",
            &|tally| tally.all.origin_requests as f64,
            "1/s",
            Better::Lower,
        ),
        rate(
            "evictions",
            &|tally| tally.counters[counter::EVICTIONS],
            "1/s",
            Better::Lower,
        ),
        rate(
            "invalidations",
            &|tally| tally.counters[counter::INVALIDATIONS],
            "1/s",
            Better::Neither,
        ),
    ];
    found.into_iter().flatten().collect()
}

fn confidence(z: f64) -> Confidence {
    match z.abs() {
        HIGH_Z.. => Confidence::High,
        MEDIUM_Z.. => Confidence::Medium,
        _ => Confidence::Low,
    }
}

fn change(what: &str, from: f64, to: f64, unit: &str, better: Better, confidence: Confidence) -> FigureChange {
    FigureChange {
        what: what.to_owned(),
        from: Some(from),
        to: Some(to),
        unit: unit.to_owned(),
        better: match better {
            Better::Neither => None,
            Better::Higher => Some(to > from),
            Better::Lower => Some(to < from),
        },
        confidence,
    }
}

/// A part of something, compared by the pooled test of two proportions.
fn proportion(what: &str, now: (u64, u64), before: (u64, u64), better: Better) -> Option<FigureChange> {
    let (part, of, part_before, of_before) = (now.0 as f64, now.1 as f64, before.0 as f64, before.1 as f64);
    if of < 1.0 || of_before < 1.0 {
        return None;
    }
    let (to, from) = (part / of, part_before / of_before);
    let pooled = (part + part_before) / (of + of_before);
    let error = (pooled * (1.0 - pooled) * (1.0 / of + 1.0 / of_before)).sqrt();
    let z = if error > 0.0 { (to - from) / error } else { 0.0 };
    ((to - from).abs() >= POINTS_MIN).then(|| change(what, from, to, "", better, confidence(z)))
}

/// Events for each second, compared as counts of Poisson.
fn counted(what: &str, now: (f64, f64), before: (f64, f64), unit: &str, better: Better) -> Option<FigureChange> {
    let (to, from) = (now.0 / now.1, before.0 / before.1);
    let error = (now.0 / (now.1 * now.1) + before.0 / (before.1 * before.1)).sqrt();
    let z = if error > 0.0 { (to - from) / error } else { 0.0 };
    ((to - from).abs() > RELATIVE_MIN * from.max(to)).then(|| change(what, from, to, unit, better, confidence(z)))
}

/// A quantile, which has steps of an eighth.
fn level(what: &str, from: f64, to: f64, on: u64) -> Option<FigureChange> {
    let sure = match on {
        HIGH_REQUESTS.. => Confidence::High,
        MEDIUM_REQUESTS.. => Confidence::Medium,
        _ => Confidence::Low,
    };
    ((to - from).abs() > (0.2 * from.max(to)).max(MILLIS_MIN))
        .then(|| change(what, from, to, "ms", Better::Lower, sure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_told_apart_by_how_many_stand_behind_them() {
        for (now, before, found) in [
            ((50, 100), (500, 1000), None),
            ((60, 100), (5, 10), Some(Confidence::Low)),
            ((620, 1000), (560, 1000), Some(Confidence::Medium)),
            ((700, 1000), (500, 1000), Some(Confidence::High)),
            ((1, 0), (1, 2), None),
        ] {
            let change = proportion("x", now, before, Better::Higher);
            assert_eq!(change.map(|change| change.confidence), found, "{now:?} {before:?}");
        }
        assert_eq!(
            proportion("x", (7, 10), (5, 10), Better::Lower).and_then(|change| change.better),
            Some(false)
        );
    }

    #[test]
    fn a_microsecond_more_or_less_is_no_change() {
        for (from, to, told) in [
            (0.002, 0.003, false),
            (0.2, 0.29, false),
            (0.2, 0.35, true),
            (40.0, 44.0, false),
        ] {
            assert_eq!(level("p95", from, to, 5000).is_some(), told, "{from} {to}");
        }
    }

    #[test]
    fn rates_are_told_apart_as_counts() {
        for (now, before, found) in [
            ((3000.0, 300.0), (2950.0, 300.0), None),
            ((4.0, 300.0), (2.0, 300.0), Some(Confidence::Low)),
            ((3600.0, 300.0), (3000.0, 300.0), Some(Confidence::High)),
            ((0.0, 300.0), (0.0, 300.0), None),
        ] {
            let change = counted("x", now, before, "1/s", Better::Neither);
            assert_eq!(change.map(|change| change.confidence), found, "{now:?} {before:?}");
        }
    }
}
