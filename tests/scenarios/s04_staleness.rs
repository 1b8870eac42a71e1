//! What is served once an answer is no longer fresh, and what never is.

use crate::harness::{Answer, Gate, Origin, Peregrine, Reply, eventually, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The seconds of freshness left that an answer reports; negative once it is stale.
fn ttl(answer: &Answer) -> Option<i64> {
    let status = answer.field("cache-status");
    status
        .split("; ")
        .find_map(|part| part.strip_prefix("ttl="))
        .and_then(|text| text.parse().ok())
}

/// Asks until a stale answer is served.
fn await_stale(peregrine: &Peregrine, target: &str) -> Answer {
    eventually("a stale answer", || {
        Some(peregrine.get(target, &[])).filter(|answer| ttl(answer).is_some_and(|ttl| ttl < 0))
    })
}

/// An origin whose first answer is `first`, and whose later ones wait for the gate before they are `later`.
fn changing(first: Reply, later: Reply) -> (Origin, Gate) {
    let gate = Gate::default();
    let (waiting, asked) = (gate.clone(), AtomicUsize::new(0));
    let origin = Origin::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => first.clone(),
        _ => Reply::default().wait(&waiting).then(&later),
    });
    (origin, gate)
}

#[test]
fn a_stale_answer_is_served_while_one_request_renews_it() {
    let lifetime = [("cache-control", "max-age=1, stale-while-revalidate=600")];
    let (origin, gate) = changing(
        Reply::ok(&lifetime, "old"),
        Reply::ok(&[("cache-control", "max-age=600")], "new"),
    );
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/a", &[]).text(), "old");
    await_stale(&peregrine, "/a");
    until("the renewal to begin", || origin.count() == 2);
    for _ in 0..20 {
        let answer = peregrine.get("/a", &[]);
        assert!(answer.is_hit() && answer.text() == "old", "{answer:?}");
    }
    assert_eq!(origin.count(), 2, "one renewal for all who ask");
    gate.open();
    until("the new answer", || peregrine.get("/a", &[]).text() == "new");
    assert!(peregrine.get("/a", &[]).is_hit());
    assert_eq!(origin.count(), 2);
}

#[test]
fn a_strategy_gives_the_stale_windows_that_the_origin_does_not() {
    let (origin, gate) = changing(
        Reply::ok(&[("cache-control", "max-age=1")], "old"),
        Reply::ok(&[], "new"),
    );
    let peregrine = Peregrine::before(&origin, "[strategy.default]\nstale_while_revalidate = \"10m\"\n");
    peregrine.get("/a", &[]);
    await_stale(&peregrine, "/a");
    gate.open();
}

#[test]
fn a_stale_answer_stands_in_for_an_error_of_the_origin() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=1, stale-if-error=600")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    origin.now(|_| Reply::status(503, &[], "busy"));
    let answer = await_stale(&peregrine, "/a");
    assert_eq!((answer.status, answer.text().as_str()), (200, "page"));
    let fresh = peregrine.get("/never-seen", &[]);
    assert_eq!(
        (fresh.status, fresh.text().as_str()),
        (503, "busy"),
        "where nothing is stored, the error is passed on"
    );
    origin.now(|_| Reply::status(404, &[], "gone"));
    assert_eq!(
        peregrine.get("/a", &[]).status,
        404,
        "that a page is gone is no failure of the origin"
    );
}

#[test]
fn a_stale_answer_stands_in_for_an_origin_that_died_and_gives_way_when_it_is_back() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=1")], "old"));
    let peregrine = Peregrine::before(&origin, "[strategy.default]\nstale_if_error = \"1h\"\n");
    peregrine.get("/a", &[]);
    origin.die();
    assert_eq!(await_stale(&peregrine, "/a").text(), "old");
    assert_eq!(peregrine.get("/never-seen", &[]).status, 502);
    origin.now(|_| Reply::ok(&[("cache-control", "max-age=600")], "new"));
    origin.revive();
    until("the origin's new answer", || peregrine.get("/a", &[]).text() == "new");
}

#[test]
fn a_stale_answer_stands_in_for_an_origin_that_does_not_answer_in_time() {
    let stale = [("cache-control", "max-age=1, stale-if-error=600")];
    let (origin, gate) = changing(Reply::ok(&stale, "page"), Reply::ok(&[], "too late"));
    let peregrine = Peregrine::before_with(&origin, "first_byte_timeout = \"200ms\"\nejection.failures = 0", "");
    peregrine.get("/a", &[]);
    assert_eq!(await_stale(&peregrine, "/a").text(), "page");
    let timed_out = peregrine.get("/never-seen", &[]);
    assert_eq!(
        (timed_out.status, timed_out.field("content-type").as_str()),
        (504, "application/problem+json")
    );
    gate.open();
}

#[test]
fn what_must_be_revalidated_is_never_served_stale() {
    for control in [
        "max-age=1, must-revalidate",
        "max-age=1, proxy-revalidate",
        "s-maxage=1",
    ] {
        let origin = Origin::start(move |_| Reply::ok(&[("cache-control", control), ("etag", "\"1\"")], "page"));
        let peregrine = Peregrine::before(
            &origin,
            "[strategy.default]\nstale_if_error = \"1h\"\nstale_while_revalidate = \"1h\"\n",
        );
        peregrine.get("/a", &[]);
        origin.die();
        let refused = eventually("the end of its lifetime", || {
            let answer = peregrine.get("/a", &[]);
            assert!(answer.status != 200 || ttl(&answer) >= Some(0), "{control}: {answer:?}");
            (answer.status != 200).then_some(answer)
        });
        assert_eq!(refused.status, 502, "{control}");
    }
}

#[test]
fn past_the_soft_limit_a_stale_answer_is_served_while_the_load_goes_on() {
    let later = Reply::ok(&[("cache-control", "max-age=600")], "new");
    let (origin, gate) = changing(Reply::ok(&[("cache-control", "max-age=1")], "old"), later);
    let peregrine = Peregrine::before(
        &origin,
        "[strategy.default]\nstale_if_error = \"1h\"\nload_soft_limit = \"50ms\"\n",
    );
    peregrine.get("/a", &[]);
    assert_eq!(await_stale(&peregrine, "/a").text(), "old");
    assert_eq!(
        peregrine.get("/a", &[]).text(),
        "old",
        "a follower of the slow load gets the stale answer too"
    );
    assert_eq!(origin.count(), 2);
    gate.open();
    until("the answer of the load that went on", || {
        peregrine.get("/a", &[]).text() == "new"
    });
    assert_eq!(origin.count(), 2);
}

#[test]
fn past_the_hard_limit_a_load_is_given_up() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| Reply::default().wait(&waiting).then(&Reply::ok(&[], "late")));
    let peregrine = Peregrine::before(&origin, "[strategy.default]\nload_hard_limit = \"200ms\"\n");
    let answer = peregrine.get("/slow", &[]);
    assert_eq!(
        (answer.status, answer.field("content-type").as_str()),
        (504, "application/problem+json")
    );
    gate.open();
    until("an answer in time", || peregrine.get("/slow", &[]).text() == "late");
}

#[test]
fn an_entry_that_is_asked_for_is_renewed_before_it_is_stale() {
    let later = Reply::ok(&[("cache-control", "max-age=600")], "new");
    let (origin, gate) = changing(Reply::ok(&[("cache-control", "max-age=100")], "old"), later);
    let peregrine = Peregrine::before(&origin, "[strategy.default]\nrefresh_ahead = 0.01\n");
    peregrine.get("/a", &[]);
    let fresh = |answer: &Answer| assert!(answer.is_hit() && ttl(answer) >= Some(0), "{answer:?}");
    until("the renewal to begin", || {
        fresh(&peregrine.get("/a", &[]));
        origin.count() == 2
    });
    for _ in 0..10 {
        let answer = peregrine.get("/a", &[]);
        fresh(&answer);
        assert_eq!(answer.text(), "old", "nobody waits for the renewal");
    }
    gate.open();
    until("the new answer", || {
        let answer = peregrine.get("/a", &[]);
        fresh(&answer);
        answer.text() == "new"
    });
    assert_eq!(origin.count(), 2);
}

#[test]
fn an_error_is_kept_for_its_own_shorter_time() {
    let origin = Origin::start(|heard| match heard.target.as_str() {
        "/missing" => Reply::status(404, &[], "no such page"),
        "/broken" => Reply::status(500, &[], "broken"),
        _ => Reply::ok(&[], "page"),
    });
    let strategy = "[strategy.default]\nfreshness = \"fallback\"\nttl = \"1h\"\nnegative_ttl = \"5m\"\n";
    let peregrine = Peregrine::before(&origin, strategy);
    for (target, lifetime_s) in [("/missing", 300), ("/page", 3600)] {
        peregrine.get(target, &[]);
        let hit = peregrine.get(target, &[]);
        assert!(hit.is_hit(), "{target}: {hit:?}");
        assert!(
            ttl(&hit).is_some_and(|ttl| ttl <= lifetime_s && ttl > lifetime_s / 2),
            "{target}: {hit:?}"
        );
    }
    assert_eq!(peregrine.get("/missing", &[]).status, 404);
    for _ in 0..2 {
        assert!(!peregrine.get("/broken", &[]).is_hit(), "500 is not listed");
    }
    assert_eq!(origin.count(), 4);
}

#[test]
fn the_strategy_decides_where_the_origin_says_nothing_or_always() {
    let asked = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start({
        let asked = Arc::clone(&asked);
        move |heard| {
            asked.fetch_add(1, Ordering::SeqCst);
            match heard.target.rsplit('/').next() {
                Some("silent") => Reply::ok(&[], "page"),
                Some("short") => Reply::ok(&[("cache-control", "max-age=30")], "page"),
                Some("private") => Reply::ok(&[("cache-control", "private")], "page"),
                _ => Reply::ok(&[("cache-control", "no-store")], "page"),
            }
        }
    });
    let routes: String = ["origin", "fallback", "force"]
        .map(|freshness| {
            format!(
                "[[route]]\nmatch.path = \"/{freshness}/*\"\nupstream = \"origin\"\nstrategy = \"{freshness}\"\n\
                 [strategy.{freshness}]\nfreshness = \"{freshness}\"\nttl = \"1h\"\n"
            )
        })
        .concat();
    let peregrine = Peregrine::before(&origin, &routes);
    for (target, lifetime_s) in [
        ("/origin/silent", None),
        ("/origin/short", Some(30)),
        ("/origin/nostore", None),
        ("/fallback/silent", Some(3600)),
        ("/fallback/short", Some(30)),
        ("/fallback/private", None),
        ("/fallback/nostore", None),
        ("/force/silent", Some(3600)),
        ("/force/short", Some(3600)),
        ("/force/private", Some(3600)),
        ("/force/nostore", Some(3600)),
    ] {
        let first = peregrine.get(target, &[]);
        let second = peregrine.get(target, &[]);
        assert_eq!(second.is_hit(), lifetime_s.is_some(), "{target}: {second:?}");
        if let Some(lifetime_s) = lifetime_s {
            assert!(
                ttl(&second).is_some_and(|ttl| ttl <= lifetime_s && ttl > lifetime_s / 2),
                "{target}: {second:?}"
            );
        }
        if target.starts_with("/force/") {
            assert!(
                first.field("cache-status").contains("force"),
                "who overrode the origin is told: {first:?}"
            );
        }
    }
}

#[test]
fn a_client_sets_its_own_terms() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600"), ("age", "100")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    let ask = |control: &str| peregrine.get("/a", &[("cache-control", control)]);
    assert_eq!(ask("only-if-cached").status, 504, "nothing is stored yet");
    assert_eq!(origin.count(), 0);
    peregrine.get("/a", &[]);
    assert!(ask("only-if-cached").is_hit());
    assert!(ask("max-age=300").is_hit() && ask("min-fresh=300").is_hit());
    let asked = origin.count();
    for (count, control) in ["max-age=50", "min-fresh=550", "no-cache"].into_iter().enumerate() {
        let answer = ask(control);
        assert!(!answer.is_hit() && answer.status == 200, "{control}: {answer:?}");
        assert_eq!(origin.count(), asked + count + 1, "{control}");
    }
}

#[test]
fn a_renewal_that_only_its_asker_may_have_takes_nothing_from_the_others() {
    let origin = Origin::start(|heard| {
        if heard.has("authorization") {
            Reply::ok(&[("cache-control", "max-age=600")], "own")
        } else {
            Reply::ok(&[("cache-control", "max-age=1, stale-while-revalidate=600")], "public")
        }
    });
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/a", &[]).text(), "public");
    until("the user's request to begin a renewal", || {
        peregrine.get("/a", &[("authorization", "a")]);
        origin.count() == 2
    });
    assert!(origin.heard()[1].has("authorization"));
    until("a renewal that everybody may have", || {
        let answer = peregrine.get("/a", &[]);
        assert!(answer.is_hit() && answer.text() == "public", "{answer:?}");
        origin.count() >= 3
    });
}

#[test]
fn a_failure_of_the_origin_does_not_end_coalescing() {
    let origin = Origin::start(|_| Reply::status(503, &[], "down"));
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/a", &[]).status, 503);
    origin.now(|_| Reply::ok(&[("cache-control", "max-age=600")], "up"));
    let answer = peregrine.get("/a", &[]);
    assert!(
        answer.field("cache-status").contains("fwd=uri-miss; stored"),
        "nothing is noted of the failure: {answer:?}"
    );
}
