//! What happens now: the stream of events, and the last requests.

use super::Admin;
use crate::access::{Role, Who};
use crate::answer::Answer;
use crate::api::traffic::{self, TrafficReport};
use crate::events::{Topic, Wanted};
use crate::refusal::{Barred, Refusal};
use http::request::Parts;
use peregrine_insight::Event;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;

impl Admin {
    /// Tells those who listen what insight tells.
    pub fn follow_insight(&self, events: Receiver<Event>) {
        self.hub.follow_insight(events);
    }

    pub(super) fn events(&self, request: &Parts, who: &Who) -> Result<Answer, Refusal> {
        let wanted = Wanted::of(request)?;
        if wanted.topics.has(Topic::Audit) && who.role < Role::Admin {
            let why = "The topic `audit` takes the role `admin`.";
            return Err(Refusal::barred(Barred::Role, why));
        }
        let (guard, who) = (Arc::clone(&self.guard), who.clone());
        let session = guard.session_of(request);
        let still_good =
            Box::new(move || guard.is_good(&who) && session.as_ref().is_none_or(|session| guard.goes_on(session)));
        let body = self.hub.stream(wanted, &self.live.node, still_good)?;
        if wanted.topics.has(Topic::Request) {
            self.hub.follow_requests(&self.live.tail);
        }
        Ok(Answer {
            body,
            ..Answer::of("text/event-stream", "")
        })
    }

    pub(super) fn traffic(&self, request: &Parts) -> Result<Answer, Refusal> {
        let (filter, limit) = traffic::from_query(request.uri.query())?;
        Answer::json(&TrafficReport {
            requests: self.live.tail.recent(&filter, limit),
        })
    }
}
