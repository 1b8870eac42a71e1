//! What is measured, as the API tells it, and what can be done about alerts.

use super::fake::{Bench, request};
use peregrine_base::WallTime;
use peregrine_insight::Reading;
use serde_json::json;

#[tokio::test]
async fn what_is_not_known_yet_is_null_and_not_zero() {
    let bench = Bench::new();
    let summary = bench.get("/api/performance/summary?range=1h").await.json();
    assert_eq!((&summary["range_s"], &summary["node"]), (&json!(3600), &json!("here")));
    assert_eq!(summary["now"]["latency_ms"]["p95"], json!(null));
    assert_eq!(summary["score"]["value"], json!(null));
    let history = bench
        .get("/api/performance/history?range=5m&series=hit_ratio")
        .await
        .json();
    assert_eq!(history["at"], json!([]));
    let dashboard = bench.get("/api/performance/dashboard").await.json();
    assert_eq!(dashboard["summary"]["range_s"], 900);
    for (path, field) in [
        ("metrics", "system"),
        ("metrics/system", "process"),
        ("metrics/application", "routes"),
        ("metrics/cache", "namespaces"),
        ("routes", "routes"),
        ("upstreams", "upstreams"),
        ("nodes", "nodes"),
        ("cache/strategies", "strategies"),
        ("slos", "slos"),
        ("reports", "reports"),
        ("optimization/recommendations", "recommendations"),
        ("alerts", "rules"),
    ] {
        let answer = bench.get(&format!("/api/performance/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.json()[field].is_null(), "{path}: {}", answer.text());
    }
    for (path, field) in [
        ("metrics", "/application/tenants/0/tenant"),
        ("metrics/application", "/tenants/0/tenant"),
    ] {
        let told = bench.get(&format!("/api/performance/{path}")).await.json();
        assert_eq!(told.pointer(field), Some(&json!("acme")), "{path}");
    }
    let report = bench.get("/api/performance/report").await;
    assert_eq!(report.status, 503, "nothing was measured: {}", report.text());
    assert_eq!(bench.get("/api/performance/report?id=nobody").await.status, 404);
    assert_eq!(bench.get("/api/performance/report?format=pdf").await.status, 400);
    assert_eq!(
        bench.call("POST", "/api/performance/optimization/run", "").await.status,
        200
    );
    let force = json!({"id": "nobody"}).to_string();
    assert_eq!(
        bench
            .call("POST", "/api/performance/optimization/force", &force)
            .await
            .status,
        404
    );
    let history = bench.get("/api/performance/optimization/history").await.json();
    assert_eq!(history["applied"][0]["outcome"], "not_found", "{history}");
    let answer = bench.get("/api/performance/history?range=soon&colour=red").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn alerts_are_silenced_and_rules_are_set() {
    let bench = Bench::new();
    let silence = json!({"rule": "errors", "for_s": 3600, "reason": "a move"}).to_string();
    let made = bench.call("POST", "/api/performance/alerts/silence", &silence).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["rule"], &made["by"]), (&json!("errors"), &json!("admin token")));
    let path = "/api/performance/alerts";
    assert_eq!(bench.get(path).await.json()["silences"][0]["id"], made["id"]);
    let ended = format!("{path}/silence?id={}", made["id"].as_str().unwrap());
    assert_eq!(bench.call("DELETE", &ended, "").await.status, 200);
    assert_eq!(bench.call("DELETE", &ended, "").await.status, 404, "it is over");
    assert_eq!(bench.get(path).await.json()["silences"], json!([]));

    let keyed = || {
        request("POST", "/api/performance/alerts/silence")
            .header("idempotency-key", "s1")
            .header("content-type", "application/json")
    };
    let first = bench.send(keyed(), silence.clone()).await;
    let again = bench.send(keyed(), silence.clone()).await;
    assert_eq!(
        (first.text(), &again.headers["idempotency-replayed"]),
        (again.text(), &"true".parse().unwrap())
    );
    assert_eq!(
        bench.get(path).await.json()["silences"].as_array().unwrap().len(),
        1,
        "it was made once"
    );
    let other = silence.replace("3600", "60");
    assert_eq!(bench.send(keyed(), other).await.status, 422);

    let unknown = json!({"id": "nobody"}).to_string();
    assert_eq!(
        bench
            .call("POST", "/api/performance/alerts/acknowledge", &unknown)
            .await
            .status,
        404
    );
    let wrong = json!({"rule": "errors", "for_s": -1, "reason": ""}).to_string();
    let answer = bench.call("POST", "/api/performance/alerts/silence", &wrong).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.json()["errors"].as_array().unwrap().len()
        ),
        (400, 2)
    );

    let mut rule = bench.get(path).await.json()["rules"][0].clone();
    rule["above"] = json!(0.2);
    let answer = bench
        .call(
            "PUT",
            "/api/performance/alerts/rules",
            &json!({ "rules": [rule.clone()] }).to_string(),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(bench.get(path).await.json()["rules"][0]["above"], 0.2);
    rule["metric"] = json!("hit_ration");
    let answer = bench
        .call(
            "PUT",
            "/api/performance/alerts/rules",
            &json!({ "rules": [rule] }).to_string(),
        )
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("hit_ratio"),
        "the nearest is named: {}",
        answer.text()
    );
    assert_eq!(
        bench.get(path).await.json()["rules"][0]["above"],
        0.2,
        "nothing was changed"
    );
    assert_eq!(bench.call("DELETE", path, "").await.json(), json!({"forgotten": 0}));
}

#[tokio::test]
async fn the_history_is_forgotten_and_it_is_known_by_whom() {
    let bench = Bench::new();
    let answer = bench.call("DELETE", "/api/performance/metrics", "").await;
    assert_eq!(answer.status, 503, "what is read at the start would come back");
    for second in 1..=3 {
        bench.insight.tick(Reading {
            at: WallTime::from_millis(second * 1000),
            ..Reading::default()
        });
    }
    for points in [3, 0] {
        let answer = bench.call("DELETE", "/api/performance/metrics", "").await;
        let told = answer.json()["forgotten_points"].clone();
        assert_eq!((answer.status.as_u16(), told), (200, json!(points)));
    }
    let summary = bench.get("/api/performance/summary").await.json();
    assert_eq!(
        (&summary["changes"][0]["kind"], &summary["changes"][0]["by"]),
        (&json!("config"), &json!("admin token"))
    );
    let audit = bench.get("/api/performance/audit").await.json();
    assert_eq!(audit["records"][0]["what"], "metrics_reset");
    assert!(bench.fake.asked().is_empty(), "nothing else was touched");
}
