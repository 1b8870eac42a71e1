//! Every call as it should be: what the program is asked to do, and what the client reads.

use super::fake::{Bench, plain, request};
use crate::Refusal;
use serde_json::{Value, json};

fn receipt() -> Value {
    json!({
        "id": "r1", "matched": {"memory": 2, "redis": null},
        "layers": [{"layer": "memory", "confirmed": 1, "of": 1, "took_ms": 0}],
    })
}

#[tokio::test]
async fn probes_answer_a_word() {
    let bench = Bench::new();
    assert_eq!(bench.send(plain("GET", "/healthz"), "").await.text(), "ok\n");
    assert_eq!(bench.send(plain("GET", "/readyz"), "").await.text(), "ready\n");
    *bench.fake.starting.lock() = true;
    let answer = bench.send(plain("GET", "/readyz"), "").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "starting\n"));
    assert_eq!(bench.send(plain("GET", "/healthz"), "").await.status, 200);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let bench = Bench::new();
    for path in ["/healthz", "/api/performance/health", "/api/performance/cache/stats"] {
        let (get, head) = (bench.get(path).await, bench.send(request("HEAD", path), "").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.headers["content-length"], get.body.len().to_string());
        assert_eq!(head.headers["content-type"], get.headers["content-type"]);
    }
}

#[tokio::test]
async fn health_and_statistics_are_json() {
    let bench = Bench::new();
    let health = bench.get("/api/performance/health").await;
    assert_eq!(health.headers["content-type"], "application/json");
    let expected = json!({
        "status": "ok", "readiness": "ready", "version": "0.1.0", "uptime_s": 7, "complaints": [], "upstreams": [],
    });
    assert_eq!(health.json(), expected);
    let statistics = bench.get("/api/performance/cache/stats").await.json();
    assert_eq!(statistics["requests"], 100);
    assert_eq!(statistics["reasons"][0]["reason"], "no_freshness");
    assert_eq!(statistics["cache"]["memory_max"], 1 << 20);
}

#[tokio::test]
async fn metrics_come_in_the_format_that_was_asked_for() {
    let bench = Bench::new();
    let answer = bench.get("/metrics").await;
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(
        answer
            .text()
            .contains("# TYPE peregrine_unrouted_requests_total counter\nperegrine_unrouted_requests_total 100\n")
    );
    assert!(
        answer
            .text()
            .contains("peregrine_admin_calls_total{call=\"metrics\"} 1\n"),
        "{}",
        answer.text()
    );
    let answer = bench
        .send(
            request("GET", "/metrics").header("accept", "application/openmetrics-text"),
            "",
        )
        .await;
    assert_eq!(
        answer.headers["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn an_explanation_is_asked_for_by_query() {
    let bench = Bench::new();
    let answer = bench.get("/api/performance/explain?url=http%3A%2F%2Fshop.test%2Fa%3Fx%3D1&method=HEAD&fetch=true&headers=%7B%22accept%22:%22a/b%22%7D").await;
    let explanation = answer.json();
    assert_eq!(explanation["url"], "http://shop.test/a?x=1");
    assert_eq!(explanation["state"], "fresh");
    assert_eq!(
        bench.fake.asked(),
        [
            "ExplainRequest { url: \"http://shop.test/a?x=1\", method: \"HEAD\", fetch: true, headers: {\"accept\": \"a/b\"} }"
        ]
    );
    bench.get("/api/performance/explain?url=/a").await;
    assert_eq!(
        bench.fake.asked(),
        ["ExplainRequest { url: \"/a\", method: \"GET\", fetch: false, headers: {} }"]
    );
}

#[tokio::test]
async fn operations_read_and_write_values() {
    let bench = Bench::new();
    let item = |value: &str, encoding: &str| json!({"value": value, "encoding": encoding, "age_s": 1.5, "ttl_s": 60.0, "tags": ["a"]});
    let cases = [
        (
            json!({"op": "get", "key": "a"}),
            json!({"op": "get", "found": true, "item": item("grün", "utf8")}),
        ),
        (
            json!({"op": "get", "key": "binary"}),
            json!({"op": "get", "found": true, "item": item("/wA=", "base64")}),
        ),
        (
            json!({"op": "get", "key": "absent"}),
            json!({"op": "get", "found": false, "item": null}),
        ),
        (
            json!({"op": "set", "key": "a", "value": "x"}),
            json!({"op": "set", "stored": 1}),
        ),
        (
            json!({"op": "delete", "key": "a"}),
            json!({"op": "delete", "deleted": true}),
        ),
        (
            json!({"op": "mget", "keys": ["a", "b"]}),
            json!({"op": "mget", "found": 1, "items": {"a": item("1", "utf8"), "b": null}}),
        ),
        (
            json!({"op": "mset", "values": {"a": "1", "b": "2"}}),
            json!({"op": "mset", "stored": 1, "refused": 1}),
        ),
        (
            json!({"op": "clear", "namespace": "n"}),
            json!({"op": "clear", "receipt": receipt()}),
        ),
    ];
    for (body, expected) in cases {
        let answer = bench
            .call("POST", "/api/performance/cache/operation", &body.to_string())
            .await;
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(answer.json(), expected, "{body}");
        assert_eq!(bench.fake.asked().len(), 1);
    }
}

#[tokio::test]
async fn values_arrive_decoded_with_their_options() {
    let bench = Bench::new();
    let body = json!({
        "op": "mset", "namespace": "n", "values": {"a": "/wA="}, "encoding": "base64", "ttl": "1m30s",
        "tags": ["x"], "strategy": "s",
    });
    bench
        .call("POST", "/api/performance/cache/operation", &body.to_string())
        .await;
    assert_eq!(
        bench.fake.asked(),
        [
            "Operation { namespace: \"n\", tenant: None, act: Set([(\"a\", b\"\\xff\\0\")], SetOptions { ttl: Some(90s), \
          tags: [\"x\"], strategy: Some(\"s\") }) }"
        ]
    );
}

#[tokio::test]
async fn invalidations_are_answered_with_a_receipt() {
    let bench = Bench::new();
    let nothing = "tags: [], keys: [], prefixes: [], patterns: [], namespaces: [], tenant: None";
    let all = format!("Invalidation {{ {nothing}, all: true, scope: None, soft: false, dry_run: false }}");
    let cases = [
        (
            "POST",
            "cache/invalidate",
            "{\"tags\":[\"a\"],\"soft\":true,\"dry_run\":true}",
            all.replace("tags: []", "tags: [\"a\"]")
                .replace("all: true", "all: false")
                .replace("false, dry_run: false", "true, dry_run: true"),
        ),
        ("POST", "cache/invalidate", "{\"all\":true}", all.clone()),
        (
            "POST",
            "cache/clear",
            "{\"namespace\":\"n\"}",
            all.replace("namespaces: []", "namespaces: [\"n\"]")
                .replace("all: true", "all: false"),
        ),
        ("POST", "cache/clear", "{}", all.clone()),
        ("POST", "cache/clear", "", all.clone()),
        ("DELETE", "cache", "", all.clone()),
        (
            "DELETE",
            "cache/pattern?pattern=%2Fproducts%2F*",
            "",
            all.replace("patterns: []", "patterns: [\"/products/*\"]")
                .replace("all: true", "all: false"),
        ),
        (
            "DELETE",
            "cache/pattern",
            "{\"pattern\":\"/a*\",\"soft\":true}",
            all.replace("patterns: []", "patterns: [\"/a*\"]")
                .replace("all: true", "all: false")
                .replace("soft: false", "soft: true"),
        ),
    ];
    for (method, path, body, asked) in cases {
        let answer = bench.call(method, &format!("/api/performance/{path}"), body).await;
        assert_eq!(answer.json(), receipt(), "{method} {path} {body}");
        assert_eq!(bench.fake.asked(), [asked], "{method} {path} {body}");
    }
}

#[tokio::test]
async fn preload_and_reload_report() {
    let bench = Bench::new();
    let answer = bench
        .call("POST", "/api/performance/cache/preload", "{\"urls\":[\"/a\"]}")
        .await;
    assert_eq!(answer.json()["stored"], 1);
    assert_eq!(
        bench.fake.asked(),
        ["PreloadRequest { urls: [\"/a\"], rate: 50, concurrency: 8, headers: {} }"]
    );
    let answer = bench.call("POST", "/api/performance/config/reload", "").await;
    assert_eq!(answer.json(), json!({"applied": ["log.level"], "needs_restart": []}));
}

#[tokio::test]
async fn keys_are_listed_rotated_and_erased_for_one_owner_at_a_time() {
    let bench = Bench::new();
    assert_eq!(bench.get("/api/performance/keys?cursor=a%20b").await.status, 200);
    let rotate = "/api/performance/keys/rotate";
    assert_eq!(bench.call("POST", rotate, "{\"renew\":true}").await.status, 200);
    let erase = "/api/performance/keys/erase";
    let answer = bench.call("POST", erase, "{\"tenant\":\"acme\"}").await;
    assert_eq!(answer.json()["erased"], true);
    assert_eq!(
        bench.fake.asked(),
        [
            "(\"keys\", \"a b\")",
            "RotateRequest { cursor: \"\", renew: true }",
            "EraseRequest { tenant: Some(\"acme\"), namespace: None }"
        ]
    );
    for wrong in [
        "{}",
        "{\"tenant\":\"a\",\"namespace\":\"b\"}",
        "{\"tenant\":\"a|b\"}",
        "{\"tenant\":\"\"}",
    ] {
        assert_eq!(bench.call("POST", erase, wrong).await.status, 400, "{wrong}");
    }
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn what_the_program_refuses_reaches_the_client_as_a_problem() {
    let bench = Bench::new();
    let cases = [
        (Refusal::not_found("There is no namespace `x`."), 404, "not_found"),
        (Refusal::conflict("A reload is under way."), 409, "conflict"),
        (Refusal::unavailable("Starting."), 503, "unavailable"),
        (Refusal::failed("The disk is full."), 500, "failed"),
    ];
    for (refusal, status, kind) in cases {
        *bench.fake.refuses.lock() = Some(refusal);
        let answer = bench.call("POST", "/api/performance/config/reload", "").await;
        assert_eq!((answer.status.as_u16(), answer.kind().as_str()), (status, kind));
    }
}

#[tokio::test]
async fn the_configuration_changes_only_for_who_says_what_they_saw() {
    let bench = Bench::new();
    let config = bench.get("/api/performance/config").await;
    assert_eq!(config.headers["etag"], "\"e1\"");
    bench.fake.asked();
    let body = "{\"changes\":{\"cache.memory\":\"1GiB\",\"log.level\":null},\"dry_run\":true}";
    let patch = |tag: Option<&str>| {
        let request =
            super::fake::request("PATCH", "/api/performance/config").header("content-type", "application/json");
        match tag {
            Some(tag) => request.header("if-match", tag),
            None => request,
        }
    };
    let answer = bench.send(patch(None), body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.kind().as_str()),
        (428, "precondition_required")
    );
    assert!(bench.fake.asked().is_empty());
    for (tag, told) in [("\"e1\"", "Some(\"e1\")"), ("*", "None")] {
        let answer = bench.send(patch(Some(tag)), body).await;
        assert_eq!(
            answer.json()["applied"],
            serde_json::json!(["cache.memory", "log.level"])
        );
        let asked = bench.fake.asked().concat();
        assert!(asked.ends_with(&format!(", {told})")), "{asked}");
    }
    let answer = bench.send(patch(Some("*")), "{\"changes\":{}}").await;
    assert_eq!(answer.kind(), "invalid_request");
}
