//! The caching rules over real sockets: who decides, what cannot be poisoned, who may purge.

use crate::harness::program::upstream;
use crate::harness::{Client, Origin, Peregrine, Reply, request};

#[test]
fn a_targeted_field_speaks_to_this_cache_and_cache_control_to_others() {
    let origin = Origin::start(|heard| match &*heard.target {
        "/cdn" => Reply::ok(
            &[("cdn-cache-control", "max-age=60"), ("cache-control", "no-store")],
            "page",
        ),
        "/bad" => Reply::ok(
            &[("cdn-cache-control", "max-age=60,"), ("cache-control", "no-store")],
            "page",
        ),
        _ => Reply::ok(
            &[("surrogate-control", "max-age=60"), ("cache-control", "no-store")],
            "page",
        ),
    });
    let peregrine = Peregrine::before(&origin, "");
    for (target, is_hit) in [("/cdn", true), ("/bad", false), ("/surrogate", true)] {
        peregrine.get(target, &[]);
        assert_eq!(peregrine.get(target, &[]).is_hit(), is_hit, "{target}");
    }
    let hit = peregrine.get("/surrogate", &[]);
    assert!(hit.is_hit() && !hit.has("surrogate-control"), "{:?}", hit.fields);
    let told = || origin.heard().last().unwrap().field("surrogate-capability");
    assert!(told().contains("peregrine="));
    let route = "[[route]]\nupstream = \"origin\"\ntargeted_fields = []\n";
    peregrine.reload(&upstream(&[&origin], "", route));
    assert!(!peregrine.get("/surrogate?other", &[]).is_hit());
    assert!(!peregrine.get("/surrogate?other", &[]).is_hit());
    assert_eq!(told(), "");
}

#[test]
fn purge_is_for_those_whom_the_configuration_names_and_a_reload_changes_who() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600"), ("vary", "accept-encoding")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    let kinds = [("accept-encoding", "br"), ("accept-encoding", "gzip")];
    for kind in kinds {
        peregrine.get("/a", &[kind]);
    }
    assert_eq!(peregrine.ask("PURGE", "/a", &[]).status, 405);
    let with = |from: &str| upstream(&[&origin], "", &format!("[server]\npurge_from = [\"{from}\"]\n"));
    peregrine.reload(&with("10.0.0.0/8"));
    assert_eq!(peregrine.ask("PURGE", "/a", &[]).status, 403);
    assert!(peregrine.get("/a", &[kinds[0]]).is_hit());
    peregrine.reload(&with("127.0.0.0/8"));
    let purged = peregrine.ask("PURGE", "/a", &[]);
    assert_eq!(purged.status, 200);
    assert_eq!(purged.json()["matched"]["memory"], 2);
    for kind in kinds {
        assert!(!peregrine.get("/a", &[kind]).is_hit());
    }
    assert!(origin.heard().iter().all(|heard| heard.method == "GET"));
}

#[test]
fn a_page_that_looks_like_a_file_stays_its_owner_s() {
    let origin = Origin::start(|heard| {
        let body = format!("account of {}", heard.field("x-user"));
        Reply::ok(&[("cache-control", "max-age=600"), ("content-type", "text/html")], body)
    });
    let peregrine = Peregrine::before(&origin, "");
    for path in [
        "/account/x.css",
        "/account%2fx.css",
        "/account;x.css",
        "/static/..%2faccount",
        "/account%0ax.css",
        "/account//x.png",
    ] {
        let anna = peregrine.get(path, &[("x-user", "anna")]);
        assert!(
            anna.field("cache-status").contains("path_confusion"),
            "{path}: {:?}",
            anna.fields
        );
        assert_eq!(
            peregrine.get(path, &[("x-user", "mallory")]).text(),
            "account of mallory",
            "{path}"
        );
    }
}

#[test]
fn the_content_of_a_query_is_part_of_its_key() {
    let origin = Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], &heard.body));
    let route = "[[route]]\nupstream = \"origin\"\nkey = { content_max = \"64B\" }\n[strategy.default]\ncache_methods = [\"GET\", \"QUERY\"]\n";
    let peregrine = Peregrine::start(&upstream(&[&origin], "", route));
    let long = format!("\"{}\"", "x".repeat(70));
    for (content, is_hit) in [
        ("{\"b\":1,\"a\":2}", false),
        (" {\"a\":2, \"b\":1}", true),
        ("{\"a\":3}", false),
        (&*long, false),
        (&*long, false),
    ] {
        let fields = [
            ("content-type", "application/json"),
            ("content-length", &*content.len().to_string()),
        ];
        let head = request("QUERY", "/search", &fields);
        let answer = Client::connect(peregrine.address).send(head + content).read("QUERY");
        assert_eq!(
            (answer.status, answer.is_hit()),
            (200, is_hit),
            "{content}: {:?}",
            answer.fields
        );
        if !is_hit {
            assert_eq!(answer.text(), content);
        }
    }
}
