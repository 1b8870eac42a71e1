//! The requests of a shop's visitors: few products are popular, most are not (Zipf), and a few visitors come often. Everything is
//! drawn from seeds, so that two runs ask alike.

use crate::chance::Zipf;
use crate::checker::Checker;
use crate::load::{Plan, Planned, write_request};
use crate::shop::{Asset, Catalogue, Resource, token};
use std::sync::Arc;

/// The exponent of every Zipf distribution here.
const EXPONENT: f64 = 0.99;
/// What browsers say they accept, and what simple clients do.
const BROWSER_ENCODINGS: &str = "gzip, deflate, br, zstd";

/// How often each kind of request comes, as weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Product pages.
    pub product: u32,
    /// Product pages that the visitor has seen before, asked for with `If-None-Match`.
    pub revisit: u32,
    /// Heads of product pages.
    pub head: u32,
    /// Lists.
    pub list: u32,
    /// Searches.
    pub search: u32,
    /// The visitor's cart.
    pub cart: u32,
    /// The slow report.
    pub report: u32,
    /// Files.
    pub asset: u32,
    /// Something that is not there.
    pub missing: u32,
    /// A changed product.
    pub change: u32,
    /// Something put into the cart.
    pub add_to_cart: u32,
}

impl Default for Shares {
    /// Of a thousand requests, 20 change something, and 60 are for a cart.
    fn default() -> Self {
        Self {
            product: 500,
            revisit: 40,
            head: 5,
            list: 160,
            search: 90,
            cart: 60,
            report: 10,
            asset: 105,
            missing: 10,
            change: 15,
            add_to_cart: 5,
        }
    }
}

/// What the checker has to know of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What for; `None` for something that is not there.
    pub resource: Option<Resource>,
    /// By whom.
    pub user: u32,
    /// How.
    pub kind: Kind,
    /// Whether the answer may be compressed.
    pub accepts_packed: bool,
}

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole.
    Read,
    /// Only its head.
    Head,
    /// The whole, unless it still has this version.
    Revisit(u64),
    /// To change it.
    Write,
}

/// The plan of a run against a shop.
pub struct Mix {
    host: String,
    catalogue: Arc<Catalogue>,
    checker: Arc<Checker>,
    shares: Shares,
    tokens: Vec<String>,
    /// Ids of products, the popular ones first.
    products: Vec<u32>,
    by_popularity: Zipf,
    visitors: Zipf,
    terms: Zipf,
    lists: Zipf,
    /// Departments and pages, the popular ones first.
    pages: Vec<Resource>,
}

impl Mix {
    /// The mix for the shop whose truth `checker` knows, asked for as `host`.
    #[must_use]
    pub fn new(host: String, checker: Arc<Checker>, shares: Shares, seed: u64) -> Self {
        let truth = checker.truth();
        let catalogue = truth.catalogue().clone();
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut products: Vec<u32> = catalogue.products().iter().map(|product| product.id).collect();
        rng.shuffle(&mut products);
        let categories = (0..catalogue.categories()).map(Some).chain([None]);
        // People look at first pages, mostly.
        let pages: Vec<Resource> = categories
            .flat_map(|category| (1..=catalogue.pages(category).min(5)).map(move |page| (category, page)))
            .map(|(category, page)| Resource::List { category, page })
            .collect();
        let mut pages = pages;
        rng.shuffle(&mut pages);
        pages.sort_by_key(|resource| matches!(resource, Resource::List { page, .. } if *page > 1));
        let tokens: Vec<String> = (0..truth.users()).map(|user| token(catalogue.seed, user)).collect();
        Self {
            by_popularity: Zipf::new(products.len(), EXPONENT),
            visitors: Zipf::new(tokens.len(), EXPONENT),
            terms: Zipf::new(catalogue.terms(), EXPONENT),
            lists: Zipf::new(pages.len(), EXPONENT),
            host,
            catalogue,
            checker,
            shares,
            tokens,
            products,
            pages,
        }
    }

    fn product(&self, rng: &mut fastrand::Rng) -> u32 {
        self.products[self.by_popularity.draw(rng)]
    }

    /// What is asked for next, and how.
    fn draw(&self, rng: &mut fastrand::Rng, user: u32) -> (Option<Resource>, Kind) {
        let Shares {
            product,
            revisit,
            head,
            list,
            search,
            cart,
            report,
            asset,
            missing,
            change,
            add_to_cart,
        } = self.shares;
        let weights = [
            product,
            revisit,
            head,
            list,
            search,
            cart,
            report,
            asset,
            missing,
            change,
            add_to_cart,
        ];
        let mut left = rng.u32(..weights.iter().sum::<u32>().max(1));
        let chosen = weights.iter().position(|weight| {
            let is_chosen = left < *weight;
            left = left.saturating_sub(*weight);
            is_chosen
        });
        match chosen {
            Some(1) => {
                let id = self.product(rng);
                let version = self.checker.seen(id);
                (
                    Some(Resource::Product(id)),
                    if version == 0 {
                        Kind::Read
                    } else {
                        Kind::Revisit(version)
                    },
                )
            }
            Some(2) => (Some(Resource::Product(self.product(rng))), Kind::Head),
            Some(3) => (Some(self.pages[self.lists.draw(rng)]), Kind::Read),
            Some(4) => (
                Some(Resource::Search(u16::try_from(self.terms.draw(rng)).ok())),
                Kind::Read,
            ),
            Some(5) => (Some(Resource::Cart(user)), Kind::Read),
            Some(6) => (Some(Resource::Report), Kind::Read),
            Some(7) => (
                Some(Resource::Asset(Asset::ALL[rng.usize(..Asset::ALL.len())])),
                Kind::Read,
            ),
            Some(8) => (None, Kind::Read),
            Some(9) => (Some(Resource::Product(self.product(rng))), Kind::Write),
            Some(10) => (Some(Resource::Cart(user)), Kind::Write),
            _ => (Some(Resource::Product(self.product(rng))), Kind::Read),
        }
    }

    /// The body of a change.
    fn change(&self, rng: &mut fastrand::Rng, resource: Option<Resource>) -> (&'static str, String) {
        if let Some(Resource::Cart(_)) = resource {
            return (
                "POST",
                format!(r#"{{"product":{},"quantity":{}}}"#, self.product(rng), rng.u32(1..4)),
            );
        }
        let (price, stock) = (rng.u32(3..400) * 100 + 99, rng.u32(0..500));
        match rng.u8(..4) {
            0 => ("PATCH", format!(r#"{{"stock":{stock}}}"#)),
            1 => ("POST", format!(r#"{{"stock":{stock}}}"#)),
            _ => ("PUT", format!(r#"{{"price_cents":{price},"stock":{stock}}}"#)),
        }
    }
}

impl Plan for Mix {
    type Note = Asked;

    fn next(&self, rng: &mut fastrand::Rng, wire: &mut Vec<u8>) -> Planned<Asked> {
        let visitor = self.visitors.draw(rng);
        let user = u32::try_from(visitor).unwrap_or(u32::MAX);
        let (resource, kind) = self.draw(rng, user);
        // One visitor in five is a program with a token; the others are browsers, which send their cookies with everything.
        let is_program = user % 5 == 4;
        let accepts_packed = !is_program;
        let path = match resource {
            Some(resource) => resource.path(&self.catalogue),
            None => format!("/products/{}", 1_000_000_000 + rng.u32(..1000)),
        };
        let session = &self.tokens[visitor];
        let credentials = if is_program {
            format!("Bearer {session}")
        } else {
            format!("theme=dark; session={session}")
        };
        let mut fields = vec![
            ("Host", self.host.as_str()),
            (
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            ("Accept", "application/json, text/plain, */*"),
            ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
        ];
        if accepts_packed {
            fields.push(("Accept-Encoding", BROWSER_ENCODINGS));
            fields.push(("Cookie", &credentials));
        } else if matches!(resource, Some(Resource::Cart(_))) {
            fields.push(("Authorization", &credentials));
        }
        let tag = match (resource, kind) {
            (Some(resource), Kind::Revisit(version)) => resource.entity_tag(version),
            _ => String::new(),
        };
        if !tag.is_empty() {
            fields.push(("If-None-Match", &tag));
        }
        match kind {
            Kind::Write => {
                let (method, body) = self.change(rng, resource);
                fields.push(("Content-Type", "application/json"));
                write_request(wire, method, &path, &fields, Some(body.as_bytes()));
            }
            Kind::Head => write_request(wire, "HEAD", &path, &fields, None),
            Kind::Read | Kind::Revisit(_) => write_request(wire, "GET", &path, &fields, None),
        }
        let note = Asked {
            resource,
            user,
            kind,
            accepts_packed,
        };
        Planned {
            note,
            to_head: kind == Kind::Head,
            is_repeatable: kind != Kind::Write,
        }
    }
}
