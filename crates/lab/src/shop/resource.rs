//! What can be asked for, and how long an answer may be kept.

use crate::shop::catalogue::Catalogue;
use crate::shop::words::CATEGORIES;
use serde::Serialize;
use std::time::Duration;

/// A thing with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A product's page, by id.
    Product(u32),
    /// A page of a list.
    List {
        /// One department, or all.
        category: Option<u8>,
        /// Counted from 1.
        page: u16,
    },
    /// What a search for a term shows; `None` when the term is unknown and nothing is found.
    Search(Option<u16>),
    /// A user's cart.
    Cart(u32),
    /// What has been sold.
    Report,
    /// A file that never changes.
    Asset(Asset),
}

/// The files that never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asset {
    /// A picture.
    Logo,
    /// A style sheet.
    Style,
    /// A script.
    Script,
}

impl Asset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Logo, Self::Style, Self::Script];

    /// Where it is.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Logo => "/assets/logo.svg",
            Self::Style => "/assets/style.css",
            Self::Script => "/assets/app.js",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Logo => "image/svg+xml",
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
        }
    }
}

/// Kinds of requests, for latencies, lifetimes and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// One product.
    Product,
    /// A list of products.
    List,
    /// A search.
    Search,
    /// A cart, private to its user.
    Cart,
    /// The slow report.
    Report,
    /// A file.
    Asset,
    /// A change of a product or a cart.
    Write,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Product,
        Self::List,
        Self::Search,
        Self::Cart,
        Self::Report,
        Self::Asset,
        Self::Write,
    ];

    /// The word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::List => "list",
            Self::Search => "search",
            Self::Cart => "cart",
            Self::Report => "report",
            Self::Asset => "asset",
            Self::Write => "write",
        }
    }

    /// How long its answers may be kept, and by whom.
    #[must_use]
    pub const fn freshness(self) -> Freshness {
        let (scope, max_age_s, shared_s, stale_s) = match self {
            Self::Product => (Scope::Public, 60, Some(300), 30),
            Self::List => (Scope::Public, 10, None, 20),
            Self::Search => (Scope::Public, 30, None, 30),
            Self::Cart => (Scope::Private, 0, None, 0),
            Self::Report => (Scope::Public, 60, None, 60),
            Self::Asset => (Scope::Immutable, 31_536_000, None, 0),
            Self::Write => (Scope::Nobody, 0, None, 0),
        };
        let shared = match shared_s {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => None,
        };
        let (max_age, stale) = (Duration::from_secs(max_age_s), Duration::from_secs(stale_s));
        Freshness {
            scope,
            max_age,
            shared,
            stale_while_revalidate: stale,
        }
    }
}

/// Who may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every cache.
    Public,
    /// Every cache, and it never changes (RFC 8246).
    Immutable,
    /// The user's own cache, which must ask before it uses it.
    Private,
    /// No cache.
    Nobody,
}

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// By whom.
    pub scope: Scope,
    /// `max-age`.
    pub max_age: Duration,
    /// `s-maxage`.
    pub shared: Option<Duration>,
    /// `stale-while-revalidate` (RFC 5861).
    pub stale_while_revalidate: Duration,
}

impl Freshness {
    /// The same with no lifetime longer than `cap`; what never changes keeps its own.
    #[must_use]
    pub fn capped(self, cap: Duration) -> Self {
        if self.scope == Scope::Immutable {
            return self;
        }
        let (max_age, shared) = (self.max_age.min(cap), self.shared.map(|shared| shared.min(cap)));
        Self {
            max_age,
            shared,
            stale_while_revalidate: self.stale_while_revalidate.min(cap),
            ..self
        }
    }

    /// The value of `Cache-Control`.
    #[must_use]
    pub fn cache_control(&self) -> String {
        let max_age = self.max_age.as_secs();
        match self.scope {
            Scope::Nobody => "no-store".to_owned(),
            Scope::Private => "private, no-cache".to_owned(),
            Scope::Immutable => format!("public, max-age={max_age}, immutable"),
            Scope::Public => {
                let shared = self
                    .shared
                    .map(|shared| format!(", s-maxage={}", shared.as_secs()))
                    .unwrap_or_default();
                let stale = self.stale_while_revalidate.as_secs();
                format!("public, max-age={max_age}{shared}, stale-while-revalidate={stale}")
            }
        }
    }

    /// How old an answer from a shared cache may be: its lifetime there and the time it may be used beyond it.
    #[must_use]
    pub fn shared_age_max(&self) -> Duration {
        match self.scope {
            Scope::Nobody | Scope::Private => Duration::ZERO,
            Scope::Public | Scope::Immutable => self.shared.unwrap_or(self.max_age) + self.stale_while_revalidate,
        }
    }
}

impl Resource {
    /// The kind of request that reads it.
    #[must_use]
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Self::Product(_) => Endpoint::Product,
            Self::List { .. } => Endpoint::List,
            Self::Search(_) => Endpoint::Search,
            Self::Cart(_) => Endpoint::Cart,
            Self::Report => Endpoint::Report,
            Self::Asset(_) => Endpoint::Asset,
        }
    }

    /// The resource at `path_and_query`; `user` is whose cart `/cart` is. `None`: there is none.
    #[must_use]
    pub fn at(path_and_query: &str, user: Option<u32>, catalogue: &Catalogue) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let parameter = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
        };
        match path {
            "/products" => {
                let category = match parameter("category") {
                    None => None,
                    Some((_, name)) => Some(catalogue.category(name)?),
                };
                let page = parameter("page").map_or(Some(1), |(_, page)| page.parse().ok().filter(|page| *page > 0))?;
                Some(Self::List { category, page })
            }
            "/search" => Some(Self::Search(parameter("q").and_then(|(_, term)| catalogue.term(term)))),
            "/cart" => user.map(Self::Cart),
            "/reports/sales" => Some(Self::Report),
            _ => {
                if let Some(asset) = Asset::ALL.into_iter().find(|asset| asset.path() == path) {
                    return Some(Self::Asset(asset));
                }
                let id = path.strip_prefix("/products/")?;
                // One path per product: no sign, no leading zero.
                let number = id.parse().ok().filter(|number: &u32| number.to_string() == id)?;
                catalogue.product(number).map(|product| Self::Product(product.id))
            }
        }
    }

    /// Its path and query, one spelling for each.
    #[must_use]
    pub fn path(self, catalogue: &Catalogue) -> String {
        match self {
            Self::Product(id) => format!("/products/{id}"),
            Self::List {
                category: None,
                page: 1,
            } => "/products".to_owned(),
            Self::List { category: None, page } => format!("/products?page={page}"),
            Self::List {
                category: Some(category),
                page: 1,
            } => format!("/products?category={}", CATEGORIES[usize::from(category)]),
            Self::List {
                category: Some(category),
                page,
            } => {
                format!("/products?category={}&page={page}", CATEGORIES[usize::from(category)])
            }
            Self::Search(None) => "/search".to_owned(),
            Self::Search(Some(term)) => format!("/search?q={}", catalogue.found(term).0),
            Self::Cart(_) => "/cart".to_owned(),
            Self::Report => "/reports/sales".to_owned(),
            Self::Asset(asset) => asset.path().to_owned(),
        }
    }

    /// The entity tag of a version. It names the resource, too, so that no tag fits two of them.
    #[must_use]
    pub fn entity_tag(self, version: u64) -> String {
        match self {
            Self::Product(id) => format!("\"p{id}-{version}\""),
            Self::List { category, page } => format!("\"l{}p{page}-{version}\"", category.map_or(-1, i16::from)),
            Self::Search(term) => format!("\"s{}-{version}\"", term.map_or(-1, i32::from)),
            Self::Cart(user) => format!("\"c{user}-{version}\""),
            Self::Report => format!("\"r-{version}\""),
            Self::Asset(asset) => format!("\"a{}-{version}\"", asset as u8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_back_to_their_resources() {
        let catalogue = Catalogue::generate(1, 500);
        let term = catalogue.term("oak");
        for resource in [
            Resource::Product(1),
            Resource::Product(500),
            Resource::List {
                category: None,
                page: 1,
            },
            Resource::List {
                category: None,
                page: 7,
            },
            Resource::List {
                category: Some(3),
                page: 1,
            },
            Resource::List {
                category: Some(3),
                page: 2,
            },
            Resource::Search(term),
            Resource::Search(None),
            Resource::Cart(9),
            Resource::Report,
            Resource::Asset(Asset::Style),
        ] {
            assert_eq!(
                Resource::at(&resource.path(&catalogue), Some(9), &catalogue),
                Some(resource)
            );
        }
    }

    #[test]
    fn what_is_not_for_sale_is_not_found() {
        let catalogue = Catalogue::generate(1, 500);
        for path in [
            "/",
            "/products/",
            "/products/0",
            "/products/501",
            "/products/01",
            "/products/x",
            "/products?category=cars",
            "/products?page=0",
            "/assets/x",
        ] {
            assert_eq!(Resource::at(path, Some(9), &catalogue), None, "{path}");
        }
        assert_eq!(Resource::at("/cart", None, &catalogue), None);
    }

    #[test]
    fn cache_control_says_what_the_checker_allows() {
        for (endpoint, text, allowed_s) in [
            (
                Endpoint::Product,
                "public, max-age=60, s-maxage=300, stale-while-revalidate=30",
                330,
            ),
            (Endpoint::List, "public, max-age=10, stale-while-revalidate=20", 30),
            (Endpoint::Cart, "private, no-cache", 0),
            (Endpoint::Asset, "public, max-age=31536000, immutable", 31_536_000),
            (Endpoint::Write, "no-store", 0),
        ] {
            let freshness = endpoint.freshness();
            assert_eq!(
                (freshness.cache_control().as_str(), freshness.shared_age_max().as_secs()),
                (text, allowed_s)
            );
        }
        let capped = Endpoint::Product.freshness().capped(Duration::from_secs(2));
        assert_eq!(
            capped.cache_control(),
            "public, max-age=2, s-maxage=2, stale-while-revalidate=2"
        );
    }
}
