//! The last decisions, for `explain`: what became of the latest answer to a URL that did not come from the cache. A table
//! of fixed size in which a URL has one place; another URL of the same place takes it over, so it cannot grow.

use crate::outcome::CacheOutcome;
use crate::policy::Decision;
use http::Method;
use parking_lot::Mutex;
use peregrine_base::WallTime;
use std::hash::{BuildHasher, RandomState};

/// How many decisions are kept.
const PLACES: usize = 4096;
/// The longest URL that is kept, in bytes; the table is to stay small, whatever clients ask for.
const URL_LENGTH_MAX: usize = 1024;

/// One answer and why it was what it was.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The effective URL.
    pub url: String,
    /// The method.
    pub method: Method,
    /// When it was asked.
    pub when: WallTime,
    /// The status that the client got.
    pub status: u16,
    /// How the cache took part.
    pub cache: CacheOutcome,
    /// Why.
    pub decision: Option<Decision>,
    /// The `Cache-Status` that the client saw.
    pub cache_status: Option<String>,
}

/// The table.
pub(crate) struct Recent {
    places: Vec<Mutex<Option<Box<Remembered>>>>,
    hasher: RandomState,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::new(None)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Takes the place of the URL, unless that is very long.
    pub(crate) fn remember(&self, remembered: Remembered) {
        if remembered.url.len() > URL_LENGTH_MAX {
            return;
        }
        let place = self.place(&remembered.url);
        *place.lock() = Some(Box::new(remembered));
    }

    /// What is kept about `url`.
    pub(crate) fn recall(&self, url: &str) -> Option<Remembered> {
        let kept = self.place(url).lock();
        kept.as_deref().filter(|kept| kept.url == url).cloned()
    }

    fn place(&self, url: &str) -> &Mutex<Option<Box<Remembered>>> {
        let hash = usize::try_from(self.hasher.hash_one(url) % PLACES as u64).unwrap_or(0);
        &self.places[hash]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(url: &str, status: u16) -> Remembered {
        Remembered {
            url: url.to_owned(),
            method: Method::GET,
            when: WallTime::default(),
            status,
            cache: CacheOutcome::Miss,
            decision: None,
            cache_status: None,
        }
    }

    #[test]
    fn the_latest_is_kept_and_the_table_does_not_grow() {
        let recent = Recent::new();
        for number in 0..3 * PLACES {
            recent.remember(remembered(&format!("http://h/{number}"), 200));
        }
        recent.remember(remembered("http://h/a", 200));
        recent.remember(remembered("http://h/a", 404));
        assert_eq!(recent.recall("http://h/a").map(|kept| kept.status), Some(404));
        assert_eq!(recent.recall("http://h/never").map(|kept| kept.status), None);
        let long = format!("http://h/{}", "a".repeat(URL_LENGTH_MAX));
        recent.remember(remembered(&long, 200));
        assert!(recent.recall(&long).is_none());
        assert_eq!(recent.places.len(), PLACES);
    }
}
