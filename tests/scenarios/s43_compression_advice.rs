//! Where clients would take compressed answers and get none, the program says so with the numbers and the change, and the
//! change helps.

use crate::harness::{Origin, Peregrine, Reply, until};
use serde_json::{Value, json};

const TAKES: &[(&str, &str)] = &[("accept-encoding", "gzip, br, zstd")];

fn advice(peregrine: &Peregrine) -> Option<Value> {
    let run = peregrine.admin("POST", "/api/performance/optimization/run", Some(&json!({})));
    assert_eq!(run.status, 200, "{}", run.text());
    let all = peregrine.admin("GET", "/api/performance/optimization/recommendations", None);
    let all = all.json();
    let mut found = all["recommendations"].as_array()?.iter();
    let is_it = |one: &&Value| one["id"].as_str().is_some_and(|id| id.starts_with("compression:"));
    found.find(is_it).cloned()
}

#[test]
fn what_goes_uncompressed_is_told_and_what_is_advised_ends_it() {
    let page = "[{\"name\": \"a product\", \"price\": 12}]".repeat(2000);
    let fields = [("cache-control", "max-age=600"), ("content-type", "application/json")];
    let origin = Origin::start(move |_| Reply::ok(&fields, &page));
    let peregrine = Peregrine::before(&origin, "[strategy.default]\nencode = []\n");
    for _ in 0..60 {
        let answer = peregrine.get("/products", TAKES);
        assert!(answer.status == 200 && !answer.has("content-encoding"));
    }
    until("the requests to be seen", || {
        let summary = peregrine.admin("GET", "/api/performance/summary", None).json();
        summary["range"]["requests"].as_f64() == Some(60.0)
    });
    let told = advice(&peregrine).expect("four megabytes are worth it");
    assert_eq!(told["change"][0]["parameter"], "strategy.default.encode");
    assert_eq!(
        told["toml"],
        "[strategy.default]\nencode = [\"zstd\", \"br\", \"gzip\"]"
    );
    let counted = peregrine.metric("peregrine_uncompressed_bytes_total", &["because=\"encode\""]);
    assert_eq!(told["evidence"][0]["value"].as_f64(), Some(counted));
    let apply = json!({"id": told["id"]});
    let applied = peregrine.admin("POST", "/api/performance/optimization/force", Some(&apply));
    assert_eq!(applied.status, 200, "{}", applied.text());
    until("answers to be compressed", || {
        peregrine.get("/products", TAKES).has("content-encoding")
    });
    let file = std::fs::read_to_string(peregrine.path("peregrine.toml")).unwrap();
    assert!(file.contains("encode = [\"zstd\", \"br\", \"gzip\"]"), "{file}");
}
