//! The files as a browser asks for them.

use super::*;
use http::Request;

const FILES: &[File] = &[
    File {
        name: "index.html",
        plain: b"<!doctype html>",
        br: Some(b"br of index"),
        gz: Some(b"gz of index"),
    },
    File {
        name: "assets/main-0a1B2c3D.js",
        plain: b"main()",
        br: Some(b"br of main"),
        gz: None,
    },
    File {
        name: "favicon.svg",
        plain: b"<svg/>",
        br: None,
        gz: None,
    },
];

fn get(path: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get("/");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Dashboard::of(FILES).answer(path, &parts)
}

async fn body(response: Response<Body>) -> String {
    let bytes = response.into_body().collect(1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn every_path_of_the_single_page_is_the_page_and_no_missing_file_is() {
    for path in ["", "/", "/cache", "/alerts/rules", "/assets", "/routes/a%20b"] {
        let answer = get(&format!("{DASHBOARD}{path}"), &[]);
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        assert_eq!(body(answer).await, "<!doctype html>");
    }
    for path in [
        "/assets/gone-0a1b2c3d.js",
        "/../Cargo.toml",
        "/..%2fetc/passwd.txt",
        "/assets/../index.html",
        "/%2e%2e/index.html",
        "/assets\\main.js",
        "/routes/%2E%2e",
        "/../../etc/passwd",
        "//etc/passwd",
    ] {
        assert_eq!(get(&format!("{DASHBOARD}{path}"), &[]).status(), 404, "{path}");
    }
    assert!(Dashboard::has(DASHBOARD) && Dashboard::has("/dashboard/performance/x"));
    assert!(!Dashboard::has("/dashboard/performanceX") && !Dashboard::has("/dashboard"));
}

#[tokio::test]
async fn the_compressed_form_is_sent_where_it_is_taken() {
    let cases = [
        ("br, gzip", Some("br"), "br of index"),
        ("gzip", Some("gzip"), "gz of index"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "gz of index"),
        ("identity", None, "<!doctype html>"),
        ("BR", Some("br"), "br of index"),
        ("brotli", None, "<!doctype html>"),
    ];
    for (accept, coding, text) in cases {
        let answer = get(DASHBOARD, &[("accept-encoding", accept)]);
        let said = answer
            .headers()
            .get("content-encoding")
            .map(|value| value.to_str().unwrap());
        assert_eq!(said, coding, "{accept}");
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        assert_eq!(body(answer).await, text);
    }
    // No form for gzip was built.
    let main = format!("{DASHBOARD}/assets/main-0a1B2c3D.js");
    assert_eq!(body(get(&main, &[("accept-encoding", "gzip")])).await, "main()");
}

#[tokio::test]
async fn what_has_a_hash_in_its_name_is_kept_and_the_rest_is_asked_for_again() {
    let kept = get(&format!("{DASHBOARD}/assets/main-0a1B2c3D.js"), &[]);
    assert_eq!(kept.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(kept.headers()["content-type"], "text/javascript; charset=utf-8");
    let icon = get(&format!("{DASHBOARD}/favicon.svg"), &[]);
    assert_eq!(icon.headers()["cache-control"], "no-cache");
    let page = get(DASHBOARD, &[]);
    let tag = page.headers()["etag"].to_str().unwrap().to_owned();
    for asked in [
        tag.clone(),
        format!("\"x\", {tag}"),
        tag.trim_start_matches("W/").to_owned(),
        "*".to_owned(),
    ] {
        let again = get(DASHBOARD, &[("if-none-match", &asked)]);
        assert_eq!(again.status(), 304, "{asked}");
        assert_eq!(again.headers()["etag"], tag.as_str());
        assert_eq!(body(again).await, "");
    }
    assert_eq!(get(DASHBOARD, &[("if-none-match", "\"x\"")]).status(), 200);
}

#[test]
fn a_program_without_the_dashboard_says_how_to_build_it() {
    let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
    let answer = Dashboard::of(NOT_BUILT).answer(DASHBOARD, &parts);
    assert_eq!(answer.status(), 200);
    let page = std::str::from_utf8(NOT_BUILT[0].plain).unwrap();
    assert!(page.contains("make build") && page.contains("PEREGRINE_DASHBOARD_DIST"));
    // The policy would not let it.
    assert!(!page.contains("<script") && !page.contains("style="));
}
