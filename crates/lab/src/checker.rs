//! Compares every answer with the shop's truth. Wrong is an answer that nobody may be given:
//!
//! - another user's, or of another resource than the one asked for;
//! - a version that was superseded longer ago than the answer's lifetime and the time that it may be used beyond it;
//! - a product or a cart older than a change whose answer had arrived before the request was sent: whoever changed it
//!   through the same proxy must see the change;
//! - a version that never was, a body that is cut or mixed up, an encoding or a status that was not to be expected.
//!
//! Server errors are not wrong but errors; the load report counts them.

use crate::load::{Answer, Failure, Observer};
use crate::mix::{Asked, Kind};
use crate::shop::{Asset, Endpoint, Exchange, Files, Resource, ShopHandle, Stamp, Truth, Verdict};
use flate2::read::GzDecoder;
use parking_lot::Mutex;
use peregrine_base::Instant;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many examples of each kind of wrong answer are kept.
const EXAMPLES_MAX: usize = 5;
/// How many changes of one product or cart are remembered; about requests from before them, nothing is known.
const CHANGES_MAX: usize = 64;
/// The longest body that is unpacked to be looked at.
const UNPACKED_BYTES_MAX: u64 = 8 << 20;

/// What is wrong with an answer. The words are those of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It is another user's.
    OtherUser,
    /// It is of another resource.
    OtherResource,
    /// It was superseded too long ago.
    TooOld,
    /// It is older than a change that its asker may know of.
    OlderThanChange,
    /// There was no such version.
    NeverExisted,
    /// It is not whole, or its head and body do not belong together.
    Damaged,
    /// It is encoded in a way that was not accepted.
    Encoding,
    /// Its status is none that the request can have.
    Status,
}

impl Wrong {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::OtherUser,
        Self::OtherResource,
        Self::TooOld,
        Self::OlderThanChange,
        Self::NeverExisted,
        Self::Damaged,
        Self::Encoding,
        Self::Status,
    ];

    /// The word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherUser => "other_user",
            Self::OtherResource => "other_resource",
            Self::TooOld => "too_old",
            Self::OlderThanChange => "older_than_change",
            Self::NeverExisted => "never_existed",
            Self::Damaged => "damaged",
            Self::Encoding => "encoding",
            Self::Status => "status",
        }
    }
}

/// What came of checking.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// Answers that were compared with the truth.
    pub checked: u64,
    /// Of these, answers that had been superseded, but no longer ago than allowed.
    pub stale: u64,
    /// Wrong answers by kind; kinds that did not occur are left out.
    pub wrong: BTreeMap<String, u64>,
    /// A few of them.
    pub examples: Vec<Example>,
}

impl Findings {
    /// All wrong answers.
    #[must_use]
    pub fn wrong_total(&self) -> u64 {
        self.wrong.values().sum()
    }
}

/// A wrong answer.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// What is wrong with it.
    pub wrong: Wrong,
    /// What was asked for.
    pub request: String,
    /// What came, and what should have.
    pub detail: String,
}

/// Knows the truth of a shop and what its visitors have been told.
pub struct Checker {
    truth: Arc<Truth>,
    files: Arc<Files>,
    /// How old answers may be, by endpoint in the order of [`Endpoint::ALL`].
    ages_max: [Duration; Endpoint::ALL.len()],
    /// Versions that answers to changes have told, and when: of products, then of carts.
    changes: Vec<Mutex<VecDeque<(u64, Instant)>>>,
    /// The newest version of each product that anyone has seen.
    seen: Vec<AtomicU64>,
    checked: AtomicU64,
    stale: AtomicU64,
    wrong: [AtomicU64; Wrong::ALL.len()],
    examples: Mutex<Vec<Example>>,
}

/// What is wrong, in a word and in words.
type Fault = (Wrong, String);

impl Checker {
    /// A checker for answers from `shop`, however they came. `slack` is added to every age that the shop's headers allow; 0 fits
    /// a cache that counts ages exactly.
    #[must_use]
    pub fn new(shop: &ShopHandle, slack: Duration) -> Self {
        let ages_max = Endpoint::ALL.map(|endpoint| match shop.freshness(endpoint).shared_age_max() {
            // What may not be shared must be current, and slack would hide that it is not.
            Duration::ZERO => Duration::ZERO,
            age_max => age_max + slack,
        });
        let truth = shop.truth.clone();
        let products = truth.catalogue().products().len();
        Self {
            files: shop.files.clone(),
            ages_max,
            changes: (0..products + truth.users() as usize)
                .map(|_| Mutex::default())
                .collect(),
            seen: (0..products).map(|_| AtomicU64::new(0)).collect(),
            truth,
            checked: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            wrong: Default::default(),
            examples: Mutex::default(),
        }
    }

    pub(crate) fn truth(&self) -> &Arc<Truth> {
        &self.truth
    }

    /// The newest version of a product that anyone has seen; 0 when nobody has.
    pub(crate) fn seen(&self, product: u32) -> u64 {
        self.seen[product as usize - 1].load(Ordering::Relaxed)
    }

    /// What was found so far.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let counts = Wrong::ALL.iter().map(|wrong| {
            (
                wrong.as_str().to_owned(),
                self.wrong[*wrong as usize].load(Ordering::Relaxed),
            )
        });
        Findings {
            checked: self.checked.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            wrong: counts.filter(|(_, count)| *count > 0).collect(),
            examples: self.examples.lock().clone(),
        }
    }

    /// Compares one answer with the truth; `Ok(true)`: it is stale, within what is allowed.
    fn check(&self, asked: &Asked, answer: &Answer<'_>) -> Result<bool, Fault> {
        let Some(resource) = asked.resource else {
            return if answer.status == 404 {
                Ok(false)
            } else {
                Err((Wrong::Status, format!("{}, not 404", answer.status)))
            };
        };
        let version = match (answer.status, asked.kind) {
            (304, Kind::Revisit(version)) => version,
            (200, Kind::Head) => self.version_in_head(resource, answer)?,
            (200, _) => match resource {
                Resource::Asset(asset) => return self.check_file(asset, asked, answer).map(|()| false),
                _ => self.version_in_body(resource, asked, answer)?,
            },
            (status, _) => return Err((Wrong::Status, status.to_string())),
        };
        let exchange = Exchange {
            asked: answer.started,
            answered: answer.answered,
        };
        let age_max = if asked.kind == Kind::Write {
            Duration::ZERO
        } else {
            self.ages_max[resource.endpoint() as usize]
        };
        let verdict = self.truth.judge(resource, version, &exchange, age_max);
        let compared = || {
            let then = self.truth.version_at(resource, answer.started);
            let then = then.map_or_else(|| "another".to_owned(), |then| then.to_string());
            format!("version {version}; when it was asked for, {then} was current")
        };
        match verdict {
            Verdict::NeverExisted => return Err((Wrong::NeverExisted, compared())),
            Verdict::TooOld => return Err((Wrong::TooOld, format!("{}, and {age_max:?} are allowed", compared()))),
            Verdict::Current | Verdict::Stale => {}
        }
        let told = self.told(resource, answer.started);
        if version < told {
            let detail = format!("{}; a change to version {told} had been answered before", compared());
            return Err((Wrong::OlderThanChange, detail));
        }
        self.learn(resource, asked.kind, version, answer.answered);
        Ok(verdict == Verdict::Stale)
    }

    /// The version that the entity tag names, which must be one of this resource.
    fn version_in_head(&self, resource: Resource, answer: &Answer<'_>) -> Result<u64, Fault> {
        let tag = answer.header("etag").unwrap_or_default();
        // An encoding made on the way has a tag of its own: the shop's with the coding's name behind it.
        let packed = ["-zstd\"", "-br\"", "-gzip\""];
        let open = packed.iter().find_map(|end| tag.strip_suffix(end));
        let tag = open.map_or_else(|| tag.to_owned(), |open| format!("{open}\""));
        let digits = tag.trim_end_matches('"').rsplit('-').next().unwrap_or_default();
        let version = digits.parse().unwrap_or(0);
        if resource.entity_tag(version) == tag {
            return Ok(version);
        }
        let wrong = if matches!(resource, Resource::Cart(_)) {
            Wrong::OtherUser
        } else {
            Wrong::OtherResource
        };
        Err((wrong, format!("entity tag {tag}")))
    }

    /// The version that the body's stamp names, which must be of this resource and user, and that of the head.
    fn version_in_body(&self, resource: Resource, asked: &Asked, answer: &Answer<'_>) -> Result<u64, Fault> {
        let body = unpacked(asked, answer)?;
        let Some(stamp) = Stamp::read(&body) else {
            return Err((
                Wrong::Damaged,
                format!("a body of {} bytes without stamp and seal", body.len()),
            ));
        };
        if stamp.resource != resource.path(self.truth.catalogue()) {
            return Err((Wrong::OtherResource, format!("{} instead", stamp.resource)));
        }
        let owner = matches!(resource, Resource::Cart(_)).then_some(asked.user);
        if stamp.user != owner {
            return Err((Wrong::OtherUser, format!("user {:?} instead of {owner:?}", stamp.user)));
        }
        if self.version_in_head(resource, answer)? != stamp.version {
            let tag = answer.header("etag").unwrap_or_default();
            return Err((
                Wrong::Damaged,
                format!("entity tag {tag} on a body of version {}", stamp.version),
            ));
        }
        Ok(stamp.version)
    }

    fn check_file(&self, asset: Asset, asked: &Asked, answer: &Answer<'_>) -> Result<(), Fault> {
        let is_packed = answer.header("content-encoding") == Some("gzip");
        // What the shop packed itself need not be unpacked.
        if asked.accepts_packed && is_packed && answer.body == self.files.bytes(asset, true) {
            return Ok(());
        }
        let body = unpacked(asked, answer)?;
        let is_same = *body == self.files.bytes(asset, false)[..];
        if is_same {
            Ok(())
        } else {
            Err((Wrong::Damaged, format!("{} bytes that are not the file's", body.len())))
        }
    }

    /// Where changes of this resource are remembered.
    fn changes_of(&self, resource: Resource) -> Option<&Mutex<VecDeque<(u64, Instant)>>> {
        match resource {
            Resource::Product(id) => self.changes.get(id as usize - 1),
            Resource::Cart(user) => self.changes.get(self.seen.len() + user as usize),
            _ => None,
        }
    }

    /// The newest version that an answer to a change had told before `asked`; 0 when none is known.
    fn told(&self, resource: Resource, asked: Instant) -> u64 {
        let Some(changes) = self.changes_of(resource) else {
            return 0;
        };
        let changes = changes.lock();
        changes
            .iter()
            .filter(|(_, at)| *at <= asked)
            .map(|(version, _)| *version)
            .max()
            .unwrap_or(0)
    }

    /// Remembers what an answer told.
    fn learn(&self, resource: Resource, kind: Kind, version: u64, answered: Instant) {
        if kind == Kind::Write
            && let Some(changes) = self.changes_of(resource)
        {
            let mut changes = changes.lock();
            if changes.len() == CHANGES_MAX {
                changes.pop_front();
            }
            changes.push_back((version, answered));
        }
        if let Resource::Product(id) = resource {
            self.seen[id as usize - 1].fetch_max(version, Ordering::Relaxed);
        }
    }

    fn blame(&self, asked: &Asked, answer: &Answer<'_>, (wrong, detail): Fault) {
        self.wrong[wrong as usize].fetch_add(1, Ordering::Relaxed);
        let mut examples = self.examples.lock();
        if examples.iter().filter(|example| example.wrong == wrong).count() < EXAMPLES_MAX {
            let path = asked
                .resource
                .map_or_else(String::new, |resource| resource.path(self.truth.catalogue()));
            let request = format!("{:?} {path} by user {}", asked.kind, asked.user);
            let cache = answer
                .header("cache-status")
                .map(|value| format!(" ({value})"))
                .unwrap_or_default();
            examples.push(Example {
                wrong,
                request,
                detail: detail + &cache,
            });
        }
    }
}

impl Observer<Asked> for Checker {
    fn answer(&self, asked: Asked, answer: &Answer<'_>) {
        if answer.status >= 500 {
            return;
        }
        self.checked.fetch_add(1, Ordering::Relaxed);
        match self.check(&asked, answer) {
            Ok(is_stale) => {
                self.stale.fetch_add(u64::from(is_stale), Ordering::Relaxed);
            }
            Err(fault) => self.blame(&asked, answer, fault),
        }
    }

    fn failure(&self, _asked: Asked, _failure: Failure) {}
}

fn read_up(packed: impl Read, body: &mut Vec<u8>) -> std::io::Result<usize> {
    packed.take(UNPACKED_BYTES_MAX).read_to_end(body)
}

/// The body without its content coding, which must be one that was accepted.
fn unpacked<'a>(asked: &Asked, answer: &Answer<'a>) -> Result<Cow<'a, [u8]>, Fault> {
    match answer.header("content-encoding") {
        None | Some("identity") => Ok(Cow::Borrowed(answer.body)),
        Some(coding @ ("gzip" | "br" | "zstd")) if asked.accepts_packed => {
            let mut body = Vec::new();
            let read = match coding {
                "gzip" => read_up(GzDecoder::new(answer.body), &mut body),
                "br" => read_up(brotli::Decompressor::new(answer.body, 4 << 10), &mut body),
                _ => zstd::stream::read::Decoder::new(answer.body).and_then(|decoder| read_up(decoder, &mut body)),
            };
            read.map(|_| Cow::Owned(body))
                .map_err(|error| (Wrong::Damaged, format!("{coding}: {error}")))
        }
        Some(coding) => Err((Wrong::Encoding, format!("content coding {coding}"))),
    }
}

#[cfg(test)]
mod tests;
