//! Posts a letter: one attempt, over a connection of its own, with the certificate checked, within the receiver's time, and
//! wherever else the answer points, nowhere else. The address is a secret and in no error and no log.

use super::super::program::Program;
use http::{Method, Request, StatusCode, header};
use peregrine_base::{Runtime, Span, SystemRandom, TokioRuntime};
use peregrine_insight::notify::{Delivery, NotifyConfig, Posted};
use peregrine_net::config::UpstreamConfig;
use peregrine_net::http::Body;
use peregrine_net::upstream::{Retry, Upstream, UpstreamErrorKind, UpstreamParts};
use std::sync::Arc;
use std::time::Duration;

/// How much of an answer is read; what it says does not matter.
const ANSWER_SIZE_MAX: usize = 64 << 10;
/// How much longer than its limit an attempt may take until it is given up from outside.
const GRACE: Duration = Duration::from_secs(1);

/// Posts `delivery`; what came of it.
pub(super) async fn post(delivery: Delivery) -> Posted {
    let limit = delivery.config.timeout.get() + GRACE;
    tokio::select! {
        posted = attempt(delivery) => posted,
        () = TokioRuntime.sleep(limit) => Posted::TimedOut,
    }
}

async fn attempt(delivery: Delivery) -> Posted {
    let Some((base, path)) = delivery.config.address() else {
        return Posted::Unreachable;
    };
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let Some(request) = request(&delivery, &format!("{base}{path}")) else {
        return Posted::Unreachable;
    };
    let config = upstream_config(base, &delivery.config);
    // Reading the system's certificates takes a while.
    let upstream = tokio::task::spawn_blocking(move || upstream(&config)).await;
    let Ok(Some(upstream)) = upstream else {
        return Posted::Unreachable;
    };
    match upstream.send(request, Retry::Never).await {
        Ok((response, _)) => {
            let (head, body) = response.into_parts();
            // Whatever it says: the status has said all that counts.
            let _ = body.collect(ANSWER_SIZE_MAX).await;
            judge(head.status, head.headers.get(header::RETRY_AFTER))
        }
        Err(error) => {
            tracing::debug!(receiver = delivery.receiver, kind = error.kind.as_str(), "not posted");
            match error.kind {
                UpstreamErrorKind::ConnectTimeout
                | UpstreamErrorKind::FirstByteTimeout
                | UpstreamErrorKind::TotalTimeout => Posted::TimedOut,
                _ => Posted::Unreachable,
            }
        }
    }
}

fn request(delivery: &Delivery, url: &str) -> Option<Request<Body>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "*/*")
        .header(header::USER_AGENT, concat!("peregrine/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &delivery.letter.fields {
        request = request.header(*name, value);
    }
    request.body(Body::full(delivery.letter.body.clone())).ok()
}

fn upstream_config(base: &str, config: &NotifyConfig) -> UpstreamConfig {
    let mut upstream = UpstreamConfig::defaults("notify", &[base]);
    upstream.connect_timeout = config.timeout;
    upstream.first_byte_timeout = config.timeout;
    upstream.idle_timeout = config.timeout;
    upstream.total_timeout = Some(config.timeout);
    upstream.keepalive_time = Span::ZERO;
    upstream.tls.roots.clone_from(&config.ca);
    upstream
}

fn upstream(config: &UpstreamConfig) -> Option<Arc<Upstream>> {
    let parts = UpstreamParts {
        clock: Program::clock(),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    let made = Upstream::new(config, parts);
    made.map_err(|_| tracing::error!("a receiver's certificates (notify.NAME.ca) or the system's cannot be used"))
        .ok()
}

/// What an answer means.
fn judge(status: StatusCode, retry_after: Option<&header::HeaderValue>) -> Posted {
    if status.is_success() {
        return Posted::Delivered;
    }
    if status.is_redirection() {
        return Posted::Redirected;
    }
    // RFC 9110 §10.2.3; the form with a date is not worth a parser, because the pause grows anyway.
    let asked = retry_after.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    Posted::Status(status.as_u16(), asked.map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_success_or_it_is_not() {
        let of = |status: u16, after: Option<&'static str>| {
            let value = after.map(header::HeaderValue::from_static);
            judge(StatusCode::from_u16(status).unwrap(), value.as_ref())
        };
        assert_eq!(of(200, None), Posted::Delivered);
        assert_eq!(of(204, None), Posted::Delivered);
        assert_eq!(of(302, None), Posted::Redirected);
        assert_eq!(of(503, None), Posted::Status(503, None));
        assert_eq!(of(429, Some(" 7")), Posted::Status(429, Some(Duration::from_secs(7))));
        assert_eq!(
            of(429, Some("Wed, 21 Oct 2026 07:28:00 GMT")),
            Posted::Status(429, None)
        );
    }
}
