//! The dashboard's link, as a browser follows it: the files without a token, a login with the code that was printed, and what
//! another page, host or guess gets.

use crate::harness::{Answer, Client, Origin, Peregrine, Reply, request};

fn peregrine() -> Peregrine {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    Peregrine::before(&origin, "")
}

fn send(peregrine: &Peregrine, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let host = peregrine.admin.to_string();
    let length = body.len().to_string();
    let mut all = vec![("host", host.as_str())];
    if method != "GET" {
        all.push(("content-length", &length));
    }
    all.extend_from_slice(fields);
    let mut head = request(method, target, &all);
    head.push_str(body);
    Client::connect(peregrine.admin).send(head).read(method)
}

#[test]
fn the_link_of_the_start_logs_a_browser_in_once() {
    let peregrine = peregrine();
    let log = peregrine.log();
    let (_, rest) = log.split_once("#login=").expect(&log);
    let code: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let page = send(&peregrine, "GET", "/dashboard/performance", &[], "");
    assert_eq!(
        (page.status, page.field("content-type").as_str()),
        (200, "text/html; charset=utf-8")
    );
    assert!(page.field("content-security-policy").contains("frame-ancestors 'none'"));

    let json = ("content-type", "application/json");
    let own = format!("http://{}", peregrine.admin);
    let login = |origin: &str| {
        let body = format!("{{\"code\":\"{code}\"}}");
        send(
            &peregrine,
            "POST",
            "/api/performance/access/login",
            &[json, ("origin", origin)],
            &body,
        )
    };
    assert_eq!(login("http://evil.example").status, 403);
    let answer = login(&own);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(login(&own).status, 401, "a code is good once");
    let cookie = answer.field("set-cookie").split(';').next().unwrap().to_owned();
    let cookie = ("cookie", cookie.as_str());
    assert_eq!(
        send(&peregrine, "GET", "/api/performance/health", &[cookie], "").status,
        200
    );
    let clear = |fields: &[(&str, &str)]| send(&peregrine, "POST", "/api/performance/cache/clear", fields, "{}").status;
    assert_eq!(clear(&[cookie, json, ("origin", &own)]), 200);
    assert_eq!(clear(&[cookie, json]), 403, "an old browser, or a form");
    assert_eq!(clear(&[cookie, json, ("origin", "http://evil.example")]), 403);
    assert_eq!(clear(&[cookie, ("content-type", "text/plain"), ("origin", &own)]), 415);
}

#[test]
fn no_path_leads_out_of_the_dashboards_files() {
    let peregrine = peregrine();
    for path in [
        "/dashboard/performance/../../../etc/passwd",
        "/dashboard/performance/..%2f..%2fetc%2fpasswd.txt",
        "/dashboard/performance/%2e%2e/%2e%2e/Cargo.toml",
        "/dashboard/performance//etc/passwd.txt",
        "/dashboard/performance/assets/..\\..\\secret.txt",
        "/dashboard/performance/.peregrine/admin.token",
    ] {
        let answer = send(&peregrine, "GET", path, &[], "");
        assert!([400, 401, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains(&peregrine.token), "{path}");
    }
    let rebound = Client::connect(peregrine.admin)
        .send(request("GET", "/dashboard/performance", &[("host", "rebound.example")]))
        .read("GET");
    assert_eq!(rebound.status, 403);
}
