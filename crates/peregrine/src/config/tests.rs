//! The configuration against a small table of its own.

mod agreement;
mod properties;

use super::*;
use peregrine_base::{Fallback, Kind};

const fn row(name: &'static str, kind: Kind, fallback: Fallback) -> Parameter {
    Parameter {
        name,
        kind,
        fallback,
        reload: true,
        about: "For tests.",
    }
}

const ROWS: &[Parameter] = &[
    row("server.workers", Kind::Integer { min: 0, max: 64 }, Fallback::Toml("0")),
    row("server.proxies", Kind::Texts, Fallback::Toml("[]")),
    row("listener[].address", Kind::Text, Fallback::Toml("\"127.0.0.1:8080\"")),
    row("listener[].tls.certificate", Kind::Text, Fallback::Required),
    row("listener[].tls.key", Kind::Secret, Fallback::Required),
    row("admin.address", Kind::Text, Fallback::Toml("\"127.0.0.1:9180\"")),
    row("upstream[].name", Kind::Text, Fallback::Required),
    row("upstream[].targets", Kind::Texts, Fallback::Required),
    row(
        "upstream[].connect_time",
        Kind::Duration { min: "1ms", max: "1m" },
        Fallback::Toml("\"1s\""),
    ),
    row("route[].match.path", Kind::Text, Fallback::Toml("\"*\"")),
    row("route[].upstream", Kind::Text, Fallback::Required),
    row("route[].strategy", Kind::Text, Fallback::Toml("\"default\"")),
    row("route[].namespace", Kind::Text, Fallback::Toml("\"default\"")),
    row("route[].headers", Kind::TextMap, Fallback::Toml("{}")),
    row("cache.enabled", Kind::Flag, Fallback::Toml("true")),
    row(
        "cache.memory",
        Kind::Size {
            min: "1MiB",
            max: "1TiB",
        },
        Fallback::Toml("\"256MiB\""),
    ),
    row(
        "strategy.*.ttl",
        Kind::Duration { min: "0s", max: "365d" },
        Fallback::Toml("\"1m\""),
    ),
    row(
        "strategy.*.refresh_ahead",
        Kind::Number { min: 0.0, max: 1.0 },
        Fallback::Toml("0.0"),
    ),
    row(
        "strategy.*.freshness",
        Kind::Choice(&["origin", "fallback", "force"]),
        Fallback::Toml("\"origin\""),
    ),
    row(
        "namespace.*.memory_max",
        Kind::Size {
            min: "64KiB",
            max: "1TiB",
        },
        Fallback::Absent,
    ),
];

const GOOD: &str = r#"
[[upstream]]
name = "api"
targets = ["http://127.0.0.1:3000"]

[[route]]
match = { path = "/api/*" }
upstream = "api"
strategy = "fast"

[strategy.fast]
ttl = "5m"
"#;

fn read(text: &str, environment: &Environment) -> Result<Resolved, Faults> {
    let origin = Origin::Text {
        name: "peregrine.toml".to_owned(),
        text: text.to_owned(),
    };
    resolve(&[ROWS], &origin, &Overrides::default(), environment)
}

fn value(resolved: &Resolved, field: &str) -> (String, String) {
    let found = resolved
        .effective()
        .into_iter()
        .find(|effective| effective.field == field);
    found.map(|effective| (effective.value, effective.source)).unwrap()
}

fn faults(text: &str) -> String {
    read(text, &Environment::default()).unwrap_err().to_string()
}

#[test]
fn defaults_fill_what_is_not_set() {
    let resolved = read(GOOD, &Environment::default()).unwrap();
    let told = |field| value(&resolved, field);
    assert_eq!(told("cache.memory"), ("\"256MiB\"".into(), "default".into()));
    assert_eq!(
        told("strategy.fast.ttl"),
        ("\"5m\"".into(), "peregrine.toml:12:7".into())
    );
    assert_eq!(told("strategy.default.ttl"), ("\"1m\"".into(), "default".into()));
    assert_eq!(
        told("listener[0].address"),
        ("\"127.0.0.1:8080\"".into(), "default".into())
    );
    assert_eq!(told("route[0].namespace"), ("\"default\"".into(), "default".into()));
    assert!(
        resolved.root.at("listener[0].tls").is_none(),
        "a table with required fields is there only when written"
    );
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = GOOD.replace("strategy = \"fast\"", "stratgy = \"fast\"\nnamespace = \"defalt\"")
        + "refresh_ahead = 2\nfreshness = \"fallbak\"\n[cache]\nmemory = 64\nttl = \"1s\"\n[[upstream]]\nname = \"api\"\n";
    let told = faults(&text);
    for expected in [
        "peregrine.toml:9:1: route[0].stratgy: unknown field; did you mean \"strategy\"?\n  9 | stratgy = \"fast\"\n    | ^^^^^^^",
        "peregrine.toml:10:13: route[0].namespace: no [namespace.NAME] is called \"defalt\"; did you mean \"default\"?",
        "peregrine.toml:14:17: strategy.fast.refresh_ahead: 2 is out of bounds; it can be from 0 to 1",
        "peregrine.toml:15:13: strategy.fast.freshness: \"fallbak\" is not one of: origin, fallback, force; did you mean \"fallback\"?",
        "peregrine.toml:17:10: cache.memory: should be a size such as \"64MiB\", is a number; with its unit: \"64B\"",
        "peregrine.toml:18:1: cache.ttl: unknown field; it belongs to [strategy.NAME]",
        "peregrine.toml:19:1: upstream[1].targets: is missing; set it to a list of texts",
        "peregrine.toml:20:8: upstream[1].name: \"api\" is already taken by upstream[0]",
    ] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
}

#[test]
fn every_syntax_fault_is_told_at_once() {
    let told = faults("[server\nworkers = = 3\n[cache]\nmemory = \"1MiB\n");
    for expected in ["peregrine.toml:1:8: ", "peregrine.toml:2:11: ", "peregrine.toml:4:"] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
}

#[test]
fn the_environment_goes_over_the_file_and_the_command_line_over_both() {
    let environment = Environment::from([
        ("CACHE_ENABLED", "off"),
        ("PEREGRINE__CACHE__MEMORY", "1GiB"),
        ("PEREGRINE__STRATEGY__FAST__TTL", "7s"),
        ("PEREGRINE__STRATEGY__SLOW__REFRESH_AHEAD", "1"),
        ("PEREGRINE__SERVER__PROXIES", "10.0.0.0/8, ::1"),
        ("PEREGRINE__SERVER__WORKERS", "3"),
        ("PEREGRINE__UPSTREAM__0__TARGETS", "[\"http://a:1\"]"),
        ("PEREGRINE__LISTENER__0__ADDRESS", "0.0.0.0:1"),
        ("PEREGRINE__LISTENER__1__ADDRESS", "0.0.0.0:2"),
        ("PEREGRINE__ROUTE__0__HEADERS", "{ x-one = \"1\" }"),
    ]);
    let origin = Origin::Text {
        name: "f".to_owned(),
        text: GOOD.to_owned(),
    };
    let overrides = Overrides {
        listen: Some("127.0.0.1:9".to_owned()),
        admin: None,
    };
    let resolved = resolve(&[ROWS], &origin, &overrides, &environment).unwrap();
    let told = |field| value(&resolved, field);
    assert_eq!(
        told("cache.enabled"),
        ("false".into(), "environment CACHE_ENABLED".into())
    );
    assert_eq!(
        told("cache.memory"),
        ("\"1GiB\"".into(), "environment PEREGRINE__CACHE__MEMORY".into())
    );
    assert_eq!(told("strategy.fast.ttl").0, "\"7s\"");
    assert_eq!(told("strategy.slow.refresh_ahead").0, "1.0");
    assert_eq!(told("server.proxies").0, "[\"10.0.0.0/8\", \"::1\"]");
    assert_eq!(told("server.workers").0, "3");
    assert_eq!(told("upstream[0].targets").0, "[\"http://a:1\"]");
    assert_eq!(
        told("listener[0].address"),
        ("\"127.0.0.1:9\"".into(), "command line --listen".into())
    );
    assert_eq!(told("listener[1].address").0, "\"0.0.0.0:2\"");
    assert_eq!(told("route[0].headers").0, "{ x-one = \"1\" }");
}

#[test]
fn a_variable_that_sets_nothing_is_an_error() {
    for (name, value, expected) in [
        (
            "PEREGRINE__CACHE__MEMROY",
            "1GiB",
            "environment PEREGRINE__CACHE__MEMROY: `MEMROY` names no field; did you mean \"PEREGRINE__CACHE__MEMORY\"?",
        ),
        (
            "PEREGRINE__CACHE",
            "1",
            "environment PEREGRINE__CACHE: names a table; go on to one of its fields",
        ),
        (
            "PEREGRINE__ROUTE__7__UPSTREAM",
            "a",
            "did you mean \"PEREGRINE__ROUTE__1__UPSTREAM\"?",
        ),
        (
            "PEREGRINE__CACHE__MEMORY__X",
            "a",
            "environment PEREGRINE__CACHE__MEMORY__X: `X` names no field",
        ),
        (
            "PEREGRINE__SERVER__WORKERS",
            "many",
            "environment PEREGRINE__SERVER__WORKERS: server.workers: should be a whole number, is a text",
        ),
    ] {
        let told = read(GOOD, &Environment::from([(name, value)])).unwrap_err().to_string();
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
}

#[test]
fn variables_of_parts_that_are_not_there_are_warned_about() {
    let environment = Environment::from([("RATE_LIMIT_MULTIPLIER", "2")]);
    let warnings = read(GOOD, &environment).unwrap().warnings.join("\n");
    assert!(warnings.contains("RATE_LIMIT_MULTIPLIER is ignored"), "{warnings}");
}

#[test]
fn texts_read_the_environment() {
    let text = GOOD.to_owned()
        + "[server]\nworkers = \"${N}\"\nproxies = [\"${NET}\", \"$${NET}\"]\n[cache]\nmemory = \"${SIZE}MiB\"\n";
    let environment = Environment::from([("N", "4"), ("NET", "10.0.0.0/8"), ("SIZE", "32")]);
    let resolved = read(&text, &environment).unwrap();
    assert_eq!(value(&resolved, "server.workers").0, "4");
    assert_eq!(value(&resolved, "server.proxies").0, "[\"10.0.0.0/8\", \"${NET}\"]");
    assert_eq!(value(&resolved, "cache.memory").0, "\"32MiB\"");
    let told = read(&text, &Environment::default()).unwrap_err().to_string();
    assert!(
        told.contains("peregrine.toml:14:11: server.workers: environment variable N is not set"),
        "{told}"
    );
    assert!(faults("a = \"${\"\nb = \"${x y}\"").contains("`${x y}` does not name an environment variable"));
}

#[test]
fn tables_and_arrays_are_told_apart() {
    assert!(
        faults("[listener]\naddress = \"a\"")
            .contains("listener: should be an array of tables, is a table; write [[listener]]")
    );
    assert!(faults("cache = 5").contains("cache: should be a table, is a number; write [cache]"));
    assert!(faults("[[strategy]]\nttl = \"1s\"").contains("write [strategy.NAME]"));
    assert!(faults("[strategy.\"a b\"]\n").contains("a name consists of letters, digits"));
}

#[test]
fn secrets_are_not_quoted() {
    let told = faults("[[listener]]\ntls = { certificate = \"c\", key = 12345 }\n");
    assert!(told.contains("listener[0].tls.key: should be a text"), "{told}");
    assert!(!told.contains("12345"), "{told}");
}

#[test]
fn an_upstream_is_a_configuration() {
    let origin = Origin::Upstream("http://127.0.0.1:3000".to_owned());
    let resolved = resolve(&[ROWS], &origin, &Overrides::default(), &Environment::default()).unwrap();
    assert_eq!(
        value(&resolved, "upstream[0].targets"),
        ("[\"http://127.0.0.1:3000\"]".into(), "command line --upstream".into())
    );
    assert_eq!(value(&resolved, "route[0].upstream").0, "\"origin\"");
}

#[test]
fn changes_say_whether_a_reload_applies_them() {
    let old = read(GOOD, &Environment::default()).unwrap();
    let new = read(&GOOD.replace("5m", "6m"), &Environment::default()).unwrap();
    let change = |from: &str, to: &str| Change {
        field: "strategy.fast.ttl".into(),
        from: Some(from.into()),
        to: Some(to.into()),
        reload: true,
    };
    assert_eq!(old.changes(&new), [change("\"5m\"", "\"6m\"")]);
    assert_eq!(old.changes(&old), []);
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let read = |bytes: &[u8]| {
        let path = folder.path().join("peregrine.toml");
        std::fs::write(&path, bytes).unwrap();
        resolve(
            &[ROWS],
            &Origin::File(path),
            &Overrides::default(),
            &Environment::default(),
        )
        .unwrap_err()
        .to_string()
    };
    assert!(read(b"[cache]\n# \xff").contains("peregrine.toml:2:3: is not UTF-8 from here on"));
    assert!(read(&vec![b'\n'; (1 << 20) + 1]).contains("is larger than 1 MiB"));
    let missing = Origin::File(folder.path().join("none.toml"));
    let told = resolve(&[ROWS], &missing, &Overrides::default(), &Environment::default())
        .unwrap_err()
        .to_string();
    assert!(told.contains("none.toml: no such file"), "{told}");
    let told = resolve(
        &[ROWS],
        &Origin::File(folder.path().to_owned()),
        &Overrides::default(),
        &Environment::default(),
    );
    assert!(told.unwrap_err().to_string().contains("cannot be read"));
}
