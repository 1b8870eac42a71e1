//! Routes: which requests they take, what their keys are made of, what goes past the cache, and what clients see.

use crate::harness::{Origin, Peregrine, Reply};

/// An origin whose answers all may be cached, and say what it was asked.
fn echoing() -> Origin {
    Origin::start(|heard| {
        let shop = heard.field("x-shop");
        Reply::ok(
            &[("cache-control", "public, max-age=600")],
            format!("{} {} {shop}", heard.method, heard.target),
        )
    })
}

#[test]
fn the_first_route_that_matches_has_the_request() {
    let origin = echoing();
    let table: String = [
        ("beta", "match = { headers = { x-beta = \"yes*\" } }"),
        ("writes", "match = { methods = [\"POST\", \"PUT\"] }"),
        ("own", "match = { host = \"own.example\" }"),
        ("subs", "match = { host = \"*.example.org\", path = \"/api/*\" }"),
        ("files", "match = { path = \"*.css\" }"),
        ("rest", "match = { path = \"/rest/*\" }"),
    ]
    .map(|(name, matches)| {
        format!("[[route]]\nname = \"{name}\"\n{matches}\nupstream = \"origin\"\nresponse_headers.set = {{ x-route = \"{name}\" }}\n")
    })
    .concat();
    let peregrine = Peregrine::before(&origin, &table);
    for (method, host, target, beta, route) in [
        ("GET", "own.example", "/rest/a", "yes, please", "beta"),
        ("POST", "own.example", "/rest/a", "no", "writes"),
        ("GET", "own.example", "/rest/a", "no", "own"),
        ("GET", "Own.Example:8080", "/", "", "own"),
        ("GET", "a.example.org", "/api/b/c", "", "subs"),
        ("GET", "a.b.example.org", "/api/", "", "subs"),
        ("GET", "a.example.org", "/style/a.css", "", "files"),
        ("GET", "a.example.org", "/style/a.css?v=1", "", "files"),
        ("GET", "example.org", "/rest/a", "", "rest"),
        ("GET", "example.org", "/api/a", "", ""),
        ("DELETE", "example.org", "/", "", ""),
    ] {
        let mut fields = vec![("host", host), ("x-beta", beta)];
        if method == "POST" {
            fields.push(("content-length", "0"));
        }
        let answer = peregrine.ask(method, target, &fields);
        assert_eq!(answer.field("x-route"), route, "{method} {host} {target}");
        assert_eq!(
            answer.status,
            if route.is_empty() { 404 } else { 200 },
            "{method} {host} {target}"
        );
    }
}

/// Whether the second of two requests is served from what the first one stored.
#[track_caller]
fn shares(peregrine: &Peregrine, first: (&str, &[(&str, &str)]), second: (&str, &[(&str, &str)])) -> bool {
    assert_eq!(peregrine.get(first.0, first.1).status, 200);
    peregrine.get(second.0, second.1).is_hit()
}

fn with_route(origin: &Origin, fields: &str) -> Peregrine {
    Peregrine::before(origin, &format!("[[route]]\nupstream = \"origin\"\n{fields}\n"))
}

#[test]
fn parameters_that_do_not_count_are_left_out_of_the_key_and_still_reach_the_origin() {
    let origin = echoing();
    let ignoring = with_route(&origin, "key.query_ignore = [\"utm_*\", \"gclid\"]");
    assert!(shares(
        &ignoring,
        ("/a?utm_source=x&page=1", &[]),
        ("/a?page=1&gclid=7", &[])
    ));
    assert!(!shares(&ignoring, ("/b?page=1", &[]), ("/b?page=2", &[])));
    assert_eq!(origin.heard()[0].target, "/a?utm_source=x&page=1");
    let only = with_route(&origin, "key.query_only = [\"page\"]");
    assert!(shares(&only, ("/a?x=1&page=1", &[]), ("/a?page=1&y=2", &[])));
    assert!(!shares(&only, ("/b?page=1", &[]), ("/b?page=2", &[])));
    let sorting = with_route(&origin, "key.query_sort = true");
    assert!(shares(&sorting, ("/a?x=1&y=2", &[]), ("/a?y=2&x=1", &[])));
    assert!(
        !shares(&sorting, ("/b?x=1&x=2", &[]), ("/b?x=2&x=1", &[])),
        "values of one name keep their order"
    );
    let plain = with_route(&origin, "");
    assert!(!shares(&plain, ("/a?x=1&y=2", &[]), ("/a?y=2&x=1", &[])));
    assert!(!shares(&plain, ("/c", &[]), ("/c?", &[])));
}

#[test]
fn fields_and_cookies_in_the_key_keep_answers_apart() {
    let origin = echoing();
    let peregrine = with_route(&origin, "key = { headers = [\"x-shop\"], cookies = [\"currency\"] }");
    let asked = |shop: &'static str, cookie: &'static str| [("x-shop", shop), ("cookie", cookie)];
    assert!(shares(
        &peregrine,
        ("/a", &asked("north", "currency=eur; session=1")),
        ("/a", &asked("north", "currency=eur"))
    ));
    assert!(!shares(
        &peregrine,
        ("/b", &asked("north", "currency=eur")),
        ("/b", &asked("south", "currency=eur"))
    ));
    assert!(!shares(
        &peregrine,
        ("/c", &asked("north", "currency=eur")),
        ("/c", &asked("north", "currency=usd"))
    ));
    assert!(!shares(
        &peregrine,
        ("/d", &asked("north&cookie:currency=eur", "")),
        ("/d", &asked("north", "currency=eur"))
    ));
    assert_eq!(
        peregrine.get("/a", &asked("south", "currency=eur")).text(),
        "GET /a south"
    );
}

#[test]
fn what_a_bypass_rule_names_goes_past_the_cache() {
    let origin = echoing();
    let rules = "bypass = { headers = { x-preview = \"*\" }, cookies = [\"admin_*\"], query = [\"nocache\"], paths = [\"/live/*\"] }";
    let peregrine = with_route(&origin, rules);
    for (target, fields) in [
        ("/a", &[("x-preview", "1")][..]),
        ("/a", &[("cookie", "theme=dark; admin_session=1")]),
        ("/a?nocache", &[]),
        ("/live/score", &[]),
    ] {
        let answer = peregrine.get(target, fields);
        assert!(
            answer.field("cache-status").starts_with("Peregrine; fwd=bypass"),
            "{answer:?}"
        );
        assert!(!peregrine.get(target, fields).is_hit(), "{target} {fields:?}");
    }
    assert!(
        shares(&peregrine, ("/a", &[("cookie", "theme=dark")]), ("/a", &[])),
        "the rest is cached"
    );
    let off = with_route(&origin, "cache = false");
    assert!(!shares(&off, ("/a", &[]), ("/a", &[])));
}

#[test]
fn fields_are_edited_on_both_ways() {
    let origin = Origin::start(|heard| {
        let seen = format!("{}|{}", heard.field("x-added"), heard.field("x-removed"));
        Reply::ok(
            &[
                ("cache-control", "max-age=600"),
                ("x-powered-by", "secret"),
                ("x-frame-options", "allow"),
            ],
            seen,
        )
    });
    let edits = "request_headers = { set = { x-added = \"yes\" }, remove = [\"x-removed\"] }\n\
                 response_headers = { set = { x-frame-options = \"deny\" }, remove = [\"x-powered-by\"] }";
    let peregrine = with_route(&origin, edits);
    for _ in 0..2 {
        let answer = peregrine.get("/a", &[("x-removed", "1"), ("x-added", "no")]);
        assert_eq!(answer.text(), "yes|");
        assert_eq!(
            (answer.field("x-frame-options").as_str(), answer.has("x-powered-by")),
            ("deny", false),
            "{answer:?}"
        );
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn clients_see_tags_only_where_the_route_keeps_them_and_cache_status_unless_it_is_off() {
    let origin = Origin::start(|_| {
        Reply::ok(
            &[
                ("cache-control", "max-age=600"),
                ("surrogate-key", "a b"),
                ("cache-tag", "c"),
            ],
            "page",
        )
    });
    let (hiding, keeping) = (
        with_route(&origin, ""),
        with_route(&origin, "keep_tags = true\ncache_status = false"),
    );
    for _ in 0..2 {
        let answer = hiding.get("/a", &[]);
        assert!(
            !answer.has("surrogate-key") && !answer.has("cache-tag") && answer.has("cache-status"),
            "{answer:?}"
        );
        let answer = keeping.get("/a", &[]);
        assert_eq!(
            (
                answer.field("surrogate-key").as_str(),
                answer.field("cache-tag").as_str()
            ),
            ("a b", "c"),
            "{answer:?}"
        );
        assert!(!answer.has("cache-status"));
    }
}

#[test]
fn cookies_that_are_ignored_do_not_split_what_varies_by_cookie() {
    let origin = Origin::start(|heard| {
        let cookies = heard.field("cookie");
        let language = cookies
            .split("; ")
            .find_map(|cookie| cookie.strip_prefix("lang="))
            .unwrap_or("none")
            .to_owned();
        Reply::ok(&[("cache-control", "max-age=600"), ("vary", "cookie")], language)
    });
    let peregrine = with_route(&origin, "key.cookies_ignore = [\"_ga*\", \"consent\"]");
    let cookie = |text: &'static str| [("cookie", text)];
    assert!(shares(
        &peregrine,
        ("/a", &cookie("_ga=1; lang=de")),
        ("/a", &cookie("lang=de; consent=all; _ga_X=2"))
    ));
    assert!(!shares(
        &peregrine,
        ("/b", &cookie("lang=de")),
        ("/b", &cookie("lang=en"))
    ));
    assert_eq!(peregrine.get("/a", &cookie("lang=en; _ga=1")).text(), "en");
    assert!(
        shares(&peregrine, ("/c", &cookie("_ga=1")), ("/c", &[])),
        "only ignored cookies are like none"
    );
    assert_eq!(
        origin.heard()[0].field("cookie"),
        "_ga=1; lang=de",
        "the origin gets all of them"
    );
}

#[test]
fn an_answer_to_a_request_with_cookies_is_shared_only_where_somebody_says_that_it_may_be() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let strategy = "[strategy.default]\nfreshness = \"fallback\"\n";
    let strict = with_route(&origin, strategy);
    let session = [("cookie", "session=1; _ga=2")];
    assert!(
        !shares(&strict, ("/a", &session), ("/a", &session)),
        "nobody says that the page is the same for all"
    );
    let lenient = with_route(
        &origin,
        &format!("key = {{ cookies = [\"session\"], cookies_ignore = [\"_ga\"] }}\n{strategy}"),
    );
    assert!(shares(&lenient, ("/a", &session), ("/a", &[("cookie", "session=1")])));
    assert!(!shares(
        &lenient,
        ("/a", &[("cookie", "session=1")]),
        ("/a", &[("cookie", "session=2")])
    ));
}

#[test]
fn a_namespace_with_a_quota_keeps_to_it_and_leaves_the_others_alone() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], vec![b'x'; 50 << 10]));
    let config = "[[route]]\nmatch.path = \"/images/*\"\nupstream = \"origin\"\nnamespace = \"images\"\n\
                  [[route]]\nupstream = \"origin\"\n[namespace.images]\nmemory_max = \"2MiB\"\n[cache]\nobject_size_max = \"128KiB\"\n";
    let peregrine = Peregrine::before(&origin, config);
    for number in 0..20 {
        peregrine.get(&format!("/pages/{number}"), &[]);
    }
    for number in 0..100 {
        peregrine.get(&format!("/images/{number}"), &[]);
    }
    for number in 0..20 {
        assert!(
            peregrine.get(&format!("/pages/{number}"), &[]).is_hit(),
            "page {number} gave way to images"
        );
    }
    let namespaces = &peregrine.statistics()["cache"]["namespaces"];
    let bytes = namespaces["images"]["bytes"].as_u64().unwrap();
    assert!(bytes > 500 << 10 && bytes <= (2 << 20) + (2 << 20) / 20, "{bytes}");
    assert_eq!(namespaces["default"]["hits"], 20, "{namespaces}");
    let evicted: u64 = namespaces["images"]["evictions_by_cause"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(|n| n.as_u64())
        .sum();
    assert!(evicted > 0, "{namespaces}");
}
