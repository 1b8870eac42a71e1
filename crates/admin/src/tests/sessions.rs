//! The dashboard's files and the sessions of browsers: what another page, another host or an old link can do with them.

use super::fake::{ACME_TOKEN, Bench, Read, TOKEN, plain};
use http::request::Builder;
use peregrine_net::http::Body;
use std::time::Duration;

const LOGIN: &str = "/api/performance/access/login";
const LOGOUT: &str = "/api/performance/access/logout";
const ME: &str = "/api/performance/access/me";
const HEALTH: &str = "/api/performance/health";
const CLEAR: &str = "/api/performance/cache/clear";
const OWN: &str = "http://127.0.0.1:9180";

fn login() -> Builder {
    plain("POST", LOGIN).header("content-type", "application/json")
}

/// The cookie as a browser sends it back.
fn cookie(answer: &Read) -> String {
    let field = answer.headers["set-cookie"].to_str().unwrap();
    field.split(';').next().unwrap().to_owned()
}

async fn logged_in(bench: &Bench) -> String {
    let answer = bench.send(login(), format!("{{\"token\":\"{TOKEN}\"}}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    cookie(&answer)
}

fn with(cookie: &str, method: &str, path: &str) -> Builder {
    plain(method, path).header("cookie", cookie)
}

/// A changing call as one of the dashboard's own pages sends it.
fn change(cookie: &str) -> Builder {
    with(cookie, "POST", CLEAR)
        .header("origin", OWN)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/json")
}

#[tokio::test]
async fn the_dashboard_opens_without_a_token_and_its_policy_is_strict() {
    let bench = Bench::new();
    for path in ["/dashboard/performance", "/dashboard/performance/cache"] {
        let answer = bench.send(plain("GET", path), "").await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let head = bench.send(plain("HEAD", path), "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    let rebound = http::Request::get("/dashboard/performance").header("host", "evil.test");
    assert_eq!(bench.send(rebound, "").await.kind(), "host_not_allowed");
    assert_eq!(
        bench.send(plain("POST", "/dashboard/performance"), "").await.status,
        401
    );
    let within = bench.send(plain("GET", HEALTH), "").await;
    assert_eq!(
        within.headers["x-frame-options"], "DENY",
        "answers of the API are in no frame either"
    );
}

#[tokio::test]
async fn a_session_begins_with_a_token_or_a_code_that_is_good_once() {
    let bench = Bench::new();
    let answer = bench.send(login(), format!("{{\"token\":\"{TOKEN}\"}}")).await;
    assert_eq!(answer.json()["role"], "admin");
    assert_eq!(answer.json()["namespaces"], serde_json::Value::Null);
    let field = answer.headers["set-cookie"].to_str().unwrap();
    for word in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=3600"] {
        assert!(field.contains(word), "{field}");
    }
    assert!(!field.contains("Secure") && !field.contains(TOKEN), "{field}");
    let me = bench.send(with(&cookie(&answer), "GET", ME), "").await;
    assert_eq!(me.json(), answer.json());
    assert_eq!(bench.send(with(&cookie(&answer), "GET", HEALTH), "").await.status, 200);

    let code = bench.admin.login_code().unwrap();
    let by_code = format!("{{\"code\":\"{code}\"}}");
    let first = bench.send(login(), by_code.clone()).await;
    assert_eq!(
        (first.status.as_u16(), first.json()["name"].as_str()),
        (200, Some("login code"))
    );
    assert_eq!(bench.send(login(), by_code).await.kind(), "token_wrong");
    let late = bench.admin.login_code().unwrap();
    bench.clock.advance(Duration::from_secs(600));
    let late = bench.send(login(), format!("{{\"code\":\"{late}\"}}")).await;
    assert_eq!((late.status.as_u16(), late.kind().as_str()), (401, "token_wrong"));
    for body in ["{}", "{\"token\":\"a\",\"code\":\"b\"}", "{\"code\":7}", ""] {
        assert_eq!(bench.send(login(), body).await.kind(), "invalid_request", "{body}");
    }
}

#[tokio::test]
async fn over_tls_the_cookie_stays_there() {
    let bench = Bench::new();
    let request = login().body(Body::full(format!("{{\"token\":\"{TOKEN}\"}}"))).unwrap();
    let answer = bench.send_from("127.0.0.1:50000", true, request).await;
    assert!(answer.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn no_other_page_uses_a_session() {
    let bench = Bench::new();
    let cookie = logged_in(&bench).await;
    assert_eq!(bench.send(change(&cookie), "").await.status, 200);
    assert_eq!(bench.fake.asked().len(), 1);
    // A form of another page, its fetch without a question first, and what old browsers send.
    let json = |request: Builder| request.header("content-type", "application/json");
    let forged = [
        (json(with(&cookie, "POST", CLEAR)), 403),
        (json(with(&cookie, "POST", CLEAR).header("origin", "null")), 403),
        (
            json(with(&cookie, "POST", CLEAR).header("origin", "http://evil.test")),
            403,
        ),
        (
            json(with(&cookie, "POST", CLEAR).header("origin", "http://127.0.0.1:8080")),
            403,
        ),
        (change(&cookie).header("origin", "http://evil.test"), 403),
        (
            json(
                with(&cookie, "POST", CLEAR)
                    .header("origin", OWN)
                    .header("sec-fetch-site", "cross-site"),
            ),
            403,
        ),
        (
            json(
                with(&cookie, "POST", CLEAR)
                    .header("origin", OWN)
                    .header("sec-fetch-site", "same-site"),
            ),
            403,
        ),
        (
            with(&cookie, "POST", CLEAR)
                .header("origin", OWN)
                .header("content-type", "text/plain"),
            415,
        ),
        (
            with(&cookie, "POST", CLEAR)
                .header("origin", OWN)
                .header("content-type", "application/x-www-form-urlencoded"),
            415,
        ),
        (with(&cookie, "POST", CLEAR).header("origin", OWN), 415),
        (with(&cookie, "GET", HEALTH).header("sec-fetch-site", "cross-site"), 403),
        (with(&cookie, "GET", HEALTH).header("origin", "http://evil.test"), 403),
    ];
    for (request, status) in forged {
        let said = format!("{:?}", request.headers_ref());
        assert_eq!(bench.send(request, "{}").await.status, status, "{said}");
    }
    // Nor does another page log a browser in, into a session of its own choice.
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = plain("POST", LOGIN).header("content-type", kind);
        assert_eq!(
            bench.send(request, format!("{{\"token\":\"{TOKEN}\"}}")).await.status,
            415
        );
    }
    let foreign = login().header("origin", "http://evil.test");
    assert_eq!(
        bench.send(foreign, format!("{{\"token\":\"{TOKEN}\"}}")).await.status,
        403
    );
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn a_session_is_over_after_logout_silence_and_its_time() {
    let bench = Bench::new();
    let cookie = logged_in(&bench).await;
    let logout = plain("POST", LOGOUT)
        .header("cookie", &cookie)
        .header("origin", OWN)
        .header("content-type", "application/json");
    let out = bench.send(logout, "").await;
    assert_eq!(out.json()["ended"], true);
    assert!(
        out.headers["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("peregrine_session=; ")
    );
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let over = bench.send(with(&cookie, "GET", HEALTH), "").await;
    assert_eq!((over.status.as_u16(), over.kind().as_str()), (401, "session_over"));

    let silent = logged_in(&bench).await;
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(bench.send(with(&silent, "GET", HEALTH), "").await.status, 401);

    let busy = logged_in(&bench).await;
    for _ in 0..7 {
        assert_eq!(bench.send(with(&busy, "GET", HEALTH), "").await.status, 200);
        bench.clock.advance(Duration::from_secs(510));
    }
    assert_eq!(bench.send(with(&busy, "GET", HEALTH), "").await.status, 200);
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(
        bench.send(with(&busy, "GET", HEALTH), "").await.status,
        401,
        "an hour is an hour"
    );
}

#[tokio::test]
async fn an_id_that_somebody_chose_is_none_and_a_login_changes_it() {
    let bench = Bench::new();
    let chosen = format!("peregrine_session={}", "a".repeat(64));
    assert_eq!(
        bench.send(with(&chosen, "GET", HEALTH), "").await.kind(),
        "session_over"
    );
    let request = login().header("cookie", &chosen).header("origin", OWN);
    let answer = bench.send(request, format!("{{\"token\":\"{TOKEN}\"}}")).await;
    let first = cookie(&answer);
    assert_ne!(first, chosen);
    assert_eq!(bench.send(with(&chosen, "GET", HEALTH), "").await.status, 401);
    let request = login().header("cookie", &first).header("origin", OWN);
    let again = cookie(&bench.send(request, format!("{{\"token\":\"{TOKEN}\"}}")).await);
    assert_eq!(
        bench.send(with(&first, "GET", HEALTH), "").await.status,
        401,
        "the one before is over"
    );
    assert_eq!(bench.send(with(&again, "GET", HEALTH), "").await.status, 200);
    // A token that is sent counts, whatever the cookie says.
    let wrong = with(&again, "GET", HEALTH).header("authorization", "Bearer something-else-entirely");
    assert_eq!(bench.send(wrong, "").await.kind(), "token_wrong");
}

#[tokio::test]
async fn guessing_codes_and_tokens_at_the_login_is_slowed_down_too() {
    let bench = Bench::new();
    for wrong in ["{\"code\":\"1\"}", "{\"token\":\"2\"}", "{\"code\":\"3\"}"] {
        assert_eq!(bench.send(login(), wrong).await.kind(), "token_wrong");
    }
    let good = format!("{{\"code\":\"{}\"}}", bench.admin.login_code().unwrap());
    let answer = bench.send(login(), good.clone()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.kind().as_str()),
        (429, "token_attempts")
    );
    assert!(answer.headers.contains_key("retry-after"));
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.send(login(), good).await.status, 200, "and it was not used up");
}

#[tokio::test]
async fn a_tenants_session_may_what_its_token_may() {
    let bench = Bench::new();
    let answer = bench.send(login(), format!("{{\"token\":\"{ACME_TOKEN}\"}}")).await;
    assert_eq!(
        (answer.json()["tenant"].as_str(), answer.json()["role"].as_str()),
        (Some("acme"), Some("operator"))
    );
    let cookie = cookie(&answer);
    assert_eq!(
        bench.send(with(&cookie, "GET", HEALTH), "").await.kind(),
        "tenant_token"
    );
    assert_eq!(bench.send(change(&cookie), "").await.status, 200);
    assert!(bench.fake.asked().concat().contains("tenant: Some(\"acme\")"));
}
