//! The configuration file changes and nobody says so.

use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, until};

fn routed(origin: &Origin, path: &str, more: &str) -> String {
    let route = format!("[[route]]\nmatch.path = \"{path}\"\nupstream = \"origin\"\n{more}");
    upstream(&[origin], "", &route)
}

#[test]
fn a_changed_file_is_applied_by_itself_and_a_bad_one_is_not() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::start(&routed(&origin, "/one", ""));
    peregrine.rewrite(&routed(&origin, "/two", ""));
    until("the change to be applied", || peregrine.get("/two", &[]).status == 200);
    assert_eq!(peregrine.get("/one", &[]).status, 404);
    peregrine.rewrite("nonsense");
    until("the refusal", || peregrine.log().contains("not reloaded"));
    assert_eq!(peregrine.get("/two", &[]).status, 200, "the running one stays");
    // As an editor, a package manager and Kubernetes do: another file under the same name.
    let good = std::fs::read_to_string(peregrine.path("peregrine.toml")).unwrap();
    peregrine.rewrite(&routed(&origin, "/three", ""));
    let file = peregrine.path("peregrine.toml");
    std::fs::rename(&file, peregrine.path("next")).unwrap();
    std::fs::write(&file, good).unwrap();
    std::fs::rename(peregrine.path("next"), &file).unwrap();
    until("the other file to be applied", || {
        peregrine.get("/three", &[]).status == 200
    });
    assert_eq!(
        peregrine.log().matches("not reloaded").count(),
        1,
        "a bad file is complained about once:\n{}",
        peregrine.log()
    );
}

#[test]
fn a_file_that_is_only_touched_or_not_to_be_watched_is_left_alone() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let watching = Peregrine::start(&routed(&origin, "/one", ""));
    let blind = Peregrine::start(&routed(&origin, "/one", "[server]\nwatch_config = false\n"));
    let same = std::fs::read_to_string(watching.path("peregrine.toml")).unwrap();
    std::fs::write(watching.path("peregrine.toml"), same).unwrap();
    blind.rewrite(&routed(&origin, "/two", "[server]\nwatch_config = false\n"));
    // A third one that reacts shows that the others had the time to.
    let third = Peregrine::start(&routed(&origin, "/one", ""));
    third.rewrite(&routed(&origin, "/two", ""));
    until("the third to react", || third.get("/two", &[]).status == 200);
    assert!(!watching.log().contains("has changed"), "{}", watching.log());
    assert_eq!(blind.get("/two", &[]).status, 404);
}
