//! The demo's experiment: the same mix of requests first straight at the shop, then through a proxy, every answer checked.

use crate::checker::{Checker, Findings};
use crate::load::{Limit, Load, LoadError, LoadReport, Pace, Settings, Target, ratio, run};
use crate::mix::{Mix, Shares};
use crate::progress::Show;
use crate::shop::{ShopCounts, ShopHandle};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How the experiment is done.
#[derive(Clone, Debug)]
pub struct DriveSettings {
    /// How each of the two runs is driven.
    pub load: Settings,
    /// What is asked.
    pub shares: Shares,
    /// What a cache may be off by when it counts ages; see [`Checker::new`].
    pub slack: Duration,
    /// Where progress is shown.
    pub show: Show,
    /// Ends the current run, and with it the experiment, early.
    pub stop: Option<watch::Receiver<bool>>,
}

impl Default for DriveSettings {
    /// Ten seconds each way with 64 connections in a closed loop, after two seconds of warm-up; one second of slack, the
    /// resolution of `Age`.
    fn default() -> Self {
        let limit = Limit::Time(Duration::from_secs(10));
        let load = Settings {
            pace: Pace::Closed,
            limit,
            warm_up: Duration::from_secs(2),
            ..Settings::default()
        };
        Self {
            load,
            shares: Shares::default(),
            slack: Duration::from_secs(1),
            show: Show::Stderr,
            stop: None,
        }
    }
}

/// One of the two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Leg {
    /// What the load generator measured.
    pub load: LoadReport,
    /// What the checker found.
    pub findings: Findings,
    /// What the shop was asked meanwhile, the warm-up included.
    pub origin: ShopCounts,
}

/// What a proxy is good for.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Straight at the shop.
    pub direct: Leg,
    /// Through the proxy.
    pub proxied: Leg,
    /// Requests through the proxy that the shop did not see, the warm-up included.
    pub origin_requests_avoided: u64,
    /// Their share of all requests through the proxy.
    pub origin_requests_avoided_share: Option<f64>,
    /// Bytes of bodies that clients got and the shop did not send.
    pub bytes_saved: u64,
    /// Their share of all bytes that clients got through the proxy.
    pub bytes_saved_share: Option<f64>,
}

impl Comparison {
    /// Puts two runs beside each other.
    #[must_use]
    pub fn new(direct: Leg, proxied: Leg) -> Self {
        let (answers, bytes) = (proxied.load.answers_with_warm_up, proxied.load.body_bytes_with_warm_up);
        let origin_requests_avoided = answers.saturating_sub(proxied.origin.requests);
        let bytes_saved = bytes.saturating_sub(proxied.origin.body_bytes);
        Self {
            origin_requests_avoided,
            origin_requests_avoided_share: ratio(origin_requests_avoided, answers),
            bytes_saved,
            bytes_saved_share: ratio(bytes_saved, bytes),
            direct,
            proxied,
        }
    }
}

/// Sends the mix straight at the shop and then through the proxy at `proxy`.
///
/// # Errors
/// When one of the two is not there.
pub async fn compare(shop: &ShopHandle, proxy: SocketAddr, settings: &DriveSettings) -> Result<Comparison, LoadError> {
    let direct = leg("API alone", shop, shop.address, settings).await?;
    let proxied = leg("with Peregrine", shop, proxy, settings).await?;
    Ok(Comparison::new(direct, proxied))
}

/// Sends the mix to `address`, which answers for the shop.
///
/// # Errors
/// When nobody listens there.
pub async fn leg(
    name: &str,
    shop: &ShopHandle,
    address: SocketAddr,
    settings: &DriveSettings,
) -> Result<Leg, LoadError> {
    let checker = Arc::new(Checker::new(shop, settings.slack));
    let mix = Mix::new(
        address.to_string(),
        checker.clone(),
        settings.shares,
        settings.load.seed,
    );
    let before = shop.counts();
    let load = run(Load {
        name: name.to_owned(),
        target: Target::plain(address),
        plan: Arc::new(mix),
        observer: checker.clone(),
        settings: settings.load,
        on_progress: settings.show.callback(name),
        stop: settings.stop.clone(),
    })
    .await?;
    Ok(Leg {
        load,
        findings: checker.findings(),
        origin: shop.counts().since(&before),
    })
}

#[cfg(test)]
mod tests;
