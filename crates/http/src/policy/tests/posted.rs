//! Which answers to POST answer a later GET: RFC 9110 §9.3.3.

use super::*;

/// Clause, rules, the answer to a POST to `http://shop.example:8080/a/b?c`, and whether it answers a GET of that URL.
pub(super) const ROWS: &[[&str; 4]] = &[
    [
        "9110 §9.3.3",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: /a/b?c",
        "yes",
    ],
    [
        "9110 §9.3.3",
        "",
        "200 | Cache-Control: s-maxage=60 | Content-Location: /a/b?c",
        "yes",
    ],
    [
        "9110 §9.3.3",
        "",
        "200 | Expires: Thu, 01 Jan 2026 00:01:00 GMT | Content-Location: /a/b?c",
        "yes",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: b?c",
        "yes",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: http://SHOP.example:8080/a/b?c",
        "yes",
    ],
    // What it brings is something else's, or nobody says whose.
    ["9110 §9.3.3", "", "200 | Cache-Control: max-age=60", "no"],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: /a/b",
        "no",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: /a/b?d",
        "no",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: /a/B?c",
        "no",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: http://evil.example:8080/a/b?c",
        "no",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: https://shop.example:8080/a/b?c",
        "no",
    ],
    [
        "9110 §5.3",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: /a/b?c | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9110 §8.7",
        "",
        "200 | Cache-Control: max-age=60 | Content-Location: http://",
        "no",
    ],
    // Nobody says for how long.
    ["9110 §9.3.3", "", "200 | Content-Location: /a/b?c", "no"],
    ["9110 §9.3.3", "fallback=60", "200 | Content-Location: /a/b?c", "no"],
    [
        "9110 §9.3.3",
        "force=60",
        "200 | Cache-Control: max-age=60 | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9110 §9.3.3",
        "heuristic",
        "200 | Content-Location: /a/b?c | Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT",
        "no",
    ],
    [
        "9111 §5.2.2.4",
        "",
        "200 | Cache-Control: max-age=60, no-cache | ETag: \"1\" | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9111 §4.2",
        "",
        "200 | Cache-Control: max-age=60 | Age: 60 | ETag: \"1\" | Content-Location: /a/b?c",
        "no",
    ],
    // What was made, and a failure, are no representation of the URL.
    [
        "9110 §15.3.2",
        "",
        "201 | Cache-Control: max-age=60 | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9110 §15.5.5",
        "",
        "404 | Cache-Control: max-age=60 | Content-Location: /a/b?c",
        "no",
    ],
    // What a GET's answer may not be stored for, a POST's may not either.
    [
        "9111 §5.2.2.5",
        "",
        "200 | Cache-Control: max-age=60, no-store | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9111 §5.2.2.7",
        "",
        "200 | Cache-Control: max-age=60, private | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9111 §7.3",
        "",
        "200 | Cache-Control: max-age=60 | Set-Cookie: a=b | Content-Location: /a/b?c",
        "no",
    ],
    [
        "9111 §4.1",
        "",
        "200 | Cache-Control: max-age=60 | Vary: * | Content-Location: /a/b?c",
        "no",
    ],
];

#[test]
fn which_answers_to_post_answer_a_get() {
    let target = "http://shop.example:8080/a/b?c".parse().unwrap();
    check(ROWS, |[_, given, answer, _]| {
        let rules = rules(given);
        let (status, headers) = response(answer);
        let times = Times {
            received: NOW,
            delay: Duration::ZERO,
        };
        let is_kept = match decide_storage(&asked("", &rules), &Method::GET, status, &headers, &rules, times) {
            Storage::Store(plan) => stands_for_its_url(&target, status, &headers, &plan),
            Storage::Pass(_) => false,
        };
        if is_kept { "yes" } else { "no" }.to_owned()
    });
}

#[test]
fn a_default_port_is_the_same_url_as_none() {
    let target = "https://shop.example/a".parse().unwrap();
    let headers = fields("Cache-Control: max-age=60 | Content-Location: https://shop.example:443/a");
    let rules = rules("");
    let stored = decide_storage(
        &asked("", &rules),
        &Method::GET,
        StatusCode::OK,
        &headers,
        &rules,
        Times::default(),
    );
    let Storage::Store(plan) = stored else {
        panic!("{stored:?}")
    };
    assert!(stands_for_its_url(&target, StatusCode::OK, &headers, &plan));
}
