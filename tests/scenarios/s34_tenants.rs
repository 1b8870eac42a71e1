//! Tenants: the same URL, another answer for each, and nobody reaches or crowds out what is another's.

use crate::harness::program::{call, upstream};
use crate::harness::{Origin, Peregrine, Reply, until};
use peregrine_test_servers::RedisServer;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const CONFIG: &str = r#"
[tenants]
from = "header"
forward_header = true

[server]
trusted_proxies = ["127.0.0.1"]
"#;

fn named(tenant: &str) -> [(&str, &str); 1] {
    [("x-tenant", tenant)]
}

/// An origin that counts: no two of its answers are the same, and each says whose it is.
fn counting() -> Origin {
    let count = AtomicUsize::new(0);
    Origin::start(move |heard| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        Reply::ok(
            &[("cache-control", "max-age=600"), ("surrogate-key", "page")],
            format!("answer {number} for {}", heard.field("x-tenant")),
        )
    })
}

/// How many entries of a tenant left for its quota.
fn made_room(tenant: &Value) -> Option<f64> {
    tenant["evictions_by_cause"]["quota"].as_f64()
}

#[track_caller]
fn operation(node: &Peregrine, what: &Value) -> Value {
    let answer = node.admin("POST", "/api/performance/cache/operation", Some(what));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn two_tenants_never_see_each_others_answers_and_invalidate_their_own() {
    let origin = counting();
    let peregrine = Peregrine::before(&origin, CONFIG);
    let first = |tenant: &str| peregrine.get("/page", &named(tenant)).text();
    let (acme, globex) = (first("acme"), first("globex"));
    assert!(acme.ends_with("for acme") && globex.ends_with("for globex"));
    until("both to be stored", || {
        peregrine.get("/page", &named("acme")).is_hit() && peregrine.get("/page", &named("globex")).is_hit()
    });
    assert_eq!((first("acme"), first("globex")), (acme.clone(), globex.clone()));
    assert_eq!(origin.count(), 2);
    let explained = peregrine.told(&[
        "explain",
        "http://shop.example/page",
        "--header",
        "x-tenant: acme",
        "--json",
    ]);
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(
        (&explained["tenant"], &explained["state"]),
        (&json!("acme"), &json!("fresh"))
    );

    let receipt = peregrine.invalidate(&json!({"tenant": "acme", "tags": ["page"]}));
    assert_eq!(receipt["matched"]["memory"], 1);
    assert_eq!(first("globex"), globex);
    assert_ne!(first("acme"), acme);
    peregrine.told(&["invalidate", "--tenant", "globex"]);
    assert_ne!(first("globex"), globex);
    assert_eq!(origin.count(), 4);
    assert_eq!(peregrine.get("/page", &named("a|b")).status, 400);
    // A third reaches both; then it is told whom invalidations reached, and what they took away.
    until("both to be stored again", || {
        peregrine.get("/page", &named("acme")).is_hit() && peregrine.get("/page", &named("globex")).is_hit()
    });
    assert_eq!(peregrine.invalidate(&json!({"tags": ["page"]}))["matched"]["memory"], 2);
    let cache = peregrine.statistics()["cache"].clone();
    for (kind, name, reached, gone) in [
        ("tenants", "acme", 2, 2),
        ("tenants", "globex", 2, 2),
        ("routes", "*", 3, 4),
        ("namespaces", "default", 3, 4),
    ] {
        let of = &cache[kind][name];
        assert_eq!(of["invalidations"]["count"], reached, "{kind} {name} of {cache}");
        assert!(
            of["invalidations"]["lag"]["p95_us"].is_number(),
            "{kind} {name} of {cache}"
        );
        assert_eq!(
            of["evictions_by_cause"]["invalidated"], gone,
            "{kind} {name} of {cache}"
        );
    }
    let metrics = peregrine.admin("GET", "/metrics", None).text();
    for line in [
        "peregrine_tenant_invalidations_total{tenant=\"acme\"} 2",
        "peregrine_tenant_invalidation_duration_seconds_count{tenant=\"globex\"} 2",
        "peregrine_namespace_invalidations_total{namespace=\"default\"} 3",
        "peregrine_cache_invalidation_duration_seconds_count 3",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}

#[test]
fn a_header_from_anybody_names_no_tenant() {
    let origin = counting();
    let rules = |untrusted: &str| {
        let rules = format!("[tenants]\nfrom = \"header\"\nforward_header = true\nuntrusted = \"{untrusted}\"\n");
        upstream(&[&origin], "", &rules)
    };
    let peregrine = Peregrine::start(&rules("ignore"));
    // The origin does not hear of it either, which would answer nobody with what is acme's.
    let nobodys = peregrine.get("/page", &named("acme")).text();
    assert_eq!(nobodys, "answer 0 for ");
    until("it to be stored", || peregrine.get("/page", &[]).is_hit());
    assert_eq!(peregrine.get("/page", &named("acme")).text(), nobodys);
    assert!(
        peregrine.statistics()["cache"]["tenants"]
            .as_object()
            .unwrap()
            .is_empty()
    );
    peregrine.reload(&rules("refuse"));
    assert_eq!(peregrine.get("/page", &named("acme")).status, 403);
    assert_eq!(peregrine.get("/page", &[]).text(), nobodys);
    assert_eq!(origin.count(), 1);
}

#[test]
fn tenants_keep_apart_what_they_share_over_redis() {
    let redis = RedisServer::start(&[]);
    let origin = counting();
    let more = format!(
        "{CONFIG}\n[redis]\nurl = \"{}\"\noperation_timeout = \"20s\"\n[cache]\nfreshness_bound = \"20s\"\n",
        redis.url()
    );
    let (one, two) = (Peregrine::before(&origin, &more), Peregrine::before(&origin, &more));
    for node in [&one, &two] {
        until("the node to be in step", || {
            node.statistics()["backplane"]["shards"][0]["state"] == "in_step"
        });
    }
    let tenants = ["acme", "globex"];
    let answers = tenants.map(|tenant| one.get("/page", &named(tenant)).text());
    let nobodys = one.get("/page", &[]).text();
    for tenant in tenants {
        operation(
            &one,
            &json!({"op": "set", "tenant": tenant, "key": "rate", "value": tenant, "ttl": "10m"}),
        );
    }
    let written = || redis.ask(&["KEYS", "pg:v:*"]).list().len();
    until("the values to be written", || written() == 5);
    for (tenant, answer) in tenants.iter().zip(&answers) {
        assert_eq!(two.get("/page", &named(tenant)).text(), *answer);
        let get = json!({"op": "mget", "tenant": tenant, "keys": ["rate", "absent"]});
        let got = operation(&two, &get);
        assert_eq!(
            (&got["items"]["rate"]["value"], &got["found"]),
            (&json!(tenant), &json!(1))
        );
    }
    assert_eq!(two.get("/page", &[]).text(), nobodys);
    assert_eq!(operation(&two, &json!({"op": "get", "key": "rate"}))["found"], false);
    assert_eq!(origin.count(), 3, "the other node has them from Redis");

    // What goes at one node for one of them goes everywhere, and for nobody else.
    one.invalidate(&json!({"tenant": "acme"}));
    until("the other node to have heard of it", || {
        two.get("/page", &named("acme")).text() != answers[0]
    });
    let get = |tenant: &str| operation(&two, &json!({"op": "get", "tenant": tenant, "key": "rate"}));
    assert_eq!(
        (&get("acme")["found"], &get("globex")["found"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(two.get("/page", &named("globex")).text(), answers[1]);
    assert_eq!(two.get("/page", &[]).text(), nobodys);
    operation(&one, &json!({"op": "delete", "tenant": "acme", "key": "rate"}));
    operation(&one, &json!({"op": "clear", "tenant": "acme"}));
    assert_eq!(get("globex")["item"]["value"], "globex");
}

#[test]
fn who_fills_its_quota_makes_nobody_elses_entries_leave_and_calls_about_itself_only() {
    let origin = Origin::start(|heard| {
        Reply::ok(
            &[("cache-control", "max-age=600")],
            format!("{} {}", heard.target, "x".repeat(2000)),
        )
    });
    let token = "a-token-for-acme-0123456789";
    let quotas = format!("entries_max = 10\n[tenant.acme]\nmemory_max = \"64KiB\"\nadmin_token = \"{token}\"\n");
    let config = CONFIG.replace("forward_header = true\n", &format!("forward_header = true\n{quotas}"));
    let peregrine = Peregrine::before(&origin, &config);
    let fill = |tenant: &str, page: usize| {
        let path = format!("/{page}");
        peregrine.get(&path, &named(tenant));
        until("the page to be stored", || {
            peregrine.get(&path, &named(tenant)).is_hit()
        });
    };
    (0..5).for_each(|page| fill("globex", page));
    (0..50).for_each(|page| fill("acme", page));
    let asked = origin.count();
    for page in 0..5 {
        assert!(peregrine.get(&format!("/{page}"), &named("globex")).is_hit());
    }
    assert_eq!(origin.count(), asked);
    let of = |tenant: &str| peregrine.statistics()["cache"]["tenants"][tenant].clone();
    let (acme, globex) = (of("acme"), of("globex"));
    assert!(
        acme["entries"].as_u64() <= Some(10) && acme["bytes"].as_u64() <= Some(64 << 10),
        "{acme}"
    );
    assert!(made_room(&acme) >= Some(40.0), "{acme}");
    assert_eq!((&globex["entries"], made_room(&globex)), (&json!(5), None));
    assert!(
        globex["hits"].as_u64() >= Some(10) && globex["misses"].as_u64() >= Some(5),
        "{globex}"
    );

    let own = |method: &str, path: &str, body: Option<&Value>| call(peregrine.admin, token, method, path, body);
    let report = own("GET", "/api/performance/cache/stats", None).json();
    assert_eq!(
        (&report["tenant"], &report["cache"]["entries"]),
        (&json!("acme"), &acme["entries"])
    );
    assert!(!report.to_string().contains("globex"));
    let traffic = &report["traffic"];
    assert!(traffic["requests"].as_f64() >= Some(100.0), "{traffic}");
    for spans in ["latency_ms", "upstream_ms", "queue_ms"] {
        let [p50, p99] = ["p50", "p99"].map(|quantile| traffic[spans][quantile].as_f64());
        assert!(p50.is_some() && p99 >= p50, "{spans} of {traffic}");
    }
    assert!(traffic["origin_seconds_saved"].as_f64() > Some(0.0), "{traffic}");
    assert_eq!(traffic["evictions"].as_f64(), made_room(&acme));
    let metrics = peregrine.admin("GET", "/metrics", None).text();
    for line in [
        "peregrine_tenant_responses_total{class=\"2xx\",tenant=\"globex\"} ",
        "peregrine_tenant_requests_total{cache=\"hit\",tenant=\"globex\"} ",
        "peregrine_tenant_answers_total{tenant=\"globex\",tier=\"memory\"} ",
        "peregrine_tenant_request_duration_seconds_count{tenant=\"acme\"} ",
        "peregrine_tenant_upstream_first_byte_seconds_count{tenant=\"acme\"} ",
        "peregrine_tenant_upstream_wait_seconds_count{tenant=\"acme\"} ",
        "peregrine_hit_duration_seconds_count{route=\"",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    until("the figures to tell of both", || {
        let figures = peregrine.admin("GET", "/api/performance/metrics", None).json();
        let tenants = figures["application"]["tenants"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let known = |tenant: &Value| tenant["latency_ms"]["p95"].is_number() && tenant["requests"].as_f64() > Some(0.0);
        tenants.iter().filter(|tenant| known(tenant)).count() == 2
    });
    let everything = json!({"all": true});
    let invalidate = "/api/performance/cache/invalidate";
    assert_eq!(own("POST", invalidate, Some(&everything)).status, 200);
    assert_eq!(own("POST", invalidate, Some(&json!({"tenant": "globex"}))).status, 403);
    assert_eq!(own("GET", "/metrics", None).status, 403);
    assert!(peregrine.get("/0", &named("globex")).is_hit());
    assert!(!peregrine.get("/49", &named("acme")).is_hit());
    assert!(!peregrine.log().contains(token));
}

#[test]
fn who_fills_its_quota_in_redis_writes_no_more_there_and_answers_all_the_same() {
    let redis = RedisServer::start(&[]);
    let origin = counting();
    let quotas = "redis_entries_max = 2\n[tenant.globex]\nredis_max = \"64KiB\"\nredis_entries_max = 100\n";
    let config = CONFIG.replace("forward_header = true\n", &format!("forward_header = true\n{quotas}"));
    let node = Peregrine::before(&origin, &format!("{config}\n[redis]\nurl = \"{}\"\n", redis.url()));
    let written = |outcome: &str| {
        let pointer = format!("/cache/redis/writes_by_outcome/{outcome}");
        node.statistics().pointer(&pointer).and_then(Value::as_u64).unwrap_or(0)
    };
    // Before it knows of all invalidations it writes nothing.
    until("the node to be in step", || {
        node.statistics()["backplane"]["shards"][0]["state"] == "in_step"
    });
    for page in 0..5 {
        node.get(&format!("/{page}"), &named("acme"));
    }
    until("every write to be settled", || {
        written("stored") + written("quota") == 5
    });
    assert_eq!((written("stored"), written("quota")), (2, 3));
    for page in 0..5 {
        assert!(
            node.get(&format!("/{page}"), &named("acme")).is_hit(),
            "it is in memory"
        );
        node.get(&format!("/{page}"), &named("globex"));
    }
    until("the other's to be written", || written("stored") == 7);
    let of = |tenant: &str| node.statistics()["cache"]["tenants"][tenant].clone();
    let (acme, globex) = (of("acme"), of("globex"));
    assert_eq!((&acme["redis_entries"], &acme["redis_refused"]), (&json!(2), &json!(3)));
    assert_eq!(
        (
            &globex["redis_entries"],
            &globex["redis_refused"],
            &globex["redis_entries_max"]
        ),
        (&json!(5), &json!(0), &json!(100))
    );
    assert!(globex["redis_bytes"].as_u64() > acme["redis_bytes"].as_u64());
}
