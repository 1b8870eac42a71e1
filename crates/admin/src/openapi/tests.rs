//! The description is true of the calls: none is missing in either, and what calls take is what it says they take. That
//! answers are what it says they are is looked at wherever a test gets one.

use super::schemas::{LEFT_OUT, PLACE};
use super::{CALLS, Call, TOLD, compose, document, told};
use crate::tests::fake::{Bench, plain};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every operation: path, method, operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &'_ Value)| -> Vec<(String, String)> {
        let methods = methods.as_object().unwrap();
        methods
            .keys()
            .map(|method| (path.clone(), method.to_uppercase()))
            .collect()
    };
    let named: Vec<(String, String)> = paths.iter().flat_map(of_path).collect();
    let found = named.into_iter().map(|(path, method)| {
        let operation = &document["paths"][&path][method.to_lowercase()];
        (path, method, operation)
    });
    found.collect()
}

/// Every reference in `value`.
fn references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|inner| references(inner, into));
        }
        Value::Array(elements) => elements.iter().for_each(|inner| references(inner, into)),
        _ => {}
    }
}

#[test]
fn every_call_is_told_and_nothing_else_is() {
    let called: BTreeSet<String> = CALLS.iter().map(|row| format!("{:?}", row.call)).collect();
    let told: BTreeSet<String> = TOLD.iter().map(|(call, _)| format!("{call:?}")).collect();
    assert_eq!(called, told);
    assert_eq!(TOLD.len(), told.len(), "a call is told twice");
    let document = document();
    let written: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| (path, method))
        .collect();
    let rows: BTreeSet<(String, String)> = CALLS
        .iter()
        .map(|row| (row.path.to_owned(), row.method.to_string()))
        .collect();
    assert_eq!(written, rows);
    let ids: BTreeSet<&str> = operations(&document)
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), CALLS.len(), "two operations have one id");
}

#[test]
fn each_name_means_one_schema_and_each_schema_is_used() {
    let (document, clashes) = compose();
    assert_eq!(
        clashes,
        Vec::<String>::new(),
        "two types have one name: rename one by `#[schema(as = …)]`"
    );
    let mut referred = BTreeSet::new();
    references(&document, &mut referred);
    for reference in &referred {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{reference} is nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        // The stream of events is no schema's business in this version of OpenAPI.
        let used = name == "Events" || referred.contains(&format!("{PLACE}{name}"));
        assert!(used, "nothing refers to {name}");
        assert!(
            !name.contains("Map"),
            "{name} is an alias, of which the derive sees nothing: say `value_type`"
        );
    }
    for (schema, field) in LEFT_OUT {
        let there = document["components"]["schemas"][schema]
            .to_string()
            .contains(&format!("\"{field}\""));
        assert!(there, "{schema} has no `{field}`, so that it cannot be left out");
    }
}

#[tokio::test]
async fn a_query_takes_the_parameters_that_are_told() {
    let bench = Bench::new();
    for row in CALLS.iter().filter(|row| row.word != "access_login") {
        let path = format!("{}?colour=red", row.path);
        let answer = bench.call(row.method.as_str(), &path, "").await;
        let told: Vec<&str> = told(row.call).query.iter().map(|given| given.name).collect();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let known = text.split_once("is unknown here; known: ").map(|(_, rest)| {
            let names = rest.split('"').next().unwrap();
            names.split(", ").map(str::to_owned).collect::<Vec<_>>()
        });
        let known = known.unwrap_or_default();
        assert_eq!(known, told, "{} {}", row.method, row.path);
    }
}

#[tokio::test]
async fn the_description_is_served_to_people_and_to_programs() {
    let bench = Bench::new();
    for path in ["/docs/performance", "/docs/performance/"] {
        let page = bench.send(plain("GET", path), "").await;
        assert_eq!(
            (page.status.as_u16(), &page.headers["content-type"]),
            (200, &"text/html; charset=utf-8".parse().unwrap())
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        for (call, told) in TOLD {
            assert!(page.text().contains(super::CALLS[call.index()].path), "{call:?}");
            assert!(!told.about.contains('<'));
        }
        for outside in ["http://", "https://", "<script", "style=\"", "onclick"] {
            assert!(!page.text().contains(outside), "{outside}");
        }
    }
    let style = bench.send(plain("GET", "/docs/performance/plain.css"), "").await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    let served = bench.send(plain("GET", "/docs/performance/openapi.json"), "").await;
    assert_eq!(
        (served.status.as_u16(), &served.headers["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert_eq!(served.text(), super::text());
    let tag = served.headers["etag"].clone();
    let again = plain("GET", "/docs/performance/openapi.json").header("if-none-match", tag);
    assert_eq!(bench.send(again, "").await.status, 304);
    assert_eq!(
        bench.send(plain("GET", "/docs/performance/other"), "").await.status,
        404
    );
    let foreign = http::Request::get("/docs/performance").header("host", "evil.test");
    assert_eq!(bench.send(foreign, "").await.status, 403);
    let written = bench.send(plain("POST", "/docs/performance"), "").await;
    assert_eq!(written.status, 401, "who is not known learns nothing");
}

#[test]
fn only_what_is_open_is_told_to_be() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let open = operation["security"] == serde_json::json!([]);
        let wanted = Call::is_probe(&path) || path.ends_with("access/login");
        assert_eq!(open, wanted, "{method} {path}");
        assert_eq!(open, operation.get("x-role").is_none(), "{method} {path}");
    }
}
