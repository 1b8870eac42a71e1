//! Rust files: a module says what it is for, is short, hides no `unwrap` outside tests and no test that does not run.

use crate::fault::Fault;
use crate::rust;
use crate::tree::Tree;

/// The longest a file may be, tests included.
const LINES_MAX: usize = 600;

/// What may not stand in code, whether it may in tests, and what would be right.
const BANNED: &[(&str, InTests, &str)] = &[
    (
        ".unwrap()",
        InTests::Fine,
        "handle it, or `expect` with the invariant that makes it impossible",
    ),
    ("todo!", InTests::Fine, "finish it or leave it out"),
    ("unimplemented!", InTests::Fine, "finish it or leave it out"),
    ("#[ignore", InTests::Wrong, "a test runs or is deleted"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum InTests {
    Fine,
    Wrong,
}

/// Faults of every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    tree.ending(".rs")
        .flat_map(|(path, text)| check_file(path, text))
        .collect()
}

fn check_file(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !text.trim_start().starts_with("//!") {
        let right = "open it with `//!`: what it is for, what it guarantees, what it does not do";
        faults.push(Fault::new(path, 1, "the module does not say what it is for", right));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        let what = format!("{lines} lines");
        faults.push(Fault::new(
            path,
            LINES_MAX + 1,
            what,
            format!("at most {LINES_MAX}: split it by what it is for"),
        ));
    }
    let code = rust::code(text);
    let regions = rust::test_regions(&code);
    for (banned, in_tests, right) in BANNED {
        for (place, _) in code.match_indices(banned) {
            let tested = is_test_file(path) || regions.iter().any(|region| region.contains(&place));
            if tested && *in_tests == InTests::Fine || continues(&code, place) {
                continue;
            }
            faults.push(Fault::new(
                path,
                rust::line_of(text, place),
                format!("`{banned}`"),
                *right,
            ));
        }
    }
    faults
}

/// Files that are built for tests only.
fn is_test_file(path: &str) -> bool {
    path.ends_with("tests.rs") || path.split('/').any(|part| part == "tests" || part == "benches")
}

/// Whether the word at this place is the end of a longer one.
fn continues(code: &str, place: usize) -> bool {
    let starts_word = code.as_bytes()[place].is_ascii_alphabetic();
    starts_word
        && place
            .checked_sub(1)
            .is_some_and(|before| code.as_bytes()[before].is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        assert_eq!(faults_of("a.rs", "//! What for.\nfn f() {}\n"), [""; 0]);
        assert!(faults_of("a.rs", "fn f() {}\n")[0].starts_with("a.rs:1: the module does not say"));
        assert!(faults_of("tests.rs", "use super::*;\n")[0].starts_with("tests.rs:1: the module does not say"));
    }

    #[test]
    fn a_file_of_600_lines_is_the_longest() {
        let lines = |count: usize| format!("//! What for.\n{}", "\n".repeat(count - 1));
        assert_eq!(faults_of("a.rs", &lines(600)), [""; 0]);
        assert!(faults_of("a.rs", &lines(601))[0].starts_with("a.rs:601: 601 lines"));
    }

    #[test]
    fn unwrap_and_todo_are_for_tests() {
        let code = "//! What for.\nfn f() {\n    a.unwrap();\n    todo!();\n}\n";
        let faults = faults_of("a.rs", code);
        assert!(faults[0].starts_with("a.rs:3: `.unwrap()`"), "{faults:?}");
        assert!(faults[1].starts_with("a.rs:4: `todo!`"), "{faults:?}");
        assert_eq!(faults_of("crates/a/src/b/tests.rs", code), [""; 0]);
        assert_eq!(faults_of("crates/a/tests/c.rs", code), [""; 0]);
        let inside = "//! What for.\n#[cfg(test)]\nmod tests {\n    fn f() { a.unwrap() }\n}\n";
        assert_eq!(faults_of("a.rs", inside), [""; 0]);
    }

    #[test]
    fn what_is_only_said_is_no_fault() {
        let said = "//! Never `.unwrap()`.\nconst A: &str = \"todo!\";\nfn f() { my_todo!() } // #[ignore]\n";
        assert_eq!(faults_of("a.rs", said.replace("my_todo", "mytodo").as_str()), [""; 0]);
    }

    #[test]
    fn a_test_that_does_not_run_is_a_fault_everywhere() {
        let ignored = "//! What for.\n#[test]\n#[ignore = \"slow\"]\nfn f() {}\n";
        assert!(faults_of("crates/a/tests/c.rs", ignored)[0].starts_with("crates/a/tests/c.rs:3: `#[ignore`"));
    }
}
