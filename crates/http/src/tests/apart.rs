//! What an origin may tell apart the key tells apart, however it is written; and what the key takes for one the origin is asked
//! for in one way.

use super::bench::{Bench, answer};
use super::*;
use crate::OwnRequest;
use http::HeaderMap;
use peregrine_net::http::Body;
use peregrine_net::http::hygiene::TrustedProxies;
use serde_json::json;

const URL: &str = "http://shop.example/page";
const SHARED: (&str, &str) = ("cache-control", "max-age=60");

/// An origin that answers with what it hears under `name`.
fn echoing(setup: Setup, name: &'static str) -> Bench {
    setup.before(async move |heard| answer(200, &[SHARED], heard.field(name).to_owned()))
}

fn own(url: &str) -> OwnRequest {
    OwnRequest {
        url: url.parse().unwrap(),
        method: http::Method::GET,
        headers: HeaderMap::new(),
    }
}

#[tokio::test]
async fn a_cookie_is_what_its_reader_takes_it_for() {
    let bench = echoing(Setup::with(&[json!({"key": {"cookies": ["tier"]}})]), "cookie");
    for cookie in ["tier =gold", " tier\t= gold", "tier=gold"] {
        let own = bench.get_stored(URL, &[("cookie", cookie)]).await;
        assert_eq!(
            own.text,
            cookie.trim(),
            "who does not take one for the other answers each"
        );
        assert_eq!(bench.get_stored(URL, &[]).await.text, "", "{cookie}");
    }
    let bench = echoing(Setup::with(&[json!({"bypass": {"cookies": ["session"]}})]), "cookie");
    bench.get_stored(URL, &[("cookie", "session =mine")]).await;
    assert_eq!(bench.get(URL, &[]).await.text, "");
}

#[tokio::test]
async fn a_cookie_under_another_spelling_is_in_the_key_and_goes_past_where_it_does() {
    let key = json!({"key": {"cookies": ["my_theme"]}});
    let bench = echoing(Setup::with(&[key]), "cookie");
    bench.get_stored(URL, &[]).await;
    let past = echoing(
        Setup::with(&[json!({"bypass": {"cookies": ["my_theme", "PHPSESSID"]}})]),
        "cookie",
    );
    let mut seen = std::collections::BTreeSet::new();
    for name in [
        "my_theme",
        "my.theme",
        "my theme",
        "my[theme",
        "my%5ftheme",
        "my_theme[x]",
        "My_Theme",
        "my_theme ",
    ] {
        let cookie = format!("{name}=dark");
        let own = bench.get_stored(URL, &[("cookie", &cookie)]).await;
        assert_eq!(own.text, cookie, "not the page of another spelling");
        seen.insert(own.text);
        past.get_stored(URL, &[("cookie", &cookie)]).await;
        assert_eq!(past.get(URL, &[("cookie", "phpsessid=1")]).await.text, "phpsessid=1");
    }
    assert_eq!(seen.len(), 8);
    assert!(!past.get_stored(URL, &[]).await.is_hit(), "none of them was stored");
    let plain = bench.get(URL, &[("cookie", "other=1; my-theme=2")]).await;
    assert!(plain.is_hit(), "no origin takes these for it");
    // What is behind the sign is another's value.
    let odd = bench.get_stored(URL, &[("cookie", "my_theme= =dark")]).await;
    assert_eq!(odd.text, "my_theme= =dark");
}

#[tokio::test]
async fn a_parameter_is_what_its_reader_takes_it_for() {
    let only = Setup::with(&[json!({"key": {"query_only": ["page", "page_no"]}})]);
    let bench = only.before(async |heard| answer(200, &[SHARED], heard.target));
    let past = Setup::with(&[json!({"bypass": {"query": ["preview"]}})]);
    let past = past.before(async |heard| answer(200, &[SHARED], heard.target));
    bench.get_stored(URL, &[]).await;
    for query in [
        "page=2",
        "%20page=2",
        "+page=2",
        "page.no=2",
        "page%5Bx%5D=2",
        "page[]=2",
        "page[no=2",
        "[page]=2",
        "page]=2",
        "page%00x=2",
        "Page=2",
    ] {
        let answer = bench.get_stored(&format!("{URL}?{query}"), &[]).await;
        assert_eq!(answer.text, format!("/page?{query}"));
        let query = query.replace("page", "preview").replace("Page", "Preview");
        let query = query.replace(".no", "").replace("[no", "");
        for _ in 0..2 {
            assert!(
                !past.get_stored(&format!("{URL}?{query}"), &[]).await.is_hit(),
                "{query}"
            );
        }
    }
    assert!(bench.get(&format!("{URL}?other=2"), &[]).await.is_hit());
}

#[tokio::test]
async fn what_a_proxy_says_of_the_place_is_part_of_the_key_and_what_it_lets_pass_is_taken_off() {
    for name in ["x-forwarded-prefix", "x-forwarded-port"] {
        let bench = echoing(Setup::plain().trusting("127.0.0.1"), name);
        let told = [("x-forwarded-for", "192.0.2.1"), (name, "evil")];
        assert_eq!(bench.get_stored(URL, &told).await.text, "evil");
        assert!(bench.get_stored(URL, &told).await.is_hit());
        assert_eq!(bench.get_stored(URL, &told[..1]).await.text, "", "{name}");
    }
    let bench = echoing(Setup::plain().trusting("127.0.0.1"), "x-forwarded-server");
    let told = [("x-forwarded-port", "80"), ("x-forwarded-server", "one-of-many")];
    assert_eq!(bench.get_stored(URL, &told).await.text, "");
    assert!(
        bench.get(URL, &[]).await.is_hit(),
        "the port that the scheme has anyway, and a name that is taken off"
    );
    let bench = echoing(Setup::plain().trusting("127.0.0.1"), "forwarded");
    let passed = [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "host=evil.example;proto=https"),
    ];
    assert_eq!(bench.get_stored(URL, &passed).await.text, "");
    assert!(bench.get(URL, &[]).await.is_hit(), "it is the same URL");
}

#[tokio::test]
async fn an_origin_hears_of_the_host_in_the_words_of_the_key() {
    for name in ["host", "x-forwarded-host"] {
        let bench = echoing(Setup::plain(), name);
        assert_eq!(
            bench.get_stored("http://Shop.Example:80/page", &[]).await.text,
            "shop.example"
        );
        assert!(bench.get(URL, &[]).await.is_hit());
        assert_eq!(
            bench.get("http://shop.example:81/page", &[]).await.text,
            "shop.example:81"
        );
    }
}

#[tokio::test]
async fn requests_of_its_own_are_as_a_proxy_in_front_would_have_them() {
    let bench = Setup::plain().trusting("127.0.0.1").before(async |heard| {
        let fields = [SHARED, ("vary", "x-forwarded-proto")];
        let names = ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-for", "host"];
        answer(200, &fields, names.map(|name| heard.field(name).to_owned()).join(" "))
    });
    bench.plane.warm(&own("https://Shop.Example:443/page")).await;
    bench.settled().await;
    let told = [("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example")];
    let hit = bench.get(URL, &told).await;
    assert_eq!(
        (hit.is_hit(), &*hit.text),
        (true, "https shop.example 127.0.0.1 shop.example")
    );
}

#[tokio::test]
async fn a_field_that_the_operator_sets_is_set_for_loads_too() {
    let route = json!({"request_headers": {"set": {"x-forwarded-ssl": "on"}}});
    let bench = echoing(Setup::with(&[route]), "x-forwarded-ssl");
    assert_eq!(bench.get(URL, &[("x-forwarded-ssl", "off")]).await.text, "on");
    assert_eq!(bench.ask("POST", URL, &[]).await.text, "on");
}

#[tokio::test]
async fn a_purge_reaches_what_only_post_reads() {
    let routes = [
        json!({"match": {"path": "/graphql", "methods": ["POST"]}, "namespace": "other"}),
        json!({}),
    ];
    let setup = Setup::with(&routes).strategy(|strategy| strategy.cache_methods.push("POST".to_owned()));
    let bench = setup.before(async |_| answer(200, &[SHARED], "text"));
    bench.let_purge(TrustedProxies::parse(["127.0.0.1"]).unwrap());
    let url = "http://shop.example/graphql";
    let post = async || {
        let answer = bench.send("POST", url, &[], Body::full("query")).await;
        bench.settled().await;
        answer.is_hit()
    };
    assert!(!post().await && post().await);
    assert_eq!(bench.ask("PURGE", url, &[]).await.status, 200);
    assert!(!post().await);
}

#[tokio::test]
async fn a_redirect_teaches_what_of_its_query_counts() {
    let bench = Setup::plain().before(async |_| {
        let fields = [SHARED, ("no-vary-search", "params=(\"utm\")"), ("location", "/new")];
        answer(301, &fields, "")
    });
    let url = |utm| format!("{URL}?utm={utm}");
    bench.get_stored(&url("a"), &[]).await;
    bench.get_stored(&url("b"), &[]).await;
    assert!(bench.get(&url("c"), &[]).await.is_hit());
}

#[tokio::test]
async fn a_route_without_a_name_is_told_apart_by_what_chooses_it() {
    let by = |site: &str| json!({"match": {"headers": {"X-Site": site}}});
    let bench = echoing(Setup::with(&[by("a"), by("b")]), "x-site");
    for site in ["a", "b"] {
        let mut request = own(URL);
        request.headers.insert("x-site", site.parse().unwrap());
        let key = bench.plane.explain(&request, false).await.key.unwrap();
        assert!(key.ends_with(&format!("/page#route:*%20x-site={site}")), "{key}");
    }
}

#[tokio::test]
async fn a_field_of_the_key_counts_in_the_form_that_the_origin_sees() {
    let key = json!({"key": {"headers": ["x-device", "accept-language"], "values": {"x-device": "mobile"}, "languages": ["de", "en"]}});
    let bench = echoing(Setup::with(&[key]), "accept-language");
    bench.get_stored(URL, &[("accept-language", "en-GB,en;q=0.9")]).await;
    for (device, language, is_hit) in [
        ("one", "en", true),
        ("other", "en-US, fr;q=0.5", true),
        ("mobile", "en", false),
        ("one", "de", false),
    ] {
        let fields = [("x-device", device), ("accept-language", language)];
        assert_eq!(
            bench.get_stored(URL, &fields).await.is_hit(),
            is_hit,
            "{device} {language}"
        );
    }
}
