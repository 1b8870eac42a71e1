//! The sample shop: an HTTP API as many are, generated from a seed, with the latencies of a database behind it, good cache
//! headers, and a memory of everything that was ever true, so that answers can be checked ([`Truth`]).
//!
//! | request | answer | for caches |
//! |---|---|---|
//! | `GET /products?category=&page=` | a page of a list | `public, max-age`, tags of its products |
//! | `GET /products/{id}` | a product | `public, max-age, s-maxage`, `Surrogate-Key: product-{id} ...` |
//! | `PUT`, `PATCH`, `POST /products/{id}` | changes price and stock; `If-Match` is honoured | `no-store` |
//! | `GET /search?q=` | products by a word | `public, max-age` |
//! | `GET /cart`, `POST /cart` | the cart of whoever `Cookie: session=` or `Authorization: Bearer` says | `private` |
//! | `GET /reports/sales` | a slow report | `public, max-age` |
//! | `GET /assets/logo.svg`, `style.css`, `app.js` | files, plain or gzip | `immutable`, `Vary: Accept-Encoding` |
//! | `GET /healthz` | `ok` | `no-store` |
//! | `GET /truth`, `GET /truth/{path}` | counts; the history of a resource | `no-store` |

mod catalogue;
mod files;
mod history;
mod latency;
mod pages;
mod refusal;
mod resource;
mod service;
mod session;
mod stamp;
mod truth;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use catalogue::{Catalogue, Product, Review};
pub use files::Files;
pub use history::{Exchange, Record, Verdict, Version};
pub use resource::{Asset, Endpoint, Freshness, Resource, Scope};
pub(crate) use service::Service;
pub use service::ShopCounts;
pub use session::token;
pub use stamp::Stamp;
pub use truth::{CartLine, Offer, Snapshot, Truth};

use latency::Database;
use peregrine_base::{Clock, Random, Runtime, SeededRandom, SystemClock, TokioRuntime};
use peregrine_net::drain;
use peregrine_net::http::{Server, ServerLimits, ServerParts};
use peregrine_net::listen::{BindError, Listener};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What kind of shop to open.
#[derive(Clone, Debug)]
pub struct ShopConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Everything in the shop comes from it.
    pub seed: u64,
    /// How many products, from 1 to 1,000,000.
    pub products: u32,
    /// How many users with carts.
    pub users: u32,
    /// The simulated latencies are multiplied with it; 0: none.
    pub latency_scale: f64,
    /// How many requests the simulated database works on at once.
    pub database_connections: usize,
    /// How long a request waits for one of them before it is answered with 503.
    pub database_wait_max: Duration,
    /// No answer is fresh for longer, nor stale for longer after that; for tests that cannot wait.
    pub lifetime_max: Option<Duration>,
}

impl Default for ShopConfig {
    /// 2,000 products and 500 users on a free port of this machine; 32 database connections.
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            seed: 1,
            products: 2000,
            users: 500,
            latency_scale: 1.0,
            database_connections: 32,
            database_wait_max: Duration::from_secs(5),
            lifetime_max: None,
        }
    }
}

impl ShopConfig {
    /// How long answers of an endpoint may be kept in this shop.
    #[must_use]
    pub fn freshness(&self, endpoint: Endpoint) -> Freshness {
        let freshness = endpoint.freshness();
        self.lifetime_max.map_or(freshness, |cap| freshness.capped(cap))
    }
}

/// What a shop needs from outside.
#[derive(Clone)]
pub struct ShopParts {
    /// Where the time comes from. Truth is told in it.
    pub clock: Arc<dyn Clock>,
    /// Where requests run and wait.
    pub runtime: Arc<dyn Runtime>,
    /// Where the spread of latencies comes from.
    pub random: Arc<dyn Random>,
}

impl ShopParts {
    /// The machine's clock, tokio, and chance from `seed`.
    #[must_use]
    pub fn system(seed: u64) -> Self {
        let random = Arc::new(SeededRandom::new(seed));
        Self {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
            random,
        }
    }
}

/// Opens shops.
pub struct Shop;

impl Shop {
    /// Opens a shop with the system's time and runtime; needs the context of a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(config: ShopConfig) -> Result<ShopHandle, BindError> {
        let parts = ShopParts::system(config.seed);
        Self::start_with(config, parts)
    }

    /// Opens a shop.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start_with(config: ShopConfig, parts: ShopParts) -> Result<ShopHandle, BindError> {
        let listener = Listener::bind(config.address)?;
        let address = listener.address();
        let ShopParts { clock, runtime, random } = parts;
        let catalogue = Arc::new(Catalogue::generate(config.seed, config.products.clamp(1, 1_000_000)));
        let truth = Arc::new(Truth::new(catalogue, config.users.max(1), clock.clone()));
        let database = Database::new(
            config.seed,
            config.database_connections,
            config.database_wait_max,
            config.latency_scale,
            (random, runtime.clone()),
        );
        let files = Arc::new(Files::generate(config.seed));
        let service = Arc::new(Service::new(config, truth.clone(), files.clone(), database));
        let server = Server::new(
            ServerLimits::default(),
            ServerParts {
                clock,
                runtime: runtime.clone(),
            },
        );
        let (drain, watch) = drain::channel();
        server.serve(listener, service.clone(), watch);
        Ok(ShopHandle {
            address,
            truth,
            files,
            service,
            drain,
            runtime,
        })
    }
}

/// An open shop. Dropping it closes the shop: connections end after their current answer.
pub struct ShopHandle {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is and was true in it.
    pub truth: Arc<Truth>,
    /// Its files.
    pub files: Arc<Files>,
    pub(crate) service: Arc<Service>,
    drain: drain::Drain,
    runtime: Arc<dyn Runtime>,
}

impl ShopHandle {
    /// What it was asked so far.
    #[must_use]
    pub fn counts(&self) -> ShopCounts {
        self.service.counts()
    }

    /// How long answers of an endpoint may be kept.
    #[must_use]
    pub fn freshness(&self, endpoint: Endpoint) -> Freshness {
        self.service.config().freshness(endpoint)
    }

    /// Closes the shop and waits up to `limit` for the answers that are under way.
    pub async fn close(self, limit: Duration) {
        self.drain.start();
        self.drain.finished(limit, &*self.runtime).await;
    }
}

impl Drop for ShopHandle {
    fn drop(&mut self) {
        self.drain.start();
    }
}
