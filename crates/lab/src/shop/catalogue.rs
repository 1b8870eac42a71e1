//! What the shop sells: generated from a seed, the same for everyone who knows it. What changes while the shop is open (prices,
//! stock, carts) is not here but in `truth`.

use crate::chance::log_normal;
use crate::shop::words::{CATEGORIES, NAMES, PROSE, QUALITIES, THINGS};
use peregrine_base::SeededRandom;
use serde::Serialize;

/// How many products a page of a list shows.
pub(crate) const PAGE_SIZE: usize = 24;
/// How many products a search shows.
const FOUND_MAX: usize = 20;

/// A thing for sale, as far as it never changes.
#[derive(Clone, Debug, Serialize)]
pub struct Product {
    /// Counted from 1.
    pub id: u32,
    /// What people call it.
    pub name: String,
    /// Its department.
    pub category: &'static str,
    /// A few sentences to many.
    pub description: String,
    /// What buyers said.
    pub reviews: Vec<Review>,
    /// What it costs when the shop opens.
    #[serde(skip)]
    pub price_cents_first: u32,
    /// How many there are when the shop opens.
    #[serde(skip)]
    pub stock_first: u32,
}

/// What somebody said about a product.
#[derive(Clone, Debug, Serialize)]
pub struct Review {
    /// Who.
    pub author: &'static str,
    /// One to five.
    pub stars: u8,
    /// What.
    pub text: String,
}

/// Everything for sale, and how it is found.
#[derive(Debug)]
pub struct Catalogue {
    /// The seed of all this.
    pub seed: u64,
    products: Vec<Product>,
    /// Numbers of products (from 0) by department.
    by_category: Vec<Vec<u32>>,
    all: Vec<u32>,
    /// Words to search for, in alphabetical order, with the products that a search shows.
    terms: Vec<(&'static str, Vec<u32>)>,
}

impl Catalogue {
    /// The catalogue of `count` products that belongs to `seed`.
    #[must_use]
    pub fn generate(seed: u64, count: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let sizes = SeededRandom::new(seed);
        let drawn: Vec<Draw> = (0..count).map(|_| Draw::new(&mut rng)).collect();
        let products = drawn
            .iter()
            .zip(1..)
            .map(|(draw, id)| draw.product(id, &mut rng, &sizes))
            .collect();
        let mut by_category = vec![Vec::new(); CATEGORIES.len()];
        let mut terms: Vec<(&'static str, Vec<u32>)> = QUALITIES
            .iter()
            .chain(&CATEGORIES)
            .map(|term| (*term, Vec::new()))
            .collect();
        terms.sort_unstable_by_key(|(term, _)| *term);
        for (draw, index) in drawn.iter().zip(0..) {
            by_category[draw.category].push(index);
            for word in [draw.quality, CATEGORIES[draw.category]] {
                if let Ok(place) = terms.binary_search_by_key(&word, |(term, _)| term)
                    && terms[place].1.len() < FOUND_MAX
                {
                    terms[place].1.push(index);
                }
            }
        }
        Self {
            seed,
            products,
            by_category,
            all: (0..count).collect(),
            terms,
        }
    }

    /// The products, by number.
    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// The product with this id.
    #[must_use]
    pub fn product(&self, id: u32) -> Option<&Product> {
        self.products.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// The number of the product with this id, as a list of one; empty when there is none.
    #[must_use]
    pub fn product_number(&self, id: u32) -> &[u32] {
        let index = id.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.all.get(index..=index)).unwrap_or_default()
    }

    /// How many departments there are.
    #[must_use]
    pub fn categories(&self) -> u8 {
        u8::try_from(self.by_category.len()).unwrap_or(u8::MAX)
    }

    /// The number of a department.
    #[must_use]
    pub fn category(&self, name: &str) -> Option<u8> {
        CATEGORIES
            .iter()
            .position(|category| *category == name)
            .and_then(|index| u8::try_from(index).ok())
    }

    /// Numbers of the products on a page of a list, pages counted from 1.
    #[must_use]
    pub fn page(&self, category: Option<u8>, page: u16) -> &[u32] {
        let list = category.map_or(&self.all, |category| &self.by_category[usize::from(category)]);
        let start = usize::from(page.max(1) - 1) * PAGE_SIZE;
        list.get(start..list.len().min(start + PAGE_SIZE)).unwrap_or_default()
    }

    /// How many pages a list has, at least one.
    #[must_use]
    pub fn pages(&self, category: Option<u8>) -> u16 {
        let list = category.map_or(&self.all, |category| &self.by_category[usize::from(category)]);
        u16::try_from(list.len().div_ceil(PAGE_SIZE)).unwrap_or(u16::MAX).max(1)
    }

    /// How many terms there are.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.terms.len()
    }

    /// The number of a term.
    #[must_use]
    pub fn term(&self, text: &str) -> Option<u16> {
        let place = self.terms.binary_search_by_key(&text, |(term, _)| term).ok()?;
        u16::try_from(place).ok()
    }

    /// A term and the numbers of the products that a search for it shows.
    #[must_use]
    pub fn found(&self, term: u16) -> (&'static str, &[u32]) {
        let (text, products) = &self.terms[usize::from(term)];
        (text, products)
    }
}

/// What chance decides about a product before its texts are written.
struct Draw {
    category: usize,
    thing: usize,
    quality: &'static str,
}

impl Draw {
    fn new(rng: &mut fastrand::Rng) -> Self {
        Self {
            category: rng.usize(..CATEGORIES.len()),
            thing: rng.usize(..4),
            quality: QUALITIES[rng.usize(..QUALITIES.len())],
        }
    }

    fn product(&self, id: u32, rng: &mut fastrand::Rng, sizes: &SeededRandom) -> Product {
        let reviews = (0..rng.usize(..8)).map(|_| Review {
            author: NAMES[rng.usize(..NAMES.len())],
            stars: rng.u8(1..=5),
            text: prose(rng, 120.0 * log_normal(sizes, 0.6)),
        });
        let reviews = reviews.collect();
        let mut name = format!("{} {} {id}", self.quality, THINGS[self.category][self.thing]);
        name[..1].make_ascii_uppercase();
        Product {
            id,
            name,
            category: CATEGORIES[self.category],
            description: prose(rng, 600.0 * log_normal(sizes, 0.8)),
            reviews,
            price_cents_first: rng.u32(3..400) * 100 + 99,
            stock_first: rng.u32(0..500),
        }
    }
}

/// Sentences of about `bytes` bytes, at most 16 KiB.
fn prose(rng: &mut fastrand::Rng, bytes: f64) -> String {
    let mut text = String::new();
    let mut left_in_sentence = 0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts of floats saturate"
    )]
    let length = bytes.min(16_384.0) as usize;
    while text.len() < length {
        let word = PROSE[rng.usize(..PROSE.len())];
        let start = text.len();
        if left_in_sentence == 0 {
            left_in_sentence = rng.usize(5..15);
            text.push_str(if start == 0 { word } else { ". " });
            if start > 0 {
                text.push_str(word);
            }
            let first = if start == 0 { 0 } else { start + 2 };
            text[first..=first].make_ascii_uppercase();
        } else {
            text.push(' ');
            text.push_str(word);
        }
        left_in_sentence -= 1;
    }
    text.push('.');
    text
}
