//! Fields: RFC 9112 §3.2, §5; RFC 9110 §5, §7.2.

use super::{Row, check};

#[tokio::test]
async fn lines_of_fields() {
    check(LINES).await;
}

#[tokio::test]
async fn hosts() {
    check(HOSTS).await;
}

const LINES: &[Row] = &[
    ("a space before the colon", b"GET / HTTP/1.1\r\nhost: x\r\na : b\r\n\r\n", "400:malformed", ""),
    ("a tab before the colon", b"GET / HTTP/1.1\r\nhost: x\r\na\t: b\r\n\r\n", "400:malformed", ""),
    ("no name", b"GET / HTTP/1.1\r\nhost: x\r\n: b\r\n\r\n", "400:malformed", ""),
    ("no colon", b"GET / HTTP/1.1\r\nhost: x\r\nab\r\n\r\n", "400:malformed", ""),
    ("a space before the name", b"GET / HTTP/1.1\r\nhost: x\r\n a: b\r\n\r\n", "400:malformed", ""),
    ("a space before the first name", b"GET / HTTP/1.1\r\n host: x\r\n\r\n", "400:malformed", ""),
    ("a folded line", b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n", "400:malformed", ""),
    ("a line folded with a tab", b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n\tc\r\n\r\n", "400:malformed", ""),
    ("a value that begins on the next line", b"GET / HTTP/1.1\r\nhost:\r\n x\r\n\r\n", "400:malformed", ""),
    ("a NUL in a name", b"GET / HTTP/1.1\r\nhost: x\r\na\0: b\r\n\r\n", "400:malformed", ""),
    ("a high byte in a name", b"GET / HTTP/1.1\r\nhost: x\r\na\xff: b\r\n\r\n", "400:malformed", ""),
    ("a bracket in a name", b"GET / HTTP/1.1\r\nhost: x\r\na(: b\r\n\r\n", "400:malformed", ""),
    ("a NUL in a value", b"GET / HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n", "400:malformed", ""),
    ("a control byte in a value", b"GET / HTTP/1.1\r\nhost: x\r\na: b\x0bc\r\n\r\n", "400:malformed", ""),
    ("a DEL in a value", b"GET / HTTP/1.1\r\nhost: x\r\na: b\x7f\r\n\r\n", "400:malformed", ""),
    ("a CR in a value", b"GET / HTTP/1.1\r\nhost: x\r\na: b\rc\r\n\r\n", "400:malformed", ""),
    ("a CR before the line end", b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\r\n\r\n", "400:malformed", ""),
    ("a LF in a value", b"GET / HTTP/1.1\r\nhost: x\r\na: b\nc: d\r\n\r\n", "400:malformed", ""),
    ("a LF behind an empty value", b"GET / HTTP/1.1\r\nhost: x\r\na:\nc: d\r\n\r\n", "400:malformed", ""),
    ("a LF as the last line end", b"GET / HTTP/1.1\r\nhost: x\n\r\n", "400:malformed", ""),
    ("a LF as the empty line", b"GET / HTTP/1.1\r\nhost: x\r\n\n", "400:malformed", ""),
    ("two LF as the end", b"GET / HTTP/1.1\r\nhost: x\n\n", "400:malformed", ""),
    ("no empty line", b"GET / HTTP/1.1\r\nhost: x\r\n", "400:malformed", ""),
    ("a high byte in a value", b"GET / HTTP/1.1\r\nhost: x\r\na: \xe9\r\n\r\n", "200 +", "GET / x []"),
    ("an empty value", b"GET / HTTP/1.1\r\nhost: x\r\na:\r\n\r\n", "200 +", "GET / x []"),
    ("white space around a value", b"GET / HTTP/1.1\r\nhost:\t x \t\r\n\r\n", "200 +", "GET / x []"),
    ("no white space", b"GET / HTTP/1.1\r\nHOST:x\r\n\r\n", "200 +", "GET / x []"),
    (
        "too many",
        b"GET / HTTP/1.1\r\nhost: x\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5\r\na: 6\r\na: 7\r\na: 8\r\na: 9\r\na: 10\r\na: 11\r\n\
          a: 12\r\na: 13\r\na: 14\r\na: 15\r\na: 16\r\na: 17\r\na: 18\r\na: 19\r\na: 20\r\n\r\n",
        "431:header_too_large",
        "",
    ),
    ("an expectation nobody knows", b"GET / HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\n\r\n", "417:expectation", ""),
    ("an expectation without a body", b"GET / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\n", "200 +", "GET / x []"),
];

const HOSTS: &[Row] = &[
    ("none", b"GET / HTTP/1.1\r\n\r\n", "400:host_missing", ""),
    ("empty", b"GET / HTTP/1.1\r\nhost:\r\n\r\n", "400:host_invalid", ""),
    (
        "empty in HTTP/1.0",
        b"GET / HTTP/1.0\r\nhost:\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "twice the same",
        b"GET / HTTP/1.1\r\nhost: x\r\nHost: x\r\n\r\n",
        "400:host_twice",
        "",
    ),
    (
        "two",
        b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        "400:host_twice",
        "",
    ),
    (
        "two in one",
        b"GET / HTTP/1.1\r\nhost: x, y\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "user information",
        b"GET / HTTP/1.1\r\nhost: u@x\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    ("a path", b"GET / HTTP/1.1\r\nhost: x/y\r\n\r\n", "400:host_invalid", ""),
    (
        "a query",
        b"GET / HTTP/1.1\r\nhost: x?y\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a URL",
        b"GET / HTTP/1.1\r\nhost: http://x\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a space",
        b"GET / HTTP/1.1\r\nhost: x y\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a percent sign",
        b"GET / HTTP/1.1\r\nhost: x%2ey\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a high byte",
        b"GET / HTTP/1.1\r\nhost: \xe9\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "no port behind the colon",
        b"GET / HTTP/1.1\r\nhost: x:\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a port that is no number",
        b"GET / HTTP/1.1\r\nhost: x:8o\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a port too large",
        b"GET / HTTP/1.1\r\nhost: x:65536\r\n\r\n",
        "400:host_invalid",
        "",
    ),
    (
        "a port",
        b"GET / HTTP/1.1\r\nhost: x:65535\r\n\r\n",
        "200 +",
        "GET / x:65535 []",
    ),
    (
        "an address",
        b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
        "200 +",
        "GET / [::1]:80 []",
    ),
    (
        "an address that is none",
        b"GET / HTTP/1.1\r\nhost: [::x]\r\n\r\n",
        "400:host_invalid",
        "",
    ),
];
