//! Upstreams over real sockets, against origins whose every byte is scripted.

mod connections;
mod failures;
mod health;
mod hostile;
mod limits;
mod passing;
mod secure;
mod streams;

use super::*;
use crate::config::{Balance, HttpVersion};
use crate::tests::Origin;
use peregrine_base::{ManualClock, SeededRandom, SystemClock, TokioRuntime};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// An upstream in front of `targets`, changed by `change`.
fn upstream_of(targets: &[&str], change: impl FnOnce(&mut UpstreamConfig)) -> Arc<Upstream> {
    upstream_with(Arc::new(SystemClock), targets, change)
}

fn upstream_with(clock: Arc<dyn Clock>, targets: &[&str], change: impl FnOnce(&mut UpstreamConfig)) -> Arc<Upstream> {
    let mut config = UpstreamConfig::defaults("test", targets);
    change(&mut config);
    config.check().unwrap();
    let parts = UpstreamParts {
        clock,
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SeededRandom::new(1)),
    };
    Upstream::new(&config, parts).unwrap()
}

fn upstream(origin: &Origin) -> Arc<Upstream> {
    upstream_of(&[&origin.url()], |_| {})
}

fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "shop")
        .body(body)
        .unwrap()
}

fn get(path: &str) -> Request<Body> {
    request("GET", path, Body::empty())
}

/// A body of unknown length that is no replay.
fn stream(text: &'static str) -> Body {
    let mut text = Some(bytes::Bytes::from_static(text.as_bytes()));
    Body::from_poll(None, move |_| std::task::Poll::Ready(text.take().map(Ok)))
}

/// The whole body of the response, and how it came about.
async fn fetch(upstream: &Upstream, request: Request<Body>, retry: Retry) -> Result<(String, Exchange), UpstreamError> {
    let (response, exchange) = upstream.send(request, retry).await?;
    let body = response.into_body().collect(1 << 20).await.unwrap();
    Ok((String::from_utf8(body.to_vec()).unwrap(), exchange))
}

/// The kind of failure of a request that must fail.
async fn failure(upstream: &Upstream, request: Request<Body>, retry: Retry) -> UpstreamErrorKind {
    upstream.send(request, retry).await.expect_err("a failure").kind
}

fn target(upstream: &Upstream) -> TargetStatus {
    upstream.status().targets.swap_remove(0)
}
