//! Rules, silences and acknowledgements by the admin API: they hold at once, and after a restart.

use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use serde_json::{Value, json};

const ALERTS: &str = "/api/performance/alerts";

fn start(origin: &Origin, pager: &Origin) -> Peregrine {
    Peregrine::before(
        origin,
        &format!(
            "[alerts]\ndefaults = false\ngroup_wait = \"0s\"\n\
             [[alert]]\nname = \"alive\"\nmetric = \"memory_bytes\"\nabove = 0\nfor = \"0s\"\n\
             [notify.pager]\nurl = \"{}/token-of-the-pager\"\n",
            pager.url()
        ),
    )
}

fn alerts(peregrine: &Peregrine) -> Value {
    peregrine.admin("GET", ALERTS, None).json()
}

#[test]
fn what_is_set_by_the_api_holds_and_outlives_a_restart() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let pager = Origin::start(|_| Reply::ok(&[], ""));
    let mut first = start(&origin, &pager);
    until("the alert", || alerts(&first)["alerts"][0]["state"] == "firing");
    until("the pager", || pager.count() == 1);
    let before = alerts(&first);
    let id = before["alerts"][0]["id"].as_str().unwrap().to_owned();

    let post = |path: &str, body: &Value| first.admin("POST", &format!("{ALERTS}/{path}"), Some(body));
    let silence = post(
        "silence",
        &json!({ "rule": "alive", "for_s": 3600, "reason": "a planned repair" }),
    );
    assert_eq!(silence.status, 200, "{}", silence.text());
    let known = post("acknowledge", &json!({ "id": id, "note": "on it" }));
    assert_eq!(known.status, 200, "{}", known.text());
    assert_eq!(post("acknowledge", &json!({ "id": "none" })).status, 404);
    assert_eq!(
        post("silence", &json!({ "rule": "aliv", "for_s": 60, "reason": "" })).status,
        400
    );

    let mut rules = before["rules"].clone();
    rules[0]["severity"] = json!("low");
    let put = |rules: &Value| first.admin("PUT", &format!("{ALERTS}/rules"), Some(&json!({ "rules": rules })));
    assert_eq!(put(&rules).status, 200);
    let mut wrong = rules.clone();
    wrong[0]["metric"] = json!("memory_byte");
    let refused = put(&wrong);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("did you mean"), "{}", refused.text());
    until("the new rule to be looked at", || {
        alerts(&first)["alerts"][0]["severity"] == "low"
    });
    let stated = alerts(&first);
    assert!(!stated.to_string().contains("token-of-the-pager"));
    first.process.signal(Signal::TERM);
    assert_eq!(first.process.exit_code(), Some(0), "{}", first.log());
    let second = Peregrine::run(
        first.folder,
        &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"],
    );
    until("what was kept", || {
        alerts(&second)["silences"][0]["reason"] == "a planned repair"
    });
    let after = alerts(&second);
    assert_eq!(after["rules"][0]["severity"], "low");
    assert_eq!(after["alerts"][0]["id"], id.as_str());
    assert_eq!(after["alerts"][0]["acknowledged"]["note"], "on it");
    assert_eq!(after["alerts"][0]["silenced_by"], after["silences"][0]["id"]);
    assert_eq!(pager.count(), 1, "it was told before");
    let ended = format!("{ALERTS}/silence?id={}", after["silences"][0]["id"].as_str().unwrap());
    assert_eq!(second.admin("DELETE", &ended, None).status, 200);
    assert_eq!(alerts(&second)["silences"], json!([]));
}
