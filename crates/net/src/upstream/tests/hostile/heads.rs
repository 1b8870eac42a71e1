//! Heads that are not well formed, lie in their status line, or have no end.

use super::*;

#[tokio::test]
async fn heads_that_are_not_well_formed() {
    let ok = || Answer(200, "ok");
    let invalid = || Failure("protocol");
    let length = "Content-Length: 2";
    let with_field = |name, field: &str, seen, reused| with(name, &format!("{field}\r\n{length}"), "ok", seen, reused);
    all_are_seen(vec![
        with_field("a CR in a value", "X: a\rb", invalid(), false),
        with_field("a CR that hides a field", "X: a\rContent-Length: 9", invalid(), false),
        with_field("a NUL in a value", "X: a\0b", invalid(), false),
        with_field("a NUL in a name", "X\0: a", invalid(), false),
        with_field("a folded value", "X: a\r\n b", invalid(), false),
        with_field(
            "a folded framing field",
            "Transfer-Encoding:\r\n chunked",
            invalid(),
            false,
        ),
        with_field(
            "a space before the colon",
            "Transfer-Encoding : chunked",
            invalid(),
            false,
        ),
        with_field("a name of nothing", ": x", invalid(), false),
        with_field("a line without a colon", "no field at all", invalid(), false),
        with_field("a space before the first field", " X: y", invalid(), false),
        with_field("bytes that are no text", "X: \u{fc}\u{20ac}", ok(), true),
        case(
            "lines that end in LF alone",
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            ok(),
            false,
        ),
        case(
            "one line that ends in LF alone",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
            ok(),
            false,
        ),
        case(
            "an empty line first",
            "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ok(),
            false,
        ),
        case("nothing", "", Failure("broken"), false).and_closes(),
        case("half a head", "HTTP/1.1 200 OK\r\nContent-Le", Failure("broken"), false).and_closes(),
        case("half a status line", "HTTP/1.", Failure("broken"), false).and_closes(),
        case("another protocol", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", invalid(), false),
        case("a body and no head", "ok", invalid(), false).and_closes(),
        case(
            "what HTTP/2 begins with",
            "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64",
            invalid(),
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn status_lines_that_lie() {
    let line =
        |name, line: &str, seen, reused| case(name, format!("{line}\r\nContent-Length: 2\r\n\r\nok"), seen, reused);
    let invalid = || Failure("protocol");
    all_are_seen(vec![
        line("no reason", "HTTP/1.1 200", Answer(200, "ok"), true),
        line("an empty reason", "HTTP/1.1 200 ", Answer(200, "ok"), true),
        line("a status of no class", "HTTP/1.1 999 What", Answer(999, "ok"), true),
        line("a status that is too small", "HTTP/1.1 099 What", invalid(), false),
        line("a status that is too large", "HTTP/1.1 2000 OK", invalid(), false),
        line("a status that is too short", "HTTP/1.1 20 OK", invalid(), false),
        line("a status that is no number", "HTTP/1.1 2x0 OK", invalid(), false),
        line("a version to come", "HTTP/1.2 200 OK", invalid(), false),
        line("the version of another protocol", "HTTP/2.0 200 OK", invalid(), false),
        line("a version in small letters", "http/1.1 200 OK", invalid(), false),
        line("a version of two digits", "HTTP/1.10 200 OK", invalid(), false),
        line("no version", "200 OK", invalid(), false),
        line("a CR in the reason", "HTTP/1.1 200 O\rK", invalid(), false),
        line(
            "an old version that closes",
            "HTTP/1.0 200 OK",
            Answer(200, "ok"),
            false,
        ),
        line(
            "an old version that stays",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive",
            Answer(200, "ok"),
            true,
        ),
        line(
            "one that says it closes",
            "HTTP/1.1 200 OK\r\nConnection: x, Close",
            Answer(200, "ok"),
            false,
        ),
        line(
            "one that says both",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive",
            Answer(200, "ok"),
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn heads_without_end() {
    let many = |count: usize| {
        (0..count)
            .map(|number| format!("X-{number}: y\r\n"))
            .collect::<String>()
    };
    let answer = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
    let hints = |count: usize| "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count) + &answer("");
    let too_large = || Failure("response_head_too_large");
    all_are_seen(vec![
        case("as many fields as may be", answer(&many(15)), Answer(200, "ok"), true),
        case("one field more", answer(&many(16)), too_large(), false),
        case(
            "a value that is too long",
            answer(&format!("X: {}\r\n", "y".repeat(5000))),
            too_large(),
            false,
        ),
        case(
            "a reason that is too long",
            format!("HTTP/1.1 200 {}\r\n\r\n", "y".repeat(5000)),
            too_large(),
            false,
        ),
        case(
            "a name without end",
            format!("HTTP/1.1 200 OK\r\n{}", "y".repeat(200_000)),
            too_large(),
            false,
        ),
        case("empty lines without end", "\r\n".repeat(5000), too_large(), false),
        case("as many hints as may be", hints(3), Answer(200, "ok"), true),
        case("one hint more", hints(4), Failure("too_many_interim"), false),
        case("hints without end", hints(10_000), Failure("too_many_interim"), false),
        case(
            "a hint that is too large",
            format!("HTTP/1.1 103 X\r\n{}\r\n{}", many(17), answer("")),
            too_large(),
            false,
        ),
        case(
            "a hint and then the end",
            "HTTP/1.1 103 X\r\n\r\n",
            Failure("broken"),
            false,
        )
        .and_closes(),
        case(
            "a hint with a body",
            format!("HTTP/1.1 103 X\r\nContent-Length: 2\r\n\r\nok{}", answer("")),
            Failure("protocol"),
            false,
        ),
        case(
            "continue, unasked",
            format!("HTTP/1.1 100 Continue\r\n\r\n{}", answer("")),
            Answer(200, "ok"),
            true,
        ),
        case(
            "an interim status of no meaning",
            format!("HTTP/1.1 199 X\r\n\r\n{}", answer("")),
            Answer(200, "ok"),
            true,
        ),
        case(
            "another protocol, unasked",
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            Failure("protocol"),
            false,
        ),
    ])
    .await;
}
