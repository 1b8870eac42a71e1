//! What calls leave in the audit log.

use super::fake::{Bench, TOKEN, config, plain, request};
use serde_json::{Value, json};

const AUDIT: &str = "/api/performance/audit";

async fn audit(bench: &Bench, query: &str) -> Vec<Value> {
    let answer = bench.get(&format!("{AUDIT}{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    assert_eq!(page["verified"]["ok"], true, "{page}");
    page["records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn where_entries_are_encrypted_their_names_are_not_noted() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::keeping(&config(), Some(folder.path().to_owned()));
    *bench.fake.sealed.lock() = true;
    let what = "{\"tags\":[\"alice\"],\"keys\":[\"bob\",\"carol\"],\"namespaces\":[\"people\"]}";
    bench.call("POST", "/api/performance/cache/invalidate", what).await;
    let target = audit(&bench, "").await[0]["target"].as_str().unwrap().to_owned();
    assert!(target.contains("\"keys\":2") && target.contains("people"), "{target}");
    assert!(!target.contains("alice") && !target.contains("bob"), "{target}");
}

#[tokio::test]
async fn a_change_is_noted_with_who_what_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::keeping(&config(), Some(folder.path().to_owned()));
    bench
        .call(
            "POST",
            "/api/performance/cache/invalidate",
            "{\"tags\":[\"a\"],\"soft\":true}",
        )
        .await;
    bench.call("POST", "/api/performance/cache/invalidate", "{}").await;
    *bench.fake.refuses.lock() = Some(crate::Refusal::conflict("not reloaded: a fault"));
    bench.call("POST", "/api/performance/config/reload", "").await;
    bench
        .call(
            "POST",
            "/api/performance/cache/operation",
            "{\"op\":\"set\",\"key\":\"a\",\"value\":\"b\"}",
        )
        .await;
    bench
        .call(
            "POST",
            "/api/performance/cache/operation",
            "{\"op\":\"clear\",\"namespace\":\"images\"}",
        )
        .await;
    bench.get("/api/performance/health").await;
    let records = audit(&bench, "").await;
    let told: Vec<_> = records
        .iter()
        .map(|record| (record["what"].as_str().unwrap(), record["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("cache_operation", "done"),
            ("config_reload", "conflict"),
            ("cache_invalidate", "invalid_request"),
            ("cache_invalidate", "done"),
        ],
        "the newest first; values that a program writes, and what only reads, are not noted"
    );
    let first = records.last().unwrap();
    assert_eq!(
        (first["who"].as_str(), first["role"].as_str()),
        (Some("admin token"), Some("admin"))
    );
    assert_eq!(first["address"], "127.0.0.1");
    assert_eq!(first["target"], "{\"soft\":true,\"tags\":[\"a\"]}");
    assert_eq!(first["after"]["matched"]["memory"], 2);
    assert_eq!(audit(&bench, "?what=reload").await.len(), 1);
    assert_eq!(audit(&bench, "?limit=1").await.len(), 1);
    assert_eq!(audit(&bench, "?before=2").await[0]["seq"], 1);
    assert_eq!(audit(&bench, "?who=somebody").await.len(), 0);
    assert_eq!(bench.get(&format!("{AUDIT}?limit=0")).await.kind(), "invalid_request");
    assert!(!records.iter().any(|record| record.to_string().contains(TOKEN)));
    assert!(
        crate::audit::verify(folder.path()).unwrap().ok,
        "beside the running server"
    );
}

#[tokio::test]
async fn logins_keys_and_whoever_is_turned_away_are_noted() {
    let bench = Bench::new();
    let login = || plain("POST", "/api/performance/access/login").header("content-type", "application/json");
    bench.send(login(), format!("{{\"token\":\"{TOKEN}\"}}")).await;
    bench.send(login(), "{\"token\":\"something-wrong\"}").await;
    bench
        .send(
            plain("GET", "/api/performance/health").header("authorization", "Bearer guess"),
            "",
        )
        .await;
    bench
        .send(
            request("POST", "/api/performance/cache/clear").header("origin", "http://evil.test"),
            "",
        )
        .await;
    // Not an attempt: a page that is not logged in yet.
    bench.send(plain("GET", "/api/performance/access/me"), "").await;
    let key = bench
        .call(
            "POST",
            "/api/performance/access/apikeys",
            "{\"name\":\"ci\",\"role\":\"viewer\"}",
        )
        .await
        .json();
    let secret = key["key"].as_str().unwrap().to_owned();
    let over = plain("POST", "/api/performance/cache/clear")
        .header("authorization", format!("Bearer {secret}"))
        .header("content-type", "application/json");
    bench.send(over, "").await;
    bench.call("DELETE", "/api/performance/access/apikeys?id=ci", "").await;
    let mut records = audit(&bench, "").await;
    records.reverse();
    let told: Vec<Value> = records
        .iter()
        .map(|record| json!([record["who"], record["what"], record["target"], record["outcome"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["admin token", "access_login", "", "done"]),
            json!(["anybody", "access_login", "", "token_wrong"]),
            json!(["unknown", "refused", "GET /api/performance/health", "token_wrong"]),
            json!([
                "unknown",
                "refused",
                "POST /api/performance/cache/clear",
                "origin_not_allowed"
            ]),
            json!(["admin token", "access_apikeys_create", "ci", "done"]),
            json!(["key ci", "refused", "POST /api/performance/cache/clear", "role_too_low"]),
            json!(["admin token", "access_apikeys_revoke", "ci", "done"]),
        ]
    );
    let all = json!(records).to_string();
    assert!(
        !all.contains(secret.rsplit('_').next().unwrap()) && !all.contains("something-wrong"),
        "{all}"
    );
    assert_eq!(records[4]["after"]["role"], "viewer");
    assert_eq!(records[6]["before"]["name"], "ci");
}

#[tokio::test]
async fn a_call_whose_client_leaves_is_noted() {
    use peregrine_net::http::{Body, Handler as _, Peer};
    let bench = Bench::new();
    let body = Body::full("{\"tags\":[\"a\"]}");
    let request = request("POST", "/api/performance/cache/invalidate").header("content-type", "application/json");
    let peer = Peer {
        address: "127.0.0.1:5000".parse().unwrap(),
        local: "127.0.0.1:9180".parse().unwrap(),
        tls: false,
    };
    *bench.fake.hangs.lock() = true;
    let call = bench.admin.handle(request.body(body).unwrap(), peer);
    tokio::select! {
        biased;
        _ = call => panic!("it hangs"),
        () = std::future::ready(()) => {}
    }
    *bench.fake.hangs.lock() = false;
    let records = audit(&bench, "").await;
    assert_eq!(
        (records[0]["what"].as_str(), records[0]["outcome"].as_str()),
        (Some("cache_invalidate"), Some("client_left"))
    );
}
