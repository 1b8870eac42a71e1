//! Tallies of the recent past in detail and of the distant past in the large, so that the figures of any range up to the
//! retention can be added up from few of them: minutes for an hour, quarters for a day, three hours for 30 days.

use crate::tally::Tally;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a tally of each step is, in seconds, and how many are kept; each step reaches as far as a tally of the one
/// above it.
pub(crate) const STEPS: [(u64, usize); 3] = [(60, 75), (900, 112), (10_800, 240)];

/// The tallies.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    steps: [Step; STEPS.len()],
    /// The newest seconds, for what is called now.
    seconds: VecDeque<(u64, Tally)>,
}

#[derive(Debug, Default)]
struct Step {
    /// Finished tallies by the end of their span, in seconds since 1970, ascending.
    done: VecDeque<(u64, Tally)>,
    /// The end of the span that is being filled, and what it holds so far.
    filling: Option<(u64, Tally)>,
}

/// What is called now, in seconds.
pub(crate) const NOW_S: u64 = 10;

/// The end of the span of `step` in which the second that ends at `at` lies.
fn end_of(step: usize, at: u64) -> u64 {
    let length = STEPS[step].0;
    at.div_ceil(length) * length
}

impl Ladder {
    /// Adds what happened in the second that ended at `at`; answers with the tallies that this finished: step, end, tally.
    pub(crate) fn push(&mut self, at: u64, tally: Tally) -> Vec<(usize, u64, Tally)> {
        while self.seconds.back().is_some_and(|(last, _)| *last >= at) {
            self.seconds.pop_back();
        }
        let mut finished = Vec::new();
        self.add(0, at, &tally, &mut finished);
        self.seconds.push_back((at, tally));
        while self.seconds.front().is_some_and(|(first, _)| first + NOW_S <= at) {
            self.seconds.pop_front();
        }
        finished
    }

    /// Adds to the span of `step` that is being filled; a span that is over goes to the step above.
    fn add(&mut self, step: usize, at: u64, tally: &Tally, finished: &mut Vec<(usize, u64, Tally)>) {
        if step >= STEPS.len() {
            return;
        }
        let end = end_of(step, at);
        if let Some((filling_end, filled)) = self.steps[step].filling.take_if(|(filling, _)| *filling != end) {
            // When the clock was put back, what was counted until then is not lost; it ends where it would have.
            self.finish(step, filling_end, filled, finished);
        }
        let (_, filling) = self.steps[step].filling.get_or_insert_with(|| (end, Tally::default()));
        filling.merge(tally);
    }

    fn finish(&mut self, step: usize, end: u64, filled: Tally, finished: &mut Vec<(usize, u64, Tally)>) {
        finished.push((step, end, filled.clone()));
        self.add(step + 1, end, &filled, finished);
        self.keep(step, end, filled);
    }

    fn keep(&mut self, step: usize, end: u64, tally: Tally) {
        let done = &mut self.steps[step].done;
        let place = done.partition_point(|(known, _)| *known < end);
        match done.get_mut(place).filter(|(known, _)| *known == end) {
            Some((_, known)) => known.merge(&tally),
            None => done.insert(place, (end, tally)),
        }
        while done.len() > STEPS[step].1 {
            done.pop_front();
        }
    }

    /// Takes back a tally of before the start: one that was finished. To be called in order, the lower steps first.
    pub(crate) fn restore(&mut self, step: usize, end: u64, tally: Tally) {
        if step < STEPS.len() {
            self.keep(step, end, tally);
        }
    }

    /// Takes back the minute that was being filled, which ends after now.
    pub(crate) fn resume(&mut self, end: u64, tally: Tally) {
        self.steps[0].filling = Some((end, tally));
    }

    /// Fills the upper steps with what was restored and belongs to spans that are not over at `now`. What was restored of
    /// spans that are over without having been finished, because nothing ran then, is finished, and answered with.
    pub(crate) fn settle(&mut self, now: u64) -> Vec<(usize, u64, Tally)> {
        let mut finished: Vec<(usize, u64, Tally)> = Vec::new();
        for step in 1..STEPS.len() {
            let known = self.steps[step].done.back().map_or(0, |(end, _)| *end);
            let below: Vec<(u64, Tally)> = self.steps[step - 1]
                .done
                .iter()
                .filter(|(end, _)| *end > known)
                .cloned()
                .collect();
            for (end, tally) in below {
                let span = end_of(step, end);
                if span < now {
                    self.keep(step, span, tally.clone());
                    match finished.last_mut().filter(|(of, last, _)| (*of, *last) == (step, span)) {
                        Some((_, _, whole)) => whole.merge(&tally),
                        None => finished.push((step, span, tally)),
                    }
                } else {
                    let (_, filling) = self.steps[step].filling.get_or_insert_with(|| (span, Tally::default()));
                    filling.merge(&tally);
                }
            }
        }
        finished
    }

    /// The minute that is being filled, and when it ends.
    pub(crate) fn filling(&self) -> Option<&(u64, Tally)> {
        self.steps[0].filling.as_ref()
    }

    /// Shows `visit` the tallies of the last `range` until `now`, from the step that reaches far enough.
    pub(crate) fn within(&self, now: u64, range: Duration, visit: &mut dyn FnMut(&Tally)) {
        let range = range.as_secs().max(1);
        if range <= NOW_S {
            let recent = self.seconds.iter().filter(|(end, _)| end + range > now);
            recent.for_each(|(_, tally)| visit(tally));
            return;
        }
        let reaches =
            |step: &usize| STEPS[*step].0 * (STEPS[*step].1 as u64).saturating_sub(STEPS[*step].1 as u64 / 8) >= range;
        let step = (0..STEPS.len()).find(reaches).unwrap_or(STEPS.len() - 1);
        for below in &self.steps[..=step] {
            if let Some((_, filling)) = &below.filling {
                visit(filling);
            }
        }
        let done = self.steps[step].done.iter().filter(|(end, _)| end + range > now);
        done.for_each(|(_, tally)| visit(tally));
    }

    /// All of the last `range` until `now`.
    pub(crate) fn total(&self, now: u64, range: Duration) -> Tally {
        let mut total = Tally::default();
        self.within(now, range, &mut |tally| total.merge(tally));
        total
    }
}

impl Ladder {
    /// All from `from` until `until`, by whole minutes, of what is kept by the minute: those that end after `from` and at
    /// `until` at the latest, and the one in which `until` lies if it is not over.
    pub(crate) fn between(&self, from: u64, until: u64) -> Tally {
        let [minutes, ..] = &self.steps;
        let mut total = Tally::default();
        let done = minutes.done.iter().filter(|(end, _)| *end > from && *end <= until);
        done.for_each(|(_, tally)| total.merge(tally));
        let filling = minutes.filling.as_ref();
        if let Some((_, tally)) = filling.filter(|(end, _)| *end > from && end - STEPS[0].0 < until) {
            total.merge(tally);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(requests: u64) -> Tally {
        let mut tally = Tally {
            seconds: 1.0,
            ..Tally::default()
        };
        tally.all.outcomes.hit = requests;
        tally
    }

    fn hits(ladder: &Ladder, now: u64, range: u64) -> u64 {
        ladder.total(now, Duration::from_secs(range)).all.outcomes.hit
    }

    #[test]
    fn a_range_holds_what_happened_in_it() {
        let (mut ladder, start) = (Ladder::default(), 1_800_000_000u64);
        let seconds = 3 * 86_400;
        for at in start + 1..=start + seconds {
            ladder.push(at, second(1));
        }
        let now = start + seconds;
        for (range, grain) in [
            (1, 0),
            (10, 0),
            (60, 60),
            (900, 60),
            (3600, 60),
            (21_600, 900),
            (86_400, 10_800),
            (3 * 86_400, 10_800),
        ] {
            let found = hits(&ladder, now, range);
            assert!(found >= range && found <= range + grain, "{range}: {found}");
        }
        assert_eq!(hits(&ladder, now, 30 * 86_400), seconds);
        assert_eq!(ladder.between(now - 600, now - 300).all.outcomes.hit, 300);
        assert_eq!(ladder.between(now - 300, now).all.outcomes.hit, 300);
    }

    #[test]
    fn a_gap_and_a_clock_that_is_put_back_lose_nothing() {
        let (mut ladder, start) = (Ladder::default(), 1_800_000_000u64);
        let mut count = 0;
        for at in (start + 1..start + 200)
            .chain(start + 2000..start + 2100)
            .chain(start + 1900..start + 2200)
        {
            ladder.push(at, second(1));
            count += 1;
        }
        assert_eq!(hits(&ladder, start + 2200, 86_400), count);
        assert_eq!(hits(&ladder, start + 2200, 30 * 86_400), count);
    }

    #[test]
    fn what_was_finished_comes_back_on_every_step() {
        let (mut before, mut after, start) = (Ladder::default(), Ladder::default(), 1_800_000_000u64);
        let mut kept = Vec::new();
        let end = start + 100_000;
        for at in start + 1..=end {
            kept.extend(before.push(at, second(1)));
        }
        kept.sort_by_key(|(step, end, _)| (*step, *end));
        kept.into_iter()
            .for_each(|(step, end, tally)| after.restore(step, end, tally));
        after.settle(end);
        let lost = before.filling().map_or(0, |(_, filling)| filling.all.outcomes.hit);
        for range in [3600, 86_400, 30 * 86_400] {
            assert_eq!(hits(&after, end, range) + lost, hits(&before, end, range), "{range}");
        }
    }
}
