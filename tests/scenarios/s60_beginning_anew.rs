//! What is measured is forgotten when somebody asks for it, for good; what counts for Prometheus goes on. And the strategies are
//! told as they are configured, with what came of them.

use crate::harness::program::{call, upstream};
use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use serde_json::{Value, json};

const API: &str = "/api/performance";
const SERVE: &[&str] = &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"];

fn origin() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"))
}

fn get(peregrine: &Peregrine, path: &str) -> Value {
    let answer = peregrine.admin("GET", &format!("{API}/{path}"), None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// When the oldest second ended of which something is known.
fn oldest(peregrine: &Peregrine) -> Option<u64> {
    get(peregrine, "history?resolution=1s&range=1h")["at"][0].as_u64()
}

/// Requests of the last hour.
fn requests(peregrine: &Peregrine) -> f64 {
    get(peregrine, "summary?range=1h")["range"]["requests"]
        .as_f64()
        .unwrap_or(0.0)
}

#[test]
fn figures_begin_anew_and_stay_so_after_a_restart() {
    let origin = origin();
    let mut peregrine = Peregrine::before(&origin, "");
    for _ in 0..3 {
        peregrine.get("/page", &[]);
    }
    // All of them: one that is measured later would count for the time after.
    until("the requests to be measured", || requests(&peregrine) >= 3.0);
    let counted = || peregrine.metric("peregrine_requests_total", &[]);
    let before = counted();
    let made = peregrine.admin(
        "POST",
        &format!("{API}/access/apikeys"),
        Some(&json!({"name": "watcher", "role": "operator"})),
    );
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let path = format!("{API}/metrics");
    assert_eq!(call(peregrine.admin, &key, "DELETE", &path, None).status, 403);
    let points = || oldest(&peregrine).is_some();
    assert!(points());
    let reset = peregrine.admin("DELETE", &path, None);
    assert_eq!(reset.status, 200, "{}", reset.text());
    let reset = reset.json();
    assert!(reset["forgotten_points"].as_u64() > Some(0), "{reset}");
    assert!(before > 0.0 && counted() >= before, "counters never go back");
    until("a second to be measured", points);
    let since = oldest(&peregrine);
    assert_eq!(requests(&peregrine), 0.0, "nobody asked since");
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    let again = Peregrine::run(peregrine.folder, SERVE);
    until("history to be read", || {
        again.log().contains("history of before is there")
    });
    assert_eq!((oldest(&again), requests(&again)), (since, 0.0));
    let told = get(&again, "summary")["changes"].to_string();
    assert!(told.contains("the history was forgotten"), "{told}");
    let audit = get(&again, "audit?what=metrics_reset")["records"].clone();
    let outcomes: Vec<&str> = audit
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["done"]);
}

#[test]
fn strategies_are_told_with_their_meaning_and_every_route_is_listed() {
    let origin = origin();
    let config = r#"
[strategy.pages]
freshness = "fallback"
ttl = "5m"
stale_while_revalidate = "1m"
[insight]
routes_max = 1
"#;
    let route = |name: &str, strategy: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}*\" }}\nupstream = \"origin\"\nstrategy = \"{strategy}\"\n"
        )
    };
    let routes = route("shop", "pages") + &route("mail", "default");
    let peregrine = Peregrine::start(&upstream(&[&origin], "", &(routes + config)));
    for target in ["/shop", "/mail"] {
        peregrine.get(target, &[]);
    }
    until("both routes to be measured", || {
        get(&peregrine, "metrics/application")["routes"]
            .as_array()
            .is_some_and(|routes| routes.len() == 2)
    });
    let told = get(&peregrine, "cache/strategies")["strategies"].clone();
    let named = |name: &str| {
        told.as_array()
            .unwrap()
            .iter()
            .find(|one| one["strategy"] == name)
            .unwrap()
            .clone()
    };
    let pages = named("pages");
    assert_eq!(
        pages["explained"][0],
        "Answers are fresh as long as the origin says, for 5m where it says nothing."
    );
    assert_eq!(
        (&pages["routes"], &pages["namespaces"]),
        (&json!(["shop"]), &json!(["default"]))
    );
    assert_eq!(pages["figures"]["requests"], 1.0, "{pages}");
    let ttl = pages["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "strategy.pages.ttl")
        .unwrap();
    assert_eq!((&ttl["value"], &ttl["source"]), (&json!("5m"), &json!("file")));
    assert_eq!(named("default")["routes"], json!(["mail"]));
    let listed = get(&peregrine, "routes");
    let names = |list: &str| -> Vec<String> {
        let routes = listed[list].as_array().unwrap();
        routes
            .iter()
            .map(|route| route["route"].as_str().unwrap().to_owned())
            .collect()
    };
    let (with, without) = (names("routes"), names("without_history"));
    assert_eq!((with.len(), without.len()), (1, 1));
    assert_ne!(with, without);
    assert_eq!(listed["without_history"][0]["requests"], 1.0);
}
