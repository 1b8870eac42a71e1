//! Where a body ends: RFC 9112 §6; RFC 9110 §8.6.

use super::{Row, check};

#[tokio::test]
async fn lengths() {
    check(LENGTHS).await;
}

#[tokio::test]
async fn transfer_codings() {
    check(CODINGS).await;
}

const LENGTHS: &[Row] = &[
    (
        "some",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi",
        "200 +",
        "POST / x [hi]",
    ),
    (
        "none",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        "200 +",
        "POST / x []",
    ),
    (
        "not said",
        b"POST / HTTP/1.1\r\nhost: x\r\n\r\n",
        "200 +",
        "POST / x []",
    ),
    (
        "of a GET",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi",
        "200 +",
        "GET / x [hi]",
    ),
    (
        "with zeros in front",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 002\r\n\r\nhi",
        "200 +",
        "POST / x [hi]",
    ),
    (
        "with white space around",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: \t2 \r\n\r\nhi",
        "200 +",
        "POST / x [hi]",
    ),
    (
        "in HTTP/1.0",
        b"POST / HTTP/1.0\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi",
        "200",
        "POST / x [hi]",
    ),
    (
        "that looks like a request",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\nGET /in HTTP/1.1\r\nhost: in\r\n\r\n",
        "200 +",
        "POST / x [GET /in HTTP/1.1\\r\\nhost: in\\r\\n\\r\\n]",
    ),
    (
        "longer than what comes",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\nhi",
        "400",
        "POST / x [!body_idle_timeout]",
    ),
    (
        "twice",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
        "400:content_length",
        "",
    ),
    (
        "twice the same",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "a list",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2, 2\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "a list of two",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2, 3\r\n\r\nhi!",
        "400:content_length",
        "",
    ),
    (
        "a sign",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +2\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "less than none",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -2\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "in hexadecimal",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0x2\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "with a point",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2.0\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "with a letter",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2b\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "two numbers",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2 2\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "nothing",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length:\r\n\r\n",
        "400:content_length",
        "",
    ),
    (
        "2^64",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551616\r\n\r\n",
        "400:content_length",
        "",
    ),
    (
        "2^64 + 2",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551618\r\n\r\nhi",
        "400:content_length",
        "",
    ),
    (
        "2^64 - 1",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551615\r\n\r\n",
        "413:body_too_large",
        "",
    ),
    (
        "one more than allowed",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n",
        "413:body_too_large",
        "",
    ),
    (
        "with an underscore it is another field",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent_length: 9\r\n\r\n",
        "200 +",
        "POST / x []",
    ),
];

const CODINGS: &[Row] = &[
    (
        "chunked",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "200 +",
        "POST / x [hi]",
    ),
    (
        "in any letters",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: CHUNKED \r\n\r\n0\r\n\r\n",
        "200 +",
        "POST / x []",
    ),
    (
        "of a GET",
        b"GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "200 +",
        "GET / x [hi]",
    ),
    (
        "twice in one",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "twice",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "another one in front",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "another one behind",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "another one in a line of its own",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "identity",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: identity\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "nothing",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "a comma",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: ,chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "a parameter",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "quotes",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "a letter more",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "a vertical tab",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "a high byte",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\xa0\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "a space before the colon",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "folded",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "hidden behind a LF",
        b"POST / HTTP/1.1\r\nhost: x\r\na: b\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400:malformed",
        "",
    ),
    (
        "with an underscore it is another field",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer_encoding: chunked\r\n\r\n",
        "200 +",
        "POST / x []",
    ),
    (
        "and a length",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "a length and",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "and a length of nothing",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
    (
        "in HTTP/1.0",
        b"POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400:transfer_encoding",
        "",
    ),
];
