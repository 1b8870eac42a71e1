//! Wrong tokens, counted by address, in a table of bounded size.
//!
//! The same wrong token again does not count: a dashboard left open with an old token must not lock out the operator who
//! sits at the same address, and tells nobody anything. An IPv6 address counts as its /64, since whoever has one has all.

use peregrine_base::Instant;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The most addresses that are remembered; the one that began first is forgotten for another.
const ADDRESSES_MAX: usize = 1024;
/// How many old tokens may be in use behind one address without counting again and again.
const LATELY_MAX: usize = 8;

/// Who tried how many wrong tokens.
pub(super) struct Attempts {
    max: u32,
    window: Duration,
    records: HashMap<IpAddr, Record>,
    hasher: RandomState,
}

struct Record {
    since: Instant,
    wrong: u32,
    /// The last different ones, as hashes of this process' own.
    lately: VecDeque<u64>,
}

impl Attempts {
    pub(super) fn new(max: u32, window: Duration) -> Self {
        Self {
            max,
            window,
            records: HashMap::new(),
            hasher: RandomState::new(),
        }
    }

    /// For how long `address` has to wait, if it has to.
    pub(super) fn must_wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let record = self
            .records
            .get(&network(address))
            .filter(|record| record.wrong >= self.max)?;
        let left = record.since.after(self.window).since(now);
        (!left.is_zero()).then_some(left)
    }

    /// `address` sent the wrong `token`.
    pub(super) fn wrong(&mut self, address: IpAddr, token: &str, now: Instant) {
        let (address, token) = (network(address), self.hasher.hash_one(token));
        let window = self.window;
        let record = self
            .records
            .get_mut(&address)
            .filter(|record| now < record.since.after(window));
        if let Some(record) = record {
            if !record.lately.contains(&token) {
                record.wrong = record.wrong.saturating_add(1);
                record.lately.truncate(LATELY_MAX - 1);
                record.lately.push_front(token);
            }
            return;
        }
        if self.records.len() >= ADDRESSES_MAX && !self.records.contains_key(&address) {
            self.make_room(now);
        }
        self.records.insert(
            address,
            Record {
                since: now,
                wrong: 1,
                lately: [token].into(),
            },
        );
    }

    /// `address` sent the admin's.
    pub(super) fn right(&mut self, address: IpAddr) {
        self.records.remove(&network(address));
    }

    /// Forgets what is over, or, where nothing is, whoever began first.
    fn make_room(&mut self, now: Instant) {
        let window = self.window;
        self.records.retain(|_, record| now < record.since.after(window));
        if self.records.len() >= ADDRESSES_MAX {
            let first = self
                .records
                .iter()
                .min_by_key(|(_, record)| record.since)
                .map(|(address, _)| *address);
            first.and_then(|address| self.records.remove(&address));
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000).after(Duration::from_secs(seconds))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn several_wrong_tokens_make_an_address_wait_and_no_other() {
        let mut attempts = Attempts::new(3, WINDOW);
        let (bad, good) = (address("192.0.2.1"), address("192.0.2.2"));
        for (second, token) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(attempts.must_wait(bad, at(second as u64)), None);
            attempts.wrong(bad, token, at(second as u64));
        }
        assert_eq!(attempts.must_wait(bad, at(2)), Some(Duration::from_secs(58)));
        assert_eq!(
            attempts.must_wait(address("::ffff:192.0.2.1"), at(2)),
            Some(Duration::from_secs(58))
        );
        assert_eq!(attempts.must_wait(good, at(2)), None);
        assert_eq!(attempts.must_wait(bad, at(60)), None);
        attempts.wrong(bad, "d", at(60));
        assert_eq!(attempts.must_wait(bad, at(61)), None);
    }

    #[test]
    fn the_same_wrong_token_counts_once_and_the_right_one_forgives() {
        let mut attempts = Attempts::new(2, WINDOW);
        let client = address("192.0.2.1");
        for _ in 0..100 {
            attempts.wrong(client, "old", at(0));
        }
        assert_eq!(attempts.must_wait(client, at(0)), None);
        attempts.right(client);
        // Two scripts, each with an old one.
        let mut behind_one_address = Attempts::new(3, WINDOW);
        for _ in 0..100 {
            behind_one_address.wrong(client, "old", at(0));
            behind_one_address.wrong(client, "older", at(0));
        }
        assert_eq!(behind_one_address.must_wait(client, at(0)), None);
        attempts.wrong(client, "a", at(1));
        assert_eq!(attempts.must_wait(client, at(1)), None);
        attempts.wrong(client, "b", at(1));
        assert!(attempts.must_wait(client, at(1)).is_some());
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let mut attempts = Attempts::new(2, WINDOW);
        attempts.wrong(address("2001:db8::1"), "a", at(0));
        attempts.wrong(address("2001:db8::2"), "b", at(0));
        assert!(attempts.must_wait(address("2001:db8::3"), at(0)).is_some());
        assert_eq!(attempts.must_wait(address("2001:db8:0:1::3"), at(0)), None);
    }

    #[test]
    fn the_table_does_not_grow_and_forgets_whoever_began_first() {
        let mut attempts = Attempts::new(1, WINDOW);
        let nth = |n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        let count = u32::try_from(ADDRESSES_MAX).unwrap();
        for n in 0..=count {
            attempts.wrong(nth(n), "x", at(0).after(Duration::from_millis(n.into())));
        }
        assert_eq!(attempts.records.len(), ADDRESSES_MAX);
        assert_eq!(attempts.must_wait(nth(0), at(2)), None);
        assert!(attempts.must_wait(nth(1), at(2)).is_some());
        assert!(attempts.must_wait(nth(count), at(2)).is_some());
        attempts.wrong(nth(count + 1), "x", at(3600));
        assert_eq!(attempts.records.len(), 1);
    }
}
