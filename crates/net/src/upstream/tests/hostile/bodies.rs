//! Bodies that are not what their heads said.

use super::*;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, and two lines that read it")]
async fn bodies_that_are_not_what_was_said() {
    let ok = || Answer(200, "ok");
    let malformed = || Failure("body_malformed");
    let chunks = |name, chunks: &str, seen, reused| with(name, "Transfer-Encoding: chunked", chunks, seen, reused);
    let sized = |name, rest: &str, seen| with(name, "Content-Length: 2", rest, seen, false);
    let trailers = |fields: &str| format!("2\r\nok\r\n0\r\n{fields}\r\n");
    all_are_seen(vec![
        sized("shorter than said", "o", Failure("body_truncated")).and_closes(),
        sized("not there", "", Failure("body_truncated")).and_closes(),
        sized("longer than said", "ok and more", ok()),
        sized("an empty line behind it", "ok\r\n", ok()),
        sized(
            "another answer behind it",
            "okHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
            ok(),
        ),
        chunks("an extension", "2;a=\"b\"\r\nok\r\n0;c\r\n\r\n", ok(), true),
        chunks("a padded size", "2  \r\nok\r\n0\t\r\n\r\n", ok(), true),
        chunks("a space before an extension", "2 ;a\r\nok\r\n0\r\n\r\n", ok(), true),
        chunks("a space within a size", "0 2\r\nok\r\n0\r\n\r\n", malformed(), false),
        chunks(
            "padding without end",
            &format!("2{}\r\nok\r\n", " ".repeat(9000)),
            malformed(),
            false,
        ),
        chunks("zeros before the size", "0002\r\nok\r\n00\r\n\r\n", ok(), true),
        chunks(
            "a size that overflows",
            "ffffffffffffffff1\r\nok\r\n0\r\n\r\n",
            malformed(),
            false,
        ),
        chunks(
            "a size that wraps",
            "10000000000000002\r\nok\r\n0\r\n\r\n",
            malformed(),
            false,
        ),
        chunks("a negative size", "-2\r\nok\r\n0\r\n\r\n", malformed(), false),
        chunks("a size in C", "0x2\r\nok\r\n0\r\n\r\n", malformed(), false),
        chunks("no size", "\r\nok\r\n0\r\n\r\n", malformed(), false),
        chunks("a space before the size", " 2\r\nok\r\n0\r\n\r\n", malformed(), false),
        chunks(
            "a size line that ends in LF alone",
            "2\nok\r\n0\r\n\r\n",
            malformed(),
            false,
        ),
        chunks(
            "an extension that ends in LF alone",
            "2;a\nok\r\n0\r\n\r\n",
            malformed(),
            false,
        ),
        chunks("a CR in an extension", "2;a\rb\r\nok\r\n0\r\n\r\n", malformed(), false),
        chunks(
            "an extension without end",
            &format!("2;{}\r\nok\r\n0\r\n\r\n", "a".repeat(40_000)),
            malformed(),
            false,
        ),
        chunks(
            "more than the chunk's size",
            "2\r\nokay\r\n0\r\n\r\n",
            malformed(),
            false,
        ),
        chunks(
            "a chunk that ends in LF alone",
            "2\r\nok\n0\r\n\r\n",
            malformed(),
            false,
        ),
        chunks("no last chunk", "2\r\nok\r\n", Failure("body_truncated"), false).and_closes(),
        chunks(
            "half a last chunk",
            "2\r\nok\r\n0\r\n",
            Failure("body_truncated"),
            false,
        )
        .and_closes(),
        chunks("half a chunk", "5\r\nok", Failure("body_truncated"), false).and_closes(),
        chunks("something behind the last chunk", &(trailers("") + "x"), ok(), false),
        chunks(
            "another answer behind the last chunk",
            &(trailers("") + "HTTP/1.1 200 OK\r\n\r\n"),
            ok(),
            false,
        ),
        chunks("trailers", &trailers("X: y\r\n"), ok(), true),
        chunks(
            "framing in the trailers",
            &trailers("Content-Length: 9\r\n"),
            ok(),
            true,
        ),
        chunks("a trailer without a colon", &trailers("what\r\n"), malformed(), false),
        chunks(
            "a trailer that is too long",
            &trailers(&format!("X: {}\r\n", "y".repeat(5000))),
            malformed(),
            false,
        ),
        chunks(
            "trailers without end",
            &trailers(&"X: y\r\n".repeat(100)),
            malformed(),
            false,
        ),
    ])
    .await;
}
