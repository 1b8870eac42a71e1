//! What an origin says in fields that few caches heed, and what it need not be asked.

use crate::harness::curl::curl;
use crate::harness::program::upstream;
use crate::harness::{Client, Origin, Peregrine, Reply, request, until};

#[test]
fn a_write_invalidates_the_groups_that_its_answer_names() {
    // RFC 9875.
    let origin = Origin::start(|heard| match (heard.method.as_str(), heard.target.as_str()) {
        ("POST", _) => Reply::status(204, &[("cache-group-invalidation", "\"news\"")], ""),
        (_, "/sport") => Reply::ok(&[("cache-control", "max-age=600"), ("cache-groups", "\"sport\"")], ""),
        _ => Reply::ok(
            &[("cache-control", "max-age=600"), ("cache-groups", "\"all\", \"news\"")],
            "",
        ),
    });
    let peregrine = Peregrine::before(&origin, "");
    for target in ["/a", "/b", "/sport"] {
        until("it is stored", || peregrine.get(target, &[]).is_hit());
    }
    assert_eq!(peregrine.ask("POST", "/edit", &[("content-length", "0")]).status, 204);
    for (target, is_hit) in [("/a", false), ("/b", false), ("/sport", true)] {
        assert_eq!(peregrine.get(target, &[]).is_hit(), is_hit, "{target}");
    }
}

#[test]
fn what_does_not_count_of_a_query_by_the_word_of_the_origin_does_not() {
    let origin = Origin::start(|heard| {
        let rule = ("no-vary-search", "key-order, params=(\"utm\")");
        Reply::ok(&[("cache-control", "max-age=600"), rule], &heard.target)
    });
    let peregrine = Peregrine::before(&origin, "");
    until("the rule is known", || {
        peregrine.get("/page?a=1&b=2&utm=1", &[]).is_hit()
    });
    let asked = origin.count();
    assert!(peregrine.get("/page?b=2&utm=other&a=1", &[]).is_hit());
    assert_eq!(origin.count(), asked);
    assert!(!peregrine.get("/page?b=3&a=1", &[]).is_hit());
}

#[test]
fn a_lifetime_is_guessed_only_where_the_configuration_says_so_and_a_status_is_understood() {
    let origin = Origin::start(|heard| match heard.target.as_str() {
        "/old" => Reply::ok(&[("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT")], ""),
        "/understood" => Reply::ok(&[("cache-control", "max-age=600, no-store, must-understand")], ""),
        _ => Reply::ok(&[("cache-control", "max-age=600, no-store")], ""),
    });
    let peregrine = Peregrine::before(&origin, "");
    for target in ["/old", "/no-store"] {
        peregrine.get(target, &[]);
        assert!(!peregrine.get(target, &[]).is_hit(), "{target}");
    }
    until("it is stored", || peregrine.get("/understood", &[]).is_hit());
    peregrine.reload(&upstream(&[&origin], "", "[strategy.default]\nheuristic = true\n"));
    until("it is stored", || peregrine.get("/old", &[]).is_hit());
}

#[test]
fn the_last_hop_that_a_request_may_take_answers_it_whatever_the_version() {
    let origin = Origin::start(|heard| Reply::ok(&[], heard.field("max-forwards")));
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\nh2c = true\n";
    let peregrine = Peregrine::start(&upstream(&[&origin], "", listener));
    let url = format!("http://{}/page", peregrine.address);
    for version in ["--http2-prior-knowledge", "--http1.1"] {
        for (method, hops, expected) in [("OPTIONS", "3", "2"), ("OPTIONS", "0", ""), ("GET", "0", "0")] {
            let field = format!("Max-Forwards: {hops}");
            let arguments = [version, "-X", method, "-H", &field, &url];
            let answer = curl(peregrine.folder.path(), &arguments);
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, expected),
                "{arguments:?}"
            );
        }
    }
    assert_eq!(origin.count(), 4, "none of the last hops reached it");
    let mut client = Client::connect(peregrine.address);
    let trace = request("TRACE", "/page", &[("max-forwards", "0"), ("cookie", "secret=1")]);
    let shown = client.send(trace).read("TRACE").text();
    assert!(
        shown.starts_with("TRACE /page HTTP/1.1\r\n") && !shown.contains("secret"),
        "{shown}"
    );
}
