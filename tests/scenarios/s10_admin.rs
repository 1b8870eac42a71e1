//! The admin API of a running program: who gets in, what it answers, and metrics that a collector can read.

use crate::harness::program::upstream;
use crate::harness::{Answer, Client, Origin, Peregrine, Reply, request, until};
use serde_json::json;
use std::collections::BTreeMap;

fn well() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600"), ("surrogate-key", "page")], "ok"))
}

/// A call with exactly these fields.
fn call(peregrine: &Peregrine, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
    Client::connect(peregrine.admin)
        .send(request(method, target, fields))
        .read(method)
}

#[test]
fn nobody_gets_in_without_the_token_or_from_another_site() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    let host = peregrine.admin.to_string();
    let bearer = format!("Bearer {}", peregrine.token);
    let stats = "/api/performance/cache/stats";
    let (own, token) = (("host", host.as_str()), ("authorization", bearer.as_str()));
    for (fields, status) in [
        (vec![own, token], 200),
        (vec![own], 401),
        (vec![own, ("authorization", "Bearer wrong")], 401),
        (vec![own, ("authorization", "Basic eDp5")], 401),
        (vec![("host", "rebound.example"), token], 403),
        (vec![own, token, ("origin", "http://evil.example")], 403),
        (vec![own, token, ("origin", "null")], 403),
    ] {
        let answer = call(&peregrine, "GET", stats, &fields);
        assert_eq!(answer.status, status, "{fields:?}: {}", answer.text());
        if status != 200 {
            assert_eq!(answer.field("content-type"), "application/problem+json", "{fields:?}");
            assert!(!answer.text().contains(&peregrine.token));
        }
    }
    assert_eq!(call(&peregrine, "GET", "/metrics", &[own]).status, 401);
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(
            call(&peregrine, "GET", probe, &[("host", "probe.example")]).status,
            200,
            "{probe} is open"
        );
    }
    let form = [
        own,
        token,
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "0"),
    ];
    assert_eq!(
        call(&peregrine, "POST", "/api/performance/cache/clear", &form).status,
        415
    );
    assert_eq!(
        call(&peregrine, "GET", "/api/performance/cache/clear", &[own, token]).status,
        405
    );
    assert_eq!(
        call(&peregrine, "GET", "/api/performance/nothing", &[own, token]).status,
        404
    );
}

#[test]
fn the_data_side_does_not_answer_for_the_admin_api() {
    let origin = Origin::start(|heard| Reply::ok(&[], format!("the origin's {}", heard.target)));
    let peregrine = Peregrine::before(&origin, "");
    for target in ["/healthz", "/metrics", "/api/performance/cache/stats"] {
        assert_eq!(peregrine.get(target, &[]).text(), format!("the origin's {target}"));
    }
}

#[test]
fn every_fault_of_a_call_is_named_with_its_field() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    let invalidate =
        |body: &serde_json::Value| peregrine.admin("POST", "/api/performance/cache/invalidate", Some(body));
    for (body, field) in [
        (json!({}), ""),
        (json!({"tagz": ["a"]}), "tags"),
        (json!({"tags": "a"}), "tags"),
        (json!({"tags": [""]}), "tags"),
        (json!({"all": "yes"}), "all"),
    ] {
        let answer = invalidate(&body);
        assert!(matches!(answer.status, 400 | 422), "{body}: {}", answer.status);
        assert!(
            answer.json()["errors"].to_string().contains(field),
            "{body}: {}",
            answer.text()
        );
    }
}

#[test]
fn values_are_set_got_and_deleted_by_name() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    let operate = |body: serde_json::Value| {
        let answer = peregrine.admin("POST", "/api/performance/cache/operation", Some(&body));
        (answer.status, answer.json())
    };
    let (status, set) = operate(json!({"op": "set", "key": "user:1", "value": "Ada", "ttl": "10m", "tags": ["users"]}));
    assert_eq!(status, 200, "{set}");
    let (_, got) = operate(json!({"op": "get", "key": "user:1"}));
    assert!(got.to_string().contains("Ada"), "{got}");
    operate(json!({"op": "mset", "values": {"user:2": "Bob", "user:3": "Cyd"}, "tags": ["users"]}));
    let (_, several) = operate(json!({"op": "mget", "keys": ["user:1", "user:2", "user:9"]}));
    assert!(
        several.to_string().contains("Ada") && several.to_string().contains("Bob"),
        "{several}"
    );
    operate(json!({"op": "delete", "key": "user:2"}));
    assert!(
        !operate(json!({"op": "get", "key": "user:2"}))
            .1
            .to_string()
            .contains("Bob")
    );
    peregrine.invalidate(&json!({"tags": ["users"]}));
    assert!(
        !operate(json!({"op": "get", "key": "user:1"}))
            .1
            .to_string()
            .contains("Ada"),
        "tags reach values too"
    );
    operate(json!({"op": "set", "key": "k", "value": "v"}));
    operate(json!({"op": "clear"}));
    assert!(
        !operate(json!({"op": "get", "key": "k"}))
            .1
            .to_string()
            .contains("\"v\"")
    );
    assert_eq!(operate(json!({"op": "get", "namespace": "nowhere", "key": "k"})).0, 404);
    assert!(matches!(operate(json!({"op": "get"})).0, 400 | 422));
}

#[test]
fn everything_or_a_pattern_can_be_deleted() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    let cached = |target: &str| peregrine.get(target, &[]).is_hit();
    for target in ["/a/1", "/b/1"] {
        cached(target);
    }
    let answer = peregrine.admin("DELETE", "/api/performance/cache/pattern?pattern=%2Fa%2F*", None);
    assert_eq!(answer.json()["matched"]["memory"], 1, "{}", answer.text());
    assert!(!cached("/a/1") && cached("/b/1"));
    for (method, target) in [
        ("DELETE", "/api/performance/cache"),
        ("POST", "/api/performance/cache/clear"),
    ] {
        assert!(cached("/a/1") && cached("/b/1"));
        let answer = peregrine.admin(method, target, None);
        assert_eq!(answer.json()["matched"]["memory"], 2, "{}", answer.text());
        assert!(!cached("/a/1") && !cached("/b/1"), "{method} {target}");
    }
}

#[test]
fn health_names_what_is_not_well() {
    // Two, because a sole target is never left out.
    let origins = [well(), well()];
    let fields = "ejection = { failures = 1, time_min = \"1m\", time_max = \"1h\" }";
    let peregrine = Peregrine::start(&upstream(&[&origins[0], &origins[1]], fields, ""));
    let health = || peregrine.admin("GET", "/api/performance/health", None).json();
    assert_eq!(
        (&health()["status"], &health()["readiness"]),
        (&json!("ok"), &json!("ready"))
    );
    origins.iter().for_each(Origin::die);
    until("both to be left out", || {
        peregrine.get("/a", &[]);
        health()["status"] == "failing"
    });
    let told = health();
    assert!(told["complaints"].to_string().contains("origin"), "{told}");
}

/// A name or label as the Prometheus text format writes it.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        && !text.starts_with(char::is_numeric)
}

/// Takes one sample apart: name, labels, value.
fn sample(line: &str) -> Option<(&str, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        text => text.parse().ok()?,
    };
    let Some((name, labels)) = series.split_once('{') else {
        return Some((series, BTreeMap::new(), value));
    };
    let mut rest = labels.strip_suffix('}')?;
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        if !is_name(label) || found.insert(label.to_owned(), after[..end].to_owned()).is_some() {
            return None;
        }
        rest = after[end + 1..].trim_start_matches(',');
    }
    Some((name, found, value))
}

#[test]
fn metrics_are_text_that_prometheus_reads() {
    let origin = well();
    let route = "[[route]]\nname = \"with \\\"quotes\\\" and \\\\\"\nupstream = \"origin\"\n";
    let peregrine = Peregrine::before(&origin, route);
    for _ in 0..3 {
        peregrine.get("/a", &[]);
    }
    let answer = peregrine.admin("GET", "/metrics", None);
    assert!(
        answer.field("content-type").starts_with("text/plain; version=0.0.4"),
        "{:?}",
        answer.fields
    );
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let (mut types, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(matches!(kind, "HELP" | "TYPE") && is_name(name), "{line}");
            if kind == "TYPE" {
                assert!(matches!(rest, "counter" | "gauge" | "histogram"), "{line}");
                assert!(
                    types.insert(name.to_owned(), rest.to_owned()).is_none(),
                    "the type of {name} is told twice"
                );
            }
            continue;
        }
        let (name, labels, value) = sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = name.strip_suffix(end)?;
            (types.get(family).map(String::as_str) == Some("histogram")).then_some(family)
        });
        assert!(
            is_name(name) && types.contains_key(family.unwrap_or(name)),
            "{line} has no type"
        );
        assert!(
            seen.insert((name.to_owned(), labels), value).is_none(),
            "{line} is there twice"
        );
    }
    let of = |name: &str, label: &str| -> f64 {
        let matching = seen
            .iter()
            .filter(|((known, labels), _)| known == name && labels.values().any(|value| value == label));
        matching.map(|(_, value)| value).sum()
    };
    assert_eq!(
        (
            of("peregrine_requests_total", "hit"),
            of("peregrine_requests_total", "miss")
        ),
        (2.0, 1.0)
    );
    assert_eq!(of("peregrine_request_duration_seconds_bucket", "+Inf"), 3.0);
    assert_eq!(of("peregrine_cache_hits_total", "default"), 2.0);
    assert_eq!(of("peregrine_target_requests_total", "origin"), 1.0);
}
