//! What turns a target around, and what does not.

use super::*;
use crate::config::UpstreamConfig;
use proptest::prelude::*;

fn config(healthy_after: u32, unhealthy_after: u32) -> HealthConfig {
    HealthConfig {
        healthy_after,
        unhealthy_after,
        ..UpstreamConfig::defaults("api", &["http://a"]).health
    }
}

fn record(checks: &Checks, ok: bool, config: &HealthConfig) -> Option<Change> {
    let result = if ok { Ok(()) } else { Err(&CheckError::Timeout) };
    checks.record(result, config)
}

#[test]
fn only_enough_in_a_row_turn_it_around() {
    let (checks, config) = (Checks::default(), config(2, 3));
    assert_eq!(checks.verdict(), None);
    let steps = [
        (true, None, Verdict::Passing),
        (false, None, Verdict::Passing),
        (false, None, Verdict::Passing),
        (true, None, Verdict::Passing),
        (false, None, Verdict::Passing),
        (false, None, Verdict::Passing),
        (false, Some(Change::Down), Verdict::Failing),
        (true, None, Verdict::Failing),
        (false, None, Verdict::Failing),
        (true, None, Verdict::Failing),
        (true, Some(Change::Up), Verdict::Passing),
    ];
    for (step, (ok, change, verdict)) in steps.into_iter().enumerate() {
        assert_eq!(record(&checks, ok, &config), change, "step {step}");
        assert_eq!(checks.verdict(), Some(verdict), "step {step}");
    }
    assert_eq!((checks.passed.value(), checks.failed.value()), (5, 6));
    assert_eq!(checks.last_error(), None);
}

#[test]
fn who_never_passed_is_given_as_many_tries() {
    let (checks, config) = (Checks::default(), config(2, 2));
    assert_eq!(record(&checks, false, &config), None);
    assert_eq!(checks.verdict(), None, "nothing is proven yet");
    assert_eq!(record(&checks, false, &config), Some(Change::Down));
    assert!(checks.last_error().is_some());
}

#[test]
fn the_same_checks_are_not_started_twice_and_others_replace_them() {
    let checks = Checks::default();
    let mut first = checks.start(&config(2, 3), "a").unwrap();
    assert!(checks.start(&config(2, 3), "a").is_none());
    let mut second = checks.start(&config(2, 4), "a").unwrap();
    assert!(first.try_recv() == Err(oneshot::error::TryRecvError::Closed));
    let third = checks.start(&config(2, 4), "b");
    assert!(third.is_some() && second.try_recv() == Err(oneshot::error::TryRecvError::Closed));
    record(&checks, true, &config(2, 3));
    checks.stop();
    assert_eq!(checks.verdict(), None);
    assert!(checks.start(&config(2, 4), "b").is_some());
}

proptest! {
    #[test]
    fn it_turns_exactly_when_enough_in_a_row_speak_against_it(
        results in prop::collection::vec(any::<bool>(), 1..200),
        healthy_after in 1u32..5,
        unhealthy_after in 1u32..5,
    ) {
        let (checks, config) = (Checks::default(), config(healthy_after, unhealthy_after));
        let (mut up, mut row, mut last) = (true, 0, true);
        for ok in results {
            row = if ok == last { row + 1 } else { 1 };
            last = ok;
            let needed = if up { unhealthy_after } else { healthy_after };
            let turns = ok != up && row >= needed;
            let expected = turns.then_some(if up { Change::Down } else { Change::Up });
            prop_assert_eq!(record(&checks, ok, &config), expected);
            if turns {
                up = !up;
                row = 0;
            }
        }
    }
}
