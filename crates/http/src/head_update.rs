//! What the answer to a HEAD that went to the origin does to the stored answer to a GET (RFC 9111 §4.3.5).

use crate::encode;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::load::permits;
use crate::plane::Parts;
use crate::policy::{self, Times};
use crate::reasons::is_about_the_asker;
use crate::store;
use http::{HeaderMap, Method, StatusCode};
use peregrine_base::Instant;
use peregrine_cache::Lease;

/// A HEAD on its way to the origin while an answer to a GET is stored that may not be used as it is.
pub(crate) struct Checking<'a> {
    parts: &'a Parts,
    asking: &'a Asking,
    /// Taken before the request is sent: an invalidation after that overtakes what the answer confirms.
    lease: Lease,
    sent: Instant,
}

impl<'a> Checking<'a> {
    /// Begins, where the request is a HEAD, something is stored, and the answer will be about the same for everybody.
    pub(crate) fn begin(parts: &'a Parts, asking: &'a Asking) -> Option<Self> {
        let asked = &asking.asked;
        let is_private = asked.no_store || asked.authorization || asked.cookie;
        let is_as_a_load = || asking.route.key.are_those_of_a_load(&asking.facts.headers);
        if asking.facts.method != Method::HEAD || is_private || !is_as_a_load() {
            return None;
        }
        let (sent, variants) = (parts.clock.now(), asking.variants());
        let lies_in = |_: &peregrine_cache::Hit| false;
        let ask = asking.ask(&variants, &lies_in, sent);
        parts.engine.peek(&asking.key, &ask).hit?;
        let lease = parts.engine.lead_alone(&asking.key, &ask);
        lease.stale().is_some().then_some(Self {
            parts,
            asking,
            lease,
            sent,
        })
    }

    /// The origin answered: what is stored is updated, or stale. Whether it was updated.
    pub(crate) fn answered(self, status: StatusCode, headers: &HeaderMap) -> bool {
        let Self {
            parts,
            asking,
            lease,
            sent,
        } = self;
        let stored = lease.stale().map(|hit| (StoredHead::decode(hit.head()), hit.length()));
        let Some((Some(mut head), length)) = stored else {
            return false;
        };
        let times = Times {
            received: parts.clock.wall(),
            delay: parts.clock.now().since(sent),
        };
        let rules = &asking.route.rules;
        let headers = &*encode::kept_apart(&head.headers, headers);
        let stored = (head.status, &mut head.headers);
        match policy::decide_head_update(&asking.asked, stored, length, (status, headers), rules, times) {
            policy::HeadUpdate::Updated(plan) => match permits(asking, &plan, head.status, &head.headers) {
                Ok(()) => {
                    let tags = policy::tags(&head.headers);
                    store::renew(lease, asking, &head, &plan, tags).is_ok()
                }
                Err(decision) if is_about_the_asker(decision.reason) => false,
                Err(_) => {
                    lease.outdate();
                    false
                }
            },
            policy::HeadUpdate::Outdated => {
                lease.outdate();
                false
            }
            policy::HeadUpdate::Unrelated => false,
        }
    }
}
