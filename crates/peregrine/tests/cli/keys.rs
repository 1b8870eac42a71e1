//! Master keys: made, checked, never shown.

use super::run::{Place, assert_says, run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

const ENCRYPTED: &str = r#"
[[upstream]]
name = "api"
targets = ["http://127.0.0.1:3000"]

[[route]]
upstream = "api"

[strategy.default]
encryption = true
"#;

#[test]
fn what_generate_prints_is_what_the_configuration_takes() {
    let made = run(&["keys", "generate", "--id", "prod"]);
    assert_eq!(made.code, 0);
    assert!(made.out.starts_with("[encryption]\nkeys = \"prod:"), "{}", made.out);
    let said = Place::with(&format!("{ENCRYPTED}{}", made.out)).run(&["check"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_ne!(made.out, run(&["keys", "generate", "--id", "prod"]).out);

    let made = run(&["keys", "generate", "--env"]);
    let (name, value) = made.out.trim().split_once('=').unwrap();
    let said = Place::with(ENCRYPTED).run_with(&["check"], &[(name, value)]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));

    let place = Place::with(ENCRYPTED);
    let made = place.run(&["keys", "generate", "--file", "master.key"]);
    let path = place.write("peregrine.toml", &format!("{ENCRYPTED}{}", made.out));
    let file = std::fs::metadata(path.with_file_name("master.key")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert_eq!(place.run(&["check"]).code, 0);
    let said = place.run(&["keys", "generate", "--file", "master.key"]);
    assert_eq!(said.code, 1, "a key is never written over");

    let json: Value = serde_json::from_str(&run(&["keys", "generate", "--json"]).out).unwrap();
    assert!(json["id"].is_string() && json["secret"].is_string());
    assert_eq!(run(&["keys", "generate", "--id", "a b"]).code, 2);
}

#[test]
fn encryption_without_a_key_says_how_to_make_one() {
    let said = Place::with(ENCRYPTED).run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &[
            "peregrine.toml:10:14: strategy.default.encryption: is on, but there is no master key",
            "peregrine keys generate",
        ],
    );
}

#[test]
fn no_error_and_no_listing_shows_a_key() {
    let wrong = format!("{ENCRYPTED}[encryption]\nkeys = \"m:hunter2hunter222\"\n");
    let said = Place::with(&wrong).run(&["check"]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &["encryption.keys: has a key `m` of 12 bytes; AES-256 needs 32"],
    );
    assert!(!said.err.contains("hunter2"), "{}", said.err);
    let place = Place::with(&format!("{ENCRYPTED}{}", run(&["keys", "generate", "--id", "m"]).out));
    for arguments in [&["check", "--json"][..], &["config", "explain", "encryption.keys"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(
            !said.out.contains("\"m:") && said.out.contains("redacted"),
            "{}",
            said.out
        );
    }
}
