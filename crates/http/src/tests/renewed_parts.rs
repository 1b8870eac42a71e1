//! What the fields of a part and of the whole say of each other.

use super::bench::{Answer, answer};
use super::partial::{ask, before, film, is_part, range, shown};
use super::*;
use std::sync::Arc;

#[tokio::test]
async fn a_part_that_was_renewed_is_no_whole() {
    // RFC 9111 §3.3. The type is one that would be encoded.
    let fields = [
        ("content-type", "text/plain"),
        ("last-modified", "Tue, 14 Nov 2023 00:00:00 GMT"),
    ];
    let shared = film(100_000, &fields);
    shared.lock().fields.remove(1);
    let source = Arc::clone(&shared);
    let bench = Setup::plain().before(move |heard| {
        let film = source.lock();
        let known = heard.field("if-modified-since") == fields[1].1;
        let response = match known {
            true => answer(304, &film.fields, ""),
            false => shown(&film, &heard),
        };
        async { response }
    });
    let film = shared.lock().clone();
    is_part(&range(&bench, "0-9999").await, &film, 0, 10_000);
    bench.advance(61);
    let renewed = range(&bench, "0-9999").await;
    is_part(&renewed, &film, 0, 10_000);
    assert_eq!(bench.heard().len(), 2);
    for fields in [
        &[("accept-encoding", "gzip"), ("if-range", fields[1].1)][..],
        &[("accept-encoding", "gzip, identity;q=0")],
    ] {
        let fields = [&[("range", "bytes=0-9999")], fields].concat();
        let answer = ask(&bench, &fields).await;
        match answer.status {
            206 => is_part(&answer, &film, 0, 10_000),
            _ => assert_eq!((answer.status, answer.text.len()), (200, 100_000), "{fields:?}"),
        }
    }
}

#[tokio::test]
async fn a_part_of_which_if_range_holds_no_more_once_it_was_confirmed_is_no_whole() {
    // RFC 9110 §13.1.5: a weak tag does not do for ranges.
    let bench = Setup::plain().before(|heard| {
        let text = "0123456789".repeat(100);
        let fields = [("cache-control", "max-age=60"), ("etag", "\"v1\"")];
        let response = match (heard.field("if-none-match"), heard.field("range")) {
            ("\"v1\"", _) => answer(304, &[fields[0], ("etag", "W/\"v1\"")], ""),
            (_, "bytes=0-9") => {
                let part = [fields[0], fields[1], ("content-range", "bytes 0-9/1000")];
                answer(206, &part, text[..10].to_owned())
            }
            _ => answer(200, &fields, text),
        };
        async { response }
    });
    assert_eq!(range(&bench, "0-9").await.status, 206);
    bench.advance(61);
    let again = ask(&bench, &[("range", "bytes=0-9"), ("if-range", "\"v1\"")]).await;
    match again.status {
        206 => assert_eq!(again.text, "0123456789"),
        _ => assert_eq!((again.status, again.text.len()), (200, 1000), "{again:?}"),
    }
}

#[tokio::test]
async fn what_is_said_of_all_bytes_is_not_said_of_some_nor_the_other_way_round() {
    // RFC 9530 §2; RFC 1864.
    let fields = [
        ("etag", "\"v1\""),
        ("content-digest", "sha-256=:AA==:"),
        ("content-md5", "BB=="),
        ("repr-digest", "sha-256=:CC==:"),
    ];
    let digests = |answer: &Answer| ["content-digest", "content-md5", "repr-digest"].map(|name| answer.field(name));
    let film = film(1000, &fields);
    let bench = before(Setup::plain(), &film);
    let part = range(&bench, "0-499").await;
    assert_eq!(
        digests(&part),
        fields[1..].iter().map(|field| field.1).collect::<Vec<_>>()[..],
        "the origin's own words"
    );
    for asked in ["0-99", "0-9,90-99"] {
        assert_eq!(
            digests(&range(&bench, asked).await),
            ["", "", "sha-256=:CC==:"],
            "{asked}"
        );
    }
    let whole = ask(&bench, &[]).await;
    assert_eq!(
        (whole.text.len(), digests(&whole)),
        (1000, ["", "", "sha-256=:CC==:"].map(str::to_owned))
    );

    let bench = before(Setup::plain(), &film);
    assert_eq!(digests(&ask(&bench, &[]).await)[0], "sha-256=:AA==:");
    for asked in ["0-99", "0-9,90-99"] {
        let part = range(&bench, asked).await;
        assert!(part.is_hit(), "{part:?}");
        assert_eq!(digests(&part), ["", "", "sha-256=:CC==:"], "{asked}");
    }
    assert_eq!(digests(&ask(&bench, &[]).await)[0], "sha-256=:AA==:");
}
