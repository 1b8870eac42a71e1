//! Headers as proxies write them, headers as nobody may write them, and any bytes at all.

use super::*;
use proptest::prelude::*;

fn whole(bytes: &[u8]) -> Option<(usize, Option<(String, String)>)> {
    match parse(bytes) {
        Ok(Parsed::Whole { length, says }) => Some((
            length,
            match says {
                Says::Local => None,
                Says::From { source, destination } => Some((source.to_string(), destination.to_string())),
            },
        )),
        _ => None,
    }
}

fn v2(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version_and_command, family], &length, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0x01, 0xbb];

#[test]
fn version_1_as_proxies_write_it() {
    let from = |source: &str, destination: &str| Some((source.to_owned(), destination.to_owned()));
    let table = [
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n",
            from("192.0.2.1:40000", "192.0.2.2:443"),
        ),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n",
            from("[2001:db8::1]:0", "[2001:db8::2]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN whatever it says here\r\n", None),
    ];
    for (text, expected) in table {
        assert_eq!(whole(text.as_bytes()), Some((text.len(), expected.clone())), "{text:?}");
        // What follows is the client's.
        let followed = format!("{text}GET / HTTP/1.1\r\n");
        assert_eq!(whole(followed.as_bytes()), Some((text.len(), expected)), "{text:?}");
    }
}

#[test]
fn version_1_as_nobody_may_write_it() {
    let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(100));
    let table = [
        ("GET / HTTP/1.1\r\n", ProxyFault::NotProxy),
        ("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::NotProxy),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", ProxyFault::Malformed),
        ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", ProxyFault::Malformed),
        ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::Malformed),
        ("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n", ProxyFault::Malformed),
        (&long, ProxyFault::TooLong),
    ];
    for (text, fault) in table {
        assert_eq!(parse(text.as_bytes()), Err(fault), "{text:?}");
    }
}

#[test]
fn version_2_as_proxies_write_it() {
    let from = Some(("192.0.2.1:40000".to_owned(), "192.0.2.2:443".to_owned()));
    let v6: Vec<u8> = [[0x20; 16], [0x21; 16]]
        .concat()
        .into_iter()
        .chain([0, 1, 0, 2])
        .collect();
    let v6_from = Some((
        "[2020:2020:2020:2020:2020:2020:2020:2020]:1".to_owned(),
        "[2121:2121:2121:2121:2121:2121:2121:2121]:2".to_owned(),
    ));
    let with_fields = [&V4[..], &[0xea, 0, 3, 1, 2, 3]].concat();
    let table = [
        (v2(0x21, 0x11, &V4), from.clone()),
        (v2(0x21, 0x11, &with_fields), from),
        (v2(0x21, 0x21, &v6), v6_from),
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, &V4), None),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x31, &[0; 216]), None),
    ];
    for (bytes, expected) in table {
        assert_eq!(whole(&bytes), Some((bytes.len(), expected.clone())), "{bytes:?}");
        let followed = [&bytes[..], b"GET"].concat();
        assert_eq!(whole(&followed), Some((bytes.len(), expected)), "{bytes:?}");
    }
}

#[test]
fn version_2_as_nobody_may_write_it() {
    let table = [
        (v2(0x11, 0x11, &V4), ProxyFault::Malformed),
        (v2(0x22, 0x11, &V4), ProxyFault::Malformed),
        (v2(0x21, 0x12, &V4), ProxyFault::Malformed),
        (v2(0x21, 0x41, &V4), ProxyFault::Malformed),
        (v2(0x21, 0x11, &V4[..11]), ProxyFault::Malformed),
        (v2(0x21, 0x21, &V4), ProxyFault::Malformed),
        (v2(0x21, 0x11, &[0; VARIABLE_BYTES_MAX + 1]), ProxyFault::TooLong),
    ];
    for (bytes, fault) in table {
        assert_eq!(parse(&bytes), Err(fault), "{bytes:?}");
    }
}

proptest! {
    /// Whatever arrives, in whatever pieces: the answer for a whole is that for its beginning, or that was still open.
    #[test]
    fn a_beginning_is_never_judged_otherwise_than_the_whole(
        kind in 0..3,
        rest in proptest::collection::vec(any::<u8>(), 0..200),
        words in "(TCP4|TCP6|UNKNOWN| |[0-9.:a-f]{1,9}|\r|\n){0,12}",
        cut in 0usize..200,
    ) {
        let bytes = match kind {
            0 => rest,
            1 => [&SIGNATURE[..], &rest[..]].concat(),
            _ => [WORD, words.as_bytes(), b"\r\n"].concat(),
        };
        let beginning = &bytes[..cut.min(bytes.len())];
        match (parse(beginning), parse(&bytes)) {
            (Ok(Parsed::Partial), Ok(Parsed::Whole { length, .. })) => prop_assert!(length > beginning.len()),
            (Ok(Parsed::Partial), _) => prop_assert!(beginning.len() < HEADER_BYTES_MAX),
            (before, after) => prop_assert_eq!(before, after),
        }
    }
}
