//! What responses of a route said of their queries (`No-Vary-Search`), by path. A request is looked up by what was said last
//! under its path. The rule stands in the key too, and a response is stored only by a rule that it states itself: whatever is
//! forgotten, learned late or learned for another path costs a load and never gives a wrong answer.

use crate::policy::NoVarySearch;
use crate::request::RequestView;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of how many paths a route remembers what was said; one that is forgotten is learned again by its next response.
const PATHS_MAX: usize = 16_384;

/// The rules of a route's paths.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    rules: RwLock<HashMap<u64, Arc<NoVarySearch>>>,
    /// How many there are, so that a route without any asks nothing.
    count: AtomicUsize,
    hasher: RandomState,
}

impl Learned {
    /// What was said under the path of `request`.
    pub(crate) fn rule(&self, request: &impl RequestView) -> Option<Arc<NoVarySearch>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.rules.read().get(&self.place(request)).cloned()
    }

    /// Notes what a response to `request` says.
    pub(crate) fn note(&self, request: &impl RequestView, said: Option<NoVarySearch>) {
        let place = self.place(request);
        let mut rules = self.rules.write();
        match said {
            Some(rule) => {
                if rules.len() >= PATHS_MAX
                    && !rules.contains_key(&place)
                    && let Some(any) = rules.keys().next().copied()
                {
                    rules.remove(&any);
                }
                rules.insert(place, Arc::new(rule));
            }
            None => _ = rules.remove(&place),
        }
        self.count.store(rules.len(), Ordering::Relaxed);
    }

    fn place(&self, request: &impl RequestView) -> u64 {
        self.hasher
            .hash_one((request.tenant(), request.scheme(), request.authority(), request.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::no_vary_search;
    use crate::request::facts_for_tests;
    use http::HeaderMap;

    #[test]
    fn what_is_remembered_is_bounded() {
        let learned = Learned::default();
        let mut headers = HeaderMap::new();
        headers.insert("no-vary-search", "params".parse().unwrap());
        for number in 0..PATHS_MAX + 10 {
            let request = facts_for_tests("GET", &format!("http://h/{number}"), &[]);
            learned.note(&request, no_vary_search(&headers));
            assert!(learned.rule(&request).is_some());
        }
        assert_eq!(learned.rules.read().len(), PATHS_MAX);
    }
}
