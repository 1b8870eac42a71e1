//! `Idempotency-Key`: a change that is sent again because its answer was lost is carried out once
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! Guarantees: of two requests of one caller with one key the second gets the answer of the first, as long as that is
//! remembered; while the first is under way it is told so (409), and if it asks for something else it is refused (422). Only
//! what was done is remembered: whoever was refused may try again. There are never more than [`KEPT_MAX`] answers of
//! [`ANSWER_MAX_BYTES`] at most, none for longer than [`KEPT_TIME`]; the oldest makes room. A restart forgets them.

use crate::answer::Answer;
use crate::refusal::{Refusal, fault};
use crate::secrets::Digest;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::collections::HashMap;
use std::time::Duration;

/// The field of a request.
const FIELD: HeaderName = HeaderName::from_static("idempotency-key");
/// The field of an answer that was given before.
const REPEATED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key, in bytes.
const KEY_MAX_BYTES: usize = 255;
/// How many answers are remembered.
const KEPT_MAX: usize = 1000;
/// The largest one; a larger one is not, and its request is carried out again.
const ANSWER_MAX_BYTES: usize = 64 << 10;
/// For how long.
const KEPT_TIME: Duration = Duration::from_hours(24);

/// The answers that are remembered, by caller and key.
#[derive(Default)]
pub(crate) struct Repeats(Mutex<HashMap<Digest, Kept>>);

struct Kept {
    /// What was asked for.
    asked: Digest,
    since: Instant,
    /// Nothing while it is under way.
    answer: Option<Remembered>,
}

#[derive(Clone)]
struct Remembered {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

/// What is to be done about a request.
pub(crate) enum Turn<'a> {
    /// Carry it out.
    First(Option<Underway<'a>>),
    /// It was carried out before: this came of it.
    Again(Answer),
}

/// A request with a key that is being carried out. Dropped, it was not.
pub(crate) struct Underway<'a> {
    repeats: &'a Repeats,
    key: Digest,
    is_done: bool,
}

impl Repeats {
    /// Whether `request` of `who` is to be carried out.
    pub(crate) fn turn(&self, request: &Parts, body: &[u8], who: &str, now: Instant) -> Result<Turn<'_>, Refusal> {
        let mut fields = request.headers.get_all(&FIELD).iter();
        let Some(field) = fields.next() else {
            return Ok(Turn::First(None));
        };
        let is_fit = (1..=KEY_MAX_BYTES).contains(&field.len()) && field.to_str().is_ok() && fields.next().is_none();
        if !is_fit {
            let problem = format!("is not one key of 1 to {KEY_MAX_BYTES} visible characters");
            return Err(Refusal::invalid(vec![fault("Idempotency-Key", problem)]));
        }
        let key = Digest::of([who.as_bytes(), &[0], field.as_bytes()].concat());
        let target = format!("{} {}\0", request.method, request.uri);
        let asked = Digest::of([target.as_bytes(), body].concat());
        let mut kept = self.0.lock();
        if let Some(known) = kept.get(&key).filter(|known| now < known.since.after(KEPT_TIME)) {
            return match &known.answer {
                _ if known.asked != asked => Err(Refusal::key_of_another()),
                None => Err(Refusal::conflict(
                    "The same request is still under way; ask again in a moment.",
                )),
                Some(answer) => Ok(Turn::Again(answer.clone().into())),
            };
        }
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, known| now < known.since.after(KEPT_TIME));
            let oldest = kept
                .iter()
                .filter(|(_, known)| known.answer.is_some())
                .min_by_key(|(_, known)| known.since);
            match oldest.map(|(key, _)| *key) {
                Some(key) if kept.len() >= KEPT_MAX => kept.remove(&key),
                Some(_) => None,
                None => return Err(Refusal::unavailable("Too many requests with keys are under way.")),
            };
        }
        let begun = Kept {
            asked,
            since: now,
            answer: None,
        };
        kept.insert(key, begun);
        Ok(Turn::First(Some(Underway {
            repeats: self,
            key,
            is_done: false,
        })))
    }
}

impl Underway<'_> {
    /// It was carried out, and this came of it.
    pub(crate) fn done(mut self, answer: &Answer) {
        let Some(body) = answer.bytes().filter(|body| body.len() <= ANSWER_MAX_BYTES) else {
            return;
        };
        if let Some(known) = self.repeats.0.lock().get_mut(&self.key) {
            known.answer = Some(Remembered {
                status: answer.status,
                content_type: answer.content_type,
                body,
            });
            self.is_done = true;
        }
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.repeats.0.lock().remove(&self.key);
        }
    }
}

impl From<Remembered> for Answer {
    fn from(answer: Remembered) -> Self {
        let repeated = Self {
            status: answer.status,
            ..Self::of(answer.content_type, answer.body)
        };
        repeated.header(REPEATED, HeaderValue::from_static("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(1).after(Duration::from_secs(seconds))
    }

    fn request(key: &str) -> Parts {
        let request = Request::post("/x").header("idempotency-key", key);
        request.body(()).unwrap().into_parts().0
    }

    fn first<'a>(repeats: &'a Repeats, key: &str, who: &str, second: u64) -> Option<Underway<'a>> {
        match repeats.turn(&request(key), b"{}", who, at(second)).unwrap() {
            Turn::First(underway) => underway,
            Turn::Again(_) => panic!("{key} was carried out before"),
        }
    }

    fn again(repeats: &Repeats, key: &str, body: &[u8], second: u64) -> Result<bool, StatusCode> {
        let turn = repeats.turn(&request(key), body, "a", at(second));
        turn.map(|turn| matches!(turn, Turn::Again(_)))
            .map_err(|refusal| refusal.status())
    }

    #[test]
    fn a_change_is_carried_out_once_and_answered_twice() {
        let repeats = Repeats::default();
        let underway = first(&repeats, "k", "a", 0).unwrap();
        assert_eq!(
            again(&repeats, "k", b"{}", 0),
            Err(StatusCode::CONFLICT),
            "it is under way"
        );
        underway.done(&Answer::text(StatusCode::ACCEPTED, "done"));
        assert_eq!(again(&repeats, "k", b"{}", 1), Ok(true));
        assert_eq!(
            again(&repeats, "k", b"{\"other\":1}", 1),
            Err(StatusCode::UNPROCESSABLE_ENTITY)
        );
        assert!(first(&repeats, "k", "b", 1).is_some(), "another's key is another");
        assert_eq!(again(&repeats, "k", b"{}", 24 * 3600), Ok(false), "it is forgotten");
    }

    #[test]
    fn what_was_not_done_may_be_tried_again() {
        let repeats = Repeats::default();
        drop(first(&repeats, "k", "a", 0));
        assert!(first(&repeats, "k", "a", 0).is_some());
        assert!(repeats.turn(&request(""), b"", "a", at(0)).is_err());
        assert!(repeats.turn(&request(&"k".repeat(256)), b"", "a", at(0)).is_err());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let repeats = Repeats::default();
        for number in 0..KEPT_MAX as u64 + 10 {
            let underway = first(&repeats, &format!("k{number}"), "a", number).unwrap();
            underway.done(&Answer::text(StatusCode::OK, "done"));
        }
        assert_eq!(repeats.0.lock().len(), KEPT_MAX);
        assert_eq!(again(&repeats, "k5", b"{}", 2000), Ok(false), "the oldest made room");
        assert_eq!(again(&repeats, "k500", b"{}", 2000), Ok(true));
    }
}
