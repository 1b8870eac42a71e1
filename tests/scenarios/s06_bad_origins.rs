//! Origins that die, freeze, crawl or break off: clients get an honest error in time, what was cut short is never taken
//! for whole, and when the origin is well again, so is everything.

use crate::harness::{Client, Gate, Origin, Peregrine, Reply, Shop, Signal, eventually, until};

/// A real shop process behind Peregrine.
fn before_shop(shop: &Shop, upstream: &str, more: &str) -> Peregrine {
    before_shops(&[shop], upstream, more)
}

fn before_shops(shops: &[&Shop], upstream: &str, more: &str) -> Peregrine {
    let targets: Vec<String> = shops.iter().map(|shop| shop.url()).collect();
    Peregrine::start(&format!(
        "[[upstream]]\nname = \"shop\"\ntargets = {targets:?}\n{upstream}\n[[route]]\nupstream = \"shop\"\n{more}\n"
    ))
}

#[test]
fn an_origin_that_is_killed_costs_an_honest_error_until_it_is_back() {
    let mut shop = Shop::start(0);
    let peregrine = before_shop(
        &shop,
        "ejection.time_max = \"1s\"",
        "[strategy.default]\nstale_if_error = \"1h\"\n",
    );
    assert_eq!(peregrine.get("/products/1", &[]).status, 200);
    shop.process.signal(Signal::KILL);
    assert_eq!(shop.process.exit_code(), None);
    for number in 0..20 {
        let answer = peregrine.get(&format!("/products/{}", number + 2), &[]);
        assert_eq!(
            (answer.status, answer.field("content-type").as_str()),
            (502, "application/problem+json")
        );
    }
    assert!(
        peregrine.get("/products/1", &[]).is_hit(),
        "what is cached is still served"
    );
    let back = Shop::start(shop.address.port());
    until("the shop's answers", || peregrine.get("/products/2", &[]).status == 200);
    drop(back);
}

#[test]
fn an_origin_that_is_killed_in_the_middle_of_many_requests_costs_only_errors() {
    let mut shop = Shop::start(0);
    let peregrine = before_shop(&shop, "", "");
    let clients: Vec<Client> = (0..50)
        .map(|number| peregrine.begin(&format!("/products/{}", number + 1), &[]))
        .collect();
    shop.process.signal(Signal::KILL);
    shop.process.exit_code();
    for mut client in clients {
        let answer = client.read("GET");
        assert!(
            answer.status == 502 || !answer.complete || answer.status == 200,
            "{answer:?}"
        );
    }
    assert_eq!(peregrine.get("/products/99", &[]).status, 502);
}

#[test]
fn an_origin_that_is_frozen_is_waited_for_within_the_limit_only() {
    let shop = Shop::start(0);
    let fields = "first_byte_timeout = \"300ms\"\nretries_max = 0\nejection.failures = 0";
    let peregrine = before_shop(&shop, fields, "");
    assert_eq!(peregrine.get("/products/1", &[]).status, 200);
    shop.process.signal(Signal::STOP);
    for target in ["/products/2", "/products/3"] {
        let answer = peregrine.get(target, &[]);
        assert_eq!(
            (answer.status, answer.field("content-type").as_str()),
            (504, "application/problem+json")
        );
        assert!(
            answer.json()["type"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("timeout")),
            "{}",
            answer.text()
        );
    }
    assert!(peregrine.get("/products/1", &[]).is_hit());
    shop.process.signal(Signal::CONT);
    until("the shop's answers", || peregrine.get("/products/2", &[]).status == 200);
}

#[test]
fn frozen_origins_are_left_out_after_some_failures_and_probed_again() {
    // Two, because a sole target is never left out.
    let shops = [Shop::start(0), Shop::start(0)];
    let fields = "first_byte_timeout = \"100ms\"\nejection = { failures = 2, time_min = \"2s\", time_max = \"2s\" }";
    let peregrine = before_shops(&[&shops[0], &shops[1]], fields, "");
    let signal = |signal| shops.iter().for_each(|shop| shop.process.signal(signal));
    signal(Signal::STOP);
    until("both to be left out", || {
        peregrine.get("/products/1", &[]);
        peregrine.metric("peregrine_target_healthy", &[]) == 0.0
    });
    signal(Signal::CONT);
    let mut product = 0;
    until("both to be taken back", || {
        // Another one each time, so that somebody is asked.
        product += 1;
        peregrine.get(&format!("/products/{product}"), &[]);
        peregrine.metric("peregrine_target_healthy", &[]) == 2.0
    });
}

#[test]
fn a_body_cut_short_is_seen_as_cut_and_never_stored() {
    let lifetime = ("cache-control", "max-age=600");
    let sized = Reply::default().head(200, &[lifetime, ("content-length", "100")]);
    let chunked = Reply::default().head(200, &[lifetime, ("transfer-encoding", "chunked")]);
    for (what, cut) in [
        ("a length that is not reached", sized.clone().send("half").cut()),
        ("nothing of a body", sized.cut()),
        ("chunks without an end", chunked.clone().chunk(b"half").cut()),
        ("half a chunk", chunked.clone().send("64\r\nhalf").cut()),
        ("a chunk that lies", chunked.chunk(b"half").send("zz\r\n").cut()),
    ] {
        let origin = Origin::start(move |_| cut.clone());
        let peregrine = Peregrine::before(&origin, "");
        let first = peregrine.begin("/film", &[]).try_read("GET");
        assert!(
            first.is_none_or(|answer| answer.status >= 500 || !answer.complete),
            "{what} looked whole"
        );
        origin.now(move |_| Reply::ok(&[lifetime], "whole"));
        let second = peregrine.get("/film", &[]);
        assert!(!second.is_hit() && second.text() == "whole", "{what}: {second:?}");
        assert!(peregrine.get("/film", &[]).is_hit(), "{what}");
    }
}

#[test]
fn everybody_who_reads_a_body_that_is_cut_short_sees_the_cut() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        let reply = Reply::default().head(
            200,
            &[("transfer-encoding", "chunked"), ("cache-control", "max-age=600")],
        );
        reply.chunk(b"first").wait(&waiting).cut()
    });
    let peregrine = Peregrine::before(&origin, "");
    let mut clients: Vec<Client> = (0..5).map(|_| peregrine.begin("/film", &[])).collect();
    for client in &mut clients {
        client.head().unwrap();
        assert_eq!(client.bytes(10), b"5\r\nfirst\r\n");
    }
    gate.open();
    for client in &mut clients {
        assert!(client.is_closed(), "no end of the chunks, no further byte");
    }
    assert_eq!(origin.count(), 1);
    origin.now(|_| Reply::ok(&[("cache-control", "max-age=600")], "whole"));
    assert_eq!(peregrine.get("/film", &[]).text(), "whole");
}

#[test]
fn a_body_longer_than_announced_is_not_passed_on_beyond_its_length() {
    let origin = Origin::start(|_| {
        Reply::default()
            .head(200, &[("content-length", "4"), ("cache-control", "max-age=600")])
            .send("wellHTTP/1.1 200 OK\r\n\r\n")
    });
    let peregrine = Peregrine::before(&origin, "");
    for target in ["/a", "/b", "/a"] {
        let answer = peregrine.get(target, &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "well"), "{target}");
    }
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole_and_stored() {
    let origin = Origin::start(|_| {
        Reply::default()
            .head(200, &[("cache-control", "max-age=600")])
            .send("until the end")
            .cut()
    });
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/old", &[]).text(), "until the end");
    let hit = peregrine.get("/old", &[]);
    assert!(hit.is_hit() && hit.text() == "until the end", "{hit:?}");
}

#[test]
fn answers_that_are_no_http_are_a_bad_gateway() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(2 << 20));
    for answer in [
        "nothing of the kind\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbroken field\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\ncontent-length: minus\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
        &long,
    ] {
        let bytes = answer.to_owned();
        let origin = Origin::start(move |_| Reply::default().send(&bytes).cut());
        let peregrine = Peregrine::before(&origin, "");
        let got = peregrine.get("/", &[]);
        let what = &answer[..answer.len().min(60)];
        assert_eq!(
            (got.status, got.field("content-type").as_str()),
            (502, "application/problem+json"),
            "{what:?}"
        );
    }
}

#[test]
fn a_slow_origin_is_waited_for_as_long_as_something_moves() {
    let gates: Vec<Gate> = (0..5).map(|_| Gate::default()).collect();
    let waiting = gates.clone();
    let origin = Origin::start(move |_| {
        let mut reply = Reply::default().head(200, &[("content-length", "10"), ("cache-control", "no-store")]);
        for gate in &waiting {
            reply = reply.send("ab").wait(gate);
        }
        reply
    });
    let peregrine = Peregrine::before(&origin, "");
    let mut client = peregrine.begin("/slow", &[]);
    client.head().unwrap();
    for gate in &gates {
        assert_eq!(client.bytes(2), b"ab");
        gate.open();
    }
}

#[test]
fn a_body_that_pauses_for_too_long_is_cut_off() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        let reply = Reply::default().head(200, &[("content-length", "10"), ("cache-control", "max-age=600")]);
        reply.send("first").wait(&waiting).send("later")
    });
    let peregrine = Peregrine::before_with(&origin, "idle_timeout = \"200ms\"", "");
    let answer = peregrine.get("/pausing", &[]);
    assert!(!answer.complete, "{answer:?}");
    gate.open();
    let again = eventually("a whole answer", || {
        Some(peregrine.get("/pausing", &[])).filter(|answer| answer.complete)
    });
    assert_eq!(again.text(), "firstlater");
}

#[test]
fn interim_answers_are_not_taken_for_final_ones() {
    let origin = Origin::start(|_| {
        let hints = Reply::default().head(103, &[("link", "</style.css>; rel=preload")]);
        hints.then(&Reply::ok(&[("cache-control", "max-age=600")], "page"))
    });
    let peregrine = Peregrine::before(&origin, "");
    for _ in 0..2 {
        let answer = peregrine.get("/", &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "page"));
    }
    assert_eq!(origin.count(), 1);
}
