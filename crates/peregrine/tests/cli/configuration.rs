//! `check` and `config`: every mistake with its place, and what is made from the table.

use super::run::{Place, assert_says, run};
use serde_json::Value;

const GOOD: &str = r#"
[[upstream]]
name = "api"
targets = ["http://127.0.0.1:3000"]

[[route]]
match = { path = "/api/*" }
upstream = "api"
strategy = "api_responses"
[strategy.api_responses]
freshness = "fallback"
ttl = "5m"
"#;

#[test]
fn a_good_file_is_valid() {
    let said = Place::with(GOOD).run(&["check"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(
        said.out,
        "peregrine.toml is valid: 1 route, 1 upstream, listening on 127.0.0.1:8080, 256MiB of memory\n"
    );
}

#[test]
fn every_mistake_is_told_with_file_line_and_the_nearest_name() {
    let text = GOOD
        .replace("strategy = \"api_responses\"", "strategy = \"api_response\"")
        .replace("ttl =", "tll =")
        + "[cache]\nmemory = \"lots\"\nobject_size_max = 5\n[serer]\n[server]\ntrusted_proxies = [\"ten\"]\n";
    let said = Place::with(&text).run(&["check", "peregrine.toml"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_says(
        &said.err,
        &[
            "peregrine.toml:9:12: route[0].strategy: no [strategy.NAME] is called \"api_response\"; did you mean \"api_responses\"?\n  \
             9 | strategy = \"api_response\"\n    |            ^^^^^^^^^^^^^^",
            "peregrine.toml:12:1: strategy.api_responses.tll: unknown field; did you mean \"ttl\"?",
            "peregrine.toml:14:10: cache.memory: `lots` is not a size",
            "peregrine.toml:15:19: cache.object_size_max: should be a size such as \"64MiB\", is a number; with its unit: \"5B\"",
            "peregrine.toml:16:2: serer: unknown field; did you mean \"server\"?",
        ],
    );
}

#[test]
fn what_only_the_rooms_know_is_told_with_its_place_too() {
    let text = GOOD.replace("http://127.0.0.1:3000", "127.0.0.1:3000")
        + "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"ten\"]\n[admin]\naddress = \"here\"\n";
    let said = Place::with(&text).run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["peregrine.toml:16:11: admin.address: "]);
    let said = Place::with(&text.replace("\"here\"", "\"127.0.0.1:1\"")).run(&["check"]);
    assert_says(
        &said.err,
        &[
            "peregrine.toml:4:12: upstream[0].targets[0]: ",
            "peregrine.toml:14:34: server.trusted_proxies[1]: ",
        ],
    );
    let said = Place::with(&(GOOD.to_owned() + "[cache]\nmemory = \"4MiB\"\n[namespace.big]\nmemory_max = \"4MiB\"\n"))
        .run(&["check"]);
    assert_says(&said.err, &["peregrine.toml:16:14: namespace.big.memory_max: "]);
}

#[test]
fn what_watches_a_route_that_is_not_there_is_a_mistake_that_names_those_that_are() {
    let named = GOOD.replace("match = {", "name = \"shop\"\nmatch = {")
        + "[[route]]\nmatch.path = \"/rest/*\"\nupstream = \"api\"\n";
    let rule = |labels: &str| {
        format!(
            "[[alert]]\nname = \"slow\"\nmetric = \"requests_per_s\"\nabove = 1.0\nlabels = {labels}\n[[slo]]\nname = \"fast\"\n"
        )
    };
    for labels in [
        "{ route = \"shop\" }",
        "{ route = \"*\" }",
        "{ route = \"/rest/*\" }",
        "{ upstream = \"api\" }",
    ] {
        let text = format!("{named}{}route = \"/rest/*\"\n", rule(labels));
        let said = Place::with(&text).run(&["check"]);
        assert_eq!(said.code, 0, "{}", said.err);
    }
    let text = format!("{named}{}route = \"none\"\n", rule("{ route = \"shp\" }"));
    let said = Place::with(&text).run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &[
            "alert[0].labels.route: no [[route]] is called \"shp\"; did you mean \"shop\"? there are: /rest/*, shop",
            "slo[0].route: no [[route]] is called \"none\"; there are: /rest/*, shop",
        ],
    );
    let said = Place::with(&format!("{named}{}", rule("{ upstream = \"db\" }"))).run(&["check"]);
    assert_says(
        &said.err,
        &["alert[0].labels.upstream: no [[upstream]] is called \"db\"; there are: api"],
    );
}

#[test]
fn patterns_templates_and_certificates_are_read() {
    let text = GOOD
        .replace("strategy =", "tags = [\"p-{path.2}\", \"p-{pth}\"]\nstrategy =")
        .replace("match = {", "match = { methods = [\"G T\"],");
    let said = Place::with(&text).run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &[
            "peregrine.toml:7:21: route[0].match.methods: ",
            "peregrine.toml:9:8: route[0].tags: `{pth}`",
        ],
    );
    let text = GOOD
        .replace("http:", "https:")
        .replace("\n\n[[route]]", "\ntls = { roots = \"none.pem\" }\n[[route]]");
    let said = Place::with(&text).run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["peregrine.toml:", "upstream[0]", "none.pem"]);
}

#[test]
fn nothing_to_serve_is_a_mistake() {
    let said = Place::with("").run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["upstream: there is none", "route: there is none"]);
    let said = run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["there is no peregrine.toml here"]);
    let said = run(&["serve"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["nothing to serve", "--upstream", "peregrine demo"]);
    let said = run(&["serve", "--config", "none.toml"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["none.toml: no such file", "peregrine config default"]);
}

#[test]
fn an_upstream_that_is_none_is_told_with_the_option() {
    let said = run(&["serve", "--upstream", "http://"]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["command line --upstream: upstream[0].targets[0]: "]);
}

#[test]
fn check_as_json_has_every_mistake_or_every_value() {
    let said = Place::with(&GOOD.replace("ttl", "tll")).run(&["check", "--json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["valid"]), (2, &Value::Bool(false)));
    assert_eq!(report["errors"][0]["field"], "strategy.api_responses.tll");
    assert_eq!(report["errors"][0]["place"], "peregrine.toml:12:1");
    let said = Place::with(GOOD).run_with(&["check", "--json"], &[("PEREGRINE__CACHE__MEMORY", "1GiB")]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["valid"]), (0, &Value::Bool(true)));
    let values = report["values"].as_array().unwrap();
    let of = |field: &str| values.iter().find(|value| value["field"] == field).unwrap();
    assert_eq!(of("cache.memory")["value"], "\"1GiB\"");
    assert_eq!(of("cache.memory")["source"], "environment PEREGRINE__CACHE__MEMORY");
    assert_eq!(of("strategy.api_responses.ttl")["source"], "peregrine.toml:12:7");
    assert_eq!(of("cache.enabled")["source"], "default");
}

#[test]
fn the_environment_names_the_file_and_goes_over_it() {
    let place = Place::new();
    place.write("other.toml", GOOD);
    let said = place.run_with(
        &["check"],
        &[("PEREGRINE_CONFIG", "other.toml"), ("PEREGRINE__CACHE__MEMORY", "1GiB")],
    );
    assert_says(&said.out, &["other.toml is valid", "1GiB of memory"]);
    let said = place.run_with(&["check", "other.toml"], &[("PEREGRINE__CACHE__MEMROY", "1GiB")]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &[
            "environment PEREGRINE__CACHE__MEMROY",
            "did you mean \"PEREGRINE__CACHE__MEMORY\"?",
        ],
    );
    let said = place.run_with(&["check", "other.toml"], &[("REDIS_URL", "redis://h")]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_says(&said.out, &["shared over Redis"]);
    let said = place.run_with(&["check", "other.toml"], &[("REDIS_URL", "http://h")]);
    assert_eq!(said.code, 2);
    assert_says(&said.err, &["environment REDIS_URL: redis.url"]);
    let quiet = [
        ("PEREGRINE__CACHE__NODE_NAME", "edge"),
        ("PEREGRINE__CACHE__FRESHNESS_BOUND", "2s"),
    ];
    let said = place.run_with(&["check", "other.toml"], &quiet);
    assert_eq!(said.code, 0);
    assert_says(
        &said.err,
        &[
            "warning: cache.node_name (environment PEREGRINE__CACHE__NODE_NAME) has no effect without redis.url",
            "warning: cache.freshness_bound",
        ],
    );
    let hasty = [
        ("REDIS_URL", "redis://h"),
        ("PEREGRINE__CACHE__FRESHNESS_BOUND", "300ms"),
    ];
    let said = place.run_with(&["check", "other.toml"], &hasty);
    assert_eq!(said.code, 0);
    assert_says(
        &said.err,
        &["warning: cache.freshness_bound (300ms) is shorter than redis.operation_timeout (500ms)"],
    );
}

#[test]
fn what_hardly_means_what_it_seems_to_is_told() {
    let place = Place::with(
        "[[upstream]]\nname = \"o\"\ntargets = [\"http://127.0.0.1:3000\"]\n[[route]]\nupstream = \"o\"\n\
         [[route]]\nmatch.path = \"/api/*\"\nupstream = \"o\"\n\
         [strategy.pages]\nttl = \"1m\"\n[strategy.errors]\nfreshness = \"force\"\nttl = \"1m\"\nnegative_statuses = [404]\n",
    );
    for arguments in [&["check"][..], &["check", "--config", "peregrine.toml"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, 0, "{}", said.err);
        assert_says(
            &said.err,
            &[
                "warning: route[0] takes every request, so nothing reaches the 1 behind it",
                "warning: strategy.pages.ttl (peregrine.toml:10:",
                "warning: strategy.errors.negative_statuses (peregrine.toml:14:",
            ],
        );
        assert!(!said.err.contains("strategy.errors.ttl"), "{}", said.err);
    }
}

#[test]
fn the_default_file_is_valid() {
    let default = run(&["config", "default"]);
    assert_eq!(default.code, 0);
    let said = Place::with(&default.out).run(&["check"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn a_parameter_is_explained_with_what_holds() {
    let place = Place::with(GOOD);
    let said = place.run(&["config", "explain", "strategy.*.ttl"]);
    assert_eq!(said.code, 0);
    assert_says(
        &said.out,
        &[
            "strategy.*.ttl",
            "a duration from 0s to",
            "Default       \"5m\"",
            "PEREGRINE__STRATEGY__NAME__TTL",
            "strategy.api_responses.ttl = \"5m\" (peregrine.toml:12:7)",
            "strategy.default.ttl = \"5m\" (default)",
        ],
    );
    let said = place.run(&["config", "explain", "cache", "--json"]);
    let explanations: Value = serde_json::from_str(&said.out).unwrap();
    assert!(
        explanations
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["name"] == "cache.memory")
    );
    let said = run(&["config", "explain", "memroy"]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &["no parameter is called `memroy`; did you mean `cache.memory`?"],
    );
}

#[test]
fn the_schema_is_json_and_the_reference_has_every_section() {
    let schema: Value = serde_json::from_str(&run(&["config", "schema"]).out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let reference = run(&["config", "reference"]).out;
    for section in [
        "server",
        "listener",
        "admin",
        "upstream",
        "route",
        "strategy",
        "namespace",
        "cache",
        "log",
    ] {
        assert!(schema["properties"][section].is_object(), "{section}");
        assert_says(&reference, &[&format!("[{section}")]);
    }
}
