//! Calls and roles: who may what, for every call there is.

use super::fake::{ACME_TOKEN, Bench, Read, plain};
use crate::calls::CALLS;

const KEYS: &str = "/api/performance/access/apikeys";
const LOGIN: &str = "/api/performance/access/login";

/// The least role that each call takes, and whether somebody who is limited to namespaces may make it.
const WANTED: &[(&str, &str, bool)] = &[
    ("healthz", "anybody", true),
    ("readyz", "anybody", true),
    ("access_login", "anybody", true),
    ("metrics", "viewer", false),
    ("health", "viewer", false),
    ("explain", "viewer", true),
    ("cache_stats", "viewer", true),
    ("access_me", "viewer", true),
    ("access_logout", "viewer", true),
    ("cache_operation", "operator", true),
    ("cache_invalidate", "operator", true),
    ("cache_clear", "operator", true),
    ("cache_entries", "viewer", true),
    ("cache_tags", "viewer", true),
    ("cache_namespaces", "viewer", true),
    ("cache_strategies", "viewer", false),
    ("config", "admin", false),
    ("config_patch", "admin", false),
    ("log", "viewer", false),
    ("log_set", "admin", false),
    ("events", "viewer", false),
    ("traffic", "viewer", false),
    ("cache_preload", "operator", false),
    ("cache_delete", "operator", true),
    ("cache_delete_pattern", "operator", true),
    ("keys", "admin", false),
    ("keys_rotate", "admin", false),
    ("keys_erase", "admin", false),
    ("config_reload", "admin", false),
    ("audit", "admin", false),
    ("access_apikeys", "admin", false),
    ("access_apikeys_create", "admin", false),
    ("access_apikeys_revoke", "admin", false),
    ("summary", "viewer", false),
    ("history", "viewer", false),
    ("dashboard", "viewer", false),
    ("metrics_all", "viewer", false),
    ("metrics_reset", "admin", false),
    ("metrics_system", "viewer", false),
    ("metrics_application", "viewer", false),
    ("metrics_cache", "viewer", false),
    ("metrics_prometheus", "viewer", false),
    ("routes", "viewer", false),
    ("upstreams", "viewer", false),
    ("nodes", "viewer", false),
    ("slos", "viewer", false),
    ("report", "viewer", false),
    ("reports", "viewer", false),
    ("optimization_recommendations", "viewer", false),
    ("optimization_run", "operator", false),
    ("optimization_force", "admin", false),
    ("optimization_history", "admin", false),
    ("alerts", "viewer", false),
    ("alerts_forget", "operator", false),
    ("alerts_rules", "admin", false),
    ("alerts_silence", "operator", false),
    ("alerts_silence_end", "operator", false),
    ("alerts_acknowledge", "operator", false),
];

async fn create(bench: &Bench, role: &str, limited: bool) -> String {
    let namespaces = if limited { ",\"namespaces\":[\"images\"]" } else { "" };
    let body = format!("{{\"name\":\"{role} {limited}\",\"role\":\"{role}\"{namespaces}}}");
    let answer = bench.call("POST", KEYS, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["key"].as_str().unwrap().to_owned()
}

async fn ask(bench: &Bench, token: &str, method: &str, path: &str, body: &str) -> Read {
    let request = plain(method, path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    bench.send(request, body.to_owned()).await
}

/// What gate stood in the way, if one did.
fn gate(answer: &Read) -> Option<String> {
    let gates = [
        "role_too_low",
        "namespace_limited",
        "tenant_token",
        "token_wrong",
        "token_missing",
    ];
    (!answer.status.is_success() && answer.headers["content-type"] == "application/problem+json")
        .then(|| answer.kind())
        .filter(|kind| gates.contains(&kind.as_str()))
}

#[tokio::test]
async fn every_call_takes_the_role_that_is_written_here() {
    let bench = Bench::new();
    let mut words: Vec<&str> = CALLS.iter().map(|row| row.word).collect();
    let mut wanted: Vec<&str> = WANTED.iter().map(|(word, ..)| *word).collect();
    words.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(words, wanted, "a call is missing in the table of this test");
    let rank = |role: &str| {
        ["anybody", "viewer", "operator", "admin"]
            .iter()
            .position(|known| *known == role)
    };
    for role in ["viewer", "operator", "admin"] {
        for limited in [false, true] {
            let key = create(&bench, role, limited).await;
            for row in CALLS.iter().filter(|row| row.word != "access_login") {
                let (_, least, may_be_limited) = WANTED.iter().find(|(word, ..)| *word == row.word).unwrap();
                let expected = match (rank(role) < rank(least), limited && !may_be_limited) {
                    (true, _) => Some("role_too_low"),
                    (false, true) => Some("namespace_limited"),
                    (false, false) => None,
                };
                // A stream has no end: what is asked of it is a topic that there is not.
                let path = row.path.replace("/events", "/events?topics=none");
                let answer = ask(&bench, &key, row.method.as_str(), &path, "").await;
                let said = format!("{} as {role}, limited: {limited}", row.word);
                assert_eq!(gate(&answer).as_deref(), expected, "{said}");
                if expected.is_some() {
                    assert!(bench.fake.asked().is_empty(), "{said}");
                }
                bench.fake.asked();
            }
        }
    }
}

#[tokio::test]
async fn a_key_reaches_no_further_than_its_namespaces() {
    let bench = Bench::new();
    let key = create(&bench, "operator", true).await;
    let invalidate = "/api/performance/cache/invalidate";
    let operation = "/api/performance/cache/operation";
    for (path, body) in [
        (invalidate, "{\"tags\":[\"a\"]}"),
        (invalidate, "{\"all\":true}"),
        (invalidate, "{\"tenant\":\"acme\"}"),
        (invalidate, "{\"namespaces\":[\"images\"]}"),
        ("/api/performance/cache/clear", ""),
    ] {
        let answer = ask(&bench, &key, "POST", path, body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let asked = bench.fake.asked().concat();
        assert!(asked.contains("scope: Some([\"images\"])"), "{asked}");
    }
    assert_eq!(
        ask(
            &bench,
            &key,
            "POST",
            operation,
            "{\"op\":\"get\",\"key\":\"a\",\"namespace\":\"images\"}"
        )
        .await
        .status,
        200
    );
    bench.fake.asked();
    for (path, body) in [
        (invalidate, "{\"namespaces\":[\"images\",\"other\"]}"),
        ("/api/performance/cache/clear", "{\"namespace\":\"other\"}"),
        (operation, "{\"op\":\"get\",\"key\":\"a\"}"),
        (operation, "{\"op\":\"clear\",\"namespace\":\"other\"}"),
    ] {
        let answer = ask(&bench, &key, "POST", path, body).await;
        assert_eq!(gate(&answer).as_deref(), Some("namespace_limited"), "{body}");
        assert!(bench.fake.asked().is_empty(), "{body}");
    }
    let statistics = ask(&bench, &key, "GET", "/api/performance/cache/stats", "")
        .await
        .json();
    let names: Vec<&String> = statistics["namespaces"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["images"]);
    assert!(
        statistics.get("reasons").is_none() && statistics.get("cache").is_none(),
        "{statistics}"
    );
    let named = ask(&bench, &key, "GET", "/api/performance/cache/namespaces", "")
        .await
        .json();
    assert_eq!(
        (
            named["namespaces"].as_array().unwrap().len(),
            &named["namespaces"][0]["namespace"]
        ),
        (1, &"images".into())
    );
    for path in ["cache/entries?tag=a", "cache/entries?namespace=images", "cache/tags"] {
        bench.fake.asked();
        ask(&bench, &key, "GET", &format!("/api/performance/{path}"), "").await;
        let asked = bench.fake.asked().concat();
        assert!(asked.contains("Some([\"images\"])"), "{asked}");
    }
    let other = ask(
        &bench,
        &key,
        "GET",
        "/api/performance/cache/entries?namespace=other",
        "",
    )
    .await;
    assert_eq!(gate(&other).as_deref(), Some("namespace_limited"));
    // The route that is explained belongs to no namespace that the key is let into.
    let explained = ask(&bench, &key, "GET", "/api/performance/explain?url=/a", "").await;
    assert_eq!(gate(&explained).as_deref(), Some("namespace_limited"));
    bench.fake.asked();
    let fetched = ask(&bench, &key, "GET", "/api/performance/explain?url=/a&fetch=true", "").await;
    assert_eq!(gate(&fetched).as_deref(), Some("namespace_limited"));
    assert!(bench.fake.asked().is_empty(), "the origin was not asked");
}

#[tokio::test]
async fn a_revoked_key_lets_nobody_in_and_ends_the_sessions_that_began_with_it() {
    let bench = Bench::new();
    let key = create(&bench, "viewer", false).await;
    let listed = bench.get(KEYS).await.json();
    assert_eq!(
        (
            listed["keys"][0]["name"].as_str(),
            listed["keys"][0]["created_by"].as_str()
        ),
        (Some("viewer false"), Some("admin token"))
    );
    assert!(!listed.to_string().contains(&key[20..]), "a key is shown once");
    let login = plain("POST", LOGIN).header("content-type", "application/json");
    let session = bench.send(login, format!("{{\"token\":\"{key}\"}}")).await;
    assert_eq!(
        (session.json()["name"].as_str(), session.json()["role"].as_str()),
        (Some("key viewer false"), Some("viewer"))
    );
    let cookie = session.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let health = || plain("GET", "/api/performance/health").header("cookie", &cookie);
    assert_eq!(bench.send(health(), "").await.status, 200);
    // A session may no more than what it began with.
    let more = plain("POST", KEYS)
        .header("cookie", &cookie)
        .header("origin", "http://127.0.0.1:9180")
        .header("content-type", "application/json");
    assert_eq!(
        bench.send(more, "{\"name\":\"x\",\"role\":\"admin\"}").await.kind(),
        "role_too_low"
    );
    let id = listed["keys"][0]["id"].as_str().unwrap();
    assert_eq!(
        bench.call("DELETE", &format!("{KEYS}?id={id}"), "").await.json()["name"],
        "viewer false"
    );
    assert_eq!(bench.send(health(), "").await.kind(), "session_over");
    assert_eq!(
        ask(&bench, &key, "GET", "/api/performance/health", "").await.kind(),
        "token_wrong"
    );
    assert_eq!(bench.call("DELETE", &format!("{KEYS}?id={id}"), "").await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_key_is_named() {
    let bench = Bench::new();
    for (body, field) in [
        ("{\"role\":\"viewer\"}", "body"),
        ("{\"name\":\"\",\"role\":\"viewer\"}", "name"),
        ("{\"name\":\"a\\nb\",\"role\":\"viewer\"}", "name"),
        ("{\"name\":\"a\",\"role\":\"root\"}", "role"),
        ("{\"name\":\"a\",\"role\":\"viewer\",\"namespaces\":[]}", "namespaces"),
        (
            "{\"name\":\"a\",\"role\":\"viewer\",\"namespaces\":[\"imges\"]}",
            "namespaces",
        ),
        (
            "{\"name\":\"a\",\"role\":\"viewer\",\"expires_in_s\":0}",
            "expires_in_s",
        ),
        ("{\"name\":\"a\",\"role\":\"viewer\",\"tenant\":\"b\"}", "tenant"),
    ] {
        let answer = bench.call("POST", KEYS, body).await;
        assert_eq!(answer.kind(), "invalid_request", "{body}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
    }
    // A tenant's token makes none, for nobody.
    let answer = ask(&bench, ACME_TOKEN, "POST", KEYS, "{\"name\":\"a\",\"role\":\"viewer\"}").await;
    assert_eq!(answer.kind(), "tenant_token");
}
