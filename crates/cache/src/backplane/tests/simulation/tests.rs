//! Thousands of schedules, and each rule missing once.

use super::{Ended, Missing, World};

/// How many schedules are tried without a fault of ours.
const COUNT: u64 = 3000;
/// How many schedules may pass before a missing rule has to have shown.
const SEARCH_MAX: u64 = 20_000;

fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().expect("a number"))
}

fn run(seed: u64, missing: Missing) -> Ended {
    World::new(seed, missing, true).run()
}

fn told(ended: &Ended) -> String {
    let trace = ended.trace.iter().map(|(at, what)| format!("\n  {at:>9} {what}"));
    trace.collect()
}

#[test]
fn no_schedule_breaks_a_promise() {
    let first = number("PEREGRINE_SIMULATION_SEED", 0);
    let count = number("PEREGRINE_SIMULATION_COUNT", COUNT);
    let (mut plain, mut unverified) = (0, 0);
    for seed in first..first + count {
        let ended = run(seed, Missing::Nothing);
        if let Some(violation) = &ended.violation {
            panic!("PEREGRINE_SIMULATION_SEED={seed}: {violation}{}", told(&ended));
        }
        plain += ended.plain;
        unverified += ended.unverified;
    }
    // The simulation is of use only where most is answered, and some is not.
    assert!(plain > count * 200, "{plain} of {count} schedules");
    assert!(unverified > count, "{unverified} of {count} schedules");
}

#[test]
fn where_no_deposed_primary_answers_nobody_has_to_wait_for_replicas() {
    for seed in 0..COUNT / 9 {
        let ended = World::new(seed, Missing::Replicas, false).run();
        if let Some(violation) = &ended.violation {
            panic!("seed {seed}: {violation}{}", told(&ended));
        }
    }
}

#[test]
fn a_schedule_is_the_same_each_time() {
    for seed in 0..20 {
        let (one, other) = (run(seed, Missing::Nothing), run(seed, Missing::Nothing));
        assert_eq!(
            (one.plain, one.unverified, one.trace),
            (other.plain, other.unverified, other.trace)
        );
    }
}

#[test]
fn every_rule_is_missed_when_it_is_missing() {
    let needed = Missing::ALL.map(|missing| {
        let found = (0..SEARCH_MAX).find(|seed| run(*seed, missing).violation.is_some());
        (missing, found)
    });
    let unnoticed: Vec<Missing> = needed
        .iter()
        .filter(|(_, found)| found.is_none())
        .map(|(missing, _)| *missing)
        .collect();
    assert!(
        unnoticed.is_empty(),
        "nothing breaks without {unnoticed:?}; the others: {needed:?}"
    );
}
