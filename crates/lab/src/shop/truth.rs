//! What is true in the shop, and what was true when: every version of everything, with the instant at which it became current.
//! An answer is right when its version was current at some instant that the answer's age allows.
//!
//! Lists, searches and the report have versions, too: one more than the number of changes that their products have seen. The
//! number only grows, so a list is at least as new as an instant exactly when its version is at least the one of that instant.
//!
//! Histories are bounded. About an instant that is forgotten, nothing is held against an answer.

use crate::shop::catalogue::Catalogue;
use crate::shop::resource::Resource;
use parking_lot::RwLock;
use peregrine_base::{Clock, Instant, WallTime};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many versions of a product or a cart are remembered.
const VERSIONS_MAX: usize = 2048;
/// How many changes to any product are remembered.
const CHANGES_MAX: usize = 1 << 18;
/// How many versions a [`Record`] shows.
const RECORD_VERSIONS_MAX: usize = 1000;
/// How many lines a cart has; the oldest goes when one more comes.
const CART_LINES_MAX: usize = 20;

/// When the versions of one thing became current.
#[derive(Debug)]
struct History {
    /// The number of the oldest version that is remembered.
    first: u64,
    since: VecDeque<Instant>,
    max: usize,
}

impl History {
    fn new(at: Instant, max: usize) -> Self {
        Self {
            first: 1,
            since: VecDeque::from([at]),
            max,
        }
    }

    fn bump(&mut self, at: Instant) {
        if self.since.len() == self.max {
            self.since.pop_front();
            self.first += 1;
        }
        self.since.push_back(at);
    }

    fn current(&self) -> u64 {
        self.first + (self.since.len() as u64) - 1
    }

    /// The version that was current at `instant`; 1 when that is forgotten or before the beginning.
    fn version_at(&self, instant: Instant) -> u64 {
        match self.since.partition_point(|since| *since <= instant) {
            0 => 1,
            count => self.first + (count as u64) - 1,
        }
    }
}

/// What a product costs and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The price.
    pub price_cents: u32,
    /// How many there are.
    pub stock: u32,
}

/// One line of a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// Id of the product.
    pub product: u32,
    /// How many of it.
    pub quantity: u32,
    /// Its price when it was put in.
    pub price_cents: u32,
}

#[derive(Debug)]
struct ProductState {
    history: History,
    offer: Offer,
    changed: WallTime,
}

#[derive(Debug)]
struct CartState {
    history: History,
    lines: VecDeque<CartLine>,
    changed: WallTime,
}

#[derive(Debug)]
struct State {
    products: Vec<ProductState>,
    carts: Vec<CartState>,
    changes: History,
    changed: WallTime,
}

/// A resource as it was at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its version.
    pub version: u64,
    /// The instant.
    pub as_of: Instant,
    /// When it changed last.
    pub changed: WallTime,
    /// What its products cost, by their numbers in the catalogue.
    pub offers: Vec<(u32, Offer)>,
    /// What is in the cart.
    pub cart: Vec<CartLine>,
}

/// What is to be said about the version of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was current when it was asked for, or became so before it was answered.
    Current,
    /// It was not, but no longer ago than allowed.
    Stale,
    /// It was superseded longer ago than allowed.
    TooOld,
    /// No such version had existed when it was answered.
    NeverExisted,
}

/// Judges `version`, given the version that was current at any instant.
fn judge(version_at: impl Fn(Instant) -> u64, version: u64, exchange: &Exchange, age_max: Duration) -> Verdict {
    if version == 0 || version > version_at(exchange.answered) {
        Verdict::NeverExisted
    } else if version >= version_at(exchange.asked) {
        Verdict::Current
    } else if version >= version_at(exchange.asked.before(age_max)) {
        Verdict::Stale
    } else {
        Verdict::TooOld
    }
}

/// When a request was sent and its answer was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Before its first byte was sent.
    pub asked: Instant,
    /// After the last byte of the answer had come.
    pub answered: Instant,
}

/// The shop's memory.
pub struct Truth {
    clock: Arc<dyn Clock>,
    catalogue: Arc<Catalogue>,
    state: RwLock<State>,
}

impl Truth {
    /// The truth of a shop that opens now, with as many empty carts as there are users.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, users: u32, clock: Arc<dyn Clock>) -> Self {
        let (now, changed) = (clock.now(), clock.wall());
        let products = catalogue.products().iter().map(|product| ProductState {
            history: History::new(now, VERSIONS_MAX),
            offer: Offer {
                price_cents: product.price_cents_first,
                stock: product.stock_first,
            },
            changed,
        });
        let cart = |_| CartState {
            history: History::new(now, VERSIONS_MAX),
            lines: VecDeque::new(),
            changed,
        };
        let state = State {
            products: products.collect(),
            carts: (0..users).map(cart).collect(),
            changes: History::new(now, CHANGES_MAX),
            changed,
        };
        Self {
            clock,
            catalogue,
            state: RwLock::new(state),
        }
    }

    /// What is for sale.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// How many users there are, numbered from 0.
    #[must_use]
    pub fn users(&self) -> u32 {
        u32::try_from(self.state.read().carts.len()).unwrap_or(u32::MAX)
    }

    /// `resource` as it is now.
    #[must_use]
    pub fn snapshot(&self, resource: Resource) -> Snapshot {
        let state = self.state.read();
        let as_of = self.clock.now();
        let version = state.version(self.members(resource), resource, History::current);
        let members = self
            .members(resource)
            .iter()
            .map(|index| (*index, &state.products[*index as usize]));
        let offers: Vec<(u32, Offer)> = members.clone().map(|(index, product)| (index, product.offer)).collect();
        let changed = match resource {
            Resource::Report => state.changed,
            Resource::Cart(user) => state.carts[user as usize].changed,
            _ => members.map(|(_, product)| product.changed).max().unwrap_or_default(),
        };
        let cart = match resource {
            Resource::Cart(user) => state.carts[user as usize].lines.iter().copied().collect(),
            _ => Vec::new(),
        };
        Snapshot {
            version,
            as_of,
            changed,
            offers,
            cart,
        }
    }

    /// Changes a product; `edit` gets the current offer and answers with the new one, or with a refusal.
    ///
    /// # Errors
    /// What `edit` refuses with; then nothing has changed.
    pub fn change_product<E>(&self, id: u32, edit: impl FnOnce(u64, Offer) -> Result<Offer, E>) -> Result<(), E> {
        let mut state = self.state.write();
        let (now, changed) = (self.clock.now(), self.clock.wall());
        let product = &mut state.products[id as usize - 1];
        product.offer = edit(product.history.current(), product.offer)?;
        product.history.bump(now);
        product.changed = changed;
        state.changes.bump(now);
        state.changed = changed;
        Ok(())
    }

    /// Puts something into a cart.
    pub fn add_to_cart(&self, user: u32, product: u32, quantity: u32) {
        let mut state = self.state.write();
        let (now, changed) = (self.clock.now(), self.clock.wall());
        let price_cents = state.products[product as usize - 1].offer.price_cents;
        let cart = &mut state.carts[user as usize];
        if cart.lines.len() == CART_LINES_MAX {
            cart.lines.pop_front();
        }
        cart.lines.push_back(CartLine {
            product,
            quantity,
            price_cents,
        });
        cart.history.bump(now);
        cart.changed = changed;
    }

    /// The version of `resource` at `instant`; no more than that when it is forgotten.
    #[must_use]
    pub fn version_at(&self, resource: Resource, instant: Instant) -> u64 {
        self.state
            .read()
            .version(self.members(resource), resource, |history| history.version_at(instant))
    }

    /// Whether an answer with `version` may be given to a request that was asked and answered in `exchange`, when answers may
    /// have been superseded for at most `age_max`.
    #[must_use]
    pub fn judge(&self, resource: Resource, version: u64, exchange: &Exchange, age_max: Duration) -> Verdict {
        let state = self.state.read();
        let members = self.members(resource);
        judge(
            |instant| state.version(members, resource, |history| history.version_at(instant)),
            version,
            exchange,
            age_max,
        )
    }

    /// The history of `resource`, for others to check.
    #[must_use]
    pub fn record(&self, resource: Resource) -> Record {
        let state = self.state.read();
        let mut since: Vec<Instant> = Vec::new();
        // Before this instant some change is forgotten, so versions can no longer be counted.
        let mut known_from = Instant::ZERO;
        for history in state.histories(self.members(resource), resource) {
            if history.first > 1 {
                known_from = known_from.max(history.since[0]);
            }
            // A first version is no change.
            since.extend(history.since.iter().skip(usize::from(history.first == 1)));
        }
        since.retain(|since| *since >= known_from);
        since.sort_unstable();
        let current = state.version(self.members(resource), resource, History::current);
        let kept = since.len().min(RECORD_VERSIONS_MAX);
        let shown = &since[since.len() - kept..];
        let versions = (current + 1 - kept as u64..)
            .zip(shown)
            .map(|(version, since)| Version {
                version,
                since_ns: since.as_nanos(),
            });
        Record {
            resource: resource.path(&self.catalogue),
            current,
            versions: versions.collect(),
            as_of_ns: self.clock.now().as_nanos(),
        }
    }

    /// Numbers of the products that a resource shows.
    fn members(&self, resource: Resource) -> &[u32] {
        match resource {
            Resource::Product(id) => self.catalogue.product_number(id),
            Resource::List { category, page } => self.catalogue.page(category, page),
            Resource::Search(Some(term)) => self.catalogue.found(term).1,
            Resource::Search(None) | Resource::Cart(_) | Resource::Report | Resource::Asset(_) => &[],
        }
    }
}

impl State {
    /// The histories that make up a resource's.
    fn histories<'a>(&'a self, members: &'a [u32], resource: Resource) -> impl Iterator<Item = &'a History> {
        let single = match resource {
            Resource::Report => Some(&self.changes),
            Resource::Cart(user) => Some(&self.carts[user as usize].history),
            _ => None,
        };
        single
            .into_iter()
            .chain(members.iter().map(|index| &self.products[*index as usize].history))
    }

    /// The version of a resource, where `read` reads the version of a single history.
    fn version(&self, members: &[u32], resource: Resource, read: impl Fn(&History) -> u64) -> u64 {
        1 + self
            .histories(members, resource)
            .map(|history| read(history).saturating_sub(1))
            .sum::<u64>()
    }
}

/// When one version became current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// Since when, in nanoseconds of the machine's `CLOCK_BOOTTIME`, which all its processes share.
    pub since_ns: u64,
}

/// The history of a resource as `GET /truth/...` shows it: enough to judge answers in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Path and query.
    pub resource: String,
    /// The current version.
    pub current: u64,
    /// When versions became current, oldest first; version 1 and what is forgotten are left out.
    pub versions: Vec<Version>,
    /// When this was written.
    pub as_of_ns: u64,
}

impl Record {
    /// As [`Truth::judge`]. The exchange must be over before the record is fetched.
    #[must_use]
    pub fn judge(&self, version: u64, exchange: &Exchange, age_max: Duration) -> Verdict {
        let version_at = |instant: Instant| match self
            .versions
            .partition_point(|entry| entry.since_ns <= instant.as_nanos())
        {
            0 => 1,
            count => self.versions[count - 1].version,
        };
        judge(version_at, version, exchange, age_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_base::ManualClock;
    use std::convert::Infallible;

    struct Fixture {
        clock: Arc<ManualClock>,
        truth: Truth,
    }

    impl Fixture {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::default());
            Self {
                truth: Truth::new(Arc::new(Catalogue::generate(1, 100)), 10, clock.clone()),
                clock,
            }
        }

        fn change_after(&self, seconds: u64, id: u32) -> Instant {
            self.clock.advance(Duration::from_secs(seconds));
            let Ok(()) = self
                .truth
                .change_product::<Infallible>(id, |_, offer| Ok(Offer { stock: 1, ..offer }));
            self.clock.now()
        }

        fn exchange(&self) -> Exchange {
            Exchange {
                asked: self.clock.now(),
                answered: self.clock.now(),
            }
        }
    }

    const PRODUCT: Resource = Resource::Product(5);
    const LIST: Resource = Resource::List {
        category: None,
        page: 1,
    };

    #[test]
    fn a_version_may_be_as_old_as_allowed_and_no_older() {
        let fixture = Fixture::new();
        let changed = fixture.change_after(10, 5);
        fixture.clock.advance(Duration::from_secs(10));
        for (resource, other) in [
            (PRODUCT, Resource::Product(6)),
            (
                LIST,
                Resource::List {
                    category: None,
                    page: 2,
                },
            ),
        ] {
            let judge = |version, age| {
                fixture
                    .truth
                    .judge(resource, version, &fixture.exchange(), Duration::from_secs(age))
            };
            assert_eq!(judge(2, 0), Verdict::Current);
            assert_eq!(judge(1, 0), Verdict::TooOld);
            assert_eq!(judge(1, 10), Verdict::TooOld, "superseded exactly ten seconds ago");
            assert_eq!(judge(1, 11), Verdict::Stale);
            assert_eq!(
                (judge(3, 11), judge(0, 11)),
                (Verdict::NeverExisted, Verdict::NeverExisted)
            );
            assert_eq!(fixture.truth.snapshot(other).version, 1, "others are not touched");
        }
        // A request that was under way while the change happened may get either.
        let exchange = Exchange {
            asked: changed.before(Duration::from_nanos(1)),
            answered: changed,
        };
        for version in [1, 2] {
            assert_eq!(
                fixture.truth.judge(PRODUCT, version, &exchange, Duration::ZERO),
                Verdict::Current
            );
        }
    }

    #[test]
    fn lists_count_the_changes_of_their_products() {
        let fixture = Fixture::new();
        let first = fixture.change_after(1, 1);
        let second = fixture.change_after(1, 2);
        fixture.change_after(1, 1);
        fixture.change_after(1, 99);
        assert_eq!(fixture.truth.snapshot(LIST).version, 4);
        assert_eq!(fixture.truth.version_at(LIST, first), 2);
        assert_eq!(fixture.truth.version_at(LIST, second), 3);
        assert_eq!(fixture.truth.snapshot(Resource::Report).version, 5);
    }

    #[test]
    fn what_is_forgotten_is_not_held_against_an_answer() {
        let fixture = Fixture::new();
        for _ in 0..VERSIONS_MAX + 10 {
            fixture.change_after(1, 5);
        }
        let judge = |age| {
            fixture
                .truth
                .judge(PRODUCT, 3, &fixture.exchange(), Duration::from_secs(age))
        };
        assert_eq!(judge(100), Verdict::TooOld);
        assert_eq!(judge(VERSIONS_MAX as u64 + 1), Verdict::Stale);
    }

    #[test]
    fn a_record_judges_as_the_truth_does() {
        let fixture = Fixture::new();
        for id in [5, 6, 5, 5, 99] {
            fixture.change_after(10, id);
        }
        for resource in [PRODUCT, LIST, Resource::Report] {
            let record = fixture.truth.record(resource);
            let text = serde_json::to_string(&record).unwrap();
            let record: Record = serde_json::from_str(&text).unwrap();
            for version in 0..8 {
                for age in [0, 5, 15, 25, 35, 45, 55] {
                    let (exchange, age_max) = (fixture.exchange(), Duration::from_secs(age));
                    let expected = fixture.truth.judge(resource, version, &exchange, age_max);
                    assert_eq!(
                        record.judge(version, &exchange, age_max),
                        expected,
                        "{resource:?} {version} {age}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let fixture = Fixture::new();
        assert_eq!(fixture.truth.change_product(5, |_, _| Err("no")), Err("no"));
        assert_eq!(fixture.truth.snapshot(PRODUCT).version, 1);
    }
}
