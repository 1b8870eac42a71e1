//! Chunks: RFC 9112 §7.1.

use super::{Row, check};

#[tokio::test]
async fn chunks() {
    check(CHUNKS).await;
}

#[tokio::test]
async fn trailers() {
    check(TRAILERS).await;
}

/// A request whose body is `$body`.
macro_rules! chunked {
    ($body:literal) => {
        concat!(
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            $body
        )
        .as_bytes()
    };
}

const BAD: &str = "POST / x [!body_malformed]";

const CHUNKS: &[Row] = &[
    (
        "some",
        chunked!("2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"),
        "200 +",
        "POST / x [hi!]",
    ),
    ("none", chunked!("0\r\n\r\n"), "200 +", "POST / x []"),
    (
        "sixteen and more",
        chunked!("10\r\n0123456789abcdef\r\n0\r\n\r\n"),
        "200 +",
        "POST / x [0123456789abcdef]",
    ),
    (
        "letters of either kind",
        chunked!("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"),
        "200 +",
        "POST / x [01234567890123456789a]",
    ),
    (
        "zeros in front",
        chunked!("0000000000000002\r\nhi\r\n000\r\n\r\n"),
        "200 +",
        "POST / x [hi]",
    ),
    (
        "more zeros than a size has digits",
        chunked!("00000000000000002\r\nhi\r\n0\r\n\r\n"),
        "400",
        BAD,
    ),
    ("2^64", chunked!("10000000000000000\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    (
        "2^64 - 1",
        chunked!("ffffffffffffffff\r\n"),
        "400",
        "POST / x [!body_too_large]",
    ),
    (
        "a chunk that looks like a request",
        chunked!("23\r\nGET /inside HTTP/1.1\r\nhost: in\r\n\r\n\r\n0\r\n\r\n"),
        "400",
        BAD,
    ),
    ("a sign", chunked!("+2\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("less than none", chunked!("-2\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("0x", chunked!("0x2\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("an underscore", chunked!("1_0\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("no size", chunked!("\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a size that is none", chunked!("g\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a space before the size", chunked!(" 2\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a space behind the size", chunked!("2 \r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a tab behind the size", chunked!("2\t\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a LF behind the size", chunked!("2\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a CR behind the size", chunked!("2\rhi\r\n0\r\n\r\n"), "400", BAD),
    ("two CR behind the size", chunked!("2\r\r\nhi\r\n0\r\n\r\n"), "400", BAD),
    ("a LF behind the data", chunked!("2\r\nhi\n0\r\n\r\n"), "400", BAD),
    ("nothing behind the data", chunked!("2\r\nhi0\r\n\r\n"), "400", BAD),
    ("more data than said", chunked!("2\r\nhi!\r\n0\r\n\r\n"), "400", BAD),
    ("a LF behind the last size", chunked!("2\r\nhi\r\n0\n\r\n"), "400", BAD),
    ("a LF at the end", chunked!("2\r\nhi\r\n0\r\n\n"), "400", BAD),
    ("no empty line at the end", chunked!("2\r\nhi\r\n0\r\n"), "400", BAD),
    (
        "an extension",
        chunked!("2;a=b\r\nhi\r\n0;c\r\n\r\n"),
        "200 +",
        "POST / x [hi]",
    ),
    (
        "an extension in quotes",
        chunked!("2;a=\"b;c\"\r\nhi\r\n0\r\n\r\n"),
        "200 +",
        "POST / x [hi]",
    ),
    ("a LF in an extension", chunked!("2;a\nhi\r\n0\r\n\r\n"), "400", BAD),
    (
        "a LF in quotes in an extension",
        chunked!("2;a=\"\n\"\r\nhi\r\n0\r\n\r\n"),
        "400",
        BAD,
    ),
    (
        "a CR in an extension",
        chunked!("2;a\rb\r\nhi\r\n0\r\n\r\n"),
        "400",
        BAD,
    ),
    (
        "a NUL in an extension",
        chunked!("2;a\0\r\nhi\r\n0\r\n\r\n"),
        "400",
        BAD,
    ),
    (
        "a space before an extension",
        chunked!("2 ;a\r\nhi\r\n0\r\n\r\n"),
        "400",
        BAD,
    ),
    (
        "more than allowed",
        chunked!("3e9\r\n"),
        "400",
        "POST / x [!body_too_large]",
    ),
];

const TRAILERS: &[Row] = &[
    (
        "one",
        chunked!("2\r\nhi\r\n0\r\nsum: 1\r\n\r\n"),
        "200 +",
        "POST / x [hi]sum=1",
    ),
    (
        "without a body",
        chunked!("0\r\nsum: 1\r\n\r\n"),
        "200 +",
        "POST / x []sum=1",
    ),
    (
        "that say how the message is framed",
        chunked!("0\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\nhost: y\r\n\r\n"),
        "200 +",
        "POST / x []",
    ),
    (
        "that say who asks",
        chunked!("0\r\nauthorization: me\r\ncookie: a\r\nsum: 1\r\n\r\n"),
        "200 +",
        "POST / x []sum=1",
    ),
    ("no colon", chunked!("0\r\nsum\r\n\r\n"), "400", BAD),
    ("no name", chunked!("0\r\n: 1\r\n\r\n"), "400", BAD),
    ("a space before the colon", chunked!("0\r\nsum : 1\r\n\r\n"), "400", BAD),
    ("folded", chunked!("0\r\nsum: 1\r\n 2\r\n\r\n"), "400", BAD),
    ("a LF", chunked!("0\r\nsum: 1\n\r\n"), "400", BAD),
    ("a CR", chunked!("0\r\nsum: 1\r2\r\n\r\n"), "400", BAD),
    ("a NUL", chunked!("0\r\nsum: \0\r\n\r\n"), "400", BAD),
];
