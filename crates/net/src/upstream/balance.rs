//! Which of several targets gets a request: pure arithmetic over what the caller measured, with chance as an argument.
//!
//! - **Power of two choices** (Mitzenmacher, 2001): of two targets taken by chance the better one gets the request. Nobody
//!   floods the one target that looks best at this moment, and the loads differ by no more than `log log n`.
//! - **Smooth weighted round robin** (as in nginx): in turn, each as often as its weight says, and evenly spread.
//! - **Priorities** (as in Envoy): the next group gets requests only once too few targets of a better one are healthy.
//!   A group counts as whole while 5 of 7 of it (1 / 1.4) are; below that, its share falls with its health.

use peregrine_base::Random;

/// How many times its healthy part a group is taken for: it carries everything until less than 1 / 1.4 of it is healthy.
const OVERPROVISION: f64 = 1.4;

/// A target that may get a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Its place among the targets of the upstream.
    pub(crate) index: usize,
    /// Its weight, at least 1.
    pub(crate) weight: f64,
    /// What one more request would cost there.
    pub(crate) cost: f64,
    /// In how many of the choices it takes part: 1 unless it starts slowly.
    pub(crate) share: f64,
}

/// The position of the target that gets the request by the power of two choices.
pub(crate) fn of_two(candidates: &[Candidate], random: &dyn Random) -> Option<usize> {
    // A target that starts slowly is passed over most of the time, however cheap it looks while it has nothing to do.
    let all: Vec<usize> = (0..candidates.len()).collect();
    let mut taking_part: Vec<usize> = all.clone();
    taking_part
        .retain(|position| candidates[*position].share >= 1.0 || random.next_unit() < candidates[*position].share);
    if taking_part.is_empty() {
        taking_part = all;
    }
    let first = by_weight(candidates, &mut taking_part, random)?;
    let Some(second) = by_weight(candidates, &mut taking_part, random) else {
        return Some(first);
    };
    let cost = |position: usize| candidates[position].cost / candidates[position].weight;
    Some(if cost(second) < cost(first) { second } else { first })
}

/// Takes one position out of `from`, each as likely as its weight says.
fn by_weight(candidates: &[Candidate], from: &mut Vec<usize>, random: &dyn Random) -> Option<usize> {
    let total: f64 = from.iter().map(|position| candidates[*position].weight).sum();
    let mut left = random.next_unit() * total;
    let hit = from.iter().position(|position| {
        left -= candidates[*position].weight;
        left < 0.0
    });
    // Rounding may leave a rest after the last one.
    let place = hit.or_else(|| from.len().checked_sub(1))?;
    Some(from.swap_remove(place))
}

/// Turns that targets take by their weights.
#[derive(Debug)]
pub(crate) struct Turns(Vec<f64>);

impl Turns {
    /// Several programs that start together should not all begin with the same target, so chance says who is first.
    pub(crate) fn new(targets: usize, random: &dyn Random) -> Self {
        Self((0..targets).map(|_| random.next_unit()).collect())
    }

    /// The position of the target whose turn it is.
    pub(crate) fn next(&mut self, candidates: &[Candidate]) -> Option<usize> {
        let weight = |candidate: &Candidate| candidate.weight * candidate.share;
        for candidate in candidates {
            self.0[candidate.index] += weight(candidate);
        }
        let credit = |position: usize| self.0[candidates[position].index];
        let next = (0..candidates.len()).max_by(|one, other| credit(*one).total_cmp(&credit(*other)))?;
        self.0[candidates[next].index] -= candidates.iter().map(weight).sum::<f64>();
        Some(next)
    }
}

/// The weight of the healthy targets of a group, and that of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strength {
    pub(crate) healthy: f64,
    pub(crate) all: f64,
}

/// The group, in order of priority, that `unit` (from 0 to 1) falls to; `None` when nobody is healthy.
pub(crate) fn group(groups: &[Strength], unit: f64) -> Option<usize> {
    let carries = |group: &Strength| {
        if group.all > 0.0 {
            (group.healthy / group.all * OVERPROVISION).min(1.0)
        } else {
            0.0
        }
    };
    // What all of them together can carry is what there is to share out, when it is less than everything.
    let total = groups.iter().map(carries).sum::<f64>().min(1.0);
    let mut left = unit * total;
    let mut last = None;
    for (index, group) in groups.iter().enumerate().filter(|(_, group)| group.healthy > 0.0) {
        last = Some(index);
        left -= carries(group);
        if left < 0.0 {
            return last;
        }
    }
    last
}

#[cfg(test)]
mod tests;
