//! Which target a request goes to: who may get it (health), which of the groups (priority), which of the group (balance).

use super::attempts::Tried;
use super::balance::{self, Candidate, Strength, Turns};
use super::ejection::{Need, Standing};
use super::latency::requests;
use super::member::Member;
use super::ticket::Ticket;
use crate::config::Balance;
use parking_lot::Mutex;
use peregrine_base::{Instant, Random};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A target for a request, and the right to send it there.
pub(crate) type Choice = (usize, Ticket);

pub(crate) struct Chooser {
    members: Vec<Arc<Member>>,
    balance: Balance,
    /// The targets of each priority, the best first.
    groups: Vec<Vec<usize>>,
    turns: Mutex<Turns>,
    random: Arc<dyn Random>,
}

impl Chooser {
    pub(crate) fn new(members: Vec<Arc<Member>>, balance: Balance, random: Arc<dyn Random>) -> Self {
        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            groups.entry(member.priority()).or_default().push(index);
        }
        Self {
            turns: Mutex::new(Turns::new(members.len(), &*random)),
            groups: groups.into_values().collect(),
            members,
            balance,
            random,
        }
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// A target that was not tried yet. One that was left out and whose time is up is tried first by a request that `may_probe`,
    /// because it can be sent elsewhere when that fails, and by any request when nobody else is there.
    pub(crate) fn choose(&self, tried: &Tried, now: Instant, may_probe: bool) -> Option<Choice> {
        if let [member] = &*self.members {
            let untried = !tried.contains(0);
            return untried
                .then(|| Ticket::take(member, now, Need::Any))
                .flatten()
                .map(|ticket| (0, ticket));
        }
        let probe = || self.probe(tried, now, Need::Any);
        may_probe
            .then(probe)
            .flatten()
            .or_else(|| self.serving(tried, now))
            .or_else(probe)
    }

    /// A target that is left out and may be tried.
    pub(crate) fn probe(&self, tried: &Tried, now: Instant, need: Need) -> Option<Choice> {
        let due = |index: &usize| !tried.contains(*index) && self.members[*index].standing(now, need) == Standing::Due;
        (0..self.members.len())
            .filter(due)
            .find_map(|index| Some((index, Ticket::take(&self.members[index], now, need)?)))
    }

    /// A target in service.
    fn serving(&self, tried: &Tried, now: Instant) -> Option<Choice> {
        let serving: Vec<bool> = self
            .members
            .iter()
            .map(|member| member.standing(now, Need::Any) == Standing::Serving)
            .collect();
        let first = self.group(&serving, now)?;
        // The others after it, for a request that the whole group has failed.
        let groups = std::iter::once(first).chain((0..self.groups.len()).filter(|group| *group != first));
        for group in groups {
            let among = self.groups[group].iter().copied();
            let mut candidates: Vec<Candidate> = among
                .filter(|index| serving[*index] && !tried.contains(*index))
                .map(|index| self.candidate(index, now))
                .collect();
            while let Some(position) = self.of(&candidates) {
                let Candidate { index, .. } = candidates.swap_remove(position);
                if let Some(ticket) = Ticket::take(&self.members[index], now, Need::Any) {
                    return Some((index, ticket));
                }
            }
        }
        None
    }

    /// The group that gets the request. A target that starts slowly makes its group no stronger than it is yet.
    fn group(&self, serving: &[bool], now: Instant) -> Option<usize> {
        if let [_] = &*self.groups {
            return Some(0);
        }
        let strength = |group: &Vec<usize>| {
            let members = || group.iter().map(|index| &self.members[*index]);
            let healthy = group.iter().filter(|index| serving[**index]).map(|index| {
                let member = &self.members[*index];
                member.weight() * member.share(now)
            });
            Strength {
                healthy: healthy.sum(),
                all: members().map(|member| member.expected(now)).sum(),
            }
        };
        let strengths: Vec<Strength> = self.groups.iter().map(strength).collect();
        balance::group(&strengths, self.random.next_unit())
    }

    fn candidate(&self, index: usize, now: Instant) -> Candidate {
        let member = &self.members[index];
        Candidate {
            index,
            weight: member.weight(),
            cost: match self.balance {
                Balance::RoundRobin => 0.0,
                Balance::LeastLatency => member.cost(now),
                Balance::LeastRequests => requests(member.in_flight()),
            },
            share: member.share(now),
        }
    }

    fn of(&self, candidates: &[Candidate]) -> Option<usize> {
        match self.balance {
            Balance::RoundRobin => self.turns.lock().next(candidates),
            Balance::LeastLatency | Balance::LeastRequests => balance::of_two(candidates, &*self.random),
        }
    }
}
