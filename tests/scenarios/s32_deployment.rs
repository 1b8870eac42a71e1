//! The configurations in the examples under `deploy/` are ones that the program takes. (Their YAML is checked by `make lint`.)

use crate::harness::process;
use std::path::{Path, PathBuf};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// `peregrine check` of `text` with what that example takes from the environment.
#[track_caller]
fn check(text: &str, environment: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("peregrine.toml"), text).unwrap();
    let checked = process::command(folder.path(), &["check", "peregrine.toml"])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{said}\n{text}");
    assert!(
        text.contains("[redis]") && text.contains("tiers = "),
        "it shows what it is an example of"
    );
}

#[test]
fn what_compose_mounts_is_a_configuration() {
    let text = std::fs::read_to_string(example("compose/peregrine.toml")).unwrap();
    check(&text, &[("REDIS_PASSWORD", "a password")]);
}

#[test]
fn what_kubernetes_mounts_is_a_configuration() {
    let manifest = std::fs::read_to_string(example("kubernetes/peregrine.yaml")).unwrap();
    let block = manifest.split("peregrine.toml: |\n").nth(1).unwrap();
    let block: Vec<&str> = block
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .collect();
    let url = "rediss://peregrine:a-password@redis:6379";
    let text = block.join("\n").replace("\n    ", "\n");
    check(&text, &[("REDIS_URL", url), ("POD_NAME", "peregrine-0")]);
}
