//! Many clients ask for the same at the same time: one load where the answer is everybody's, no queue where it is not.

use crate::harness::{Client, Crowd, Gate, Origin, Peregrine, Reply, request, until};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many clients ask at once.
const CROWD: u32 = 1000;

/// Enough connections to the origin for all of them.
const WIDE: &str = "connections_max = 1200";

/// Waits until `count` requests have asked the cache in vain: all of them are under way then.
fn await_misses(peregrine: &Peregrine, count: u32) {
    until("all requests to have looked up", || {
        misses(peregrine) >= f64::from(count)
    });
}

fn misses(peregrine: &Peregrine) -> f64 {
    peregrine.metric("peregrine_cache_misses_total", &[])
}

#[test]
fn a_thousand_clients_on_one_cold_key_cost_the_origin_one_request() {
    let gate = Gate::default();
    let (waiting, body) = (gate.clone(), "whole ".repeat(10_000));
    let reply = Reply::ok(&[("cache-control", "max-age=60")], &body);
    let origin = Origin::start(move |_| Reply::default().wait(&waiting).then(&reply));
    let peregrine = Peregrine::before(&origin, "");
    let mut crowd = Crowd::gather(peregrine.address, CROWD).ask(|_| request("GET", "/cold", &[]));
    await_misses(&peregrine, CROWD);
    gate.open();
    let answers = crowd.answers();
    for answer in &answers {
        assert!(
            answer.status == 200 && answer.complete && answer.text() == body,
            "{} {:?}",
            answer.status,
            answer.fields
        );
    }
    assert_eq!(origin.count(), 1);
    let collapsed = answers
        .iter()
        .filter(|answer| answer.field("cache-status").contains("; collapsed"))
        .count();
    assert_eq!(collapsed, answers.len() - 1);
}

/// A crowd on one cold key whose answers are one user's own. The first answer begins and does not end; the others do not
/// begin. All requests reach the origin all the same, and each gets its own.
fn nobody_waits_or_gets_the_answer_of_another(fields: &'static [(&'static str, &'static str)]) {
    let gates = [Gate::default(), Gate::default()];
    let (waiting, asked) = (gates.clone(), AtomicU32::new(0));
    let origin = Origin::start(move |heard| {
        let body = heard.field("cookie");
        let length = body.len().to_string();
        let head = Reply::default().head(200, &[fields, &[("content-length", &length)]].concat());
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => head.wait(&waiting[0]).send(body),
            number => Reply::default()
                .wait(&waiting[usize::from(number >= CROWD)])
                .then(&head.send(body)),
        }
    });
    let peregrine = Peregrine::before_with(&origin, WIDE, "");
    let user = |number: usize| format!("session={number}");
    let ask = |number: usize| request("GET", "/cart", &[("cookie", &user(number))]);
    let mut crowd = Crowd::gather(peregrine.address, CROWD).ask(ask);
    until("every request to be at the origin at the same time", || {
        origin.count() == CROWD as usize
    });
    gates[0].open();
    let mut answers = crowd.answers();
    // Now it is known that these answers cannot be shared: nobody even waits for the head of another's.
    let mut next = Crowd::gather(peregrine.address, 50).ask(ask);
    until("the next ones to be there too", || {
        origin.count() == CROWD as usize + 50
    });
    gates[1].open();
    for (number, answer) in answers
        .drain(..)
        .enumerate()
        .chain(next.answers().into_iter().enumerate())
    {
        assert!(
            answer.status == 200 && answer.complete && !answer.is_hit(),
            "{answer:?}"
        );
        assert_eq!(answer.text(), user(number), "{:?}", answer.fields);
    }
}

#[test]
fn a_thousand_clients_on_a_private_answer_do_not_wait_for_each_other() {
    nobody_waits_or_gets_the_answer_of_another(&[("cache-control", "private, max-age=60")]);
}

#[test]
fn a_thousand_clients_on_an_answer_with_a_cookie_do_not_wait_for_each_other() {
    nobody_waits_or_gets_the_answer_of_another(&[("cache-control", "max-age=60"), ("set-cookie", "session=next")]);
}

#[test]
fn a_thousand_clients_on_an_answer_that_is_not_to_be_stored_do_not_wait_for_each_other() {
    nobody_waits_or_gets_the_answer_of_another(&[("cache-control", "no-store")]);
}

#[test]
fn a_thousand_clients_on_an_answer_that_is_to_be_validated_do_not_wait_for_each_other() {
    // RFC 9111 §5.2.2.4: stored, but for no other request without the origin's word.
    nobody_waits_or_gets_the_answer_of_another(&[("cache-control", "no-cache"), ("etag", "\"own\"")]);
}

#[test]
fn followers_read_a_body_while_it_arrives() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        let reply = Reply::default().head(200, &[("content-length", "11"), ("cache-control", "max-age=60")]);
        reply.send("first").wait(&waiting).send("second")
    });
    let peregrine = Peregrine::before(&origin, "");
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..4 {
        // Each joins when the ones before it have read the first half.
        let mut client = peregrine.begin("/film", &[]);
        assert_eq!(client.head().unwrap().field("content-length"), "11");
        assert_eq!(client.bytes(5), b"first");
        clients.push(client);
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.bytes(6), b"second");
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_load_goes_on_for_the_others_when_the_client_that_began_it_leaves() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        let reply = Reply::default().head(200, &[("content-length", "11"), ("cache-control", "max-age=60")]);
        reply.send("first").wait(&waiting).send("second")
    });
    let peregrine = Peregrine::before(&origin, "");
    let mut leader = peregrine.begin("/film", &[]);
    leader.head().unwrap();
    let mut follower = peregrine.begin("/film", &[]);
    follower.head().unwrap();
    leader.leave();
    until("the program to see that it left", || {
        peregrine.metric("peregrine_connections_open", &[]) == 1.0
    });
    gate.open();
    assert_eq!(follower.bytes(11), b"firstsecond");
    until("the answer to be stored", || peregrine.get("/film", &[]).is_hit());
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_load_is_stored_even_when_everybody_has_left() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let reply = Reply::ok(&[("cache-control", "max-age=60")], "slow");
    let origin = Origin::start(move |_| Reply::default().wait(&waiting).then(&reply));
    let peregrine = Peregrine::before(&origin, "");
    let leader = peregrine.begin("/report", &[]);
    until("the origin to be asked", || origin.count() == 1);
    leader.leave();
    until("the program to see that it left", || {
        peregrine.metric("peregrine_connections_open", &[]) == 0.0
    });
    gate.open();
    until("the answer to be stored", || peregrine.get("/report", &[]).is_hit());
    assert_eq!(origin.count(), 1);
}

/// Sends a chunked body of unknown length, far larger than may be stored, and waits after its first part.
fn endless(gate: &Gate) -> Reply {
    let mut reply = Reply::default().head(
        200,
        &[("transfer-encoding", "chunked"), ("cache-control", "max-age=60")],
    );
    reply = reply.chunk(&[b'a'; 1000]).wait(gate);
    for _ in 0..64 {
        reply = reply.chunk(&[b'b'; 256 << 10]);
    }
    reply.chunk(b"")
}

/// The length of that body.
const ENDLESS_BYTES: usize = 1000 + 64 * (256 << 10);

#[test]
fn a_body_that_grows_too_large_to_be_stored_still_reaches_everybody_whole() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| endless(&waiting));
    let peregrine = Peregrine::before(&origin, "[cache]\nobject_size_max = \"64KiB\"\n");
    let mut clients: Vec<Client> = (0..3).map(|_| peregrine.begin("/export", &[])).collect();
    await_misses(&peregrine, 3);
    gate.open();
    // Together, because none of them may be further ahead of the others than what may be held.
    let reading = clients
        .drain(..)
        .map(|mut client| std::thread::spawn(move || client.read("GET")));
    for answer in reading.collect::<Vec<_>>() {
        let answer = answer.join().unwrap();
        assert!(
            answer.complete && answer.body.len() == ENDLESS_BYTES,
            "{} bytes of {ENDLESS_BYTES}",
            answer.body.len()
        );
        assert!(answer.body[1000..].iter().all(|byte| *byte == b'b'));
    }
    assert_eq!(origin.count(), 1, "all of them read one body");
    assert!(!peregrine.get("/export", &[]).is_hit(), "it is too large to be stored");
    assert_eq!(origin.count(), 2);
}

#[test]
fn a_follower_that_does_not_read_is_left_behind() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| endless(&waiting));
    let peregrine = Peregrine::before(
        &origin,
        "[cache]\nobject_size_max = \"64KiB\"\nin_flight_max = \"64KiB\"\nreader_stall_max = \"1s\"\n",
    );
    let mut leader = peregrine.begin("/export", &[]);
    let mut sleeper = peregrine.begin("/export", &[]);
    await_misses(&peregrine, 2);
    gate.open();
    let answer = leader.read("GET");
    assert!(
        answer.complete && answer.body.len() == ENDLESS_BYTES,
        "{} bytes",
        answer.body.len()
    );
    let late = sleeper.read("GET");
    assert!(
        !late.complete || late.body.len() == ENDLESS_BYTES,
        "a cut must not look like an end"
    );
}

#[test]
fn followers_of_another_variant_get_their_own() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |heard| {
        let reply = Reply::ok(
            &[("cache-control", "max-age=60"), ("vary", "accept-language")],
            heard.field("accept-language"),
        );
        Reply::default().wait(&waiting).then(&reply)
    });
    let peregrine = Peregrine::before(&origin, "");
    let language = |number: usize| ["de", "en", "fr"][number % 3];
    let ask = |number| request("GET", "/greeting", &[("accept-language", language(number))]);
    let mut crowd = Crowd::gather(peregrine.address, 60).ask(ask);
    await_misses(&peregrine, 60);
    gate.open();
    for (number, answer) in crowd.answers().into_iter().enumerate() {
        assert_eq!(answer.text(), language(number), "{:?}", answer.fields);
    }
    assert_eq!(origin.count(), 3, "one load for each variant");
}

#[test]
fn a_load_that_fails_fails_for_all_without_asking_again_for_each() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| Reply::default().wait(&waiting).cut());
    let peregrine = Peregrine::before_with(&origin, "retries_max = 0", "");
    let mut crowd = Crowd::gather(peregrine.address, 100).ask(|_| request("GET", "/down", &[]));
    await_misses(&peregrine, 100);
    gate.open();
    for answer in crowd.answers() {
        assert_eq!(
            (answer.status, answer.field("content-type").as_str()),
            (502, "application/problem+json")
        );
    }
    assert_eq!(origin.count(), 1);
    origin.now(|_| Reply::ok(&[("cache-control", "max-age=60")], "well again"));
    assert_eq!(
        peregrine.get("/down", &[]).text(),
        "well again",
        "a failure is not remembered"
    );
}

#[test]
fn a_crowd_on_an_entry_that_went_stale_renews_it_once() {
    let gate = Gate::default();
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=1"), ("etag", "\"1\"")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/page", &[]);
    let waiting = gate.clone();
    origin.now(move |_| {
        Reply::default()
            .wait(&waiting)
            .then(&Reply::status(304, &[("cache-control", "max-age=60")], ""))
    });
    let mut first = peregrine.begin("/page", &[]);
    until("a request to find it stale", || {
        if origin.count() == 1 {
            first = peregrine.begin("/page", &[]);
        }
        origin.count() == 2
    });
    let before = misses(&peregrine);
    let mut crowd = Crowd::gather(peregrine.address, 100).ask(|_| request("GET", "/page", &[]));
    until("the crowd to have looked up", || misses(&peregrine) >= before + 100.0);
    gate.open();
    for answer in crowd.answers() {
        assert_eq!((answer.status, answer.text().as_str()), (200, "page"));
    }
    assert_eq!(origin.count(), 2);
}
