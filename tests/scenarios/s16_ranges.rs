//! Parts of what is large, as curl and players ask for them.

use crate::harness::origin::Heard;
use crate::harness::{Answer, Client, Gate, Origin, Peregrine, Reply, request, until};

/// Content in which every position can be told from its neighbours.
pub(super) fn film(length: usize) -> Vec<u8> {
    let numbers = (0u32..).flat_map(|number| format!("{number},").into_bytes());
    numbers.take(length).collect()
}

pub(super) const FIELDS: [(&str, &str); 3] = [
    ("cache-control", "max-age=60"),
    ("etag", "\"v1\""),
    ("accept-ranges", "bytes"),
];

/// The first and last position that a request asks for, of `length`.
fn wanted(heard: &Heard, length: usize) -> Option<(usize, usize)> {
    let range = heard.field("range");
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if !heard.field("if-range").is_empty() && heard.field("if-range") != "\"v1\"" {
        return None;
    }
    Some(match (first, last) {
        ("", count) => (length - count.parse::<usize>().unwrap(), length - 1),
        (first, "") => (first.parse().unwrap(), length - 1),
        (first, last) => (first.parse().unwrap(), last.parse::<usize>().unwrap().min(length - 1)),
    })
}

pub(super) fn shown(heard: &Heard, film: &[u8]) -> Reply {
    match wanted(heard, film.len()) {
        None => Reply::ok(&FIELDS, film),
        Some((first, last)) => {
            let place = format!("bytes {first}-{last}/{}", film.len());
            let mut fields = FIELDS.to_vec();
            fields.push(("content-range", &place));
            Reply::status(206, &fields, &film[first..=last])
        }
    }
}

fn range(peregrine: &Peregrine, range: &str) -> Answer {
    peregrine.get("/film", &[("range", &format!("bytes={range}"))])
}

/// Waits until what was asked for is stored: whoever asks for the same shares the load until then.
fn until_held(peregrine: &Peregrine, fields: &[(&str, &str)]) -> Answer {
    until("it is stored", || peregrine.get("/film", fields).is_hit());
    peregrine.get("/film", fields)
}

#[test]
fn a_download_that_is_resumed_and_sought_in_costs_the_origin_each_byte_once() {
    let film = film(1_000_000);
    let source = film.clone();
    let origin = Origin::start(move |heard| shown(heard, &source));
    let peregrine = Peregrine::before(&origin, "");
    assert!(range(&peregrine, "900000-").body == film[900_000..]);
    until_held(&peregrine, &[("range", "bytes=900000-")]);
    assert!(range(&peregrine, "0-299999").body == film[..300_000]);
    until_held(&peregrine, &[("range", "bytes=0-299999")]);
    let sought = range(&peregrine, "200000-499999");
    assert_eq!(sought.field("content-range"), "bytes 200000-499999/1000000");
    assert!(sought.body == film[200_000..500_000]);
    until_held(&peregrine, &[("range", "bytes=200000-499999")]);
    let whole = peregrine.get("/film", &[]);
    assert!((whole.status, &whole.body) == (200, &film), "{}", whole.status);
    let whole = until_held(&peregrine, &[]);
    assert!(whole.body == film);
    let asked: Vec<String> = origin.heard().iter().map(|heard| heard.field("range")).collect();
    assert_eq!(
        asked,
        [
            "bytes=900000-",
            "bytes=0-299999",
            "bytes=300000-499999",
            "bytes=500000-899999"
        ]
    );
    assert!(range(&peregrine, "-10").body == film[999_990..]);
}

#[test]
fn a_broken_download_goes_on_where_it_ended() {
    let film = film(400_000);
    let source = film.clone();
    let origin = Origin::start(move |heard| match wanted(heard, source.len()) {
        None => Reply::default()
            .head(200, &[&FIELDS[..], &[("content-length", "400000")]].concat())
            .send(&source[..150_000])
            .cut(),
        Some(_) => shown(heard, &source),
    });
    let peregrine = Peregrine::before(&origin, "");
    let cut = peregrine.get("/film", &[]);
    assert!(!cut.complete, "nobody takes a part for the whole");
    until_held(&peregrine, &[("range", "bytes=0-9")]);
    let whole = peregrine.get("/film", &[]);
    assert!(whole.complete && whole.body == film);
    let resumed = origin.heard().last().unwrap().clone();
    assert_eq!(resumed.field("if-range"), "\"v1\"");
    assert!(wanted(&resumed, 400_000).unwrap().0 > 0, "{resumed:?}");
}

#[test]
fn bytes_that_are_held_are_sent_before_the_origin_sends_the_rest() {
    let film = film(200_000);
    let (source, gate) = (film.clone(), Gate::default());
    let shut = gate.clone();
    let origin = Origin::start(move |heard| match heard.field("range").as_str() {
        "bytes=100000-" => Reply::default()
            .head(
                206,
                &[
                    &FIELDS[..],
                    &[
                        ("content-range", "bytes 100000-199999/200000"),
                        ("content-length", "100000"),
                    ],
                ]
                .concat(),
            )
            .wait(&shut)
            .send(&source[100_000..]),
        _ => shown(heard, &source),
    });
    let peregrine = Peregrine::before(&origin, "");
    range(&peregrine, "0-99999");
    until_held(&peregrine, &[("range", "bytes=0-99999")]);
    let mut client = Client::connect(peregrine.address);
    client.send(request("GET", "/film", &[]));
    assert_eq!(client.head().unwrap().status, 200);
    assert!(
        client.bytes(100_000) == film[..100_000],
        "while the origin has sent nothing of the rest"
    );
    gate.open();
    assert!(client.bytes(100_000) == film[100_000..]);
}

#[test]
fn several_ranges_come_in_one_answer() {
    let film = film(10_000);
    let source = film.clone();
    let origin = Origin::start(move |heard| shown(heard, &source));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/film", &[]);
    until_held(&peregrine, &[]);
    let answer = range(&peregrine, "0-3,9000-9003");
    assert_eq!(answer.status, 206);
    let boundary = answer
        .field("content-type")
        .split_once("boundary=")
        .unwrap()
        .1
        .to_owned();
    let text = answer.text();
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4);
    assert!(parts[1].contains("content-range: bytes 0-3/10000") || parts[1].contains("Content-Range: bytes 0-3/10000"));
    assert!(parts[1].ends_with(&format!("\r\n\r\n{}\r\n", String::from_utf8_lossy(&film[..4]))));
    assert!(parts[2].ends_with(&format!("\r\n\r\n{}\r\n", String::from_utf8_lossy(&film[9000..9004]))));
    assert_eq!(parts[3], "--\r\n");
    let abuse = (0..40).map(|at| format!("{}-", at * 10)).collect::<Vec<_>>().join(",");
    assert_eq!(range(&peregrine, &abuse).status, 200);
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_part_does_not_survive_an_invalidation() {
    let film = film(10_000);
    let source = film.clone();
    let origin = Origin::start(move |heard| shown(heard, &source));
    let peregrine = Peregrine::before(&origin, "");
    range(&peregrine, "0-999");
    until_held(&peregrine, &[("range", "bytes=0-999")]);
    peregrine.invalidate(&serde_json::json!({"keys": ["/film"]}));
    assert!(!range(&peregrine, "0-9").is_hit());
    assert_eq!(origin.heard().last().unwrap().field("if-range"), "");
}

#[test]
fn a_head_never_costs_a_body_and_renews_what_is_stored() {
    let origin = Origin::start(|heard| {
        let fields = [("cache-control", "max-age=1"), ("etag", "\"v1\"")];
        let long = [
            ("cache-control", "max-age=60"),
            ("etag", "\"v1\""),
            ("a", "2"),
            ("content-length", "4"),
        ];
        match heard.method.as_str() {
            "HEAD" => Reply::default().head(200, &long),
            _ => Reply::ok(&fields, "text"),
        }
    });
    let peregrine = Peregrine::before(&origin, "");
    let head = peregrine.ask("HEAD", "/film", &[]);
    assert_eq!((head.status, head.field("content-length").as_str()), (200, "4"));
    peregrine.get("/film", &[]);
    until("it is stale", || !peregrine.ask("HEAD", "/film", &[]).is_hit());
    let renewed = peregrine.get("/film", &[]);
    assert!(
        renewed.is_hit() && renewed.text() == "text" && renewed.field("a") == "2",
        "{renewed:?}"
    );
    let methods: Vec<String> = origin.heard().iter().map(|heard| heard.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "GET", "HEAD"]);
}
