//! Imports go strictly down, and rooms on one floor never import each other: read from the manifests, tests included.

use super::manifest;
use crate::fault::Fault;
use crate::tree::Tree;

/// The house (ARCHITECTURE.md): a crate may import what stands on a smaller number only.
const FLOORS: &[(u8, &[&str])] = &[
    (5, &["peregrine"]),
    (4, &["admin", "lab"]),
    (3, &["http", "llm", "postgres", "resp"]),
    (2, &["cache", "admission", "net", "insight", "jobs", "images", "tuner"]),
    (1, &["telemetry", "store"]),
    (0, &["base"]),
];

/// What tests of every room may import, because it imports none of them.
const FOR_TESTS: (&str, &str) = ("test-servers", "tests/servers/Cargo.toml");

/// Every import that does not go down, and every crate that has no floor.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        let room = if path == FOR_TESTS.1 {
            FOR_TESTS.0
        } else if let Some(room) = path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
        {
            room
        } else {
            continue; // xtask and bench stand beside the house and may look into every room
        };
        match manifest::parse(path, text) {
            Ok(manifest) => faults.extend(check_room(path, text, room, &manifest)),
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

fn check_room(path: &str, text: &str, room: &str, manifest: &toml::Table) -> Vec<Fault> {
    let floor = if room == FOR_TESTS.0 { Some(0) } else { floor_of(room) };
    let Some(floor) = floor else {
        let right = "give it one in xtask/src/tidy/floors.rs and in ARCHITECTURE.md";
        return vec![Fault::new(path, 1, format!("the crate `{room}` has no floor"), right)];
    };
    let mut faults = Vec::new();
    for dependency in manifest::dependencies(manifest) {
        let Some(other) = room_of(dependency.name) else {
            continue;
        };
        let in_tests = other == FOR_TESTS.0 && !manifest::is_built_in(manifest, dependency.name);
        if in_tests || floor_of(other).is_some_and(|below| below < floor) {
            continue;
        }
        let what = match floor_of(other) {
            Some(above) => format!("`{room}` (floor {floor}) imports `{other}` (floor {above})"),
            None => format!("`{room}` imports `{other}`, which has no floor"),
        };
        let right = "imports go strictly down: move what is shared to a lower floor, or hand it in as an argument";
        faults.push(Fault::new(path, manifest::line_of(text, dependency.name), what, right));
    }
    faults
}

fn floor_of(room: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(_, rooms)| rooms.contains(&room))
        .map(|(floor, _)| *floor)
}

/// The folder of one of our own crates; `None` for everyone else's.
fn room_of(name: &str) -> Option<&str> {
    if name == "peregrine" {
        Some(name)
    } else {
        name.strip_prefix("peregrine-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(room: &str, dependencies: &str) -> Vec<String> {
        let path = format!("crates/{room}/Cargo.toml");
        check(&Tree::of(&[(&path, dependencies)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn imports_that_go_down_are_fine() {
        let http = "[dependencies]\nperegrine-cache.workspace = true\nhttp.workspace = true\n\
                    [dev-dependencies]\nperegrine-base = { workspace = true }\n";
        assert_eq!(faults_of("http", http), [""; 0]);
        assert_eq!(
            faults_of("peregrine", "[dev-dependencies]\nperegrine-lab.workspace = true\n"),
            [""; 0]
        );
    }

    #[test]
    fn the_servers_of_tests_are_for_tests_and_import_no_room() {
        let line = "peregrine-test-servers.workspace = true\n";
        assert_eq!(faults_of("base", &format!("[dev-dependencies]\n{line}")), [""; 0]);
        assert_eq!(faults_of("base", &format!("[dependencies]\n{line}")).len(), 1);
        let servers = (FOR_TESTS.1, "[dependencies]\nperegrine-base.workspace = true\n");
        assert_eq!(check(&Tree::of(&[servers])).len(), 1);
    }

    #[test]
    fn imports_sideways_and_up_are_faults_wherever_they_hide() {
        for (room, dependencies, line) in [
            (
                "cache",
                "[dependencies]\nbytes = \"1\"\nperegrine-net.workspace = true\n",
                3,
            ),
            (
                "base",
                "[dev-dependencies]\nperegrine-telemetry = { workspace = true }\n",
                2,
            ),
            (
                "http",
                "[target.'cfg(unix)'.dependencies]\nperegrine-lab.workspace = true\n",
                2,
            ),
            ("admin", "[build-dependencies]\nperegrine.workspace = true\n", 2),
        ] {
            let faults = faults_of(room, dependencies);
            assert_eq!(faults.len(), 1, "{room}: {faults:?}");
            assert!(
                faults[0].starts_with(&format!("crates/{room}/Cargo.toml:{line}: `{room}` (floor ")),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn a_crate_without_a_floor_is_a_fault() {
        assert!(faults_of("cellar", "[dependencies]\n")[0].contains("`cellar` has no floor"));
        assert!(faults_of("http", "[dependencies]\nperegrine-cellar.workspace = true\n")[0].contains("no floor"));
    }

    #[test]
    fn what_stands_beside_the_house_may_import_anything() {
        let bench = ("bench/Cargo.toml", "[dependencies]\nperegrine-lab.workspace = true\n");
        assert_eq!(check(&Tree::of(&[bench])), []);
    }
}
