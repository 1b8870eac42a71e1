//! Parts of a response, and what a HEAD says about it: RFC 9110 §14, §15.3.7, RFC 9111 §3.3, §3.4, §4.3.5.

use super::*;

/// Clause, fields of a 206, the length of its content, where it belongs.
const PLACED: &[[&str; 4]] = &[
    ["9110 §14.4", "Content-Range: bytes 0-4/10", "5", "0..5/10"],
    ["9110 §14.4", "Content-Range: bytes 5-9/10", "", "5..10/10"],
    ["9110 §14.4", "Content-Range: BYTES 9-9/10", "1", "9..10/10"],
    ["9110 §14.4", "Content-Range: bytes 0-4/*", "5", "partial"],
    ["9110 §14.4", "Content-Range: bytes */10", "5", "partial"],
    ["9110 §14.4", "Content-Range: bytes 4-0/10", "5", "partial"],
    ["9110 §14.4", "Content-Range: bytes 0-10/10", "11", "partial"],
    ["9110 §14.4", "Content-Range: bytes 0-4", "5", "partial"],
    ["9110 §14.4", "Content-Range: lines 0-4/10", "5", "partial"],
    ["9110 §14.4", "Content-Range: bytes=0-4/10", "5", "partial"],
    ["9110 §14.4", "Content-Range: bytes 0-x/10", "5", "partial"],
    ["9110 §14.4", "Content-Range: bytes -4/10", "5", "partial"],
    ["9110 §14.4", "", "5", "partial"],
    [
        "9110 §14.4",
        "Content-Range: bytes 0-4/10 | Content-Range: bytes 5-9/10",
        "5",
        "partial",
    ],
    [
        "9110 §14.4",
        "Content-Range: bytes 0-18446744073709551615/18446744073709551615",
        "5",
        "partial",
    ],
    [
        "9110 §15.3.7.2",
        "Content-Type: multipart/byteranges; boundary=x",
        "500",
        "partial",
    ],
    // A content that is not as long as its range: longer, nobody knows what it is; shorter, it begins where it says.
    ["9110 §15.3.7", "Content-Range: bytes 0-4/10", "6", "partial"],
    ["9110 §15.3.7", "Content-Range: bytes 4-9/10", "5", "4..9/9 doubtful"],
    ["9110 §15.3.7", "Content-Range: bytes 0-5/10", "5", "0..5/10 doubtful"],
    ["9110 §15.3.7", "Content-Range: bytes 0-5/10", "0", "partial"],
    ["9110 §15.3.7", "Content-Range: bytes 0-9/10", "9", "partial"],
];

#[test]
fn where_the_content_of_a_206_belongs() {
    check(PLACED, |[_, headers, length, _]| {
        let length = (!length.is_empty()).then(|| length.parse().unwrap());
        match place_part(&fields(headers), length) {
            Err(decision) => decision.reason.as_str().to_owned(),
            Ok(Placed {
                span,
                complete,
                is_doubtful,
            }) => {
                let doubtful = if is_doubtful { " doubtful" } else { "" };
                format!("{}..{}/{complete}{doubtful}", span.start, span.end)
            }
        }
    });
}

const DATED: &str = "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT | Date: Thu, 01 Jan 2026 00:00:00 GMT";

#[test]
fn what_tells_a_version_from_every_other() {
    let rows: &[[&str; 3]] = &[
        ["9110 §8.8.1", "", "none"],
        ["9110 §8.8.1", "ETag: \"a\"", "\"a\""],
        ["9110 §8.8.1", "ETag: W/\"a\"", "none"],
        ["9110 §8.8.3", "ETag: a", "none"],
        ["9110 §8.8.2.2", DATED, "Thu, 01 Jan 2015 00:00:00 GMT"],
        [
            "9110 §8.8.2.2",
            "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT | Date: Thu, 01 Jan 2026 00:00:00 GMT",
            "none",
        ],
        ["9110 §8.8.2.2", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT", "none"],
        [
            "9110 §13.1.5",
            "ETag: W/\"a\" | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT | Date: Thu, 01 Jan 2026 00:00:00 GMT",
            "none",
        ],
    ];
    check(rows, |[_, headers, _]| {
        strong_validator(&fields(headers)).map_or("none".to_owned(), |validator| {
            validator.if_range.to_str().unwrap().to_owned()
        })
    });
    let text = |headers: &str| strong_validator(&fields(headers)).unwrap().text;
    assert_ne!(text(DATED), text("ETag: \"Thu, 01 Jan 2015 00:00:00 GMT\""));
}

/// Clause, stored (of five bytes), answer to the HEAD, what becomes of what is stored.
const HEADS: &[[&str; 4]] = &[
    ["§4.3.5", "200", "200 | Cache-Control: max-age=60", "stored_max_age 60s"],
    [
        "§4.3.5",
        "200",
        "200 | Cache-Control: max-age=60 | Content-Length: 5",
        "stored_max_age 60s",
    ],
    [
        "§4.3.5",
        "200",
        "200 | Cache-Control: max-age=60 | Content-Length: 6",
        "outdated",
    ],
    [
        "§4.3.5",
        "200 | ETag: \"a\"",
        "200 | Cache-Control: max-age=60 | ETag: \"a\"",
        "stored_max_age 60s",
    ],
    [
        "§4.3.5",
        "200 | ETag: \"a\"",
        "200 | Cache-Control: max-age=60 | ETag: \"b\"",
        "outdated",
    ],
    [
        "§4.3.5",
        "200",
        "200 | Cache-Control: max-age=60 | ETag: \"b\"",
        "outdated",
    ],
    [
        "§4.3.5",
        "200 | ETag: \"a\"",
        "200 | Cache-Control: max-age=60",
        "stored_max_age 60s",
    ],
    [
        "§4.3.5",
        "200 | Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "200 | Cache-Control: max-age=60 | Last-Modified: Fri, 02 Jan 2015 00:00:00 GMT",
        "outdated",
    ],
    [
        "§4.3.5",
        "200 | Content-Encoding: gzip",
        "200 | Cache-Control: max-age=60 | Content-Encoding: br",
        "outdated",
    ],
    ["§4.3.5", "404", "200 | Cache-Control: max-age=60", "outdated"],
    ["§4.3.5", "200", "410 | Cache-Control: max-age=60", "unrelated"],
    ["§4.3.5", "200", "304 | Cache-Control: max-age=60", "unrelated"],
    ["§4.3.5", "200", "500", "unrelated"],
    // What may not be stored any longer is not fresh either.
    ["§4.3.5", "200", "200 | Cache-Control: no-store", "outdated"],
    ["§4.3.5", "200", "200 | Cache-Control: private", "outdated"],
];

#[test]
fn what_a_head_says_about_what_is_stored() {
    check(HEADS, |[_, stored, answer, _]| {
        let ((status, mut stored), (answered, answer)) = (response(stored), response(answer));
        let times = Times {
            received: NOW,
            delay: Duration::ZERO,
        };
        let rules = Rules::default();
        let update = decide_head_update(
            &Asked::default(),
            (status, &mut stored),
            5,
            (answered, &answer),
            &rules,
            times,
        );
        match update {
            HeadUpdate::Updated(plan) => show_plan(&plan),
            HeadUpdate::Outdated => "outdated".to_owned(),
            HeadUpdate::Unrelated => "unrelated".to_owned(),
        }
    });
}

#[test]
fn a_heads_fields_take_the_place_of_the_stored_ones() {
    let mut stored = fields("A: 1 | B: 1 | Content-Type: text/plain");
    let answer = fields("Cache-Control: max-age=60 | A: 2 | Content-Length: 5 | Connection: x | X: 1");
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    let (ok, rules) = (StatusCode::OK, Rules::default());
    let update = decide_head_update(&Asked::default(), (ok, &mut stored), 5, (ok, &answer), &rules, times);
    assert!(matches!(update, HeadUpdate::Updated(_)));
    let kept =
        "A: 2 | B: 1 | Content-Type: text/plain | Cache-Control: max-age=60 | Date: Thu, 01 Jan 2026 00:00:00 GMT";
    assert_eq!(stored, fields(kept));
}

#[test]
fn a_multipart_answer_is_as_long_as_it_says() {
    let parts = [
        peregrine_cache::ByteSpan { start: 0, end: 2 },
        peregrine_cache::ByteSpan { start: 90, end: 100 },
    ];
    let frame = multipart::Multipart::new(&fields("Content-Type: text/plain"), &parts, 100, [1, 2]);
    let text = format!("{}ab{}0123456789{}", frame.before[0], frame.before[1], frame.end);
    assert_eq!(
        text,
        "--00000000000000010000000000000002\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/100\r\n\r\nab\r\n\
         --00000000000000010000000000000002\r\nContent-Type: text/plain\r\nContent-Range: bytes 90-99/100\r\n\r\n0123456789\r\n\
         --00000000000000010000000000000002--\r\n"
    );
    assert_eq!(frame.length(12), text.len() as u64);
    assert_eq!(
        frame.content_type(),
        "multipart/byteranges; boundary=00000000000000010000000000000002"
    );
}
