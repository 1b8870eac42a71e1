//! How long the shop takes: a log-normal time around a median per kind of request, spent while holding one of a few database
//! connections. More requests than connections wait in line, as they would before a real database.

use crate::chance::log_normal;
use crate::shop::resource::Endpoint;
use peregrine_base::{Random, Runtime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// No request takes longer than this many medians.
const FACTOR_MAX: f64 = 8.0;
/// Above any possible number of connections.
const CONNECTIONS_MAX: usize = 100_000;

/// The simulated database.
pub(crate) struct Database {
    connections: Semaphore,
    wait_max: Duration,
    /// Medians are multiplied with it; 0 means no time at all.
    scale: f64,
    random: Arc<dyn Random>,
    runtime: Arc<dyn Runtime>,
    /// Medians by endpoint in the order of [`Endpoint::ALL`].
    medians_ms: [f64; Endpoint::ALL.len()],
}

/// No connection became free in time.
pub(crate) struct Overloaded;

impl Database {
    /// A database with `connections` connections for which a request waits up to `wait_max`; its medians belong to `seed`.
    pub(crate) fn new(
        seed: u64,
        connections: usize,
        wait_max: Duration,
        scale: f64,
        (random, runtime): (Arc<dyn Random>, Arc<dyn Runtime>),
    ) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // One shop is not like another: up to 15% to either side.
        let medians_ms = Endpoint::ALL.map(|endpoint| median_ms(endpoint) * (0.85 + 0.3 * rng.f64()));
        let connections = Semaphore::new(connections.clamp(1, CONNECTIONS_MAX));
        Self {
            connections,
            wait_max,
            scale,
            random,
            runtime,
            medians_ms,
        }
    }

    /// Takes a connection and the time that a request of this kind takes; half of the time is over when it returns.
    pub(crate) async fn begin(&self, endpoint: Endpoint) -> Result<Work<'_>, Overloaded> {
        let connection = match endpoint {
            Endpoint::Asset => None,
            _ => Some(self.connect().await?),
        };
        let median = self.medians_ms[endpoint as usize] * self.scale;
        let factor = log_normal(&*self.random, sigma(endpoint)).min(FACTOR_MAX);
        let half = Duration::try_from_secs_f64(median * factor / 2000.0).unwrap_or_default();
        let work = Work {
            database: self,
            half,
            _connection: connection,
        };
        work.spend_half().await;
        Ok(work)
    }

    async fn connect(&self) -> Result<SemaphorePermit<'_>, Overloaded> {
        // Most of the time there is one free, and no timer is needed.
        if let Ok(permit) = self.connections.try_acquire() {
            return Ok(permit);
        }
        tokio::select! {
            permit = self.connections.acquire() => permit.map_err(|_| Overloaded),
            () = self.runtime.sleep(self.wait_max) => Err(Overloaded),
        }
    }
}

/// A request that is being worked on.
pub(crate) struct Work<'a> {
    database: &'a Database,
    half: Duration,
    _connection: Option<SemaphorePermit<'a>>,
}

impl Work<'_> {
    /// Spends the rest of the time. What was read before is by then a little old, and a change may have come in between: the
    /// race that a cache must not lose.
    pub(crate) async fn finish(self) {
        self.spend_half().await;
    }

    async fn spend_half(&self) {
        if !self.half.is_zero() {
            self.database.runtime.sleep(self.half).await;
        }
    }
}

/// Half of the requests of this kind are faster, in milliseconds.
const fn median_ms(endpoint: Endpoint) -> f64 {
    match endpoint {
        Endpoint::Product => 18.0,
        Endpoint::List => 45.0,
        Endpoint::Search => 90.0,
        Endpoint::Cart => 12.0,
        Endpoint::Report => 400.0,
        Endpoint::Asset => 2.0,
        Endpoint::Write => 30.0,
    }
}

/// How widely the times of this kind spread.
const fn sigma(endpoint: Endpoint) -> f64 {
    match endpoint {
        Endpoint::Report => 0.15,
        Endpoint::Search => 0.5,
        _ => 0.4,
    }
}
