//! The description of the API that a running program serves is true of that program: with Redis, tenants, encryption, objectives
//! and traffic, every call that can be asked is asked, and what comes is what is told. (The harness holds every answer of every
//! scenario against the description; here nothing is left out.)

use crate::harness::described::Described;
use crate::harness::program::{call, upstream};
use crate::harness::{Client, Origin, Peregrine, Reply, request, until};
use peregrine_test_servers::RedisServer;
use serde_json::{Value, json};

const API: &str = "/api/performance";

fn config(redis: &str) -> String {
    format!(
        r#"
[redis]
url = "{redis}"
[tenants]
from = "header"
[tenant.acme]
admin_token = "the-token-of-acme-alone"
memory_max = "1MiB"
[server]
trusted_proxies = ["127.0.0.1"]
[encryption]
keys = "one:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
[strategy.default]
encryption = true
[[slo]]
name = "pages"
kind = "availability"
objective = 0.99
"#
    )
}

/// Requests of several kinds: hits, misses, what is not stored, errors, a tenant's.
fn traffic(peregrine: &Peregrine) {
    for target in ["/a", "/a", "/b?page=1", "/none", "/broken"] {
        peregrine.get(target, &[("host", "shop.example")]);
        peregrine.get(target, &[("host", "shop.example"), ("x-tenant", "acme")]);
    }
}

/// What a call needs to be told.
fn with_parameters(path: &str) -> String {
    match path.rsplit('/').next() {
        Some("explain") => format!("{path}?url=http://shop.example/a&fetch=true"),
        Some("history") => format!("{path}?range=5m&heat=true"),
        _ => path.to_owned(),
    }
}

#[test]
fn every_answer_is_as_the_served_description_says() {
    let redis = RedisServer::start(&[]);
    let origin = Origin::start(|heard| match heard.target.as_str() {
        "/none" => Reply::ok(&[("cache-control", "no-store")], "none"),
        "/broken" => Reply::status(500, &[], "broken"),
        _ => Reply::ok(&[("cache-control", "max-age=600"), ("surrogate-key", "page")], "page"),
    });
    let peregrine = Peregrine::start(&upstream(&[&origin], "", &config(&redis.url())));
    let page = peregrine.admin("GET", "/docs/performance", None);
    assert_eq!(page.field("content-type"), "text/html; charset=utf-8");
    let served = peregrine.admin("GET", "/docs/performance/openapi.json", None).json();
    assert_eq!(
        served,
        serde_json::from_str::<Value>(&peregrine_admin::openapi::text()).unwrap()
    );
    until("the node to be in step", || {
        peregrine.statistics()["backplane"]["shards"][0]["state"] == "in_step"
    });
    until("a request to be seen by insight", || {
        traffic(&peregrine);
        let summary = peregrine.admin("GET", &format!("{API}/summary"), None).json();
        summary["now"]["requests"]
            .as_f64()
            .is_some_and(|requests| requests > 0.0)
    });
    until("the values to be in Redis", || {
        let statistics = peregrine.statistics();
        statistics["cache"]["redis"]["writes_by_outcome"]["stored"].as_u64() > Some(0)
    });
    until("a first report", || {
        peregrine.admin("GET", &format!("{API}/report"), None).status == 200
    });
    written(&peregrine);
    let paths = served["paths"].as_object().unwrap();
    let read = paths
        .iter()
        .filter(|(path, methods)| methods["get"].is_object() && !path.ends_with("/events"));
    for (path, _) in read {
        let answer = peregrine.admin("GET", &with_parameters(path), None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    limited(&peregrine);
    heard(&peregrine, &Described::new(served));
}

/// Calls that change something, whose answers have forms of their own.
fn written(peregrine: &Peregrine) {
    let name = |suffix: &str| format!("{API}/{suffix}");
    let calls = [
        (
            "POST",
            "cache/operation",
            json!({"op": "mset", "values": {"a": "1", "b": "2"}, "tags": ["t"], "ttl": "1m"}),
        ),
        ("POST", "cache/operation", json!({"op": "get", "key": "a"})),
        (
            "POST",
            "cache/operation",
            json!({"op": "mget", "keys": ["a", "absent"]}),
        ),
        ("POST", "cache/operation", json!({"op": "delete", "key": "a"})),
        ("POST", "cache/invalidate", json!({"tags": ["t"], "soft": true})),
        ("POST", "cache/preload", json!({"urls": ["/b?page=2", "/none"]})),
        ("POST", "optimization/run", json!({})),
        (
            "POST",
            "alerts/silence",
            json!({"rule": "errors", "for_s": 60, "reason": "a test"}),
        ),
        ("PUT", "log", json!({"level": "info"})),
        ("POST", "keys/rotate", json!({})),
        ("POST", "config/reload", json!({})),
        (
            "POST",
            "access/apikeys",
            json!({"name": "limited", "role": "viewer", "namespaces": ["default"]}),
        ),
    ];
    for (method, path, body) in calls {
        let answer = peregrine.admin(method, &name(path), Some(&body));
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
    }
    let alerts = peregrine.admin("GET", &name("alerts"), None).json();
    let rules = json!({ "rules": [alerts["rules"][0]] });
    let set = peregrine.admin("PUT", &name("alerts/rules"), Some(&rules));
    assert_eq!(set.status, 200, "{}", set.text());
    let refused = peregrine.admin("PUT", &name("alerts/rules"), Some(&json!({"rules": [{"name": 1}]})));
    assert_eq!(refused.status, 400);
}

/// What those are told who may see less.
fn limited(peregrine: &Peregrine) {
    let key = json!({"name": "another", "role": "viewer", "namespaces": ["default"]});
    let made = peregrine
        .admin("POST", &format!("{API}/access/apikeys"), Some(&key))
        .json();
    for token in [made["key"].as_str().unwrap(), "the-token-of-acme-alone"] {
        let path = format!("{API}/cache/stats");
        let answer = call(peregrine.admin, token, "GET", &path, None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            call(peregrine.admin, token, "GET", &format!("{API}/summary"), None).status,
            403
        );
    }
}

/// What is told on the stream of events.
fn heard(peregrine: &Peregrine, described: &Described) {
    let (host, bearer) = (peregrine.admin.to_string(), format!("Bearer {}", peregrine.token));
    let fields = [("host", host.as_str()), ("authorization", bearer.as_str())];
    let topics = "sample,alert,request,change,invalidation,report,audit";
    let mut stream = Client::connect(peregrine.admin);
    stream.send(request(
        "GET",
        &format!("{API}/events?topics={topics}&after=1"),
        &fields,
    ));
    let reading = std::thread::spawn(move || stream.read("GET"));
    until("a request to be told", || {
        traffic(peregrine);
        peregrine.metric("peregrine_tail_watchers", &[]) > 0.0
    });
    traffic(peregrine);
    peregrine.process.signal(crate::harness::Signal::TERM);
    let text = reading.join().unwrap().text();
    for event in ["hello", "gap", "sample", "change", "invalidation", "audit", "request"] {
        assert!(text.contains(&format!("event: {event}\n")), "no {event} in {text}");
    }
    let faults = described.faults_of_events(&text);
    assert!(faults.is_empty(), "{faults:#?}");
}
