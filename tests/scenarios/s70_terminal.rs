//! The dashboard in a terminal, and its numbers for scripts.

use crate::harness::{Origin, Peregrine, Reply, until};
use serde_json::Value;

fn shop() -> (Origin, Peregrine) {
    let origin = Origin::start(|heard| match heard.target.as_str() {
        "/broken" => Reply::status(500, &[], "out of order"),
        _ => Reply::ok(&[("cache-control", "max-age=600"), ("surrogate-key", "page")], "ok"),
    });
    let peregrine = Peregrine::before(&origin, "");
    (origin, peregrine)
}

#[test]
fn top_shows_what_happens_as_it_happens_and_leaves_the_terminal_as_it_was() {
    let (_origin, peregrine) = shop();
    let mut terminal = peregrine.in_terminal(&["top", "--every", "200ms"]);
    terminal.until_shown(&["● ok", "requests/s", "hit ratio", "What changed"]);
    assert!(terminal.is_raw());
    terminal.press("6");
    terminal.until_shown(&["Traffic, newest first"]);
    peregrine.get("/shelf?token=hidden", &[]);
    peregrine.get("/broken", &[]);
    let screen = terminal.until_shown(&["/shelf", "/broken", "miss", "500"]);
    assert!(!screen.contains("hidden"), "secrets are on the screen:\n{screen}");
    terminal.press("/shelf\r");
    until("only what was asked for", || {
        !terminal.until_shown(&["/shelf"]).contains("/broken")
    });
    terminal.press("4");
    terminal.until_shown(&["nothing has this text"]);
    terminal.press("\x1b");
    terminal.until_shown(&["healthy"]);
    terminal.press("?");
    terminal.until_shown(&["show only rows with this text"]);
    terminal.press("xq");
    assert_eq!(terminal.exit_code(), Some(0));
    assert!(!terminal.is_raw(), "the terminal is not as it was");
}

#[test]
fn top_keeps_what_it_knows_when_nobody_answers_any_more() {
    let (_origin, peregrine) = shop();
    peregrine.get("/", &[]);
    let mut terminal = peregrine.in_terminal(&["top", "--every", "200ms"]);
    terminal.until_shown(&["● ok"]);
    drop(peregrine);
    terminal.until_shown(&["no Peregrine answers", "● ok"]);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn top_without_a_terminal_says_what_to_use_instead() {
    let (_origin, peregrine) = shop();
    let output = peregrine.command(&["top"]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("peregrine stats --json"), "{words}");
}

#[test]
fn scripts_read_alerts_and_reports() {
    let (_origin, peregrine) = shop();
    peregrine.get("/", &[]);
    let alerts: Value = serde_json::from_str(&peregrine.told(&["alerts", "--json"])).unwrap();
    let rules = alerts["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["default"] == true), "{alerts}");
    assert!(
        peregrine
            .told(&["alerts", "--fail-on", "low"])
            .contains("nothing fires")
    );
    let silenced = peregrine.told(&[
        "alerts", "silence", "--rule", "errors", "--for", "1h", "--reason", "a test",
    ]);
    assert!(silenced.starts_with("silent until"), "{silenced}");
    let markdown = peregrine.told(&["report"]);
    assert!(markdown.starts_with("# "), "{markdown}");
    let report: Value = serde_json::from_str(&peregrine.told(&["report", "--json"])).unwrap();
    assert!(report["figures"]["requests"].is_number(), "{report}");
    let page = peregrine.told(&["report", "--format", "html"]);
    assert!(page.contains("<html"), "{page}");
}
