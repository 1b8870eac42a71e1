//! Attempts to have an answer stored for others that only the attacker's request could have got, or to have somebody's own
//! page stored where the attacker can read it.

use super::bench::answer;
use super::*;
use serde_json::json;

const SHARED: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn fields_that_make_origins_answer_something_else_do_not_reach_a_shared_answer() {
    let names = [
        "x-forwarded-host",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-host",
        "x-forwarded-scheme",
        "forwarded",
    ];
    for name in names {
        let bench = Setup::plain().before(async move |heard| answer(200, &[SHARED], heard.field(name).to_owned()));
        let url = "http://shop.example/";
        for is_hit in [false, true] {
            let poisoned = bench.get(url, &[(name, "evil.example")]).await;
            assert!(!poisoned.text.contains("evil"), "{name}: {}", poisoned.text);
            assert_eq!(poisoned.is_hit(), is_hit, "{name}");
        }
        let write = bench.ask("POST", url, &[(name, "DELETE")]).await;
        let is_claim = name.contains("forwarded-host") || name == "forwarded";
        assert_eq!(
            write.text == "DELETE",
            !is_claim,
            "{name}: past the cache it is the origin's to judge"
        );
    }
}

#[tokio::test]
async fn fields_that_an_origin_takes_for_others_do_not_reach_a_shared_answer() {
    // An origin that gets its fields as CGI names them: HTTP_X_ORIGINAL_URL.
    let key = json!({"key": {"headers": ["x-edition"], "values": {"x-plan": "free, paid"}}});
    let by_keyed = [("x-edition", "1")];
    let names = [
        "x_original_url",
        "x.rewrite.url",
        "x-http_method-override",
        "x_forwarded_host",
        "accept_language",
        "if_none_match",
        "x_edition",
        "x_plan",
    ];
    for name in names {
        let setup = Setup::with(std::slice::from_ref(&key));
        let bench = setup.before(async move |heard| answer(200, &[SHARED], heard.field(name).to_owned()));
        for is_hit in [false, true] {
            let poisoned = bench.get("http://shop.example/", &[by_keyed[0], (name, "evil")]).await;
            assert_eq!((&*poisoned.text, poisoned.is_hit()), ("", is_hit), "{name}");
        }
    }
    // What is nobody's imitation passes.
    let bench = Setup::plain().before(async |heard| answer(200, &[], heard.field("api_key").to_owned()));
    assert_eq!(
        bench.get("http://shop.example/", &[("api_key", "mine")]).await.text,
        "mine"
    );
}

#[tokio::test]
async fn a_field_that_an_origin_takes_for_one_of_vary_makes_no_variant() {
    let bench = Setup::plain().before(async |heard| {
        let whole = heard.field("hx-request").is_empty() && heard.field("hx_request").is_empty();
        let fields = [SHARED, ("vary", "HX-Request")];
        answer(200, &fields, if whole { "page" } else { "fragment" })
    });
    let evil = bench
        .get_stored("http://shop.example/", &[("hx_request", "true")])
        .await;
    assert_eq!(evil.text, "fragment");
    assert!(evil.field("cache-status").contains("detail=vary_imitated"), "{evil:?}");
    let page = bench.get_stored("http://shop.example/", &[]).await;
    assert_eq!((&*page.text, page.is_hit()), ("page", false));
    assert!(bench.get("http://shop.example/", &[("api_key", "mine")]).await.is_hit());
}

#[tokio::test]
async fn a_variant_that_an_imitation_is_confirmed_as_is_not_another_one_s() {
    let bench = Setup::plain().before(async |heard| {
        let (tag, text) = match [heard.field("hx-request"), heard.field("hx_request")]
            .concat()
            .is_empty()
        {
            true => ("\"p\"", "page"),
            false => ("\"f\"", "fragment"),
        };
        let status = if heard.field("if-none-match").contains(tag) {
            304
        } else {
            200
        };
        answer(
            status,
            &[SHARED, ("vary", "HX-Request"), ("etag", tag)],
            if status == 304 { "" } else { text },
        )
    });
    let url = "http://shop.example/";
    bench.get_stored(url, &[("hx-request", "true")]).await;
    let evil = bench.get_stored(url, &[("hx_request", "true")]).await;
    assert_eq!((evil.status, &*evil.text), (200, "fragment"), "as its origin says");
    assert_eq!(bench.get_stored(url, &[]).await.text, "page");
    bench.advance(70);
    bench.get_stored(url, &[("hx_request", "true")]).await;
    assert_eq!(bench.get_stored(url, &[]).await.text, "page");
}

#[tokio::test]
async fn what_a_trusted_proxy_says_of_a_host_mixes_no_sites() {
    let setup = Setup::plain().trusting("127.0.0.1");
    let bench = setup.before(async |heard| answer(200, &[SHARED], heard.field("host").to_owned()));
    let shop = "http://shop.example/";
    let by_proxy = [("x-forwarded-host", "shop.example")];
    // The origin goes by Host, where the proxy in front leaves that as it was.
    for (url, fields, host, is_hit) in [
        ("http://blog.example/", &by_proxy[..], "blog.example", false),
        (shop, &[], "shop.example", false),
        (shop, &by_proxy, "shop.example", true),
        ("http://blog.example/", &by_proxy, "blog.example", true),
        ("http://blog.example/", &[], "blog.example", false),
    ] {
        let answer = bench.get(url, fields).await;
        assert_eq!((&*answer.text, answer.is_hit()), (host, is_hit), "{url} {fields:?}");
    }
}

#[tokio::test]
async fn a_field_in_the_key_reaches_the_origin_and_keeps_answers_apart() {
    let setup = Setup::with(&[json!({"key": {"headers": ["x-original-url"]}})]);
    let bench = setup.before(async |heard| answer(200, &[SHARED], heard.field("x-original-url").to_owned()));
    for (value, is_hit) in [("/a", false), ("/b", false), ("/a", true)] {
        let answer = bench.get("http://shop.example/", &[("x-original-url", value)]).await;
        assert_eq!((&*answer.text, answer.is_hit()), (value, is_hit));
    }
}

#[tokio::test]
async fn a_page_that_looks_like_a_file_is_not_stored() {
    let page = [SHARED, ("content-type", "text/html")];
    let bench = Setup::plain().before(move |_| async move { answer(200, &page, "anna's account") });
    for path in [
        "/account/x.css",
        "/account%2fx.css",
        "/account;x.css",
        "/static/..%2faccount",
        "/account%0ax.css",
    ] {
        let url = format!("http://shop.example{path}");
        let first = bench.get(&url, &[]).await;
        assert!(
            first.field("cache-status").contains("detail=path_confusion"),
            "{path}: {first:?}"
        );
        assert!(!bench.get(&url, &[]).await.is_hit(), "{path}");
    }
    let off =
        Setup::with(&[json!({"refuse_path_confusion": false})]).before(move |_| async move { answer(200, &page, "") });
    off.get("http://shop.example/account/x.css", &[]).await;
    assert!(off.get("http://shop.example/account/x.css", &[]).await.is_hit());
}

#[tokio::test]
async fn a_get_with_a_body_neither_reads_nor_writes_the_cache() {
    let bench = Setup::plain().before(async |heard| answer(200, &[SHARED], heard.field("content-length").to_owned()));
    let url = "http://shop.example/";
    let fat = bench.get(url, &[("content-length", "7")]).await;
    assert!(fat.field("cache-status").contains("request_content"), "{fat:?}");
    assert_eq!(bench.get(url, &[]).await.text, "");
    assert!(bench.get(url, &[]).await.is_hit());
    assert!(
        !bench
            .get(url, &[("transfer-encoding", "chunked"), ("content-length", "7")])
            .await
            .is_hit()
    );
}

#[tokio::test]
async fn no_parameter_hides_behind_one_that_is_left_out() {
    let setup = Setup::with(&[json!({"key": {"query_ignore": ["utm_*"]}})]);
    let bench = setup.before(async |heard| answer(200, &[SHARED], heard.target));
    let targets = [
        "/a?page=1",
        "/a?page=1&utm_source=x;page=2",
        "/a?page=1&utm_source=x%26page=2",
        "/a?page=1;utm_source=x",
        "/a?utm_source=x&page=2&page=1",
        "/a?%75tm_source=x&page=3",
    ];
    for target in targets {
        let answer = bench.get(&format!("http://shop.example{target}"), &[]).await;
        let harmless = target == "/a?page=1&utm_source=x%26page=2";
        assert_eq!(
            answer.is_hit(),
            harmless,
            "{target}: `%26` is a byte of the value to everybody"
        );
    }
    let again = bench.get("http://shop.example/a?page=1", &[]).await;
    assert_eq!((&*again.text, again.is_hit()), ("/a?page=1", true));
}

#[tokio::test]
async fn no_part_of_a_request_writes_another_s_key() {
    let setup = Setup::with(&[json!({"key": {"headers": ["x-a"], "cookies": ["c"]}})]);
    let bench = setup.before(async |heard| answer(200, &[SHARED], format!("{}{}", heard.field("host"), heard.target)));
    let victim = bench
        .get("http://shop.example/a?b", &[("x-a", "1"), ("cookie", "c=2")])
        .await;
    assert_eq!(victim.text, "shop.example/a?b");
    let forged: [(&str, &[(&str, &str)]); 6] = [
        ("http://shop.example/a?b%23header:x-a=1&cookie:c=2", &[]),
        ("http://shop.example/a?b", &[("x-a", "1&cookie:c=2")]),
        ("http://shop.example/a?b", &[("x-a", "1"), ("cookie", "c=2%26x")]),
        ("http://shop.example/a?b|GET", &[("x-a", "1"), ("cookie", "c=2")]),
        ("http://shop.example:8080/a?b", &[("x-a", "1"), ("cookie", "c=2")]),
        ("http://other.example/a?b", &[("x-a", "1"), ("cookie", "c=2")]),
    ];
    for (url, fields) in forged {
        assert!(!bench.get(url, fields).await.is_hit(), "{url} {fields:?}");
    }
    assert!(
        bench
            .get("http://shop.example/a?b", &[("cookie", "c=2"), ("x-a", "1")])
            .await
            .is_hit()
    );
}

#[tokio::test]
async fn a_refusal_of_one_odd_request_is_nobody_else_s() {
    let bench = Setup::plain().before(async |heard| match heard.field("x-long").len() {
        0 => answer(200, &[SHARED], "page"),
        _ => answer(400, &[SHARED], "too long"),
    });
    let url = "http://shop.example/";
    assert_eq!(bench.get(url, &[("x-long", &"x".repeat(5000))]).await.status, 400);
    assert_eq!(bench.get(url, &[]).await.text, "page");
}

#[tokio::test]
async fn what_a_client_says_of_caching_is_about_its_own_answer() {
    let bench = Setup::plain().before(async |_| answer(200, &[("cache-control", "max-age=10")], ""));
    let url = "http://shop.example/";
    let says = "public, max-age=3600, s-maxage=3600, stale-while-revalidate=3600, immutable";
    bench
        .get(url, &[("cache-control", says), ("cdn-cache-control", "max-age=3600")])
        .await;
    assert!(bench.get(url, &[]).await.is_hit());
    bench.advance(11);
    assert!(!bench.get(url, &[]).await.is_hit());
}
