//! Help, versions, completions, and what is not understood.

use super::run::{Place, assert_says, run};
use std::process::Stdio;

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let said = run(&["--help"]);
    assert_eq!(said.code, 0);
    for command in [
        "serve",
        "demo",
        "check",
        "config",
        "explain",
        "invalidate",
        "keys",
        "apikeys",
        "audit",
        "warm",
        "stats",
        "bench",
        "completions",
    ] {
        assert_says(&said.out, &[command]);
    }
    assert_says(
        &said.out,
        &[
            "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration",
            "peregrine demo",
        ],
    );
}

#[test]
fn the_help_of_every_command_names_its_options_and_has_an_example() {
    for (command, options) in [
        (&["serve"][..], &["--config", "--upstream", "--listen", "--admin"][..]),
        (
            &["demo"],
            &[
                "--seconds",
                "--seed",
                "--port",
                "--admin-port",
                "--origin-port",
                "--once",
                "--json",
            ],
        ),
        (&["check"], &["[FILE]", "--json"]),
        (&["config", "explain"], &["<NAME>", "--config", "--json"]),
        (&["config", "schema"], &["schema"]),
        (&["config", "default"], &["config default > peregrine.toml"]),
        (
            &["explain"],
            &[
                "<URL>",
                "--method",
                "--header",
                "--fetch",
                "--admin",
                "--token-file",
                "--json",
            ],
        ),
        (
            &["invalidate"],
            &[
                "--tag",
                "--key",
                "--prefix",
                "--pattern",
                "--namespace",
                "--all",
                "--soft",
                "--dry-run",
                "--json",
            ],
        ),
        (&["keys", "generate"], &["--id", "--env", "--file", "--json"]),
        (&["keys", "list"], &["--admin", "--json"]),
        (&["keys", "rotate"], &["--data-keys", "--json"]),
        (&["keys", "erase"], &["--tenant", "--namespace", "--json"]),
        (
            &["apikeys", "create"],
            &["--role", "--namespace", "--expires", "--json"],
        ),
        (&["apikeys", "revoke"], &["--admin", "--json"]),
        (&["warm"], &["<SOURCE>", "--rate", "--concurrency", "--json"]),
        (&["stats"], &["--admin", "--token-file", "--json"]),
        (
            &["bench"],
            &[
                "<URL>",
                "[OTHER]",
                "--connections",
                "--duration",
                "--rate",
                "--header",
                "--json",
            ],
        ),
        (&["completions"], &["<SHELL>", "bash", "zsh", "fish"]),
    ] {
        let said = run(&[command, &["--help"]].concat());
        assert_eq!(said.code, 0, "{command:?}");
        assert_says(&said.out, options);
        assert_says(&said.out, &[&format!("peregrine {}", command.join(" "))]);
        assert_examples_are_whole(&said.out);
    }
}

/// Each example is to be copied in one piece.
fn assert_examples_are_whole(help: &str) {
    let examples = help.split("Examples:\n").nth(1).unwrap_or_default().lines();
    for line in examples.take_while(|line| !line.is_empty()) {
        let begins = ["peregrine ", "--"]
            .iter()
            .any(|begin| line.trim_start().starts_with(begin));
        assert!(begins || line.contains("| peregrine"), "not whole: {line}");
    }
}

#[test]
fn help_at_length_says_more_than_help_in_short() {
    for (command, more) in [
        (&["serve"][..], "SIGHUP reloads"),
        (&["check"], "Nothing is started"),
        (&["keys", "erase"], "Destroys the data keys"),
        (&["verify", "freshness"], "Serves an origin of its own"),
    ] {
        let said = |flag| run(&[command, &[flag]].concat()).out;
        assert_says(&said("--help"), &[more]);
        assert!(!said("-h").contains(more), "{command:?}");
    }
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    for (arguments, expected) in [
        (&[][..], "Usage: peregrine <COMMAND>"),
        (&["sevre"], "a similar subcommand exists: 'serve'"),
        (
            &["serve", "--upstrem", "http://a"],
            "a similar argument exists: '--upstream'",
        ),
        (&["serve", "--config", "a", "--upstream", "b"], "cannot be used with"),
        (&["invalidate"], "required arguments were not provided"),
        (
            &["bench", "http://127.0.0.1/", "--duration", "5"],
            "`5` is not a duration",
        ),
        (&["warm", "list", "--rate", "0"], "0 is not in 1..=10000"),
        (&["completions", "tcsh"], "possible values: bash"),
    ] {
        let said = run(arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        assert_says(&said.err, &[expected]);
    }
}

#[test]
fn the_version_is_told() {
    let said = run(&["--version"]);
    assert_eq!(
        (said.code, said.out),
        (0, format!("peregrine {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert_says(&said.out, &["invalidate", "dry-run"]);
    }
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let place = Place::new();
    let mut child = place
        .command(&["config", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}
