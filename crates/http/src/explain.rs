//! Why a URL is served as it is: the steps that a request would take now, what lies in the cache, and what became of the
//! last answer. Nothing is counted by asking.

use crate::content::Content;
use crate::identify::{Asking, Identity};
use crate::outcome::Outcome;
use crate::own::OwnRequest;
use crate::plane::{Plane, Rules};
use crate::policy::{self, Decision, Reason};
use crate::reasons;
use crate::recent::Remembered;
use crate::request::{RequestFacts, RequestView as _};
use crate::route::Route;
use crate::tenant::TenantFault;
use http::StatusCode;
use peregrine_base::Instant;
use peregrine_cache::{Hit, Peek, StaleWhy, Usable};
use peregrine_net::http::Body;
use std::sync::Arc;
use std::time::Duration;

/// Why a URL is served as it is.
#[derive(Debug)]
pub struct Explanation {
    /// The effective URL.
    pub url: String,
    /// The route that takes it.
    pub route: Option<Arc<Route>>,
    /// Whose request it is; empty where it is nobody's.
    pub tenant: String,
    /// The key.
    pub key: Option<String>,
    /// What lies under it.
    pub state: State,
    /// The entry that would answer, or nearly.
    pub entry: Option<EntryFacts>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The last answer that did not come from the cache.
    pub last: Option<Remembered>,
    /// What would change the outcome.
    pub advice: Option<&'static str>,
}

/// What lies under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A fresh entry.
    Fresh,
    /// A stale one.
    Stale,
    /// Nothing.
    Absent,
    /// A marker of an answer that could not be stored.
    HitForMiss,
    /// The request does not ask the cache.
    Bypass,
    /// No route takes the request.
    NotRouted,
}

/// What is known of an entry.
#[derive(Clone, Debug)]
pub struct EntryFacts {
    /// What selects its variant.
    pub variant: String,
    /// Its age.
    pub age: Duration,
    /// Seconds of freshness left; negative once stale, zero when an invalidation made it so.
    pub ttl_s: f64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Bytes of its body.
    pub length_bytes: u64,
    /// Bytes that it occupies.
    pub stored_bytes: u64,
    /// How its body is stored: `identity`, `zstd`, …
    pub stored_encoding: &'static str,
    /// The codings that it is kept in beside that.
    pub codings: Vec<&'static str>,
    /// What is held of it, where that is not all.
    pub held: Option<Held>,
    /// How often it was served.
    pub hits: u64,
}

/// What is held of a response of which not all is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The first and the last position of each stretch, in order.
    pub positions: Vec<(u64, u64)>,
    /// The length of the whole, in bytes.
    pub complete_bytes: u64,
}

/// One step and what it decides.
#[derive(Clone, Debug)]
pub struct Step {
    /// The step's name.
    pub step: &'static str,
    /// What comes of it.
    pub outcome: String,
    /// Why.
    pub decision: Option<Decision>,
}

impl Plane {
    /// Explains `request`; with `fetch` it is made first, so that there is an answer to explain, unless its method may change
    /// something.
    pub async fn explain(&self, request: &OwnRequest, fetch: bool) -> Explanation {
        let rules = self.rules();
        let facts = Arc::new(request.facts(&rules.tenants));
        let is_safe = policy::is_safe(&facts.method);
        let fetched = if fetch && is_safe {
            Some(self.fetch(&rules, &facts).await)
        } else {
            None
        };
        let mut told = Explanation {
            url: facts.url(),
            route: None,
            tenant: facts.tenant().to_owned(),
            key: None,
            state: State::NotRouted,
            entry: None,
            steps: Vec::new(),
            last: self.recent.recall(&facts.url()),
            advice: None,
        };
        if let Some(fault) = facts.tenant_fault {
            told.step("receive", fault.as_str(), None);
            return told;
        }
        let Some(route) = rules.table.find(&facts).cloned() else {
            told.step("route", "no route takes it", None);
            return told;
        };
        told.step("route", &route.name, None);
        told.route = Some(Arc::clone(&route));
        if route.wants_tenant && facts.tenant.is_empty() {
            told.step("route", TenantFault::Missing.as_str(), None);
            return told;
        }
        match Identity::of(&facts, &route, Some(Content::default()), &Body::empty()) {
            Identity::Past { decision, rule, .. } => {
                told.state = State::Bypass;
                told.step(
                    "identify",
                    rule.map_or("past the cache", crate::route::BypassRule::as_str),
                    Some(decision),
                );
            }
            Identity::Cached(asking) => {
                told.step("identify", asking.key.text(), None);
                told.key = Some(asking.key.text().to_owned());
                told.look(&asking, &self.peek_for(&asking), self.parts.clock.now());
                let (variants, strategy) = (asking.variants(), &asking.route.strategy);
                let held = self.parts.engine.peek_redis(&asking.key, &variants, strategy).await;
                if let Some(held) = held {
                    told.step("redis", &held.to_string(), None);
                }
            }
        }
        if let Some((status, outcome)) = fetched {
            let cache = outcome.cache.as_str();
            told.step("fetch", &format!("{} ({cache})", status.as_u16()), outcome.decision);
        } else if fetch && !is_safe {
            let decision = Decision::new(Reason::UnsafeMethod);
            told.step("fetch", "left out", Some(decision));
        } else if let Some(last) = told.last.clone() {
            told.step(
                "last answer",
                &format!("{} ({})", last.status, last.cache.as_str()),
                last.decision,
            );
        }
        told.advice = told.steps.iter().rev().find_map(|step| step.decision?.reason.advice());
        told
    }
}

impl Plane {
    /// Makes a request, and waits until its answer is stored, where it is to be.
    async fn fetch(&self, rules: &Rules, facts: &Arc<RequestFacts>) -> (StatusCode, Outcome) {
        let (response, mut outcome) = self.own(rules, facts).await;
        let status = response.status();
        if outcome.stored
            && let Err(error) = self.read(response).await
        {
            outcome.error = Some(error);
        }
        (status, outcome)
    }
}

impl Explanation {
    fn step(&mut self, step: &'static str, outcome: &str, decision: Option<Decision>) {
        self.steps.push(Step {
            step,
            outcome: outcome.to_owned(),
            decision,
        });
    }

    /// What the lookup finds.
    fn look(&mut self, asking: &Asking, peek: &Peek, now: Instant) {
        let hit = peek.hit.as_ref().or(peek.parts.as_ref());
        self.entry = hit.map(|hit| EntryFacts::of(hit, now));
        let (state, outcome, reason) = match (&peek.usable, peek.marker) {
            (Ok(Usable::Fresh), _) => (State::Fresh, "hit", Reason::Fresh),
            (Ok(Usable::Stale(StaleWhy::WhileRevalidate)), _) => (State::Stale, "hit", Reason::StaleWhileRevalidate),
            (Ok(Usable::Stale(StaleWhy::Asked)), _) => (State::Stale, "hit", Reason::StaleAsked),
            (Ok(Usable::Stale(StaleWhy::Unverified)), _) => (State::Stale, "hit", Reason::ServedUnverified),
            (Err(_), Some(marker)) => (State::HitForMiss, "miss", reasons::of_pass(marker)),
            (Err(miss), None) => {
                let state = if peek.hit.is_some() {
                    State::Stale
                } else {
                    State::Absent
                };
                (state, "miss", reasons::of_miss(*miss, &asking.asked))
            }
        };
        self.state = state;
        let outcome = if peek.loading {
            format!("{outcome}, a load is under way")
        } else {
            outcome.to_owned()
        };
        self.step("lookup", &outcome, Some(Decision::new(reason)));
    }
}

impl EntryFacts {
    fn of(hit: &Hit, now: Instant) -> Self {
        let until = if hit.softened() { now } else { hit.fresh_until() };
        Self {
            variant: hit.variant().to_owned(),
            age: hit.age(now),
            ttl_s: until.since(now).as_secs_f64() - now.since(until).as_secs_f64(),
            tags: hit.tags().map(str::to_owned).collect(),
            length_bytes: hit.length(),
            stored_bytes: hit.stored_bytes(),
            stored_encoding: hit.stored_encoding(),
            codings: hit
                .codings()
                .map(peregrine_cache::Coding::as_str)
                .filter(|coding| *coding != hit.stored_encoding())
                .collect(),
            held: hit.parts().map(|parts| Held {
                positions: parts.spans.iter().map(|span| (span.start, span.end - 1)).collect(),
                complete_bytes: parts.complete,
            }),
            hits: hit.hits(),
        }
    }
}
