//! Who may listen, to what, and what of the session is left when it is over.

use super::fake::{Bench, DESCRIBED, TOKEN, plain, request};
use http::Request;
use peregrine_net::http::{Body, Handler as _, Peer};

const EVENTS: &str = "/api/performance/events";

/// The beginning of a stream, of which there is no end to wait for.
async fn listen(bench: &Bench, request: Request<Body>) -> (u16, String, Body) {
    let peer = Peer {
        address: "127.0.0.1:5000".parse().unwrap(),
        local: "127.0.0.1:9180".parse().unwrap(),
        tls: false,
    };
    let (parts, body) = bench.admin.handle(request, peer).await.into_parts();
    let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
    (parts.status.as_u16(), kind, body)
}

/// The next piece, of which every event has to be as it is told.
async fn piece(body: &mut Body) -> String {
    let piece = String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
    let faults = DESCRIBED.faults_of_events(&piece);
    assert!(faults.is_empty(), "{piece}: {faults:#?}");
    piece
}

#[tokio::test]
async fn the_audit_log_is_heard_as_it_is_written() {
    let bench = Bench::new();
    let asked = request("GET", &format!("{EVENTS}?topics=audit,sample"))
        .body(Body::empty())
        .unwrap();
    let (status, kind, mut body) = listen(&bench, asked).await;
    assert_eq!((status, kind.as_str()), (200, "text/event-stream"));
    assert!(piece(&mut body).await.contains("\"node\":\"node-1\""));
    bench
        .call("POST", "/api/performance/cache/invalidate", "{\"tags\":[\"a\"]}")
        .await;
    let heard = piece(&mut body).await;
    assert!(
        heard.contains("event: audit\ndata: {\"seq\":1,") && heard.contains("\"what\":\"cache_invalidate\""),
        "{heard}"
    );
    assert!(
        bench
            .get("/metrics")
            .await
            .text()
            .contains("peregrine_admin_event_streams 1")
    );
    drop(body);
    assert!(
        bench
            .get("/metrics")
            .await
            .text()
            .contains("peregrine_admin_event_streams 0")
    );
}

#[tokio::test]
async fn who_may_not_hear_something_is_told_so() {
    let bench = Bench::new();
    for query in [
        "",
        "?topics=",
        "?topics=samples",
        "?topics=sample&after=x",
        "?topics=sample&x=1",
    ] {
        assert_eq!(
            bench.get(&format!("{EVENTS}{query}")).await.kind(),
            "invalid_request",
            "{query}"
        );
    }
    assert_eq!(
        bench
            .send(plain("GET", &format!("{EVENTS}?topics=sample")), "")
            .await
            .kind(),
        "token_missing"
    );
    let made = bench
        .call(
            "POST",
            "/api/performance/access/apikeys",
            "{\"name\":\"a\",\"role\":\"viewer\"}",
        )
        .await
        .json();
    let as_viewer = |query: &str| {
        let key = made["key"].as_str().unwrap();
        plain("GET", &format!("{EVENTS}{query}")).header("authorization", format!("Bearer {key}"))
    };
    assert_eq!(bench.send(as_viewer("?topics=audit"), "").await.kind(), "role_too_low");
    let (status, ..) = listen(&bench, as_viewer("?topics=request").body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200);
    let foreign = request("GET", &format!("{EVENTS}?topics=sample")).header("origin", "http://evil.test");
    assert_eq!(bench.send(foreign, "").await.kind(), "origin_not_allowed");
    let login = plain("POST", "/api/performance/access/login").header("content-type", "application/json");
    let session = bench.send(login, format!("{{\"token\":\"{TOKEN}\"}}")).await;
    let cookie = session.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let other_site = plain("GET", &format!("{EVENTS}?topics=sample"))
        .header("cookie", &cookie)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(bench.send(other_site, "").await.kind(), "origin_not_allowed");
}

#[tokio::test]
async fn a_stream_ends_when_what_let_its_reader_in_is_revoked() {
    let bench = Bench::hasty();
    let keys = "/api/performance/access/apikeys";
    let made = bench
        .call("POST", keys, "{\"name\":\"a\",\"role\":\"viewer\"}")
        .await
        .json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let asked = plain("GET", &format!("{EVENTS}?topics=request")).header("authorization", bearer);
    let (status, _, mut body) = listen(&bench, asked.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200);
    piece(&mut body).await;
    let next = async |body: &mut Body| body.next().await.map(Result::unwrap);
    assert_eq!(next(&mut body).await.unwrap(), ":\n\n", "it goes on");
    let id = bench.get(keys).await.json()["keys"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(bench.call("DELETE", &format!("{keys}?id={id}"), "").await.status, 200);
    let end = next(&mut body).await.unwrap();
    assert!(
        end.starts_with(b"event: end") && end.ends_with(b"{\"reason\":\"session_over\"}\n\n"),
        "{end:?}"
    );
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn the_last_requests_are_filtered_by_what_is_checked() {
    let bench = Bench::new();
    let none = bench
        .get("/api/performance/traffic?limit=5&status=5xx&min_ms=1.5&route=a")
        .await;
    assert_eq!(none.json(), serde_json::json!({ "requests": [] }));
    for query in ["limit=0", "limit=100000", "status=9xx", "min_ms=NaN", "colour=red"] {
        let answer = bench.get(&format!("/api/performance/traffic?{query}")).await;
        assert_eq!(answer.kind(), "invalid_request", "{query}");
    }
}
