//! What `top` asks the admin API for, and the answers of the last time.

use super::screen::{Page, Screen};
use crate::client::Client;
use peregrine_insight::model::{History, NodeReport, RouteFigures, Summary, UpstreamReport};
use peregrine_telemetry::tail::RequestEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// How many finished requests are asked for.
const REQUESTS_MAX: usize = 200;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    page: Page,
    pub(super) paused: bool,
}

impl Ask {
    pub(super) fn of(screen: &Screen) -> Self {
        Self {
            page: screen.page,
            paused: screen.paused,
        }
    }
}

/// Answers; what was not asked for is not there.
#[derive(Default)]
pub(super) struct News {
    pub(super) summary: Option<Summary>,
    pub(super) history: Option<History>,
    pub(super) routes: Option<Vec<RouteFigures>>,
    pub(super) cache: Option<Cache>,
    pub(super) upstreams: Option<Vec<UpstreamReport>>,
    pub(super) nodes: Option<Vec<NodeReport>>,
    pub(super) requests: Option<Vec<RequestEvent>>,
    /// Why something was not answered.
    pub(super) trouble: Option<String>,
}

impl News {
    /// Takes over what is there in `newer`.
    pub(super) fn update(&mut self, newer: Self) {
        fn renew<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        renew(&mut self.summary, newer.summary);
        renew(&mut self.history, newer.history);
        renew(&mut self.routes, newer.routes);
        renew(&mut self.cache, newer.cache);
        renew(&mut self.upstreams, newer.upstreams);
        renew(&mut self.nodes, newer.nodes);
        renew(&mut self.requests, newer.requests);
    }
}

/// What the cache holds and did.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Cache {
    pub(super) memory_max: u64,
    pub(super) total: Held,
    pub(super) namespaces: BTreeMap<String, Held>,
}

/// The same of a namespace.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Held {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) stale_served: u64,
    pub(super) coalesced: u64,
    pub(super) bypassed: u64,
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) evictions_by_cause: BTreeMap<String, u64>,
}

impl Held {
    /// Lookups that were answered without asking the origin for each, and all.
    pub(super) fn answered(&self) -> (u64, u64) {
        let answered = self.hits + self.stale_served;
        (answered + self.coalesced, answered + self.misses + self.bypassed)
    }
}

#[derive(Deserialize)]
struct Statistics {
    cache: Cache,
}
#[derive(Deserialize)]
struct Routes {
    routes: Vec<RouteFigures>,
}
#[derive(Deserialize)]
struct Upstreams {
    upstreams: Vec<UpstreamReport>,
}
#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<NodeReport>,
}
#[derive(Deserialize)]
struct Requests {
    requests: Vec<RequestEvent>,
}

/// Asks for what the page shows, and for the summary, whose head every page has.
pub(super) async fn fetch(client: &Client, ask: &Ask) -> News {
    let mut news = News::default();
    news.summary = get(client, "summary?range=15m", &mut news.trouble).await;
    // Whoever does not answer one question will hardly answer the next.
    if news.trouble.is_some() {
        return news;
    }
    let trouble = &mut news.trouble;
    match ask.page {
        Page::Overview => {
            let path = "history?resolution=1s&range=5m&series=requests_per_s,latency_p95_ms,hit_ratio,error_ratio";
            news.history = get(client, path, trouble).await;
        }
        Page::Routes => news.routes = get(client, "routes", trouble).await.map(|answer: Routes| answer.routes),
        Page::Cache => {
            news.cache = get(client, "cache/stats", trouble)
                .await
                .map(|answer: Statistics| answer.cache);
        }
        Page::Upstreams => {
            news.upstreams = get(client, "upstreams", trouble)
                .await
                .map(|answer: Upstreams| answer.upstreams);
        }
        Page::Nodes => news.nodes = get(client, "nodes", trouble).await.map(|answer: Nodes| answer.nodes),
        Page::Traffic => {
            let path = format!("traffic?limit={REQUESTS_MAX}");
            news.requests = get(client, &path, trouble)
                .await
                .map(|answer: Requests| answer.requests);
        }
    }
    news
}

async fn get<T: DeserializeOwned>(client: &Client, path: &str, trouble: &mut Option<String>) -> Option<T> {
    match client.get(path).await {
        Ok(answer) => Some(answer),
        Err(failure) => {
            *trouble = Some(failure.to_string());
            None
        }
    }
}
