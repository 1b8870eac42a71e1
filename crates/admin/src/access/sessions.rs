//! Sessions of browsers: a cookie with 256 random bits that stands for whoever logged in.
//!
//! Guarantees: only ids that were made here are known, and only their digests are kept; a login always makes a new one; a
//! session ends by logout, when nothing was asked for `admin.session_idle`, and in any case after `admin.session_lifetime`;
//! there are never more than [`SESSIONS_MAX`], of which the one that was silent for the longest time makes room.

use super::Who;
use crate::refusal::Refusal;
use crate::secrets::{Digest, unguessable};
use http::request::Parts;
use http::{HeaderValue, header};
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::collections::HashMap;
use std::time::Duration;

/// The cookie's name.
pub(crate) const COOKIE: &str = "peregrine_session";
/// The most sessions at the same time.
pub(crate) const SESSIONS_MAX: usize = 256;
/// The most cookies of that name that are looked at: programs at other ports of this host may have set some.
const COOKIES_MAX: usize = 4;

/// The sessions that go on.
pub(crate) struct Sessions {
    idle: Duration,
    lifetime: Duration,
    open: Mutex<HashMap<Digest, Session>>,
}

struct Session {
    who: Who,
    began: Instant,
    last: Instant,
}

impl Sessions {
    pub(crate) fn new(idle: Duration, lifetime: Duration) -> Self {
        Self {
            idle,
            lifetime,
            open: Mutex::default(),
        }
    }

    /// A new session of `who`: its id.
    pub(crate) fn begin(&self, who: Who, now: Instant) -> Result<String, Refusal> {
        let id = unguessable::<32>()?;
        let mut open = self.open.lock();
        open.retain(|_, session| self.goes_on(session, now));
        if open.len() >= SESSIONS_MAX {
            let silent = open.iter().min_by_key(|(_, session)| session.last).map(|(id, _)| *id);
            silent.and_then(|id| open.remove(&id));
        }
        let session = Session {
            who,
            began: now,
            last: now,
        };
        open.insert(Digest::of(&id), session);
        Ok(id)
    }

    /// Who is behind `id`, if it is one that goes on.
    pub(crate) fn find(&self, id: &str, now: Instant) -> Option<Who> {
        let id = Digest::of(id);
        let mut open = self.open.lock();
        let session = open.get_mut(&id)?;
        if self.goes_on(session, now) {
            session.last = now;
            return Some(session.who.clone());
        }
        open.remove(&id);
        None
    }

    /// Whether the session with this digest goes on.
    pub(crate) fn is_open(&self, id: &Digest, now: Instant) -> bool {
        self.open
            .lock()
            .get(id)
            .is_some_and(|session| self.goes_on(session, now))
    }

    /// Ends `id`; whether there was one.
    pub(crate) fn end(&self, id: &str) -> bool {
        self.open.lock().remove(&Digest::of(id)).is_some()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().len()
    }

    fn goes_on(&self, session: &Session, now: Instant) -> bool {
        now < session.last.after(self.idle) && now < session.began.after(self.lifetime)
    }

    /// For how long one lasts at most.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The field that gives a browser `id`, or takes it away when it is empty.
    pub(crate) fn cookie(&self, id: &str, tls: bool) -> HeaderValue {
        let seconds = if id.is_empty() { 0 } else { self.lifetime.as_secs() };
        let secure = if tls { "; Secure" } else { "" };
        let text = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).expect("hex and words are visible ASCII")
    }
}

/// The ids that a request brings.
pub(crate) fn ids(request: &Parts) -> impl Iterator<Item = &str> {
    let fields = request.headers.get_all(header::COOKIE).iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, id)| *name == COOKIE && !id.is_empty())
        .map(|(_, id)| id)
        .take(COOKIES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const LIFETIME: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(1).after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_session_ends_when_it_is_silent_and_in_any_case_in_time() {
        let sessions = Sessions::new(IDLE, LIFETIME);
        let silent = sessions.begin(Who::admin("a"), at(0)).unwrap();
        let busy = sessions.begin(Who::admin("b"), at(0)).unwrap();
        for second in (0..300).step_by(30) {
            assert_eq!(sessions.find(&busy, at(second)).unwrap().name, "b", "{second}");
        }
        assert_eq!(sessions.find(&silent, at(60)), None);
        assert_eq!(sessions.find(&busy, at(300)), None, "however busy it is");
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn only_what_was_made_here_is_known_and_an_end_is_an_end() {
        let sessions = Sessions::new(IDLE, LIFETIME);
        assert_eq!(sessions.find(&"0".repeat(64), at(0)), None);
        let id = sessions.begin(Who::admin("a"), at(0)).unwrap();
        assert!(sessions.end(&id) && !sessions.end(&id));
        assert_eq!(sessions.find(&id, at(0)), None);
    }

    #[test]
    fn the_one_that_was_silent_for_longest_makes_room() {
        let sessions = Sessions::new(IDLE, LIFETIME);
        let first = sessions.begin(Who::admin("first"), at(0)).unwrap();
        let second = sessions.begin(Who::admin("second"), at(0)).unwrap();
        for _ in 2..SESSIONS_MAX {
            sessions.begin(Who::admin("other"), at(1)).unwrap();
        }
        assert!(sessions.find(&first, at(2)).is_some());
        sessions.begin(Who::admin("one more"), at(3)).unwrap();
        assert_eq!(sessions.count(), SESSIONS_MAX);
        assert!(sessions.find(&first, at(3)).is_some());
        assert_eq!(sessions.find(&second, at(3)), None);
    }

    #[test]
    fn a_cookie_is_found_among_others_and_a_flood_of_them_is_not_read() {
        let request = http::Request::get("/")
            .header("cookie", "a=b; peregrine_session=one;peregrine_session=two")
            .header(
                "cookie",
                "Peregrine_session=no; peregrine_session=; peregrine_session=three; c",
            )
            .header("cookie", "peregrine_session=four; peregrine_session=five");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(ids(&parts).collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    }
}
