//! Who changed what, and whether the record of it survives what happens to it: kill -9, a restart, an editor.

use crate::harness::process;
use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use serde_json::{Value, json};

fn well() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "ok"))
}

fn records(peregrine: &Peregrine) -> Vec<Value> {
    let page: Value = serde_json::from_str(&peregrine.told(&["audit", "--json", "--limit", "1000"])).unwrap();
    assert_eq!(page["verified"]["fault"], Value::Null, "{page}");
    page["records"].as_array().unwrap().clone()
}

/// What `audit verify` says of `place`, with its exit code.
fn verify(peregrine: &Peregrine, place: &[&str]) -> (i32, String) {
    let arguments = [&["audit", "verify"], place].concat();
    let output = process::command(peregrine.folder.path(), &arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn told(record: &Value) -> [&str; 4] {
    ["who", "what", "target", "outcome"].map(|field| record[field].as_str().unwrap())
}

#[test]
fn what_was_done_is_told_and_outlives_kill_9_and_whoever_edits_it_is_found() {
    let origin = well();
    let rest = upstream(&[&origin], "", "[server]\nwatch_config = false\n");
    let mut peregrine = Peregrine::start(&rest);
    peregrine.invalidate(&json!({ "tags": ["a"] }));
    peregrine.reload(&format!("{rest}\n[log]\nlevel = \"debug\"\n"));
    peregrine.rewrite("nonsense");
    peregrine.process.signal(Signal::HUP);
    until("the refusal to be noted", || records(&peregrine).len() == 4);
    let noted = records(&peregrine);
    assert_eq!(
        told(&noted[3]),
        ["peregrine", "start", env!("CARGO_PKG_VERSION"), "done"]
    );
    assert_eq!(
        told(&noted[2]),
        ["admin token", "cache_invalidate", "{\"tags\":[\"a\"]}", "done"]
    );
    assert_eq!(told(&noted[1]), ["signal SIGHUP", "config_reload", "", "done"]);
    assert_eq!(noted[1]["after"]["applied"], json!(["log.level"]));
    assert_eq!(told(&noted[0]), ["signal SIGHUP", "config_reload", "", "conflict"]);
    let shown = peregrine.told(&["audit", "--what", "invalidate"]);
    assert!(shown.contains("admin token") && !shown.contains("SIGHUP"), "{shown}");
    let (_, said) = verify(&peregrine, &[]);
    assert!(
        said.starts_with("4 records, each as it was written"),
        "beside the running server: {said}"
    );

    peregrine.process.signal(Signal::KILL);
    until("its end", || !peregrine.process.is_running());
    let (_, said) = verify(&peregrine, &[".peregrine/audit.log"]);
    assert!(said.starts_with("4 records"), "without a server: {said}");
    let peregrine = Peregrine::start_in(peregrine.folder, &rest);
    let after = records(&peregrine);
    assert_eq!(after.len(), 5);
    assert_eq!(after[1..], noted[..], "what was there is there");

    let log = peregrine.path(".peregrine/audit.log");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("\"admin token\"", "\"nobody here\"", 1)).unwrap();
    let (code, found) = verify(&peregrine, &[".peregrine", "--json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    let fault = "audit.log, line 2 (record 2): it was changed: its hash is of another text";
    assert_eq!((code, &found["fault"]), (1, &json!(fault)));
    let (code, said) = verify(&peregrine, &[]);
    assert!(code == 1 && said.contains(fault), "{said}");
}

#[test]
fn the_log_goes_on_in_the_program_that_takes_over_and_says_when_one_ends() {
    let origin = well();
    let rest = upstream(&[&origin], "", "");
    let mut peregrine = Peregrine::start(&rest);
    peregrine.invalidate(&json!({ "all": true }));
    peregrine.process.signal(Signal::TERM);
    until("its end", || !peregrine.process.is_running());
    let peregrine = Peregrine::start_in(peregrine.folder, &rest);
    let whats: Vec<Value> = records(&peregrine)
        .iter()
        .map(|record| record["what"].clone())
        .collect();
    assert_eq!(json!(whats), json!(["start", "stop", "cache_invalidate", "start"]));
    assert!(verify(&peregrine, &[]).1.starts_with("4 records"));
}
