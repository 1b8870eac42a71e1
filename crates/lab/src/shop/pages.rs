//! What answers look like: JSON under a stamp, and the header fields that caches go by.

use crate::shop::catalogue::{Catalogue, Product};
use crate::shop::resource::{Endpoint, Resource};
use crate::shop::stamp::Stamp;
use crate::shop::truth::{CartLine, Offer, Snapshot};
use crate::shop::words::CATEGORIES;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The body of a resource at an instant.
pub(crate) fn body(resource: Resource, snapshot: &Snapshot, catalogue: &Catalogue) -> Vec<u8> {
    let content = match resource {
        Resource::Product(id) => catalogue
            .product(id)
            .map(|product| json(&product_page(product, snapshot))),
        Resource::List { category, page } => {
            let pages = catalogue.pages(category);
            Some(json(&ListPage {
                page,
                pages,
                items: items(snapshot, catalogue),
            }))
        }
        Resource::Search(_) => Some(json(&SearchPage {
            found: snapshot.offers.len(),
            items: items(snapshot, catalogue),
        })),
        Resource::Cart(_) => Some(json(&cart_page(snapshot, catalogue))),
        Resource::Report => Some(json(&report_page(snapshot, catalogue))),
        Resource::Asset(_) => None,
    };
    let user = match resource {
        Resource::Cart(user) => Some(user),
        _ => None,
    };
    let path = resource.path(catalogue);
    Stamp {
        resource: &path,
        version: snapshot.version,
        as_of: snapshot.as_of,
        user,
    }
    .around(&content.unwrap_or_default())
}

fn json(content: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(content).expect("pages are of texts and numbers")
}

/// The tags of an answer, separated by spaces.
pub(crate) fn surrogate_keys(resource: Resource, snapshot: &Snapshot, catalogue: &Catalogue) -> String {
    let mut keys = match resource {
        Resource::Product(id) => {
            let category = catalogue.product(id).map_or("", |product| product.category);
            format!("products category-{category}")
        }
        Resource::List { category, .. } => match category {
            Some(category) => format!("lists category-{}", CATEGORIES[usize::from(category)]),
            None => "lists".to_owned(),
        },
        Resource::Search(_) => "searches".to_owned(),
        Resource::Report => "reports".to_owned(),
        Resource::Asset(_) => "assets".to_owned(),
        Resource::Cart(_) => return String::new(),
    };
    for (index, _) in &snapshot.offers {
        write!(keys, " product-{}", index + 1).expect("a string takes everything");
    }
    keys
}

#[derive(Serialize)]
struct ProductPage<'a> {
    #[serde(flatten)]
    product: &'a Product,
    #[serde(flatten)]
    offer: Offer,
}

fn product_page<'a>(product: &'a Product, snapshot: &Snapshot) -> ProductPage<'a> {
    let first = Offer {
        price_cents: product.price_cents_first,
        stock: product.stock_first,
    };
    ProductPage {
        product,
        offer: snapshot.offers.first().map_or(first, |(_, offer)| *offer),
    }
}

#[derive(Serialize)]
struct ListPage<'a> {
    page: u16,
    pages: u16,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct SearchPage<'a> {
    found: usize,
    items: Vec<Item<'a>>,
}

/// A product as lists show it.
#[derive(Serialize)]
struct Item<'a> {
    id: u32,
    name: &'a str,
    category: &'a str,
    summary: &'a str,
    price_cents: u32,
    is_available: bool,
}

fn items<'a>(snapshot: &Snapshot, catalogue: &'a Catalogue) -> Vec<Item<'a>> {
    let item = |(index, offer): &(u32, Offer)| {
        let product = &catalogue.products()[*index as usize];
        // Descriptions are ASCII.
        let summary = product.description.get(..120).unwrap_or(&product.description);
        Item {
            id: product.id,
            name: &product.name,
            category: product.category,
            summary,
            price_cents: offer.price_cents,
            is_available: offer.stock > 0,
        }
    };
    snapshot.offers.iter().map(item).collect()
}

#[derive(Serialize)]
struct CartPage<'a> {
    lines: Vec<CartItem<'a>>,
    total_cents: u64,
}

#[derive(Serialize)]
struct CartItem<'a> {
    name: &'a str,
    #[serde(flatten)]
    line: CartLine,
}

fn cart_page<'a>(snapshot: &Snapshot, catalogue: &'a Catalogue) -> CartPage<'a> {
    let name = |line: &CartLine| {
        catalogue
            .product(line.product)
            .map_or("", |product| product.name.as_str())
    };
    let total_cents = snapshot
        .cart
        .iter()
        .map(|line| u64::from(line.price_cents) * u64::from(line.quantity))
        .sum();
    CartPage {
        lines: snapshot
            .cart
            .iter()
            .map(|line| CartItem {
                name: name(line),
                line: *line,
            })
            .collect(),
        total_cents,
    }
}

#[derive(Serialize)]
struct ReportPage {
    changes: u64,
    categories: BTreeMap<&'static str, Vec<DaySales>>,
}

/// What a department sold on one day.
#[derive(Serialize)]
struct DaySales {
    day: u16,
    orders: u32,
    revenue_cents: u64,
}

/// The sales of the last thirty days: numbers that belong to the seed and the version.
fn report_page(snapshot: &Snapshot, catalogue: &Catalogue) -> ReportPage {
    let mut rng = fastrand::Rng::with_seed(catalogue.seed ^ snapshot.version);
    let mut days = |_| {
        (1..=30)
            .map(|day| DaySales {
                day,
                orders: rng.u32(..400),
                revenue_cents: rng.u64(..4_000_000),
            })
            .collect()
    };
    ReportPage {
        changes: snapshot.version - 1,
        categories: CATEGORIES.iter().map(|category| (*category, days(()))).collect(),
    }
}

/// The media type of a resource.
pub(crate) const fn media_type(resource: Resource) -> &'static str {
    match resource {
        Resource::Asset(asset) => asset.media_type(),
        _ => "application/json",
    }
}

/// What requests of this kind vary by, when they do.
pub(crate) const fn vary(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Cart => Some("Cookie, Authorization"),
        Endpoint::Asset => Some("Accept-Encoding"),
        _ => None,
    }
}
