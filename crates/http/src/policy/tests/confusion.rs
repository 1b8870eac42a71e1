//! Answers that confusion about a URL may have got, and refusals that only their asker earned: RFC 9111 §7.1, §7.3.

use super::*;

/// Clause, path, response, whether it is taken for confusion.
pub(super) const PATHS: &[[&str; 4]] = &[
    // What ends like a file is one.
    ["§7.3", "/site.css", "200 | Content-Type: text/css; charset=utf-8", "-"],
    ["§7.3", "/app.js", "200 | Content-Type: application/javascript", "-"],
    ["§7.3", "/app.mjs", "200 | Content-Type: text/javascript", "-"],
    ["§7.3", "/a.jpg", "200 | Content-Type: image/webp", "-"],
    ["§7.3", "/a.ts", "200 | Content-Type: video/mp2t", "-"],
    ["§7.3", "/a.ts", "200 | Content-Type: application/typescript", "-"],
    ["§7.3", "/account/a.ts", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/a.svg", "200 | Content-Type: image/svg+xml", "-"],
    ["§7.3", "/a.woff2", "200 | Content-Type: font/woff2", "-"],
    ["§7.3", "/a.pdf", "200 | Content-Type: application/octet-stream", "-"],
    [
        "§7.3",
        "/data.json",
        "200 | Content-Type: application/problem+json",
        "-",
    ],
    ["§7.3", "/a.css", "200", "-"],
    ["§7.3", "/page", "200 | Content-Type: text/html", "-"],
    ["§7.3", "/page.html", "200 | Content-Type: text/html", "-"],
    ["§7.3", "/v1.2/page", "200 | Content-Type: text/html", "-"],
    ["§7.3", "/group%2Fproject", "200 | Content-Type: application/json", "-"],
    ["§7.3", "/a//b", "200 | Content-Type: text/html", "-"],
    ["§7.3", "/", "200 | Content-Type: text/html", "-"],
    // What only ends so.
    [
        "§7.3",
        "/account/profile/x.css",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    ["§7.3", "/account/x.JPG", "200 | Content-Type: text/html", "confusion"],
    [
        "§7.3",
        "/account/x.js",
        "200 | Content-Type: application/json",
        "confusion",
    ],
    ["§7.3", "/account;x.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account/x.css;y", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account%2fx.css", "200 | Content-Type: text/html", "confusion"],
    [
        "§7.3",
        "/account%252fx.css",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    ["§7.3", "/account%5cx.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account%3fx.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account%23x.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account%3bx.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account/x.css/", "200 | Content-Type: text/html", "confusion"],
    [
        "§7.3",
        "/account/x.css%2f",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    ["§7.3", "/account/x%2ecss", "200 | Content-Type: text/html", "confusion"],
    [
        "§7.3",
        "/account/x.css%20",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    [
        "§7.3",
        "/account/x.css%3f",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    ["§7.3", "/account//x.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account,x.css", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/account!x.css", "200 | Content-Type: text/html", "confusion"],
    // Control characters, whatever comes.
    ["§7.3", "/account%0ax.css", "200 | Content-Type: text/css", "confusion"],
    ["§7.3", "/account%00.css", "200 | Content-Type: text/css", "confusion"],
    ["§7.3", "/account%250d", "200 | Content-Type: text/html", "confusion"],
    // Dot segments: a route for /static/* is not asked for /account.
    [
        "§7.3",
        "/static/../account",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    [
        "§7.3",
        "/static/..%2faccount",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    [
        "§7.3",
        "/static/%2e%2e/account",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    [
        "§7.3",
        "/static/%252e%252e%252faccount",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    [
        "§7.3",
        "/static/..%5caccount",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    [
        "§7.3",
        "/static/..;/account",
        "200 | Content-Type: text/html",
        "confusion",
    ],
    ["§7.3", "/account/.", "200 | Content-Type: text/html", "confusion"],
    ["§7.3", "/static/...", "200 | Content-Type: text/html", "-"],
    // An error or a redirection is nobody's page.
    ["§7.3", "/missing.css", "404 | Content-Type: text/html", "-"],
    ["§7.3", "/moved.css", "301 | Content-Type: text/html", "-"],
    // All that cannot be decoded stays as it is.
    ["§7.3", "/100%", "200 | Content-Type: text/html", "-"],
    ["§7.3", "/%zz.css", "200 | Content-Type: text/html", "confusion"],
];

/// Clause, the request's fields, status, whether the refusal counts as one of this request alone.
pub(super) const REFUSALS: &[[&str; 4]] = &[
    ["§7.1", "Accept: */*", "400", "-"],
    ["§7.1", "X-Long: LONG", "400", "of the request"],
    ["§7.1", "X-Long: LONG", "403", "of the request"],
    ["§7.1", "X-Long: LONG", "413", "of the request"],
    ["§7.1", "X-Long: LONG", "404", "-"],
    ["§7.1", "X-Long: LONG", "410", "-"],
    ["§7.1", "X-Long: LONG", "200", "-"],
    ["§7.1", "X-Long: LONG", "500", "-"],
    ["§7.1", "X-Odd: \u{e9}", "400", "of the request"],
    ["§7.1", "X-Tab: a\tb", "400", "-"],
];

#[test]
fn a_page_under_the_name_of_a_file_is_told_from_a_file() {
    check(PATHS, |[_, path, text, _]| {
        let (status, headers) = response(text);
        let is_confusion = is_path_confusion(path, status, &headers);
        if is_confusion { "confusion" } else { "-" }.to_owned()
    });
}

#[test]
fn a_refusal_that_only_its_asker_earned_is_told_from_others() {
    check(REFUSALS, |[_, request, status, _]| {
        let request = fields(&request.replace("LONG", &"x".repeat(4000)));
        let is_own = is_refusal_of_request(status.parse().unwrap(), &request);
        if is_own { "of the request" } else { "-" }.to_owned()
    });
}
