//! Request lines: RFC 9112 §2.2, §3.

use super::{Row, check};

#[tokio::test]
async fn request_lines() {
    check(LINES).await;
}

#[tokio::test]
async fn targets() {
    check(TARGETS).await;
}

const LINES: &[Row] = &[
    ("plain", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET / x []"),
    ("1.0 without Host", b"GET / HTTP/1.0\r\n\r\n", "200", "GET / - []"),
    (
        "1.0 that stays",
        b"GET / HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n",
        "200 +",
        "GET / x []",
    ),
    (
        "an empty line before",
        b"\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 +",
        "GET / x []",
    ),
    (
        "some empty lines before",
        b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 +",
        "GET / x []",
    ),
    (
        "many empty lines before",
        b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "an empty line with a bare LF",
        b"\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a CR alone before",
        b"\rGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a space before",
        b" GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a method in small letters is another method",
        b"get / HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 +",
        "get / x []",
    ),
    (
        "a method nobody knows",
        b"M-SEARCH / HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 +",
        "M-SEARCH / x []",
    ),
    (
        "a method that is no token",
        b"GE:T / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a method with a high byte",
        b"GE\xc3\x89T / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "two spaces before the target",
        b"GET  / HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a tab before the target",
        b"GET\t/ HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "two spaces behind the target",
        b"GET /  HTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a tab behind the target",
        b"GET /\tHTTP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a space behind the version",
        b"GET / HTTP/1.1 \r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    ("no target", b"GET HTTP/1.1\r\nhost: x\r\n\r\n", "400:malformed", ""),
    ("HTTP/0.9", b"GET /\r\n\r\n", "400:malformed", ""),
    (
        "HTTP/0.9 by name",
        b"GET / HTTP/0.9\r\nhost: x\r\n\r\n",
        "505:version",
        "",
    ),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nhost: x\r\n\r\n", "505:version", ""),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", "505:version", ""),
    (
        "the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "505:version",
        "",
    ),
    ("HTTP/1.10", b"GET / HTTP/1.10\r\nhost: x\r\n\r\n", "400:malformed", ""),
    ("HTTP/01.1", b"GET / HTTP/01.1\r\nhost: x\r\n\r\n", "505:version", ""),
    (
        "a version in small letters",
        b"GET / http/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "another protocol",
        b"GET / ICAP/1.1\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a line that ends with LF",
        b"GET / HTTP/1.1\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a line that ends with CR",
        b"GET / HTTP/1.1\rhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a line that ends with CR CR LF",
        b"GET / HTTP/1.1\r\r\nhost: x\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "only LF everywhere",
        b"GET / HTTP/1.1\nhost: x\n\n",
        "400:malformed",
        "",
    ),
    (
        "the beginning of TLS",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "400:malformed",
        "",
    ),
];

const TARGETS: &[Row] = &[
    ("a query", b"GET /a?b=/c?d HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET /a?b=/c?d x []"),
    ("two slashes are a path", b"GET //y/z HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET //y/z x []"),
    ("an absolute target replaces Host", b"GET http://y/a HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET /a y []"),
    ("its scheme in any letters", b"GET HTTPS://y:8443/a HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET /a y:8443 []"),
    ("an absolute target without a path", b"GET http://y HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET / y []"),
    ("and with a query", b"GET http://y?a HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "GET /?a y []"),
    ("OPTIONS of a whole server", b"OPTIONS http://y HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "OPTIONS * y []"),
    ("the same in short", b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", "200 +", "OPTIONS * x []"),
    ("an asterisk for another method", b"GET * HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("an asterisk and more", b"OPTIONS */a HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("user information", b"GET http://u:p@y/ HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("no host", b"GET http:///a HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("a port that is none", b"GET http://y:99999/ HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("another scheme", b"GET ftp://y/ HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("an absolute target and no Host", b"GET http://y/ HTTP/1.1\r\n\r\n", "400:host_missing", ""),
    ("an absolute target and two Hosts", b"GET http://y/ HTTP/1.1\r\nhost: y\r\nhost: y\r\n\r\n", "400:host_twice", ""),
    ("an authority", b"GET y:80 HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("a tunnel", b"CONNECT y:80 HTTP/1.1\r\nhost: y:80\r\n\r\n", "501:method", ""),
    ("a tunnel to a path", b"CONNECT / HTTP/1.1\r\nhost: y\r\n\r\n", "501:method", ""),
    ("no slash", b"GET a/b HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("a fragment", b"GET /a#b HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("a fragment behind a query", b"GET /a?b#c HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("a NUL", b"GET /a\0b HTTP/1.1\r\nhost: x\r\n\r\n", "400:malformed", ""),
    ("a DEL", b"GET /a\x7fb HTTP/1.1\r\nhost: x\r\n\r\n", "400:malformed", ""),
    ("a high byte", b"GET /\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    ("a high byte that is no UTF-8", b"GET /\xe9 HTTP/1.1\r\nhost: x\r\n\r\n", "400:malformed", ""),
    ("a space", b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n", "400:malformed", ""),
    ("angle brackets", b"GET /<a> HTTP/1.1\r\nhost: x\r\n\r\n", "400:target", ""),
    (
        "too long",
        b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
          aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n\
          host: x\r\n\r\n",
        "414:uri_too_long",
        "",
    ),
];
