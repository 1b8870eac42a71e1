//! When a connection goes on: RFC 9112 §9; RFC 9110 §7.6.

use super::{Row, check};

#[tokio::test]
async fn connections() {
    check(CONNECTIONS).await;
}

#[tokio::test]
async fn hops() {
    check(HOPS).await;
}

const CONNECTIONS: &[Row] = &[
    ("ends when the client says so", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "200", "GET / x []"),
    ("in any letters, among others", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: a, CLOSE\r\n\r\n", "200", "GET / x []"),
    ("in the second line", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: a\r\nconnection: close\r\n\r\n", "200", "GET / x []"),
    ("close wins", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, close\r\n\r\n", "200", "GET / x []"),
    ("closer is not close", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: closer\r\n\r\n", "200 +", "GET / x []"),
    (
        "three requests at once",
        b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\nPOST /2 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi\
          GET /3 HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 200 200 +",
        "GET /1 x [], POST /2 x [hi], GET /3 x []",
    ),
    (
        "empty lines between requests",
        b"POST /1 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n\r\n",
        "200 200 +",
        "POST /1 x [hi], GET /2 x []",
    ),
    (
        "a good request, then a bad one",
        b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 400:host_missing",
        "GET /1 x []",
    ),
    (
        "nothing behind the last one is read",
        b"GET /1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n",
        "200",
        "GET /1 x []",
    ),
    (
        "a body that is longer than said",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi!!",
        "200 200",
        "POST / x [hi], !!GET /probe probe []",
    ),
    ("no answer to HEAD has a body", b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "HEAD / x []"),
    (
        "an upgrade that nobody makes",
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
        "200 +",
        "GET / x []",
    ),
];

const HOPS: &[Row] = &[
    (
        "the last for OPTIONS",
        b"OPTIONS /a HTTP/1.1\r\nhost: x\r\nmax-forwards: 0\r\n\r\n",
        "200 +",
        "",
    ),
    (
        "not the last",
        b"OPTIONS /a HTTP/1.1\r\nhost: x\r\nmax-forwards: 1\r\n\r\n",
        "200 +",
        "OPTIONS /a x []",
    ),
    (
        "of another method",
        b"GET /a HTTP/1.1\r\nhost: x\r\nmax-forwards: 0\r\n\r\n",
        "200 +",
        "GET /a x []",
    ),
    (
        "the last for TRACE",
        b"TRACE /a HTTP/1.1\r\nhost: x\r\nmax-forwards: 0\r\n\r\n",
        "200 +",
        "",
    ),
];
