//! `Max-Forwards` (RFC 9110 §7.6.2): how far OPTIONS and TRACE may go. Where that is here, we answer.

use crate::http::Body;
use ::http::header::{CONTENT_TYPE, HOST, HeaderValue, MAX_FORWARDS, VIA};
use ::http::request::Parts;
use ::http::{Method, Response};

/// Whether requests of `method` may carry a count of hops.
pub(crate) fn may_count_hops(method: &str) -> bool {
    method == "OPTIONS" || method == "TRACE"
}

/// Counts this hop; the answer when it was the last one. A value that is no number is passed on as it is.
pub(crate) fn last_hop(request: &mut Parts) -> Option<Response<Body>> {
    if !may_count_hops(request.method.as_str()) {
        return None;
    }
    let left: u64 = request.headers.get(MAX_FORWARDS)?.to_str().ok()?.parse().ok()?;
    if left > 0 {
        request.headers.insert(MAX_FORWARDS, HeaderValue::from(left - 1));
        return None;
    }
    Some(if request.method == Method::TRACE {
        reflect(request)
    } else {
        Response::new(Body::empty())
    })
}

/// RFC 9110 §9.3.8: what arrived, without what could be a secret. Only fields that show the way are safe to show.
fn reflect(request: &Parts) -> Response<Body> {
    let mut text = format!("{} {} {:?}\r\n", request.method, request.uri, request.version).into_bytes();
    for name in [HOST, VIA, MAX_FORWARDS] {
        for value in request.headers.get_all(&name) {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
    }
    text.extend_from_slice(b"\r\n");
    let mut response = Response::new(Body::full(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("message/http"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;

    fn ask(method: &str, hops: &'static str) -> (Parts, Option<Response<Body>>) {
        let request = Request::builder().method(method).uri("/a").header("max-forwards", hops);
        let request = request.header("host", "x").header("cookie", "secret");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let answer = last_hop(&mut parts);
        (parts, answer)
    }

    #[tokio::test]
    async fn each_hop_takes_one_and_the_last_answers() {
        for method in ["OPTIONS", "TRACE"] {
            let (passed, answer) = ask(method, "2");
            assert!(answer.is_none());
            assert_eq!(passed.headers["max-forwards"], "1");
        }
        assert!(ask("GET", "0").1.is_none(), "only OPTIONS and TRACE count hops");
        assert!(ask("OPTIONS", "many").1.is_none());
        assert_eq!(ask("OPTIONS", "0").1.unwrap().status(), 200);
        let reflected = ask("TRACE", "0").1.unwrap();
        assert_eq!(reflected.headers()["content-type"], "message/http");
        let text = reflected.into_body().collect(1000).await.unwrap();
        assert_eq!(text, "TRACE /a HTTP/1.1\r\nhost: x\r\nmax-forwards: 0\r\n\r\n");
    }
}
