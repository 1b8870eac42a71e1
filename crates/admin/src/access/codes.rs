//! Login codes: good once, for ten minutes, so that a link with one in it is worth nothing afterwards, wherever it was kept.

use crate::refusal::Refusal;
use crate::secrets::{Digest, unguessable};
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::time::Duration;

/// For how long a code is good.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(600);
/// The most codes that are good at the same time; the oldest goes first.
const CODES_MAX: usize = 16;

/// The codes that are good now.
#[derive(Default)]
pub(crate) struct Codes(Mutex<Vec<(Digest, Instant)>>);

impl Codes {
    /// A new code.
    pub(crate) fn issue(&self, now: Instant) -> Result<String, Refusal> {
        let code = unguessable::<16>()?;
        let mut codes = self.0.lock();
        if codes.len() >= CODES_MAX {
            codes.remove(0);
        }
        codes.push((Digest::of(&code), now.after(GOOD_FOR)));
        Ok(code)
    }

    /// Whether `code` is good; from now on it is not.
    pub(crate) fn redeem(&self, code: &str, now: Instant) -> bool {
        let asked = Digest::of(code);
        let mut codes = self.0.lock();
        codes.retain(|(_, until)| now < *until);
        // A digest tells nothing of the code that is near, so that the time of comparing it tells nothing either.
        match codes.iter().position(|(known, _)| *known == asked) {
            Some(at) => {
                codes.remove(at);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_ten_minutes() {
        let (codes, now) = (Codes::default(), Instant::from_nanos(1));
        let (one, other) = (codes.issue(now).unwrap(), codes.issue(now).unwrap());
        assert!(!codes.redeem("", now) && !codes.redeem(&one[1..], now));
        assert!(codes.redeem(&one, now) && !codes.redeem(&one, now));
        assert!(!codes.redeem(&other, now.after(GOOD_FOR)));
        let first = codes.issue(now).unwrap();
        for _ in 0..CODES_MAX {
            codes.issue(now).unwrap();
        }
        assert!(!codes.redeem(&first, now), "the oldest has made room");
    }
}
