//! Requests that are wrong: every fault at once, each with its place, and nothing is carried out.

use super::fake::Bench;
use serde_json::{Value, json};

/// The faults of an answer as (field, detail).
fn faults(answer: &Value) -> Vec<(String, String)> {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|fault| (text(fault, "field"), text(fault, "detail")))
        .collect()
}

/// The faults of `body` sent to `path`.
async fn refused(method: &str, path: &str, body: &str) -> Vec<(String, String)> {
    let bench = Bench::new();
    let answer = bench.call(method, &format!("/api/performance/{path}"), body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.kind().as_str()),
        (400, "invalid_request"),
        "{body}"
    );
    assert!(bench.fake.asked().is_empty(), "{body}");
    faults(&answer.json())
}

#[tokio::test]
async fn broken_json_names_line_column_and_field() {
    let cases = [
        ("", "body", "is empty"),
        ("{", "body", "line 1, column 1: EOF"),
        (
            "{\"tags\": [\"a\",\n  7]}",
            "tags[1]",
            "line 2, column 3: invalid type: integer `7`, expected a string",
        ),
        (
            "{\n \"tag\": []}",
            "tag",
            "line 2, column 6: unknown field `tag`, expected one of `tags`",
        ),
        (
            "{\"tags\": [], \"tags\": []}",
            "body",
            "line 1, column 19: duplicate field `tags`",
        ),
        (
            "{\"all\": \"yes\"}",
            "all",
            "line 1, column 13: invalid type: string \"yes\", expected a boolean",
        ),
        ("{\"all\": true} x", "body", "line 1, column 15: trailing characters"),
        ("[[\"a\"]]", "body", "is not a JSON object"),
        ("\"text\"", "body", "is not a JSON object"),
        (" ", "body", "is empty"),
        (
            "{\"tags\": {\"a\": 1}}",
            "tags",
            "line 1, column 9: invalid type: map, expected a sequence",
        ),
    ];
    for (body, field, detail) in cases {
        let faults = refused("POST", "cache/invalidate", body).await;
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].0, field, "{body}: {faults:?}");
        assert!(faults[0].1.starts_with(detail), "{body}: {faults:?}");
    }
    let deep = "[".repeat(10_000);
    let faults = refused("POST", "cache/operation", &format!("{{\"op\": {deep}")).await;
    assert_eq!(faults[0].0, "op");
}

#[tokio::test]
async fn an_operation_names_all_its_faults() {
    let body = json!({
        "op": "get", "namespace": "", "keys": ["a", ""], "value": "x", "ttl": "0s", "tags": [""], "encoding": "base64",
    });
    let faults = refused("POST", "cache/operation", &body.to_string()).await;
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "key",
            "keys",
            "value",
            "encoding",
            "ttl",
            "tags",
            "namespace",
            "keys[1]",
            "tags[0]",
            "ttl"
        ],
        "{faults:?}"
    );
    assert_eq!(faults[0].1, "is missing: `get` needs it");
    assert_eq!(faults[1].1, "has no meaning for `get`");
}

#[tokio::test]
async fn each_operation_needs_what_it_needs() {
    let long = "x".repeat(4097);
    let cases = [
        (json!({"op": "set", "key": "a"}), vec!["value"]),
        (json!({"op": "set", "value": "a"}), vec!["key"]),
        (json!({"op": "delete"}), vec!["key"]),
        (json!({"op": "mget"}), vec!["keys"]),
        (json!({"op": "mset"}), vec!["values"]),
        (json!({"op": "clear", "key": "a"}), vec!["key"]),
        (json!({"op": "get", "key": ""}), vec!["key"]),
        (json!({"op": "get", "key": long}), vec!["key"]),
        (json!({"op": "get", "key": "a", "strategy": "x"}), vec!["strategy"]),
        (
            json!({"op": "set", "key": "a", "value": "not base64!", "encoding": "base64"}),
            vec!["value"],
        ),
        (
            json!({"op": "mset", "values": {"a": "YQ==", "b": "YQ", "c": "%"}, "encoding": "base64"}),
            vec!["values.b", "values.c"],
        ),
        (
            json!({"op": "set", "key": "a", "value": "x", "ttl": "five"}),
            vec!["ttl"],
        ),
        (json!({"op": "drop"}), vec!["op"]),
        (json!({"op": "mget", "keys": vec!["k"; 1001]}), vec!["keys"]),
        (json!({}), vec!["body"]),
    ];
    for (body, fields) in cases {
        let faults = refused("POST", "cache/operation", &body.to_string()).await;
        let found: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(found, fields, "{body}: {faults:?}");
    }
}

#[tokio::test]
async fn an_invalidation_that_names_nothing_changes_nothing() {
    for body in ["{}", "{\"soft\": true}", "{\"tags\": [], \"all\": false}"] {
        let faults = refused("POST", "cache/invalidate", body).await;
        assert!(faults[0].1.starts_with("names nothing"), "{faults:?}");
    }
    let faults = refused(
        "POST",
        "cache/invalidate",
        "{\"tags\": [\"a\", \"\"], \"patterns\": [\"\"]}",
    )
    .await;
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["tags[1]", "patterns[0]"]);
    // Nobody but the program says which namespaces a caller may touch.
    assert_eq!(
        refused("POST", "cache/invalidate", "{\"all\": true, \"scope\": []}").await[0].0,
        "scope"
    );
    assert_eq!(
        refused("POST", "cache/clear", "{\"namespace\": \"\"}").await[0].0,
        "namespace"
    );
    assert_eq!(
        refused("POST", "cache/clear", "{\"namespaces\": [\"a\"]}").await[0].0,
        "namespaces"
    );
}

#[tokio::test]
async fn a_pattern_must_be_there() {
    for (query, body, field) in [
        ("", "", "pattern"),
        ("?pattern=", "", "pattern"),
        ("?patern=a", "", "patern"),
        ("", "{}", "body"),
        ("", "{\"pattern\": \"\"}", "pattern"),
    ] {
        let faults = refused("DELETE", &format!("cache/pattern{query}"), body).await;
        assert_eq!(faults[0].0, field, "{query} {body}: {faults:?}");
    }
}

#[tokio::test]
async fn a_preload_is_checked_before_it_starts() {
    let body = json!({
        "urls": ["http://shop.test/a", "/b", "ftp://shop.test/", "b", "http://user:pw@shop.test/", "http://a b/"],
        "rate": 0, "concurrency": 1000, "headers": {"Accept": "a/b", "bad name": "x", "X-A": "a\nb"},
    });
    let faults = refused("POST", "cache/preload", &body.to_string()).await;
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "urls[2]",
            "urls[3]",
            "urls[4]",
            "urls[5]",
            "rate",
            "concurrency",
            "headers.X-A",
            "headers.bad name"
        ],
        "{faults:?}"
    );
    assert_eq!(refused("POST", "cache/preload", "{\"urls\": []}").await[0].0, "urls");
}

#[tokio::test]
async fn an_explanation_names_all_its_faults() {
    let bench = Bench::new();
    let cases = [
        ("", vec!["url"]),
        (
            "?url=shop.test&method=G%20T&fetch=maybe&headers=%5B%5D",
            vec!["fetch", "headers", "url", "method"],
        ),
        ("?uri=/a", vec!["uri", "url"]),
        ("?url=/a&headers=%7B%22a%20b%22:%22c%22%7D", vec!["headers.a b"]),
    ];
    for (query, fields) in cases {
        let answer = bench.get(&format!("/api/performance/explain{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let faults = faults(&answer.json());
        let found: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(found, fields, "{query}: {faults:?}");
    }
    assert!(bench.fake.asked().is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever a client with a token sends, it is told what is wrong or done what it asks; nothing breaks.
    #[test]
    fn no_input_is_an_internal_error(
        path in "(cache/(operation|invalidate|clear|preload|pattern)|cache|explain|config/reload|.{0,20})",
        query in "(\\?[ -~]{0,40})?",
        body in proptest::prop_oneof!["\\PC{0,60}", "\\{(\"[a-z]{1,9}\": ?(\"[a-z/]{0,5}\"|[0-9]|\\[\\]|\\{\\}),?){0,3}\\}"],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            for method in ["GET", "POST", "DELETE"] {
                if format!("/api/performance/{path}{query}").parse::<http::Uri>().is_ok() {
                    let answer = bench.call(method, &format!("/api/performance/{path}{query}"), &body).await;
                    assert!(answer.status.as_u16() < 500, "{method} {path}{query} {body}: {answer:?}");
                    assert!(answer.status.is_success() || answer.json()["status"] == answer.status.as_u16());
                }
            }
        });
    }
}
