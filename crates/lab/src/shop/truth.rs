//! What is true in the shop, and what was true when: every version of everything, with the instant at which it became current.
//! An answer is right when its version was current at some instant that the answer's age allows.
//!
//! Lists, searches and the report have versions, too: one more than the number of changes that their products have seen. The
//! number only grows, so a list is at least as new as an instant exactly when its version is at least the one of that instant.

use crate::shop::catalogue::Catalogue;
use crate::shop::history::{Exchange, History, Record, Verdict, Version, judge};
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
const _: () = assert!(RECORD_VERSIONS_MAX < VERSIONS_MAX && RECORD_VERSIONS_MAX < CHANGES_MAX);
/// How many lines a cart has; the oldest goes when one more comes.
const CART_LINES_MAX: usize = 20;

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
        let version = state.current(self.members(resource), resource);
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

    /// The version of `resource` at `instant`; `None` when that is forgotten.
    #[must_use]
    pub fn version_at(&self, resource: Resource, instant: Instant) -> Option<u64> {
        let members = self.members(resource);
        self.state.read().version_at(members, resource, instant)
    }

    /// Whether an answer with `version` may be given to a request that was asked and answered in `exchange`, when answers may
    /// have been superseded for at most `age_max`.
    #[must_use]
    pub fn judge(&self, resource: Resource, version: u64, exchange: &Exchange, age_max: Duration) -> Verdict {
        let state = self.state.read();
        let members = self.members(resource);
        judge(
            |instant| state.version_at(members, resource, instant),
            version,
            exchange,
            age_max,
        )
    }

    /// The history of `resource`, for others to check.
    #[must_use]
    pub fn record(&self, resource: Resource) -> Record {
        let state = self.state.read();
        let members = self.members(resource);
        // A first version is no change. Where some are forgotten, more are remembered than a record shows, so what is shown
        // has no gaps.
        let is_whole = |history: &History| usize::from(history.first == 1);
        let changes = state
            .histories(members, resource)
            .flat_map(|history| history.since.iter().skip(is_whole(history)));
        let mut since: Vec<Instant> = changes.copied().collect();
        since.sort_unstable();
        let shown = &since[since.len().saturating_sub(RECORD_VERSIONS_MAX)..];
        let current = state.current(members, resource);
        let versions = (current + 1 - shown.len() as u64..).zip(shown);
        Record {
            resource: resource.path(&self.catalogue),
            current,
            versions: versions
                .map(|(version, since)| Version {
                    version,
                    since_ns: since.as_nanos(),
                })
                .collect(),
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

    fn current(&self, members: &[u32], resource: Resource) -> u64 {
        1 + self
            .histories(members, resource)
            .map(|history| history.current() - 1)
            .sum::<u64>()
    }

    fn version_at(&self, members: &[u32], resource: Resource, instant: Instant) -> Option<u64> {
        let mut versions = self
            .histories(members, resource)
            .map(|history| history.version_at(instant));
        versions.try_fold(1, |sum, version| Some(sum + version? - 1))
    }
}

#[cfg(test)]
mod tests;
