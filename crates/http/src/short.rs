//! The short way of a request: a fresh stored response as the answer to a head that lies where it was read, without a task,
//! a map of fields or an allocation.
//!
//! It goes the steps of [`crate::plane`] by the same functions, which read a request through [`RequestView`] and write a head
//! through [`EditFields`](crate::policy::EditFields); nothing is decided here. Whatever is not a plain hit answers `None`
//! before anything was counted or written, and the long way begins anew. `admit` comes after `lookup` here, because asking it
//! counts; who is turned away here asks again on the long way, and is told why there.

mod heard;

use crate::deliver;
use crate::encode::{Offer, encode_head};
use crate::finish;
use crate::head::{LineWriter, StoredLines};
use crate::identify::{asked_of, leads, rewrite_key, terms};
use crate::key::RequestVariants;
use crate::origin::traceparent;
use crate::outcome::{CacheOutcome, Outcome, Sent};
use crate::plane::Plane;
use crate::policy::{self, Condition, EditFields as _, Fields as _};
use crate::request::RequestView as _;
use crate::route::Route;
use heard::Heard;
use http::{Method, StatusCode, header};
use peregrine_base::WallTime;
use peregrine_cache::{Encoded, Hit, Key};
use peregrine_net::http::hygiene;
use peregrine_net::http::{Answer, HeadView, Peer};
use std::cell::RefCell;
use std::sync::Arc;

/// The longest body that is copied behind its head. A piece costs an allocation and a call more to write, a copy costs time by
/// its length, and head and body together fit a buffer of the codec.
const COPIED_BYTES_MAX: usize = 8 << 10;

/// The room that one thread needs, used again for each request.
#[derive(Default)]
struct Room {
    authority: String,
    request_id: String,
    key: Option<Key>,
    added: Vec<u8>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::new(Room::default());
}

impl Plane {
    /// Answers a request at once, if that can be done without asking anybody and without doubt.
    pub(crate) fn answer_at_once(&self, head: &HeadView<'_>, peer: &Peer, answer: &mut Answer) -> bool {
        ROOM.with_borrow_mut(|room| self.shortly(head, peer, answer, room).is_some())
    }

    fn shortly(&self, head: &HeadView<'_>, peer: &Peer, answer: &mut Answer, room: &mut Room) -> Option<()> {
        let Room {
            authority,
            request_id,
            key,
            added,
        } = room;
        // Read once: after the head, as promise P2 wants it, and for all steps.
        let now = self.parts.clock.now();
        let rules = self.rules_at_once();
        let heard = Heard::receive(head, peer, &rules.trusted, &rules.tenants, authority)?;
        let route = rules
            .table
            .find(&heard)
            .filter(|route| !(route.wants_tenant && heard.tenant().is_empty()))?;
        let asked = asked_of(&heard, route, false, head.body)
            .ok()
            .filter(|asked| !asked.range)?;
        let namespace = &route.namespace;
        let key = key.get_or_insert_with(|| Key::blank(namespace));
        rewrite_key(key, &heard, route);
        let variants = RequestVariants {
            fields: heard.fields(),
            rules: &route.key,
        };
        let ask = terms(route, &asked, leads(heard.method(), &asked), &variants, now);
        let hit = self.parts.engine.fresh(key, &ask)?;
        let representation = Representation::of(route, &heard, &hit)?;
        if heard.is_in_doubt() {
            return None;
        }
        // Who takes trailers gets them behind chunks.
        let stored = StoredLines::read(hit.head()).filter(|stored| !stored.has_trailers())?;
        let writer = LineWriter::new(stored, added)?;
        let wall = if heard.fields().has(header::IF_MODIFIED_SINCE.as_str()) {
            self.parts.clock.wall()
        } else {
            // Nobody asks.
            WallTime::UNKNOWN
        };
        let permit = self.admit(route, heard.tenant()).ok()?;

        // From here on this is the answer.
        let mut outcome = Outcome::begin(now, wall);
        outcome.route = Some(Arc::clone(route));
        outcome.permit = Some(permit);
        self.parts.engine.answered(key, &hit);
        representation.offer.prepare(&self.parts.engine, key, &hit);
        outcome.answered_by(&hit, CacheOutcome::Hit, route, now);
        let tracer = self.parts.recorder.tracer();
        outcome.trace = tracer.and_then(|tracer| {
            let began = || (now, self.parts.clock.wall());
            tracer.begin_recorded(traceparent(heard.fields()), &*self.parts.random, began)
        });
        if let Some(trace) = &outcome.trace {
            outcome.started_wall = trace.began_wall;
        }
        self.looked_up(now, "fresh", &mut outcome);
        hygiene::new_request_id(&*self.parts.random, request_id);
        let heard = heard.named(request_id);
        let (status, bytes) = write(&heard, &hit, &representation, stored.status, writer, &outcome, answer);
        // The second and last look at the clock: all of the answer is there, for the connection to write.
        let ended = self.parts.clock.now();
        let took = ended.since(now);
        let sent = Sent {
            status: status.as_u16(),
            bytes,
            now: ended,
            duration: took,
            began: took,
            error: None,
        };
        // Hits are not among the recent decisions that `explain` is asked about.
        let parts = &self.parts;
        finish::record(&parts.recorder, &parts.tenants, &*parts.clock, &heard, &outcome, &sent);
        Some(())
    }
}

/// Which representation of a stored response a request gets.
struct Representation {
    offer: Offer,
    /// The encoding; nothing: the body as it was loaded.
    coded: Option<Encoded>,
}

impl Representation {
    /// What `request` gets of `hit`; nothing where that would have to be unpacked, or the request may know it by one of
    /// several tags.
    fn of(route: &Route, request: &Heard<'_>, hit: &Hit) -> Option<Self> {
        let offer = Offer::of_stored(route, request.fields(), hit);
        let has_copy = || {
            [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]
                .iter()
                .any(|name| request.fields().has(name.as_str()))
        };
        if offer.has_several() && has_copy() {
            return None;
        }
        let coded = offer.best(hit);
        (coded.is_some() || hit.stored_encoding() == "identity").then_some(Self { offer, coded })
    }

    fn length(&self, hit: &Hit) -> u64 {
        self.coded.as_ref().map_or_else(|| hit.length(), Encoded::length)
    }
}

/// Writes what `request` gets of `hit`: the status and how many bytes of the body.
fn write(
    request: &Heard<'_>,
    hit: &Hit,
    representation: &Representation,
    stored: StatusCode,
    mut head: LineWriter<'_>,
    outcome: &Outcome,
    answer: &mut Answer,
) -> (StatusCode, u64) {
    let condition =
        policy::evaluate_conditions(request.method(), request.fields(), stored, &head, outcome.started_wall);
    head.insert_number(&header::AGE, hit.age(outcome.started).as_secs());
    representation.offer.announce(&mut head);
    let status = match condition {
        Condition::NotModified => {
            policy::reduce_to_not_modified(&mut head);
            StatusCode::NOT_MODIFIED
        }
        Condition::Full => {
            let route = outcome.route.as_ref().filter(|_| *request.method() != Method::HEAD);
            match (&representation.coded, route) {
                (Some(coded), _) => encode_head(&mut head, coded.coding()),
                (None, Some(route)) => route.count_withheld(request.fields(), (stored, &head), hit),
                (None, None) => {}
            }
            head.insert_number(&header::CONTENT_LENGTH, representation.length(hit));
            stored
        }
    };
    deliver::complete_head(&mut head, status, request.request_id(), outcome);
    answer.dated = head.is_dated();
    answer.status = status;
    head.finish(&mut answer.head);
    if *request.method() == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return (status, 0);
    }
    match &representation.coded {
        Some(coded) => {
            answer.body.extend(coded.chunks());
            if let Some(route) = &outcome.route {
                route.metrics.encoded(coded.coding());
            }
        }
        None => match hit.as_slice() {
            Some(body) if body.len() <= COPIED_BYTES_MAX => answer.copied.extend_from_slice(body),
            _ => answer.body.extend(hit.body().chunks()),
        },
    }
    (status, representation.length(hit))
}
