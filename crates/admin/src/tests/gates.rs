//! Who gets in and who does not: names, origins, tokens, methods, types, sizes.

use super::fake::{ACME_TOKEN, Bench, TOKEN, config, plain, request};
use http::Request;
use peregrine_net::http::Body;
use std::time::Duration;

const HEALTH: &str = "/api/performance/health";
const CLEAR: &str = "/api/performance/cache/clear";

#[tokio::test]
async fn only_probes_are_answered_without_a_token() {
    let bench = Bench::new();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(bench.send(plain("GET", path), "").await.status, 200, "{path}");
    }
    for (method, path) in [
        ("GET", HEALTH),
        ("GET", "/metrics"),
        ("POST", CLEAR),
        ("GET", "/nothing"),
        ("PATCH", HEALTH),
    ] {
        let answer = bench.send(plain(method, path), "").await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(answer.kind(), "token_missing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"peregrine\"");
    }
    assert_eq!(bench.get(HEALTH).await.status, 200);
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn a_token_counts_only_as_the_one_bearer_token() {
    let cases = [
        (vec![format!("Bearer {TOKEN}")], 200),
        (vec![format!("bearer  {TOKEN} ")], 200),
        (vec![format!("Basic {TOKEN}")], 401),
        (vec![TOKEN.to_owned()], 401),
        (vec!["Bearer ".to_owned()], 401),
        (vec![format!("Bearer {}", TOKEN.to_uppercase())], 401),
        (vec![format!("Bearer {TOKEN}0")], 401),
        (vec![format!("Bearer {}", &TOKEN[..31])], 401),
        (vec![format!("Bearer {TOKEN}"), format!("Bearer {TOKEN}")], 401),
    ];
    for (fields, status) in cases {
        let mut builder = plain("GET", HEALTH);
        for field in &fields {
            builder = builder.header("authorization", field);
        }
        assert_eq!(Bench::new().send(builder, "").await.status, status, "{fields:?}");
    }
    let in_query = plain("GET", &format!("{HEALTH}?token={TOKEN}"));
    assert_eq!(Bench::new().send(in_query, "").await.status, 401);
}

#[tokio::test]
async fn the_host_must_be_an_address_or_a_known_name() {
    let bench = Bench::new();
    let cases = [
        ("127.0.0.1:9180", 200),
        ("127.0.0.1", 200),
        ("10.1.2.3:80", 200),
        ("[::1]:9180", 200),
        ("[2001:db8::1]", 200),
        ("localhost:9180", 200),
        ("LOCALHOST.", 200),
        ("peregrine.internal:9180", 200),
        ("peregrine.internal.", 200),
        ("evil.test", 403),
        ("evil.test:9180", 403),
        ("127.0.0.1.evil.test", 403),
        ("localhost.evil.test", 403),
        ("evil.peregrine.internal", 403),
        ("2130706433", 403),
        ("0x7f.1", 403),
        ("127.1", 403),
        ("[::1].evil.test", 403),
        ("[evil.test]", 403),
        ("::1", 403),
        ("localhost:80:80", 403),
        ("localhost:x", 403),
        ("user@localhost", 403),
        ("", 403),
    ];
    for (host, status) in cases {
        let request = Request::get(HEALTH)
            .header("host", host)
            .header("authorization", format!("Bearer {TOKEN}"));
        let answer = bench.send(request, "").await;
        assert_eq!(answer.status, status, "{host}");
        if status == 403 {
            assert_eq!(answer.kind(), "host_not_allowed");
        }
    }
    let none = Request::get(HEALTH).header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(bench.send(none, "").await.status, 403);
    assert_eq!(
        bench
            .send(request("GET", HEALTH).header("host", "localhost"), "")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn another_origin_is_refused_whatever_it_asks() {
    let bench = Bench::new();
    let cases = [
        ("http://127.0.0.1:9180", false, 200),
        ("HTTP://127.0.0.1:9180", false, 403),
        ("https://127.0.0.1:9180", false, 200),
        ("https://127.0.0.1:9180", true, 200),
        ("http://127.0.0.1:9180", true, 403),
        ("http://127.0.0.1", false, 403),
        ("http://127.0.0.1:9181", false, 403),
        ("http://localhost:9180", false, 403),
        ("http://evil.test", false, 403),
        ("http://evil.test/127.0.0.1:9180", false, 403),
        ("file://127.0.0.1:9180", false, 403),
        ("null", false, 403),
        ("", false, 403),
    ];
    for (origin, tls, status) in cases {
        let request = request("GET", HEALTH)
            .header("origin", origin)
            .body(Body::empty())
            .unwrap();
        let answer = bench.send_from("127.0.0.1:50000", tls, request).await;
        assert_eq!(answer.status, status, "{origin} {tls}");
    }
    let twice = request("GET", HEALTH)
        .header("origin", "http://127.0.0.1:9180")
        .header("origin", "http://evil.test");
    assert_eq!(bench.send(twice, "").await.kind(), "origin_not_allowed");
    // The question that a browser asks before it sends something of another page.
    let preflight = plain("OPTIONS", CLEAR).header("origin", "http://evil.test");
    let answer = bench.send(preflight, "").await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn whoever_guesses_has_to_wait_and_nobody_else() {
    let bench = Bench::new();
    let guess = |token: &str| {
        plain("GET", HEALTH)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap()
    };
    for wrong in ["wrong-1", "wrong-2", "wrong-3"] {
        let answer = bench.send_from("192.0.2.1:1000", false, guess(wrong)).await;
        assert_eq!((answer.status.as_u16(), answer.kind().as_str()), (401, "token_wrong"));
    }
    bench.clock.advance(Duration::from_millis(500));
    // The right token helps no more: otherwise guessing would go on.
    for token in ["wrong-4", TOKEN] {
        let answer = bench.send_from("192.0.2.1:2000", false, guess(token)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.kind().as_str()),
            (429, "token_attempts")
        );
        assert_eq!(answer.headers["retry-after"], "60");
    }
    assert_eq!(bench.send_from("192.0.2.2:1000", false, guess(TOKEN)).await.status, 200);
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.send_from("192.0.2.1:3000", false, guess(TOKEN)).await.status, 200);
    let metrics = bench.get("/metrics").await;
    assert!(
        metrics
            .text()
            .contains("peregrine_admin_refused_total{reason=\"token_wrong\"} 3"),
        "{}",
        metrics.text()
    );
    assert!(
        metrics
            .text()
            .contains("peregrine_admin_refused_total{reason=\"token_attempts\"} 2"),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn a_path_takes_its_methods_and_says_so() {
    let bench = Bench::new();
    let cases = [
        ("POST", HEALTH, "GET, HEAD"),
        ("GET", CLEAR, "POST"),
        ("HEAD", CLEAR, "POST"),
        ("PUT", "/api/performance/cache/operation", "POST"),
        ("GET", "/api/performance/cache", "DELETE"),
        ("POST", "/api/performance/cache/pattern", "DELETE"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", HEALTH, "GET, HEAD"),
    ];
    for (method, path, allow) in cases {
        let answer = bench.call(method, path, "{}").await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.headers["allow"], allow, "{method} {path}");
    }
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn an_unknown_path_names_the_nearest() {
    let bench = Bench::new();
    let cases = [
        ("/api/performance/helth", Some("/api/performance/health")),
        ("/api/performance/cache/stat", Some("/api/performance/cache/stats")),
        ("/cache/stats", Some("/api/performance/cache/stats")),
        ("/health", Some("/api/performance/health")),
        ("/metrics/", Some("/metrics")),
        ("/", None),
        ("/wp-login.php", None),
    ];
    for (path, nearest) in cases {
        let answer = bench.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.kind().as_str()),
            (404, "not_found"),
            "{path}"
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        match nearest {
            Some(nearest) => assert!(detail.contains(&format!("the nearest is `{nearest}`")), "{detail}"),
            None => assert!(!detail.contains("nearest"), "{detail}"),
        }
    }
    assert_eq!(
        bench.get(&format!("/{}", "x".repeat(50_000))).await.body.len(),
        bench.get(&format!("/{}", "x".repeat(300))).await.body.len()
    );
}

#[tokio::test]
async fn nothing_changes_without_the_json_type() {
    let bench = Bench::new();
    let calls = [
        ("POST", CLEAR),
        ("POST", "/api/performance/config/reload"),
        ("DELETE", "/api/performance/cache"),
    ];
    for (method, path) in calls {
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonp",
        ] {
            let answer = bench.send(request(method, path).header("content-type", kind), "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.kind().as_str()),
                (415, "unsupported_media_type"),
                "{path} {kind}"
            );
        }
        assert_eq!(bench.send(request(method, path), "").await.status, 415, "{path}");
        let twice = request(method, path)
            .header("content-type", "application/json")
            .header("content-type", "text/plain");
        assert_eq!(bench.send(twice, "").await.status, 415, "{path}");
        assert!(bench.fake.asked().is_empty());
        let good = request(method, path).header("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(bench.send(good, "").await.status, 200, "{path}");
        assert_eq!(bench.fake.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let bench = Bench::new();
    let body = |length: usize| format!("{{\"tags\":[\"{}\"]}}", "x".repeat(length - 13));
    let path = "/api/performance/cache/invalidate";
    let answer = bench.call("POST", path, &body(65_536)).await;
    assert_eq!(
        answer.status, 400,
        "a body of the limit is read, and its long tag found"
    );
    let answer = bench.call("POST", path, &body(65_537)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.kind().as_str()),
        (413, "body_too_large")
    );
    assert!(
        answer.json()["detail"].as_str().unwrap().contains("65536"),
        "{answer:?}"
    );
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn metrics_may_be_opened_and_nothing_else_is() {
    let mut open = config();
    open.metrics_open = true;
    let bench = Bench::with(&open);
    assert_eq!(bench.send(plain("GET", "/metrics"), "").await.status, 200);
    assert_eq!(bench.send(plain("GET", HEALTH), "").await.status, 401);
    let rebound = Request::get("/metrics").header("host", "evil.test");
    assert_eq!(bench.send(rebound, "").await.status, 403);
}

#[tokio::test]
async fn every_answer_forbids_storing_and_guessing() {
    let bench = Bench::new();
    let requests = [
        plain("GET", "/healthz"),
        plain("GET", HEALTH),
        request("GET", HEALTH),
        request("GET", "/metrics"),
        request("GET", "/nothing"),
        request("POST", CLEAR),
        plain("GET", HEALTH).header("origin", "http://evil.test"),
    ];
    for request in requests {
        let answer = bench.send(request, "").await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(
            answer.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'")
        );
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    }
}

#[tokio::test]
async fn a_tenants_token_reads_and_invalidates_what_is_its_own_and_nothing_else() {
    let bench = Bench::new();
    let as_acme = async |method: &str, path: &str, body: &'static str| {
        let request = plain(method, path)
            .header("authorization", format!("Bearer {ACME_TOKEN}"))
            .header("content-type", "application/json");
        bench.send(request, body).await
    };
    let answer = as_acme("GET", "/api/performance/cache/stats", "").await;
    assert_eq!(
        (
            answer.json()["tenant"].as_str(),
            answer.json()["cache"]["hits"].as_u64()
        ),
        (Some("acme"), Some(7))
    );
    assert_eq!(bench.fake.asked(), ["statistics of acme"]);
    for (method, path, body) in [
        ("POST", "/api/performance/cache/invalidate", "{\"tags\":[\"a\"]}"),
        ("POST", "/api/performance/cache/invalidate", "{\"all\":true}"),
        ("POST", "/api/performance/cache/invalidate", "{\"tenant\":\"acme\"}"),
        ("POST", CLEAR, ""),
        ("POST", CLEAR, "{\"namespace\":\"images\"}"),
        ("DELETE", "/api/performance/cache", ""),
        ("DELETE", "/api/performance/cache/pattern?pattern=/a*", ""),
    ] {
        let answer = as_acme(method, path, body).await;
        assert!(answer.status.is_success(), "{path} {body}: {}", answer.text());
        let asked = bench.fake.asked().concat();
        assert!(asked.contains("tenant: Some(\"acme\")"), "{asked}");
    }
    for (method, path, body) in [
        ("POST", "/api/performance/cache/invalidate", "{\"tenant\":\"globex\"}"),
        ("GET", HEALTH, ""),
        ("GET", "/metrics", ""),
        ("GET", "/api/performance/explain?url=/", ""),
        ("GET", "/api/performance/keys", ""),
        ("POST", "/api/performance/keys/erase", "{\"tenant\":\"acme\"}"),
        ("POST", "/api/performance/keys/rotate", "{}"),
        (
            "POST",
            "/api/performance/cache/operation",
            "{\"op\":\"get\",\"key\":\"a\",\"tenant\":\"acme\"}",
        ),
        ("POST", "/api/performance/cache/preload", "{\"urls\":[\"/\"]}"),
        ("POST", "/api/performance/config/reload", ""),
    ] {
        let answer = as_acme(method, path, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.kind().as_str()),
            (403, "tenant_token"),
            "{path}"
        );
    }
    assert!(bench.fake.asked().is_empty());
}
