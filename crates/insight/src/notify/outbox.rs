//! What is to be sent and has not arrived. Each receiver has a line of its own: the oldest goes first and alone, so that a
//! receiver hears that an alert fired before it hears that it ended, and one that is away holds up nobody else.
//!
//! Every change comes out as a [`Write`] to be done before anything is sent; what was written is read again by
//! [`Outbox::restore`]. A letter leaves the outbox when it arrived, when its receiver said that this one cannot be taken
//! (400, 413, 422), when it is too old, when the line is too long, or when its receiver is no longer configured; each is
//! counted. After any other failure the whole line waits: a second at first, then twice as long each time, up to five minutes,
//! with some chance in it, and at least as long as `Retry-After` asks.

use super::body::Letter;
use super::config::NotifyConfig;
use crate::alerts::{Moment, Notification};
use crate::store::Write;
use peregrine_base::{Instant, WallTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The most letters in the line of a receiver: an hour without it, with something new in each group wait.
pub const QUEUE_MAX: usize = 300;
/// The table in which they are kept.
pub const TABLE: &str = "outbox";
/// How long a line waits after its first failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// How long it waits at most.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// How much of what a receiver asks for is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// In which time messages are counted for `rate_max`.
const RATE_TIME: Duration = Duration::from_secs(60);

/// What came of sending a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The receiver took it.
    Delivered,
    /// It answered with another status than success.
    Status(u16, Option<Duration>),
    /// It pointed elsewhere. Nobody follows: what was configured is where secrets go.
    Redirected,
    /// No connection, no trust in its certificate, or no answer.
    Unreachable,
    /// No answer in time.
    TimedOut,
}

impl Posted {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Status(..) => "status",
            Self::Redirected => "redirected",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether sending the same again would be in vain.
    const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Status(400 | 413 | 422, _))
    }
}

/// A letter that is to be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// To whom.
    pub receiver: String,
    /// The id of the notification.
    pub id: String,
    /// What.
    pub letter: Letter,
    /// Where to and how.
    pub config: NotifyConfig,
}

/// How a receiver stands, for metrics and people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Letters that have not arrived.
    pub waiting: usize,
    /// Attempts, by what came of them.
    pub attempts: BTreeMap<&'static str, u64>,
    /// Letters that never arrived, by why: `refused`, `too_old`, `too_many`.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Failures since the last success.
    pub failures: u32,
}

/// A letter as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Later ones have larger numbers.
    number: u64,
    notification: Notification,
}

#[derive(Debug, Default)]
struct Line {
    letters: VecDeque<Kept>,
    is_sending: bool,
    /// Not before then.
    next: Instant,
    /// When the last ones were sent.
    sent: VecDeque<Instant>,
    status: ReceiverStatus,
}

/// What is to be sent, by receiver.
#[derive(Debug, Default)]
pub struct Outbox {
    receivers: BTreeMap<String, NotifyConfig>,
    lines: BTreeMap<String, Line>,
    number: u64,
}

impl Outbox {
    /// From now on these are the receivers. Letters to others are dropped.
    pub fn configure(&mut self, receivers: BTreeMap<String, NotifyConfig>) -> Vec<Write> {
        let mut writes = Vec::new();
        self.lines.retain(|name, line| {
            let is_known = receivers.contains_key(name);
            if !is_known {
                writes.extend(line.letters.iter().map(|kept| remove(name, kept.number)));
            }
            is_known
        });
        for (name, config) in &receivers {
            let line = self.lines.entry(name.clone()).or_default();
            // Whoever changed where it goes wants to see it arrive.
            if self.receivers.get(name) != Some(config) {
                line.next = Instant::ZERO;
            }
        }
        self.receivers = receivers;
        writes
    }

    /// Takes up what a program before kept: the keys and values of [`TABLE`]. To be called after [`Outbox::configure`]. The
    /// writes are of letters to receivers that are no more, and of what cannot be read.
    pub fn restore(&mut self, kept: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<Write> {
        let mut writes = Vec::new();
        let mut all: Vec<Kept> = Vec::new();
        for (key, value) in kept {
            match serde_json::from_slice::<Kept>(&value) {
                Ok(letter) if self.lines.contains_key(&letter.notification.receiver) => all.push(letter),
                Ok(_) | Err(_) => writes.push(Write::Remove { table: TABLE, key }),
            }
        }
        all.sort_by_key(|letter| letter.number);
        for letter in all {
            self.number = self.number.max(letter.number);
            if let Some(line) = self.lines.get_mut(&letter.notification.receiver) {
                line.letters.push_back(letter);
            }
        }
        writes
    }

    /// Takes a notification in.
    pub fn put(&mut self, notification: Notification) -> Vec<Write> {
        let receiver = notification.receiver.clone();
        let Some(line) = self.lines.get_mut(&receiver) else {
            return Vec::new();
        };
        self.number += 1;
        let kept = Kept {
            number: self.number,
            notification,
        };
        let value = serde_json::to_vec(&kept).expect("a notification has names for its fields");
        let mut writes = vec![Write::Put {
            table: TABLE,
            key: key(&receiver, kept.number),
            value,
        }];
        line.letters.push_back(kept);
        if line.letters.len() > QUEUE_MAX {
            // The first may be under way.
            let position = usize::from(line.is_sending);
            if let Some(kept) = line.letters.remove(position) {
                *line.status.dropped.entry("too_many").or_default() += 1;
                writes.push(remove(&receiver, kept.number));
            }
        }
        writes
    }

    /// What is to be sent now, at most one letter to each receiver; each must be answered by [`Outbox::done`]. The writes are
    /// of letters that became too old.
    pub fn due(&mut self, moment: Moment, node: &str) -> (Vec<Delivery>, Vec<Write>) {
        let (mut due, mut writes) = (Vec::new(), Vec::new());
        for (name, line) in &mut self.lines {
            let Some(config) = self.receivers.get(name) else {
                continue;
            };
            if line.is_sending {
                continue;
            }
            let is_old = |kept: &Kept| age(kept, moment.wall) > config.age_max.get();
            while let Some(kept) = line.letters.pop_front_if(|kept| is_old(kept)) {
                *line.status.dropped.entry("too_old").or_default() += 1;
                writes.push(remove(name, kept.number));
            }
            while line
                .sent
                .pop_front_if(|sent| moment.now.since(*sent) >= RATE_TIME)
                .is_some()
            {}
            let is_free = moment.now >= line.next && line.sent.len() < config.rate_max as usize;
            let Some(kept) = line.letters.front().filter(|_| is_free) else {
                continue;
            };
            line.is_sending = true;
            line.sent.push_back(moment.now);
            due.push(Delivery {
                receiver: name.clone(),
                id: kept.notification.id.clone(),
                letter: Letter::write(config, &kept.notification, node, moment.wall),
                config: config.clone(),
            });
        }
        (due, writes)
    }

    /// Hears what came of a letter. `chance` is from 0 to 1.
    pub fn done(&mut self, moment: Moment, receiver: &str, id: &str, posted: Posted, chance: f64) -> Vec<Write> {
        let Some(line) = self.lines.get_mut(receiver) else {
            return Vec::new();
        };
        line.is_sending = false;
        *line.status.attempts.entry(posted.as_str()).or_default() += 1;
        if !posted.is_final() {
            line.status.failures = line.status.failures.saturating_add(1);
            line.next = moment.now.after(pause(line.status.failures, posted, chance));
            return Vec::new();
        }
        line.status.failures = 0;
        line.next = moment.now;
        if posted != Posted::Delivered {
            *line.status.dropped.entry("refused").or_default() += 1;
        }
        let arrived = line.letters.pop_front_if(|kept| kept.notification.id == id);
        arrived.map(|kept| remove(receiver, kept.number)).into_iter().collect()
    }

    /// How every receiver stands.
    #[must_use]
    pub fn status(&self) -> BTreeMap<String, ReceiverStatus> {
        let of = |(name, line): (&String, &Line)| {
            let status = ReceiverStatus {
                waiting: line.letters.len(),
                ..line.status.clone()
            };
            (name.clone(), status)
        };
        self.lines.iter().map(of).collect()
    }
}

/// How old a letter is; what was written in the future is not old.
fn age(kept: &Kept, wall: WallTime) -> Duration {
    Duration::from_millis(wall.as_millis().saturating_sub(kept.notification.at))
}

/// How long a line waits after so many failures.
fn pause(failures: u32, posted: Posted, chance: f64) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16));
    // From four fifths to six fifths: many nodes that failed together come back one after the other.
    let pause = doubled.min(BACKOFF_MAX).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0));
    match posted {
        Posted::Status(_, Some(asked)) => pause.max(asked.min(RETRY_AFTER_MAX)),
        _ => pause,
    }
}

fn key(receiver: &str, number: u64) -> Vec<u8> {
    format!("{receiver}/{number:020}").into_bytes()
}

fn remove(receiver: &str, number: u64) -> Write {
    Write::Remove {
        table: TABLE,
        key: key(receiver, number),
    }
}
