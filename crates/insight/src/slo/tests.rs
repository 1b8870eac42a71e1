//! Burn rates against an exact reference, and what becomes of them, under a clock that the test moves.

use super::*;
use crate::alerts::{Alerts, Known};
use crate::model::AlertState;
use peregrine_base::{Clock, ManualClock};
use proptest::prelude::*;

const HOUR: u64 = 3600;

/// Every second of a history: requests and how many of them were good; nothing where the program did not run.
#[derive(Clone, Debug, Default)]
struct Seconds(Vec<Option<(u64, u64)>>);

impl Seconds {
    fn add(&mut self, seconds: u64, total: u64, bad: u64) {
        for _ in 0..seconds {
            self.0.push(Some((total - bad, total)));
        }
    }

    fn pause(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.0.push(None);
        }
    }

    fn last(&self, window: Duration) -> &[Option<(u64, u64)>] {
        let count = usize::try_from(window.as_secs()).unwrap();
        &self.0[self.0.len().saturating_sub(count)..]
    }
}

impl Values for Seconds {
    fn value(&self, _: &str, _: &Labels) -> Option<f64> {
        None
    }

    fn label_sets(&self, _: &str) -> Vec<Labels> {
        Vec::new()
    }

    fn counts(&self, route: Option<&str>, window: Duration, _: Option<Duration>) -> Option<Counts> {
        let seen = self.last(window).iter().flatten();
        let sum = seen.fold(Counts::default(), |sum, (good, total)| Counts {
            good: sum.good + good,
            total: sum.total + total,
            seen: sum.seen + Duration::from_secs(1),
        });
        Some(sum).filter(|sum| !sum.seen.is_zero() && route.is_none_or(|route| route == "shop"))
    }
}

fn config(objective: f64) -> SloConfig {
    SloConfig {
        objective,
        ..SloConfig::standard()
    }
}

fn computed(config: SloConfig, seconds: &Seconds) -> Objective {
    let mut slos = Slos::default();
    slos.configure(vec![config]);
    let moment = Moment {
        now: Instant::from_nanos(1),
        wall: peregrine_base::WallTime::from_millis(1),
    };
    slos.look(moment, seconds);
    slos.objectives.remove(0)
}

fn verdicts(objective: &Objective) -> Vec<Verdict> {
    objective.judged.iter().map(|judged| judged.verdict).collect()
}

#[test]
fn the_standard_objective_and_the_windows_are_those_of_the_book() {
    let standard = SloConfig::standard();
    assert_eq!((standard.objective, standard.threshold_ms()), (0.95, Some(5000.0)));
    let month = standard.window.get();
    let minutes: Vec<(u64, u64, f64)> = PAIRS
        .iter()
        .map(|pair| {
            let (long, short) = pair.windows(month);
            (long.as_secs() / 60, short.as_secs() / 60, pair.factor)
        })
        .collect();
    assert_eq!(minutes, [(60, 5, 14.4), (360, 30, 6.0), (3 * 1440, 360, 1.0)]);
    // What of the budget is gone when each of them fires: 2%, 5% and 10%.
    for (pair, spent) in PAIRS.iter().zip([0.02, 0.05, 0.1]) {
        assert!((pair.factor / f64::from(pair.long) - spent).abs() < 1e-12);
    }
}

#[test]
fn nothing_known_is_no_data_and_no_alert() {
    let objective = computed(config(0.95), &Seconds::default());
    assert_eq!(objective.status.state, SloState::NoData);
    assert_eq!(verdicts(&objective), [Verdict::Missing; 3]);
    let mut idle = Seconds::default();
    idle.add(6 * HOUR, 0, 0);
    let objective = computed(config(0.95), &idle);
    assert_eq!(
        (objective.status.state, objective.status.attained),
        (SloState::NoData, None)
    );
    assert_eq!(verdicts(&objective), [Verdict::TooFew; 3]);
}

#[test]
fn a_budget_and_when_it_is_used_up() {
    let mut seconds = Seconds::default();
    seconds.add(24 * HOUR, 10, 0);
    // 3 of 10 are bad where half of one may be: six times as fast as allowed.
    seconds.add(HOUR, 10, 3);
    let status = computed(config(0.95), &seconds).status;
    assert_eq!((status.good, status.total), (25 * 36_000 - 10_800, 25 * 36_000));
    let close = |one: Option<f64>, other: f64| (one.unwrap() - other).abs() < 1e-9;
    assert!(close(status.attained, 1.0 - 0.3 / 25.0));
    assert!(close(status.budget_left, 1.0 - 0.3 / 25.0 / 0.05));
    let hour = status.burn.iter().find(|burn| burn.window_s == 3600.0).unwrap();
    assert!(close(hour.rate, 6.0));
    assert!(close(
        status.exhausted_in_s,
        status.budget_left.unwrap() * 30.0 * 86_400.0 / 6.0
    ));
    let windows: Vec<f64> = status.burn.iter().map(|burn| burn.window_s).collect();
    assert_eq!(windows, [300.0, 1800.0, 3600.0, 21_600.0, 259_200.0]);
    // At a rate that the window can bear it is never used up; used up, it is used up now.
    assert_eq!(exhausted_in(0.5, Some(1.0), Duration::from_secs(9)), None);
    assert_eq!(exhausted_in(-0.1, None, Duration::from_secs(9)), Some(0.0));
}

#[test]
fn both_windows_must_burn() {
    let mut seconds = Seconds::default();
    seconds.add(HOUR, 10, 0);
    // A bad minute is much in five and little in an hour.
    seconds.add(60, 10, 10);
    assert_eq!(verdicts(&computed(config(0.99), &seconds))[0], Verdict::Clear);
    // Ten bad minutes are much in an hour too.
    seconds.add(540, 10, 10);
    let objective = computed(config(0.99), &seconds);
    assert_eq!(verdicts(&objective)[0], Verdict::Breach);
    assert_eq!(
        objective.status.state,
        SloState::Exhausted,
        "of this little history it is all"
    );
    // Five minutes later the hour still burns, and the trouble is over.
    seconds.add(301, 10, 0);
    assert_eq!(verdicts(&computed(config(0.99), &seconds))[0], Verdict::Clear);
}

#[test]
fn a_rate_near_its_factor_neither_fires_nor_ends_anything() {
    // Of a budget of 5%: 14 times as fast as allowed, where 14.4 fires and 12.96 ends.
    for (bad, verdict) in [(75, Verdict::Breach), (70, Verdict::Between), (64, Verdict::Clear)] {
        let mut seconds = Seconds::default();
        seconds.add(HOUR, 100, bad);
        assert_eq!(verdicts(&computed(config(0.95), &seconds))[0], verdict, "{bad}");
    }
}

#[test]
fn a_few_bad_answers_do_not_say_when_a_budget_is_used_up() {
    let mut seconds = Seconds::default();
    seconds.add(24 * HOUR, 10, 0);
    seconds.add(HOUR - 50, 0, 0);
    seconds.add(50, 1, 1);
    assert_eq!(computed(config(0.95), &seconds).status.exhausted_in_s, None);
    seconds.add(60, 1, 1);
    assert!(computed(config(0.95), &seconds).status.exhausted_in_s.is_some());
}

#[test]
fn few_requests_raise_no_alert_and_missing_data_freezes() {
    let mut few = Seconds::default();
    few.add(99, 1, 1);
    assert_eq!(
        verdicts(&computed(config(0.95), &few))[0],
        Verdict::Missing,
        "half of five minutes must be seen"
    );
    few.add(6 * HOUR, 0, 0);
    assert_eq!(verdicts(&computed(config(0.95), &few)), [Verdict::TooFew; 3]);
    let mut seconds = Seconds::default();
    seconds.add(6 * HOUR, 10, 9);
    assert_eq!(verdicts(&computed(config(0.95), &seconds)), [Verdict::Breach; 3]);
    seconds.pause(200);
    let objective = computed(config(0.95), &seconds);
    assert_eq!(verdicts(&objective)[0], Verdict::Missing);
    assert_eq!(objective.status.state, SloState::Frozen);
}

#[test]
fn a_route_of_its_own_is_named_in_its_alerts() {
    let mut seconds = Seconds::default();
    seconds.add(HOUR, 10, 10);
    let of = |route: &str| SloConfig {
        route: Some(route.to_owned()),
        kind: SloKind::Availability,
        ..config(0.95)
    };
    let objective = computed(of("shop"), &seconds);
    assert_eq!(objective.judged[0].labels["route"], "shop");
    assert_eq!(objective.status.threshold_ms, None);
    assert_eq!(computed(of("gone"), &seconds).status.state, SloState::NoData);
}

#[test]
fn a_burning_objective_is_one_alert_that_ends_with_the_trouble() {
    let clock = ManualClock::default();
    let (mut alerts, mut slos, mut seconds) = (Alerts::default(), Slos::default(), Seconds::default());
    slos.configure(vec![config(0.99)]);
    let mut history = Vec::new();
    let mut run = |seconds: &mut Seconds, count: u64, bad: u64| {
        for _ in 0..count / 10 {
            seconds.add(10, 10, bad);
            clock.advance(Duration::from_secs(10));
            let moment = Moment {
                now: clock.now(),
                wall: clock.wall(),
            };
            let judged = slos.look(moment, seconds);
            for alert in alerts.look(moment, seconds, judged) {
                history.push((alert.rule, alert.state, seconds.0.len() as u64 / 60));
            }
        }
    };
    run(&mut seconds, HOUR, 0);
    run(&mut seconds, HOUR, 5);
    run(&mut seconds, 2 * HOUR, 0);
    let fast: Vec<_> = history
        .iter()
        .filter(|(rule, ..)| rule == "responses_fast_burn")
        .collect();
    assert_eq!(fast.len(), 2, "{history:?}");
    // 14.4 times the budget of an hour is 28.8% of it at a rate of 50: from minute 60 + 17.28 on.
    assert_eq!((fast[0].1, fast[0].2), (AlertState::Firing, 77));
    // 90% of 14.4 in five minutes: after 74% of them without a bad one.
    assert_eq!((fast[1].1, fast[1].2), (AlertState::Resolved, 123));
}

#[test]
fn objectives_are_computed_as_often_as_their_window_asks_for() {
    let mut slos = Slos::default();
    slos.configure(vec![config(0.95)]);
    let mut seconds = Seconds::default();
    seconds.add(HOUR, 10, 0);
    let at = |second: u64| Moment {
        now: Instant::from_nanos(second * 1_000_000_000),
        wall: peregrine_base::WallTime::from_millis(second * 1000),
    };
    assert_eq!(slos.look(at(1), &seconds).len(), 3);
    seconds.add(HOUR, 10, 10);
    assert_eq!(
        slos.look(at(10), &seconds)[0].verdict,
        Verdict::Clear,
        "still the judgement of before"
    );
    assert_eq!(slos.look(at(11), &seconds)[0].verdict, Verdict::Breach);
    // A reload that leaves it as it is forgets nothing.
    slos.configure(vec![config(0.95)]);
    assert_eq!(slos.status()[0].state, SloState::Exhausted);
}

#[test]
fn what_names_nothing_is_refused() {
    let wrong = SloConfig {
        name: "a b".to_owned(),
        route: Some("shp".to_owned()),
        notify: vec!["chet".to_owned()],
        ..config(0.95)
    };
    let told: Vec<String> = wrong
        .check(
            &["chat"],
            &Known {
                routes: vec!["shop".to_owned(), "api".to_owned()],
                ..Known::default()
            },
        )
        .unwrap_err()
        .into_iter()
        .map(|found| found.field + &found.help)
        .collect();
    assert_eq!(told.len(), 3);
    assert!(
        told[1].contains("did you mean \"shop\"? there are: shop, api") && told[2].contains("did you mean \"chat\"?"),
        "{told:?}"
    );
    assert_eq!(config(0.95).check(&[], &Known::default()), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// The rule of the book, written down once more over single seconds and whole numbers.
    #[test]
    fn windows_judge_as_an_exact_reference_does(
        spells in prop::collection::vec((1..4000u64, 0..20u64, 0.0..1.0f64, prop::bool::weighted(0.9)), 1..12),
        tenths in 5000..9999u64,
    ) {
        let mut seconds = Seconds::default();
        for (length, total, share, runs) in spells {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of twenty")]
            let bad = (total as f64 * share).round() as u64;
            if runs { seconds.add(length, total, bad) } else { seconds.pause(length) }
        }
        let objective = computed(config(tenths as f64 / 10_000.0), &seconds);
        for (judged, (long, short, factor)) in objective.judged.iter().zip([(3600, 300, 144), (21_600, 1800, 60), (259_200, 21_600, 10)]) {
            let sum = |window: u64| {
                let seen: Vec<(u64, u64)> = seconds.last(Duration::from_secs(window)).iter().flatten().copied().collect();
                let total: u64 = seen.iter().map(|(_, total)| total).sum();
                (seen.len() as u64, total, total - seen.iter().map(|(good, _)| good).sum::<u64>())
            };
            let ((seen_long, total_long, bad_long), (seen_short, total_short, bad_short)) = (sum(long), sum(short));
            // bad / total > factor / 10 × (10,000 - tenths) / 10,000
            let burns = |bad: u64, total: u64| u128::from(bad) * 100_000 > u128::from(total) * factor * u128::from(10_000 - tenths);
            let is_measured = seen_long > 0 && seen_short * 2 >= short;
            let fires = is_measured && total_long >= 100 && burns(bad_long, total_long) && burns(bad_short, total_short);
            prop_assert_eq!(judged.verdict == Verdict::Breach, fires, "{:?} over {}", judged.verdict, long);
            prop_assert_eq!(judged.verdict == Verdict::Missing, !is_measured);
        }
    }
}
