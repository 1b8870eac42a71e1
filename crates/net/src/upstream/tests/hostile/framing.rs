//! Where a body ends: said twice, said wrongly, said where there is none.

use super::*;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, and two lines that read it")]
async fn more_than_one_way_to_tell_where_a_body_ends() {
    let ok = || Answer(200, "ok");
    let framing = || Failure("response_framing");
    let chunked = "2\r\nok\r\n0\r\n\r\n";
    all_are_seen(vec![
        with("as it should be", "Content-Length: 2", "ok", ok(), true),
        with(
            "chunks as they should be",
            "Transfer-Encoding: Chunked",
            chunked,
            ok(),
            true,
        ),
        with(
            "chunked and a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 2",
            chunked,
            ok(),
            false,
        ),
        with(
            "a length and chunked",
            "Content-Length: 99\r\nTransfer-Encoding: chunked",
            chunked,
            ok(),
            false,
        ),
        with(
            "the same length twice",
            "Content-Length: 2\r\nContent-Length: 2",
            "ok",
            ok(),
            false,
        ),
        with("the same length in a list", "Content-Length: 2, 2", "ok", ok(), false),
        with(
            "two lengths",
            "Content-Length: 2\r\nContent-Length: 3",
            "ok",
            framing(),
            false,
        ),
        with("two lengths in a list", "Content-Length: 2, 3", "ok", framing(), false),
        with("a length with a sign", "Content-Length: +2", "ok", framing(), false),
        with("a negative length", "Content-Length: -2", "ok", framing(), false),
        with("a hexadecimal length", "Content-Length: 0x2", "ok", framing(), false),
        with("a length of two numbers", "Content-Length: 2 2", "ok", framing(), false),
        with(
            "a length with a fraction",
            "Content-Length: 2.0",
            "ok",
            framing(),
            false,
        ),
        with("no length at all", "Content-Length:", "ok", framing(), false),
        with(
            "a length that overflows",
            "Content-Length: 99999999999999999999",
            "ok",
            framing(),
            false,
        ),
        with("another coding", "Transfer-Encoding: gzip", "ok", framing(), false),
        with(
            "another coding before chunked",
            "Transfer-Encoding: gzip, chunked",
            chunked,
            framing(),
            false,
        ),
        with(
            "chunked before another coding",
            "Transfer-Encoding: chunked, gzip",
            chunked,
            framing(),
            false,
        ),
        with(
            "chunked twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            chunked,
            framing(),
            false,
        ),
        with(
            "chunked twice in a list",
            "Transfer-Encoding: chunked, chunked",
            chunked,
            framing(),
            false,
        ),
        with(
            "identity",
            "Transfer-Encoding: identity\r\nContent-Length: 2",
            "ok",
            framing(),
            false,
        ),
        with(
            "almost chunked",
            "Transfer-Encoding: xchunked",
            chunked,
            framing(),
            false,
        ),
        with(
            "chunked with a parameter",
            "Transfer-Encoding: chunked;q=1",
            chunked,
            framing(),
            false,
        ),
        with(
            "a vertical tab before chunked",
            "Transfer-Encoding: \x0bchunked",
            chunked,
            Failure("protocol"),
            false,
        ),
        case(
            "chunks in HTTP/1.0",
            format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
            framing(),
            false,
        ),
        with("neither, until the end", "X: y", "ok", ok(), false).and_closes(),
    ])
    .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, and two lines that read it")]
async fn content_where_there_can_be_none() {
    let answer = |name, status: &str, rest: &str, seen, reused| {
        case(name, format!("HTTP/1.1 {status}\r\n\r\n{rest}"), seen, reused)
    };
    all_are_seen(vec![
        answer("204 as it should be", "204 No Content", "", Answer(204, ""), true),
        answer(
            "204 that is zero bytes long",
            "204 X\r\nContent-Length: 0",
            "",
            Answer(204, ""),
            true,
        ),
        answer(
            "204 with a length",
            "204 X\r\nContent-Length: 2",
            "",
            Answer(204, ""),
            false,
        ),
        answer(
            "204 with a body",
            "204 X\r\nContent-Length: 2",
            "ok",
            Answer(204, ""),
            false,
        ),
        answer(
            "204 in chunks",
            "204 X\r\nTransfer-Encoding: chunked",
            "0\r\n\r\n",
            Answer(204, ""),
            false,
        ),
        answer(
            "304 as it should be",
            "304 X\r\nContent-Length: 2",
            "",
            Answer(304, ""),
            true,
        ),
        answer(
            "304 with a body",
            "304 X\r\nContent-Length: 2",
            "ok",
            Answer(304, ""),
            false,
        ),
        answer(
            "304 with two lengths",
            "304 X\r\nContent-Length: 2, 3",
            "",
            Failure("response_framing"),
            false,
        ),
        answer(
            "HEAD as it should be",
            "200 X\r\nContent-Length: 2",
            "",
            Answer(200, ""),
            true,
        )
        .by_head(),
        answer(
            "HEAD in chunks",
            "200 X\r\nTransfer-Encoding: chunked",
            "",
            Answer(200, ""),
            true,
        )
        .by_head(),
        answer(
            "HEAD with a body",
            "200 X\r\nContent-Length: 2",
            "ok",
            Answer(200, ""),
            false,
        )
        .by_head(),
        answer(
            "HEAD with a length that is none",
            "200 X\r\nContent-Length: x",
            "",
            Failure("response_framing"),
            false,
        )
        .by_head(),
        answer(
            "HEAD with two lengths",
            "200 X\r\nContent-Length: 1\r\nContent-Length: 2",
            "",
            Failure("response_framing"),
            false,
        )
        .by_head(),
    ])
    .await;
}
