//! Shares by counting, and what holds for any weights, costs and healths.

use super::*;
use peregrine_base::SeededRandom;
use proptest::prelude::*;

fn candidate(index: usize, weight: f64, cost: f64, share: f64) -> Candidate {
    Candidate {
        index,
        weight,
        cost,
        share,
    }
}

/// How often each of `candidates` is chosen in `times` choices.
fn counts(candidates: &[Candidate], times: usize) -> Vec<usize> {
    let random = SeededRandom::new(7);
    let mut counts = vec![0; candidates.len()];
    for _ in 0..times {
        counts[of_two(candidates, &random).unwrap()] += 1;
    }
    counts
}

#[test]
fn the_worst_of_all_gets_nothing_and_the_others_share() {
    let costs = [1.0, 1.0, 1.0, 9.0];
    let candidates: Vec<_> = (0..4).map(|index| candidate(index, 1.0, costs[index], 1.0)).collect();
    let counts = counts(&candidates, 4000);
    assert_eq!(counts[3], 0);
    assert!(
        counts[..3].iter().all(|count| (1100..1600).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn with_equal_costs_per_weight_the_heavier_gets_more() {
    // As heavy as the other nine together, and as busy in proportion.
    let mut candidates: Vec<_> = (0..9).map(|index| candidate(index, 1.0, 1.0, 1.0)).collect();
    candidates.push(candidate(9, 9.0, 9.0, 1.0));
    let counts = counts(&candidates, 10_000);
    assert!((4000..8000).contains(&counts[9]), "{counts:?}");
    assert!(
        counts[..9].iter().all(|count| (150..1000).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn who_starts_slowly_gets_no_more_than_its_share_however_cheap_it_looks() {
    let candidates = [candidate(0, 1.0, 1.0, 1.0), candidate(1, 1.0, 0.0, 0.1)];
    let counts = counts(&candidates, 10_000);
    assert!((800..1200).contains(&counts[1]), "{counts:?}");
    let alone = [candidate(0, 1.0, 1.0, 0.1)];
    assert_eq!(of_two(&alone, &SeededRandom::new(1)), Some(0), "nobody else is there");
    assert_eq!(of_two(&[], &SeededRandom::new(1)), None);
}

#[test]
fn turns_follow_weights_and_are_spread() {
    let candidates = [candidate(0, 3.0, 0.0, 1.0), candidate(1, 1.0, 0.0, 1.0)];
    let mut turns = Turns::new(2, &SeededRandom::new(3));
    let order: Vec<usize> = (0..400).map(|_| turns.next(&candidates).unwrap()).collect();
    assert_eq!(order.iter().filter(|index| **index == 0).count(), 300);
    assert!(
        order.windows(4).all(|four| four.contains(&1)),
        "never four of one in a row"
    );
    assert_eq!(turns.next(&[]), None);
}

#[test]
fn a_spare_group_is_used_only_when_too_little_of_the_better_one_is_left() {
    let strength = |healthy: f64, all: f64| Strength { healthy, all };
    let share_of_spare = |healthy: f64| {
        let groups = [strength(healthy, 10.0), strength(2.0, 2.0)];
        (0..1000)
            .filter(|step| group(&groups, f64::from(*step) / 1000.0) == Some(1))
            .count()
    };
    assert_eq!(share_of_spare(10.0), 0);
    assert_eq!(share_of_spare(8.0), 0, "8 of 10 still carry everything");
    assert!((290..310).contains(&share_of_spare(5.0)), "{}", share_of_spare(5.0));
    assert_eq!(share_of_spare(0.0), 1000);
    let weak = [strength(1.0, 10.0), strength(1.0, 10.0)];
    let to_first = (0..1000).filter(|step| group(&weak, f64::from(*step) / 1000.0) == Some(0));
    assert!(
        (490..=510).contains(&to_first.count()),
        "what is left shares everything"
    );
    assert_eq!(group(&[strength(0.0, 3.0)], 0.5), None);
}

proptest! {
    #[test]
    fn the_one_chosen_is_never_dearer_than_all_others(
        all in prop::collection::vec((1u32..20, 0u32..1000), 2..12),
        seed in any::<u64>(),
    ) {
        let candidates: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(index, (weight, cost))| candidate(index, f64::from(*weight), f64::from(*cost), 1.0))
            .collect();
        let chosen = of_two(&candidates, &SeededRandom::new(seed)).unwrap();
        let cost = |position: usize| candidates[position].cost / candidates[position].weight;
        prop_assert!((0..all.len()).any(|other| other != chosen && cost(other) >= cost(chosen)));
    }

    #[test]
    fn over_a_whole_round_each_gets_as_many_turns_as_it_weighs(weights in prop::collection::vec(1u32..9, 1..8), seed in any::<u64>()) {
        let candidates: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| candidate(index, f64::from(*weight), 0.0, 1.0))
            .collect();
        let mut turns = Turns::new(weights.len(), &SeededRandom::new(seed));
        let round: u32 = weights.iter().sum();
        let mut counts = vec![0u32; weights.len()];
        for _ in 0..round * 10 {
            counts[turns.next(&candidates).unwrap()] += 1;
        }
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert!(count.abs_diff(weight * 10) <= 1, "{:?} {:?}", counts, weights);
        }
    }

    #[test]
    fn a_group_without_healthy_targets_is_never_chosen(
        groups in prop::collection::vec((0u32..5, 1u32..5), 1..5),
        unit in 0.0..1.0f64,
    ) {
        let groups: Vec<_> = groups
            .iter()
            .map(|(healthy, more)| Strength { healthy: f64::from(*healthy), all: f64::from(healthy + more - 1).max(1.0) })
            .collect();
        match group(&groups, unit) {
            Some(index) => prop_assert!(groups[index].healthy > 0.0),
            None => prop_assert!(groups.iter().all(|group| group.healthy == 0.0)),
        }
    }
}
