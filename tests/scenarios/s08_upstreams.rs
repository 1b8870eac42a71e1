//! Several targets, what is tried again and what never is, TLS and HTTP/2 towards the origin, and the Host that it sees.

use crate::harness::program::upstream;
use crate::harness::secure::SecureOrigin;
use crate::harness::{Client, Origin, Peregrine, Reply, get, request, until};

fn well() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "no-store")], "ok"))
}

#[test]
fn targets_take_turns() {
    let (first, second) = (well(), well());
    let peregrine = Peregrine::start(&upstream(&[&first, &second], "balance = \"round_robin\"", ""));
    for _ in 0..20 {
        assert_eq!(peregrine.get("/", &[]).status, 200);
    }
    assert_eq!((first.count(), second.count()), (10, 10));
}

#[test]
fn the_quicker_target_gets_more() {
    let slow = Origin::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        Reply::ok(&[("cache-control", "no-store")], "slow")
    });
    let quick = well();
    let peregrine = Peregrine::start(&upstream(&[&slow, &quick], "balance = \"least_latency\"", ""));
    for _ in 0..60 {
        assert_eq!(peregrine.get("/", &[]).status, 200);
    }
    assert!(
        quick.count() > 2 * slow.count(),
        "{} to the quick one, {} to the slow one",
        quick.count(),
        slow.count()
    );
}

#[test]
fn when_one_target_dies_the_other_answers_everything_and_the_dead_one_is_left_out_until_it_is_back() {
    let (first, second) = (well(), well());
    let fields = "balance = \"round_robin\"\nejection = { failures = 2, time_min = \"200ms\", time_max = \"500ms\" }";
    let peregrine = Peregrine::start(&upstream(&[&first, &second], fields, ""));
    assert_eq!(peregrine.get("/", &[]).status, 200);
    first.die();
    for _ in 0..40 {
        assert_eq!(
            peregrine.get("/", &[]).status,
            200,
            "a safe request is tried at the other target"
        );
    }
    let name = format!("target=\"{}\"", first.url());
    assert_eq!(peregrine.metric("peregrine_target_healthy", &[&name]), 0.0);
    assert!(peregrine.metric("peregrine_target_ejections_total", &[&name]) >= 1.0);
    let health = peregrine.admin("GET", "/api/performance/health", None).json();
    assert_eq!(health["status"], "degraded", "{health}");
    let before = first.count();
    first.revive();
    until("it to get requests again", || {
        assert_eq!(peregrine.get("/", &[]).status, 200);
        first.count() > before + 2
    });
    assert_eq!(peregrine.metric("peregrine_target_healthy", &[&name]), 1.0);
}

#[test]
fn a_write_whose_connection_breaks_is_not_sent_twice() {
    let cutting = || Origin::start(|_| Reply::default().cut());
    let (first, second) = (cutting(), cutting());
    let fields = "balance = \"round_robin\"\nretries_max = 5\nejection.failures = 0";
    let peregrine = Peregrine::start(&upstream(&[&first, &second], fields, ""));
    let heard = || first.count() + second.count();
    let text = request("POST", "/orders", &[("content-length", "5")]) + "order";
    assert_eq!(Client::connect(peregrine.address).send(text).read("POST").status, 502);
    assert_eq!(heard(), 1, "an order must not be placed twice");
    assert_eq!(
        peregrine.ask("PATCH", "/orders/1", &[("content-length", "0")]).status,
        502
    );
    assert_eq!(heard(), 2);
    assert_eq!(peregrine.get("/orders", &[]).status, 502);
    assert!(heard() > 3, "reading may be tried again");
}

#[test]
fn a_read_whose_connection_breaks_is_tried_again_and_succeeds() {
    let bad = Origin::start(|_| Reply::default().cut());
    let good = well();
    let fields = "balance = \"round_robin\"\nejection.failures = 0";
    let peregrine = Peregrine::start(&upstream(&[&bad, &good], fields, ""));
    for _ in 0..10 {
        assert_eq!(peregrine.get("/", &[]).status, 200);
    }
    assert!(bad.count() > 0);
    bad.now(|_| {
        Reply::default()
            .head(200, &[("content-length", "10")])
            .send("half")
            .cut()
    });
    let cut = (0..4)
        .map(|_| peregrine.get("/", &[]))
        .filter(|answer| !answer.complete)
        .count();
    assert!(cut > 0, "once a part of an answer has gone out, nothing is tried again");
}

#[test]
fn a_connection_that_the_origin_closed_meanwhile_costs_nobody_an_error() {
    let origin = Origin::start(|heard| {
        let reply = Reply::ok(&[("cache-control", "no-store")], "ok");
        if heard.target == "/last" { reply.cut() } else { reply }
    });
    let peregrine = Peregrine::before(&origin, "");
    for _ in 0..20 {
        assert_eq!(peregrine.get("/last", &[]).status, 200);
        assert_eq!(peregrine.get("/next", &[]).status, 200);
    }
    assert_eq!(origin.count(), 40);
}

#[test]
fn more_requests_than_may_wait_are_refused_at_once() {
    let gate = crate::harness::Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        Reply::default()
            .wait(&waiting)
            .then(&Reply::ok(&[("cache-control", "no-store")], "ok"))
    });
    let peregrine = Peregrine::before_with(&origin, "connections_max = 1\nwaiters_max = 1", "");
    let mut first = peregrine.begin("/1", &[]);
    until("the first to be under way", || origin.count() == 1);
    let mut second = peregrine.begin("/2", &[]);
    until("the second to wait", || {
        peregrine.metric("peregrine_target_waiting", &[]) == 1.0
    });
    let third = peregrine.get("/3", &[]);
    assert_eq!(
        (third.status, third.field("content-type").as_str()),
        (503, "application/problem+json")
    );
    gate.open();
    assert_eq!((first.read("GET").status, second.read("GET").status), (200, 200));
}

#[test]
fn who_waits_for_the_load_of_another_is_refused_as_that_is() {
    let gate = crate::harness::Gate::default();
    let busy = gate.clone();
    let origin = Origin::start(move |_| Reply::default().wait(&busy).then(&Reply::ok(&[], "ok")));
    let peregrine = Peregrine::before_with(&origin, "connections_max = 1\nwait_timeout = \"2s\"", "");
    let mut first = peregrine.begin("/1", &[]);
    until("the first to be under way", || origin.count() == 1);
    let mut leader = peregrine.begin("/2", &[]);
    until("the second to wait", || {
        peregrine.metric("peregrine_target_waiting", &[]) == 1.0
    });
    let mut follower = peregrine.begin("/2", &[]);
    for who in [&mut leader, &mut follower] {
        let answer = who.read("GET");
        assert_eq!((answer.status, answer.field("retry-after").as_str()), (503, "1"));
    }
    gate.open();
    assert_eq!(first.read("GET").status, 200);
    assert_eq!(
        peregrine.metric("peregrine_origin_requests_total", &[]),
        1.0,
        "only what the origin got"
    );
}

/// Peregrine in front of an origin with TLS, whose authority it is told with `fields`.
fn before_secure(origin: &SecureOrigin, fields: &str) -> Peregrine {
    let folder = tempfile::tempdir().unwrap();
    origin.write_authority(folder.path());
    let text = format!(
        "[[upstream]]\nname = \"s\"\ntargets = [\"{}\"]\n{fields}\n[[route]]\nupstream = \"s\"\n",
        origin.url()
    );
    Peregrine::start_in(folder, &text)
}

#[test]
fn an_https_origin_is_spoken_to_in_the_version_that_it_offers() {
    let roots = "tls.roots = \"authority.pem\"";
    for (protocols, more, version) in [
        (&["h2", "http/1.1"][..], "", "HTTP/2.0"),
        (&["http/1.1"], "", "HTTP/1.1"),
        (&["h2", "http/1.1"], "http_version = \"1.1\"", "HTTP/1.1"),
    ] {
        let origin = SecureOrigin::start(protocols);
        let peregrine = before_secure(&origin, &format!("{roots}\n{more}"));
        let answer = peregrine.get("/a", &[]);
        let own = format!("localhost:{}", origin.address.port());
        assert_eq!(
            (answer.status, answer.text()),
            (200, format!("{version} {own} /a")),
            "{protocols:?}"
        );
        assert!(peregrine.get("/a", &[]).is_hit());
        assert_eq!(origin.count(), 1);
    }
}

#[test]
fn many_requests_share_a_connection_of_http_2() {
    let origin = SecureOrigin::start(&["h2"]);
    let peregrine = before_secure(&origin, "tls.roots = \"authority.pem\"");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let address = peregrine.address;
            scope.spawn(move || {
                for number in 0..25 {
                    let target = format!("/{thread}/{number}");
                    assert!(get(address, &target, &[]).text().ends_with(&target));
                }
            });
        }
    });
    assert_eq!(origin.count(), 100);
    assert!(peregrine.metric("peregrine_target_connects_total", &[]) <= 4.0);
}

#[test]
fn an_https_origin_that_is_not_trusted_gets_no_request() {
    let origin = SecureOrigin::start(&["h2", "http/1.1"]);
    let peregrine = before_secure(&origin, "");
    let answer = peregrine.get("/a", &[]);
    assert_eq!((answer.status, origin.count()), (502, 0));
    assert!(
        answer.json()["type"].as_str().is_some_and(|kind| kind.ends_with("tls")),
        "{}",
        answer.text()
    );
    let by_address = format!(
        "[[upstream]]\nname = \"s\"\ntargets = [\"https://{}\"]\ntls.roots = \"authority.pem\"\n[[route]]\nupstream = \"s\"\n",
        origin.address
    );
    let folder = tempfile::tempdir().unwrap();
    origin.write_authority(folder.path());
    let peregrine = Peregrine::start_in(folder, &by_address);
    assert_eq!(
        (peregrine.get("/a", &[]).status, origin.count()),
        (502, 0),
        "the certificate is for another name"
    );
}

#[test]
fn the_origin_sees_the_host_that_is_configured() {
    let origin = Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], heard.field("host")));
    let asked = [("host", "shop.example:8080")];
    for (fields, expected) in [
        ("", "shop.example:8080".to_owned()),
        ("host = \"keep\"", "shop.example:8080".to_owned()),
        ("host = \"target\"", origin.address.to_string()),
        ("host = \"internal.example\"", "internal.example".to_owned()),
    ] {
        let peregrine = Peregrine::before_with(&origin, fields, "");
        assert_eq!(peregrine.get("/a", &asked).text(), expected, "{fields}");
        assert_eq!(
            origin.heard().last().unwrap().field("x-forwarded-host"),
            "shop.example:8080",
            "{fields}"
        );
        let other = peregrine.get("/a", &[("host", "other.example")]);
        assert!(
            !other.is_hit(),
            "the key holds what the client asked for, whatever the origin sees"
        );
    }
    let secure = SecureOrigin::start(&["h2"]);
    let peregrine = before_secure(&secure, "tls.roots = \"authority.pem\"\nhost = \"keep\"");
    assert_eq!(peregrine.get("/a", &asked).text(), "HTTP/2.0 shop.example:8080 /a");
}
