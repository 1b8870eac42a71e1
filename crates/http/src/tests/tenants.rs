//! Tenants with the same URLs never see each other's answers, whichever way these go; and what a tenant changes is its own.

use super::bench::{Bench, Gate, answer, until};
use super::*;
use crate::config::{TenantFrom, TenantsConfig, Untrusted};
use crate::{RequestMetrics, TenantRules, Tier};
use http::Version;
use peregrine_net::http::hygiene::TrustedProxies;
use peregrine_net::http::{Answer, Body, Handler as _, HeadView, Peer};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

const URL: &str = "http://shop.example/page";
const ACME: &[(&str, &str)] = &[("x-tenant", "acme")];
const GLOBEX: &[(&str, &str)] = &[("x-tenant", "globex")];

fn rules(change: impl FnOnce(&mut TenantsConfig)) -> TenantRules {
    let mut config = TenantsConfig {
        from: TenantFrom::Header,
        header: "x-tenant".to_owned(),
        untrusted: Untrusted::Ignore,
        host: "{tenant}.shop.example".to_owned(),
        path: "/t/{tenant}/".to_owned(),
        forward_header: true,
    };
    change(&mut config);
    TenantRules::new(&config).unwrap()
}

/// A plane behind a trusted proxy that names tenants, before an origin that says whose its answer is.
fn bench_with(route: Value, fields: &'static [(&'static str, &'static str)]) -> Bench {
    let setup = Setup::with(&[route]).trusting("127.0.0.1");
    let setup = setup.strategy(|strategy| strategy.cache_methods.push("POST".to_owned()));
    let bench = setup.before(move |heard| {
        let body = format!("for {} {}", heard.field("x-tenant"), "x".repeat(2000));
        let whole = || [fields, &[("etag", "\"1\"")]].concat();
        let response = match heard.field("range").strip_prefix("bytes=0-") {
            Some(range) => {
                let end: usize = range.parse().unwrap();
                let content = format!("bytes 0-{end}/{}", body.len());
                let fields = [&whole()[..], &[("content-range", content.as_str())]].concat();
                answer(206, &fields, body[..=end].to_owned())
            }
            None => answer(200, &whole(), body),
        };
        async move { response }
    });
    bench.identify_tenants(rules(|_| {}));
    bench
}

fn bench() -> Bench {
    bench_with(json!({}), &[("cache-control", "max-age=60")])
}

/// What the short way answers; nothing where it does not.
fn shortly(bench: &Bench, fields: &[(&'static str, &'static str)]) -> Option<String> {
    let fields: Vec<_> = [("Host", "shop.example")]
        .iter()
        .chain(fields)
        .map(|(name, value)| httparse::Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    let head = HeadView {
        method: "GET",
        target: "/page",
        host: "shop.example",
        version: Version::HTTP_11,
        fields: &fields,
        body: false,
    };
    let socket = SocketAddr::from(([127, 0, 0, 1], 4711));
    let peer = Peer {
        address: socket,
        local: socket,
        tls: false,
    };
    let mut answer = Answer::default();
    let is_answered = bench.plane.at_once(&head, &peer, &mut answer);
    let mut body = answer.copied.to_vec();
    body.extend(answer.body.iter().flatten());
    is_answered.then(|| String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn the_same_url_is_another_entry_for_each_tenant_by_both_ways() {
    let bench = bench();
    for fields in [ACME, GLOBEX, &[]] {
        assert!(shortly(&bench, fields).is_none(), "nothing is stored for them yet");
        assert!(!bench.get(URL, fields).await.is_hit());
    }
    for (fields, name) in [(ACME, "acme "), (GLOBEX, "globex "), (&[], " ")] {
        let answer = bench.get(URL, fields).await;
        assert!(
            answer.is_hit() && answer.text.starts_with(&format!("for {name}")),
            "{answer:?}"
        );
        let short = shortly(&bench, fields).expect("a plain hit");
        assert!(short.starts_with(&format!("for {name}")), "{short}");
    }
    assert_eq!(bench.heard().len(), 3);
    let logged = bench.logged();
    let tenants: Vec<_> = logged
        .iter()
        .map(|line| line["tenant"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(tenants[..3], ["acme", "globex", ""]);
    assert_eq!(tenants.iter().filter(|tenant| **tenant == "acme").count(), 3);
}

#[tokio::test]
async fn nobody_follows_another_tenants_load() {
    let gate = Gate::shut();
    let held = gate.clone();
    let setup = Setup::plain().trusting("127.0.0.1");
    let bench = Arc::new(setup.before(move |heard| {
        let (held, tenant) = (held.clone(), heard.field("x-tenant").to_owned());
        async move {
            held.passed().await;
            answer(200, &[("cache-control", "max-age=60")], format!("for {tenant}"))
        }
    }));
    bench.identify_tenants(rules(|_| {}));
    let asked: Vec<_> = [ACME, GLOBEX, ACME, GLOBEX]
        .into_iter()
        .map(|fields| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.get(URL, fields).await.text })
        })
        .collect();
    until("a load for each tenant", || bench.heard().len() == 2).await;
    gate.open();
    let mut texts = Vec::new();
    for asked in asked {
        texts.push(asked.await.unwrap());
    }
    assert_eq!(texts, ["for acme", "for globex", "for acme", "for globex"]);
    assert_eq!(bench.heard().len(), 2, "those of one tenant share theirs");
}

#[tokio::test]
async fn stale_answers_ranges_encodings_and_contents_are_the_tenants_too() {
    let bench = bench_with(
        json!({"key": {"content_max": "1KiB"}}),
        &[
            ("cache-control", "max-age=1, stale-while-revalidate=600"),
            ("content-type", "text/plain"),
        ],
    );
    let own = |answer: &bench::Answer, name: &str| answer.text.starts_with(&format!("for {name} "));
    for (fields, name) in [(ACME, "acme"), (GLOBEX, "globex")] {
        let ranged = [fields, &[("range", "bytes=0-99")]].concat();
        let part = bench.get(URL, &ranged).await;
        assert!(part.status == 206 && own(&part, name), "{part:?}");
        assert!(own(&bench.get(URL, fields).await, name));
        let coded = [fields, &[("accept-encoding", "gzip")]].concat();
        let one = bench.get(URL, &coded).await;
        assert_eq!(one.status, 200);
    }
    bench.advance(5);
    for (fields, name) in [(ACME, "acme"), (GLOBEX, "globex"), (ACME, "acme")] {
        let stale = bench.get(URL, fields).await;
        assert!(own(&stale, name), "{stale:?}");
        let ranged = [fields, &[("range", "bytes=0-99")]].concat();
        assert!(own(&bench.get(URL, &ranged).await, name));
    }
    for (fields, name) in [(ACME, "acme"), (GLOBEX, "globex"), (ACME, "acme")] {
        let posted = bench.send("POST", URL, fields, Body::full("{\"query\":1}")).await;
        assert!(own(&posted, name), "{posted:?}");
    }
}

#[tokio::test]
async fn what_a_tenant_changes_or_purges_is_its_own() {
    let bench = bench();
    bench.let_purge(TrustedProxies::parse(["127.0.0.1"]).unwrap());
    for fields in [ACME, GLOBEX] {
        bench.get(URL, fields).await;
    }
    bench.ask("PUT", URL, ACME).await;
    assert!(
        bench.get(URL, GLOBEX).await.is_hit(),
        "a change by acme is none of globex's"
    );
    assert!(!bench.get(URL, ACME).await.is_hit());
    bench.ask("PURGE", URL, GLOBEX).await;
    assert!(bench.get(URL, ACME).await.is_hit());
    assert!(!bench.get(URL, GLOBEX).await.is_hit());
    bench.ask("PURGE", URL, &[]).await;
    for fields in [ACME, GLOBEX] {
        assert!(
            !bench.get(URL, fields).await.is_hit(),
            "in nobody's name it reaches everybody"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_nobodys_is_refused_where_a_route_says_so() {
    let bench = bench_with(json!({"tenant": "required"}), &[("cache-control", "max-age=60")]);
    let refused = bench.get(URL, &[]).await;
    assert!(
        refused.status == 400 && refused.text.contains("tenant_missing"),
        "{refused:?}"
    );
    let garbled = bench.get(URL, &[("x-tenant", "a|b")]).await;
    assert!(
        garbled.status == 400 && garbled.text.contains("tenant_invalid"),
        "{garbled:?}"
    );
    let twice = bench.get(URL, &[("x-tenant", "a"), ("x-tenant", "b")]).await;
    assert!(twice.text.contains("tenant_invalid"), "{twice:?}");
    assert!(bench.heard().is_empty());
    assert_eq!(bench.get(URL, ACME).await.status, 200);
    assert!(shortly(&bench, &[]).is_none() && shortly(&bench, &[("x-tenant", "a|b")]).is_none());
    assert!(shortly(&bench, ACME).is_some());
    let errors: Vec<_> = bench.logged().iter().map(|line| line["error"].clone()).collect();
    assert_eq!(errors[..2], ["tenant_missing", "tenant_invalid"]);
}

#[tokio::test]
async fn only_trusted_proxies_name_tenants_by_a_header() {
    let setup = Setup::plain();
    let bench = setup.before(async |heard| {
        let tenant = heard.field("x-tenant").to_owned();
        answer(200, &[("cache-control", "max-age=60"), ("vary", "x-tenant")], tenant)
    });
    bench.identify_tenants(rules(|config| config.forward_header = false));
    assert_eq!(bench.get(URL, ACME).await.text, "", "the origin does not see it either");
    assert!(bench.get(URL, GLOBEX).await.is_hit(), "to this proxy both are nobody's");
    assert!(bench.get(URL, &[]).await.is_hit());
    bench.identify_tenants(rules(|config| config.untrusted = Untrusted::Refuse));
    let refused = bench.get(URL, ACME).await;
    assert!(
        refused.status == 403 && refused.text.contains("tenant_untrusted"),
        "{refused:?}"
    );
    assert!(shortly(&bench, ACME).is_none());
    assert!(bench.get(URL, &[]).await.is_hit());
}

#[tokio::test]
async fn a_connection_field_does_not_take_the_tenant_off() {
    let bench = bench();
    let fields = [ACME, &[("connection", "x-tenant")]].concat();
    bench.get(URL, &fields).await;
    assert!(bench.get(URL, ACME).await.is_hit());
    assert!(!bench.get(URL, &[]).await.is_hit());
}

#[tokio::test]
async fn hosts_and_paths_name_tenants_for_anybody() {
    let setup = Setup::with(&[json!({"tenant": "required"})]);
    let bench = setup.before(async |_| answer(200, &[("cache-control", "max-age=60")], "x"));
    bench.identify_tenants(rules(|config| config.from = TenantFrom::Host));
    assert_eq!(bench.get("http://acme.shop.example/", ACME).await.status, 200);
    assert_eq!(bench.get("http://shop.example/", ACME).await.status, 400);
    bench.identify_tenants(rules(|config| config.from = TenantFrom::Path));
    assert_eq!(bench.get("http://shop.example/t/acme/a", &[]).await.status, 200);
    assert_eq!(bench.get("http://shop.example/a", &[]).await.status, 400);
    assert_eq!(bench.get("http://shop.example/t/a%62/a", &[]).await.status, 400);
    assert_eq!(bench.logged().iter().filter(|line| line["tenant"] == "acme").count(), 2);
}

/// What was counted of requests, as one text.
fn counted(of: &RequestMetrics) -> String {
    let tiers: Vec<_> = of
        .tiers()
        .map(|(tier, count)| (tier, count, of.bytes_from(tier), of.saved_by(tier)))
        .collect();
    let took = of.tiers().map(|(tier, _)| of.duration_from(tier)).collect::<Vec<_>>();
    let words = (
        of.outcomes().collect::<Vec<_>>(),
        of.statuses().collect::<Vec<_>>(),
        of.reasons(),
        of.error_kinds(),
    );
    let sums = (
        of.errors(),
        of.bytes_sent(),
        of.bytes_saved(),
        of.saved_requests(),
        of.saved_time(),
        of.origin_requests(),
        of.origin_time(),
    );
    let spans = (of.duration(), of.upstream.snapshot(), of.wait.snapshot());
    format!("{words:?} {tiers:?} {sums:?} {took:?} {spans:?}")
}

#[tokio::test]
async fn a_tenants_requests_are_counted_like_those_of_the_route() {
    let bench = bench();
    bench.plane.tenant_metrics().keep(1);
    bench.get_stored(URL, ACME).await;
    for _ in 0..3 {
        assert!(bench.get(URL, ACME).await.is_hit());
    }
    bench.end_origin().await;
    bench.get("http://shop.example/other", ACME).await;
    let of_route = bench.metrics();
    let of_acme = bench.plane.tenant_metrics().get("acme").unwrap();
    assert_eq!(counted(&of_acme.requests), counted(&of_route.requests));
    let did = &of_acme.requests;
    assert_eq!(
        (did.outcomes().map(|(_, count)| count).sum::<u64>(), did.errors()),
        (5, 1)
    );
    assert_eq!(
        did.error_kinds().into_values().sum::<u64>(),
        1,
        "{:?}",
        did.error_kinds()
    );
    assert_eq!(did.origin_requests(), 1);
    assert!(!did.reasons().is_empty());
    assert_eq!(did.upstream.snapshot().count, did.wait.snapshot().count);
    // Three of the five came from memory, and the others from nowhere in the cache.
    assert_eq!(did.duration_from(Tier::Memory).count, 3);
    assert_eq!((did.duration_from(Tier::Redis).count, did.duration().count), (0, 5));
    assert_eq!(did.bytes_from(Tier::Memory), did.bytes_saved());
    assert!(did.bytes_saved() > 0 && did.bytes_saved() < did.bytes_sent());
    assert_eq!(
        (did.saved_requests(), did.saved_by(Tier::Memory)),
        (3, did.saved_time())
    );
    // There is room for one: others share, and are not counted for anybody else.
    bench.get(URL, GLOBEX).await;
    assert!(bench.plane.tenant_metrics().get("globex").is_none());
    assert_eq!(
        bench
            .plane
            .tenant_metrics()
            .others()
            .outcomes()
            .map(|(_, count)| count)
            .sum::<u64>(),
        1
    );
    assert_eq!(did.duration().count, 5);
}

#[tokio::test]
async fn what_an_origin_takes_for_the_name_of_a_tenant_is_taken_off() {
    for address in ["127.0.0.1", "192.0.2.1"] {
        let setup = Setup::plain().trusting(address);
        let bench = setup.before(async |heard| {
            answer(
                200,
                &[("cache-control", "max-age=60")],
                heard.field("x_tenant").to_owned(),
            )
        });
        bench.identify_tenants(rules(|_| {}));
        for is_hit in [false, true] {
            let got = bench.get_stored(URL, &[ACME[0], ("x_tenant", "globex")]).await;
            assert_eq!((&*got.text, got.is_hit()), ("", is_hit), "{address}");
        }
        assert_eq!(
            shortly(&bench, &[("Host", "shop.example"), ("X_Tenant", "globex")]),
            None
        );
    }
}

#[tokio::test]
async fn explaining_says_what_is_wrong_with_a_tenant() {
    let bench = bench_with(json!({"tenant": "required"}), &[("cache-control", "max-age=60")]);
    for (named, word) in [("", "tenant_missing"), ("no name", "tenant_invalid")] {
        let mut headers = http::HeaderMap::new();
        if !named.is_empty() {
            headers.insert("x-tenant", named.parse().unwrap());
        }
        let request = crate::OwnRequest {
            url: URL.parse().unwrap(),
            method: http::Method::GET,
            headers,
        };
        let told = bench.plane.explain(&request, false).await;
        assert!(told.steps.iter().any(|step| step.outcome == word), "{told:?}");
        assert!(told.key.is_none());
    }
}
