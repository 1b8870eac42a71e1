//! The configuration changes while requests are served: what is good holds from then on, what is bad changes nothing.

use crate::harness::program::upstream;
use crate::harness::{Client, Origin, Peregrine, Reply, Signal, Stopping, request, until};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn a_reload_under_load_drops_no_request() {
    let origin = Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], &heard.target));
    let route = |path: &str, ttl: u32, memory: u32| {
        let more = format!(
            "[[route]]\nname = \"always\"\nmatch.path = \"/always/*\"\nupstream = \"origin\"\nstrategy = \"s{ttl}\"\n\
             [[route]]\nname = \"other\"\nmatch.path = \"{path}\"\nupstream = \"origin\"\n\
             [strategy.s{ttl}]\nfreshness = \"force\"\nttl = \"{ttl}s\"\n[cache]\nmemory = \"{memory}MiB\"\n"
        );
        upstream(&[&origin], "", &more)
    };
    let peregrine = Peregrine::start(&route("/b/*", 60, 64));
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (stop, answered, address) = (&stop, &answered, peregrine.address);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    // Half of them over a kept connection, half over a new one; some are cached, some are not.
                    if number % 2 == 0 {
                        client = Client::connect(address);
                    }
                    let target = format!("/always/{thread}/{}", number % 50);
                    let answer = client.send(request("GET", &target, &[])).read("GET");
                    assert_eq!((answer.status, answer.text()), (200, target), "{:?}", answer.fields);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _stopping = Stopping(&stop);
        for round in 0..12 {
            let path = if round % 2 == 0 { "/c/*" } else { "/b/*" };
            peregrine.reload(&route(path, 60 + round, 16 + 16 * (round % 4)));
            let before = answered.load(Ordering::SeqCst);
            until("further requests", || answered.load(Ordering::SeqCst) > before + 3);
            let (taken, left) = if round % 2 == 0 {
                ("/c/x", "/b/x")
            } else {
                ("/b/x", "/c/x")
            };
            assert_eq!(
                (peregrine.get(taken, &[]).status, peregrine.get(left, &[]).status),
                (200, 404),
                "round {round}"
            );
        }
    });
    assert_eq!(
        peregrine.metric("peregrine_responses_total", &["route=\"always\"", "class=\"5xx\""]),
        0.0
    );
}

#[test]
fn whoever_sees_it_answer_may_send_it_signals() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::before(&origin, "");
    let status = std::fs::read_to_string(format!("/proc/{}/status", peregrine.process.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    for signal in [Signal::HUP, Signal::INT, Signal::TERM, Signal::USR2] {
        assert_ne!(caught & 1 << (signal.as_raw() - 1), 0, "{signal:?} would end it");
    }
}

#[test]
fn entries_and_counters_survive_a_reload() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    peregrine.reload(&upstream(
        &[&origin],
        "",
        "[cache]\nmemory = \"32MiB\"\n[strategy.default]\nttl = \"1h\"\n",
    ));
    assert!(peregrine.get("/a", &[]).is_hit());
    assert_eq!(peregrine.statistics()["requests"], 2);
}

#[test]
fn a_smaller_cache_lets_entries_go() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], vec![b'x'; 100 << 10]));
    let peregrine = Peregrine::before(&origin, "[cache]\nmemory = \"64MiB\"\n");
    for number in 0..100 {
        peregrine.get(&format!("/{number}"), &[]);
    }
    let bytes = || peregrine.statistics()["cache"]["total"]["bytes"].as_u64().unwrap();
    assert!(bytes() > 8 << 20, "{}", bytes());
    peregrine.reload(&upstream(
        &[&origin],
        "",
        "[cache]\nmemory = \"4MiB\"\nobject_size_max = \"256KiB\"\n",
    ));
    until("entries to go", || bytes() <= 4 << 20);
    assert_eq!(peregrine.get("/0", &[]).status, 200);
}

#[test]
fn what_is_refused_lets_no_entry_go() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], vec![b'x'; 100 << 10]));
    let peregrine = Peregrine::before(&origin, "[cache]\nmemory = \"64MiB\"\n");
    for number in 0..100 {
        peregrine.get(&format!("/{number}"), &[]);
    }
    // The smaller bound is good; the route beside it has a fault that only the routes themselves know of.
    let cache = "[cache]\nmemory = \"4MiB\"\nobject_size_max = \"256KiB\"\n";
    let route = "[[route]]\nupstream = \"origin\"\nmatch.methods = [\"NO METHOD\"]\n";
    peregrine.rewrite(&upstream(&[&origin], "", &format!("{cache}{route}")));
    peregrine.process.signal(Signal::HUP);
    until("the refusal", || peregrine.log().contains("not reloaded"));
    for number in 0..100 {
        assert!(peregrine.get(&format!("/{number}"), &[]).is_hit(), "{number}");
    }
}

#[test]
fn a_bad_file_changes_nothing_and_the_log_says_why() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let good = upstream(&[&origin], "", "");
    let refusals = || peregrine.log().matches("not reloaded").count();
    let line = good.lines().count();
    for (count, (fault, place, words)) in [
        (
            "[strategy.default]\nttl = \"5 parsecs\"",
            line + 2,
            "strategy.default.ttl",
        ),
        ("[strategy.default]\nfreshnes = \"force\"", line + 2, "freshness"),
        ("[cache]\nmemory = \"1KiB\"", line + 2, "cache.memory"),
        ("[[route]]\nupstream = \"elsewhere\"", line + 2, "elsewhere"),
        ("this is no TOML", line + 1, ""),
    ]
    .into_iter()
    .enumerate()
    {
        peregrine.rewrite(&format!("{good}{fault}\n"));
        peregrine.process.signal(Signal::HUP);
        until("the refusal", || refusals() == count + 1);
        let log = peregrine.log();
        let said = log.split("not reloaded").last().unwrap_or_default();
        assert!(
            said.contains(&format!("peregrine.toml:{place}:")) && said.contains(words),
            "{fault}: {said}"
        );
        assert!(peregrine.get("/a", &[]).is_hit(), "{fault}");
    }
    peregrine.reload(&upstream(
        &[&origin],
        "",
        "[[route]]\nmatch.path = \"/new/*\"\nupstream = \"origin\"\n",
    ));
    assert_eq!(
        (peregrine.get("/a", &[]).status, peregrine.get("/new/a", &[]).status),
        (404, 200)
    );
}

#[test]
fn what_needs_a_restart_is_said_and_the_rest_holds() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::before(&origin, "");
    let more = "[server]\nheader_timeout = \"3s\"\n[[route]]\nmatch.path = \"/new/*\"\nupstream = \"origin\"\n";
    peregrine.reload(&upstream(&[&origin], "", more));
    until("the warning", || peregrine.log().contains("server.header_timeout"));
    assert_eq!(peregrine.get("/new/a", &[]).status, 200);
    let reload = |more: &str| {
        peregrine.rewrite(&upstream(&[&origin], "", more));
        let answer = peregrine.admin("POST", "/api/performance/config/reload", None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    // It is still to come after a reload that changes something else, and not when it was taken back.
    let told = reload(&format!("{more}[strategy.default]\nttl = \"7m\"\n"));
    assert_eq!(
        (&told["applied"], &told["needs_restart"]),
        (&json!(["strategy.default.ttl"]), &json!(["server.header_timeout"]))
    );
    assert_eq!(reload("")["needs_restart"], json!([]));
}

#[test]
fn a_request_under_way_finishes_by_the_old_routes() {
    let gate = crate::harness::Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        Reply::default()
            .wait(&waiting)
            .then(&Reply::ok(&[], "by the old route"))
    });
    let peregrine = Peregrine::before(
        &origin,
        "[[route]]\nupstream = \"origin\"\nresponse_headers.set = { x-route = \"old\" }\n",
    );
    let mut client = peregrine.begin("/a", &[]);
    until("the request to be under way", || origin.count() == 1);
    let other = Origin::start(|_| Reply::ok(&[], "by the new route"));
    peregrine.reload(&upstream(
        &[&other],
        "",
        "[[route]]\nupstream = \"origin\"\nresponse_headers.set = { x-route = \"new\" }\n",
    ));
    let after = peregrine.get("/b", &[]);
    assert_eq!(
        (after.text().as_str(), after.field("x-route").as_str()),
        ("by the new route", "new")
    );
    gate.open();
    let answer = client.read("GET");
    assert_eq!(
        (answer.text().as_str(), answer.field("x-route").as_str()),
        ("by the old route", "old")
    );
}

#[test]
fn the_admin_api_reloads_too_and_answers_what_came_of_it() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.rewrite(&upstream(&[&origin], "", "[strategy.default]\nttl = \"7m\"\n"));
    let reload = || peregrine.admin("POST", "/api/performance/config/reload", None);
    let answer = reload();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("strategy.default.ttl"), "{}", answer.text());
    peregrine.rewrite("nonsense");
    let refused = reload();
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("peregrine.toml:1"), "{}", refused.text());
}
