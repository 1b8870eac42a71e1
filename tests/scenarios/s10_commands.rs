//! The commands against a running program: why something is served so, what is not cached and why, taking out and warming.

use crate::harness::{Origin, Peregrine, Reply, until};
use serde_json::Value;

/// An origin with one page of each kind.
fn shop() -> Origin {
    Origin::start(|heard| match heard.target.as_str() {
        "/page" => Reply::ok(
            &[
                ("cache-control", "max-age=600"),
                ("surrogate-key", "page"),
                ("etag", "\"1\""),
            ],
            "page",
        ),
        "/login" => Reply::ok(
            &[("cache-control", "max-age=600"), ("set-cookie", "session=1")],
            "welcome",
        ),
        "/sitemap.xml" => Reply::ok(
            &[("content-type", "application/xml"), ("cache-control", "no-store")],
            format!(
                "<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\
                 <url><loc>http://{0}/map/1</loc></url><url><loc>http://{0}/map/2</loc></url></urlset>",
                heard.field("host")
            ),
        ),
        target if target.starts_with("/map/") || target.starts_with("/warm/") => {
            Reply::ok(&[("cache-control", "max-age=600")], target)
        }
        _ => Reply::ok(&[], "silent"),
    })
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn explain_tells_the_way_of_a_request_before_and_after_it_was_made() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "[[route]]\nname = \"everything\"\nupstream = \"origin\"\n");
    let url = "http://shop.example/page";
    let before = peregrine.told(&["explain", url]);
    assert!(
        before.contains("not in the cache") && before.contains("everything"),
        "{before}"
    );
    assert_eq!(origin.count(), 0, "explaining asks nobody");
    peregrine.get("/page", &[]);
    peregrine.get("/page", &[]);
    let after = peregrine.told(&["explain", url]);
    for expected in [
        "is in the cache, fresh for another",
        "default||GET|http://shop.example/page",
        "Tags",
        "page",
        "served 1 time",
    ] {
        assert!(after.contains(expected), "{expected:?} is not in\n{after}");
    }
    let told = json(&peregrine.told(&["explain", url, "--json"]));
    assert_eq!(
        (&told["state"], &told["route"], &told["hits"]),
        (&"fresh".into(), &"everything".into(), &1.into()),
        "{told}"
    );
    peregrine.told(&["invalidate", "--tag", "page"]);
    let gone = peregrine.told(&["explain", url]);
    assert!(
        gone.contains("invalidated") || gone.contains("not in the cache"),
        "{gone}"
    );
    assert_eq!(origin.count(), 1);
}

#[test]
fn explain_says_why_an_answer_was_not_stored_and_what_would_change_it() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "");
    for (target, sentence, clause) in [
        (
            "/login",
            "not stored: response has Set-Cookie and the route does not allow it",
            "RFC 9111 §7.3",
        ),
        ("/silent", "not stored: no freshness from the origin", "RFC 9111 §3"),
    ] {
        let url = format!("http://shop.example{target}");
        let fetched = peregrine.told(&["explain", "--fetch", &url]);
        assert!(fetched.contains(sentence), "{fetched}");
        peregrine.get(target, &[]);
        let text = peregrine.told(&["explain", &url]);
        assert!(
            text.contains(sentence) && text.contains(clause) && text.contains("Advice:"),
            "{text}"
        );
        let told = json(&peregrine.told(&["explain", &url, "--json"]));
        assert_eq!(told["last"]["sentence"], sentence, "{told}");
        assert!(told["advice"].is_string(), "{told}");
    }
    let write = peregrine.told(&["explain", "-X", "POST", "/page"]);
    assert!(write.contains("goes past the cache"), "{write}");
    let authorized = peregrine.told(&["explain", "-H", "Cache-Control: no-store", "http://shop.example/page"]);
    assert!(authorized.contains("shop.example"), "{authorized}");
    let nonsense = peregrine.command(&["explain", "ftp://x"]);
    assert!(!nonsense.status.success());
}

#[test]
fn explain_says_when_no_route_takes_the_request() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "[[route]]\nmatch.path = \"/api/*\"\nupstream = \"origin\"\n");
    let text = peregrine.told(&["explain", "http://shop.example/page"]);
    assert!(text.contains("taken by no route"), "{text}");
}

#[test]
fn when_little_is_cached_stats_and_the_log_name_the_reasons_and_what_would_help() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "");
    for number in 0..80 {
        peregrine.get(&format!("/silent/{number}"), &[]);
    }
    for _ in 0..20 {
        peregrine.get("/login", &[]);
    }
    let stats = peregrine.told(&["stats"]);
    for expected in [
        "80.0%",
        "no freshness from the origin",
        "freshness = \"fallback\"",
        "20.0%",
        "Set-Cookie",
        "100 requests",
    ] {
        assert!(stats.contains(expected), "{expected:?} is not in\n{stats}");
    }
    let told = json(&peregrine.told(&["stats", "--json"]));
    assert_eq!(
        (&told["reasons"][0]["reason"], &told["reasons"][0]["count"]),
        (&"no_freshness".into(), &80.into()),
        "{told}"
    );
    until("the log to say so", || {
        let log = peregrine.log();
        log.contains("80%: not stored: no freshness from the origin") && log.contains("freshness = \"fallback\"")
    });
}

#[test]
fn nothing_is_said_where_the_cache_does_its_work() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "");
    for _ in 0..100 {
        peregrine.get("/page", &[]);
    }
    let stats = peregrine.told(&["stats"]);
    assert!(
        stats.contains("99.0%") && !stats.contains("Why requests did not"),
        "{stats}"
    );
}

#[test]
fn invalidate_prints_a_receipt() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/page", &[]);
    let dry = peregrine.told(&["invalidate", "--tag", "page", "--dry-run"]);
    assert!(dry.contains("1 entry in memory would be invalidated"), "{dry}");
    assert!(peregrine.get("/page", &[]).is_hit());
    let done = peregrine.told(&["invalidate", "--tag", "page"]);
    assert!(
        done.contains("1 entry in memory invalidated") && done.contains("receipt") && done.contains("1 of 1 confirmed"),
        "{done}"
    );
    assert!(!peregrine.get("/page", &[]).is_hit());
    for arguments in [
        &["--key", "/page"][..],
        &["--prefix", "/p"],
        &["--pattern", "*age"],
        &["--namespace", "default"],
        &["--all"],
    ] {
        assert!(peregrine.get("/page", &[]).is_hit());
        let receipt = json(&peregrine.told(&[&["invalidate", "--json"], arguments].concat()));
        let matched = receipt["matched"]["memory"].as_u64().unwrap();
        assert_eq!(matched, 1, "{arguments:?}: {receipt}");
        peregrine.get("/page", &[]);
    }
    assert_eq!(
        peregrine.command(&["invalidate"]).status.code(),
        Some(2),
        "nothing is named"
    );
}

#[test]
fn warm_loads_what_a_file_or_a_sitemap_lists() {
    let origin = shop();
    let peregrine = Peregrine::before(&origin, "");
    let list = "# pages\n\nhttp://shop.example/warm/1\nhttp://shop.example/warm/2\nhttp://shop.example/warm/2\nhttp://shop.example/login\n";
    std::fs::write(peregrine.path("pages.txt"), list).unwrap();
    let told = json(&peregrine.told(&["warm", "pages.txt", "--json", "--rate", "500"]));
    assert_eq!(
        (&told["pages"], &told["stored"], &told["not_stored"]),
        (&3.into(), &2.into(), &1.into()),
        "{told}"
    );
    assert_eq!(told["problems"][0]["reason"], "set_cookie", "{told}");
    for target in ["/warm/1", "/warm/2"] {
        assert!(peregrine.get(target, &[]).is_hit(), "{target}");
    }
    let again = peregrine.told(&["warm", "pages.txt", "--rate", "500"]);
    assert!(again.contains("fresh already"), "{again}");
    let told = json(&peregrine.told(&[
        "warm",
        &format!("{}/sitemap.xml", origin.url()),
        "--json",
        "--rate",
        "500",
    ]));
    assert_eq!((&told["pages"], &told["stored"]), (&2.into(), &2.into()), "{told}");
    let host = origin.address.to_string();
    assert!(peregrine.get("/map/1", &[("host", &host)]).is_hit());
    origin.die();
    std::fs::write(peregrine.path("pages.txt"), "http://shop.example/warm/3\n").unwrap();
    let failed = peregrine.command(&["warm", "pages.txt"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("1 of 1"), "{failed:?}");
}

#[test]
fn a_command_that_finds_no_program_says_what_to_do() {
    let origin = shop();
    let mut peregrine = Peregrine::before(&origin, "");
    let token = std::mem::replace(&mut peregrine.token, "wrong".to_owned());
    let refused = peregrine.command(&["stats"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("token"),
        "{refused:?}"
    );
    peregrine.token = token;
    peregrine.process.signal(crate::harness::Signal::TERM);
    peregrine.process.exit_code();
    let nobody = peregrine.command(&["stats"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("no Peregrine answers at"),
        "{nobody:?}"
    );
}
