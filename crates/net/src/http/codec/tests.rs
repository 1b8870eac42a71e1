//! The pure parts under inputs that nobody thought of.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits {
    size_max: 4096,
    count_max: 20,
    uri_length_max: 200,
    body_max: 1000,
};

/// What a decoder makes of bytes that arrive in pieces: the body and how many bytes are left, or nothing for what is no body
/// (yet, or at all).
fn decode(pieces: &[&[u8]]) -> Result<Option<(Vec<u8>, usize)>, NotChunked> {
    let (mut decoder, mut body, mut here) = (ChunkedDecoder::default(), Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        here.extend_from_slice(piece);
        while !here.is_empty() {
            match decoder.decode(&here)? {
                Decoded::Nothing(length) => drop(here.drain(..length)),
                Decoded::Data { skip, length } => {
                    body.extend_from_slice(&here[skip..skip + length]);
                    here.drain(..skip + length);
                }
                Decoded::End(length) => {
                    decoder.trailers()?;
                    let behind: usize = pieces[at + 1..].iter().map(|piece| piece.len()).sum();
                    return Ok(Some((body, here.len() - length + behind)));
                }
            }
        }
    }
    Ok(None)
}

/// The same, read as one would explain it: lines that end with CRLF, and between them as many bytes as they say.
fn reference(mut bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let line = |bytes: &mut &[u8]| {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let line = bytes[..end].to_vec();
        *bytes = &bytes[end + 2..];
        let plain = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        line.iter().all(plain).then_some(line)
    };
    let mut body = Vec::new();
    loop {
        let size = line(&mut bytes)?;
        let digits = size.split(|byte| *byte == b';').next()?;
        if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes[size..].strip_prefix(b"\r\n")?;
    }
    while line(&mut bytes)?.as_slice() != b"" {}
    Some((body, bytes.len()))
}

/// `bytes` cut at `cuts`.
fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|two| &bytes[two[0]..two[1]]).collect()
}

/// A body in chunks, now and then with an extension, with trailers, and something behind it.
fn chunked_body() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (
        vec(any::<u8>(), 1..40),
        prop_oneof![Just(""), Just(";a"), Just(";a=\"b\"")],
    );
    let trailers = prop_oneof![Just(""), Just("a: b\r\n"), Just("a: b\r\nc: d\r\n")];
    (vec(chunk, 0..5), trailers, vec(any::<u8>(), 0..10)).prop_map(|(chunks, trailers, behind)| {
        let mut bytes = Vec::new();
        for (data, extension) in chunks {
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        bytes.extend(behind);
        bytes
    })
}

/// Bytes that a parser of HTTP does not pass over lightly.
fn telling_bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        proptest::sample::select(
            &b"\r\n\r\n\r\n :;,=\t\x000123456789abcdefgGETPOST/HTTP/1.1hostcontent-lengthchunked"[..]
        ),
        any::<u8>()
    ];
    vec(byte, 0..length)
}

/// A head that is good, with some bytes of it exchanged.
fn spoilt_head() -> impl Strategy<Value = Vec<u8>> {
    const GOOD: &[u8] =
        b"POST http://a/b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, te\r\nTE: trailers\r\n\r\n";
    let spot = (0..GOOD.len(), proptest::sample::select(&b"\r\n\0 :\xffa1,"[..]));
    vec(spot, 0..4).prop_map(|spots| {
        let mut head = GOOD.to_vec();
        for (at, byte) in spots {
            head[at] = byte;
        }
        head
    })
}

proptest! {
    #[test]
    fn a_chunked_body_is_the_same_however_it_is_cut(bytes in chunked_body(), cuts in vec(any::<usize>(), 0..6)) {
        let expected = reference(&bytes);
        prop_assert!(expected.is_some());
        prop_assert_eq!(decode(&cut(&bytes, &cuts)), Ok(expected.clone()));
        for at in 0..=bytes.len() {
            prop_assert_eq!(decode(&[&bytes[..at], &bytes[at..]]), Ok(expected.clone()));
        }
    }

    #[test]
    fn what_is_no_chunked_body_is_none_however_it_is_cut(
        mut bytes in chunked_body(),
        spot in any::<usize>(),
        byte in proptest::sample::select(&b"\r\n\0 ;x0"[..]),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        let spot = spot % bytes.len();
        bytes[spot] = byte;
        let whole = decode(&[&bytes]);
        prop_assert_eq!(&decode(&cut(&bytes, &cuts)), &whole);
        if let Ok(Some(found)) = whole {
            prop_assert_eq!(Some(found), reference(&bytes));
        }
    }

    #[test]
    fn no_bytes_upset_the_decoder(bytes in telling_bytes(200)) {
        let _ = decode(&[&bytes]);
    }

    #[test]
    fn no_bytes_upset_the_reading_of_heads(bytes in telling_bytes(300)) {
        let _ = parse_request_head(&bytes, &LIMITS);
    }

    #[test]
    fn a_head_ends_where_the_search_for_its_end_says(bytes in spoilt_head(), cuts in vec(any::<usize>(), 0..4)) {
        if let Ok(Some(length)) = parse_request_head(&bytes, &LIMITS) {
            let (mut scan, mut end, mut here) = (scan::Scan::default(), None, 0);
            for piece in cut(&bytes, &cuts) {
                here += piece.len();
                end = scan.search(&bytes[..here]).unwrap();
                if end.is_some() {
                    break;
                }
            }
            prop_assert_eq!(end, Some(length));
            // Nothing of it means anything to who reads less strictly.
            let text = &bytes[..length];
            prop_assert!(!text.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'));
            prop_assert!(!text.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n'));
            prop_assert!(!text.contains(&0));
        }
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extension = format!("1;{}\r\n", "x".repeat(300));
    let many = format!("{}0\r\n\r\n", (extension.clone() + "a\r\n").repeat(20));
    assert_eq!(decode(&[many.as_bytes()]), Err(NotChunked));
    let few = format!("{}0\r\n\r\n", (extension + "a\r\n").repeat(5));
    assert_eq!(decode(&[few.as_bytes()]), Ok(Some((b"aaaaa".to_vec(), 0))));
    let trailers = |count: usize| format!("0\r\n{}\r\n", "name: value\r\n".repeat(count));
    assert_eq!(decode(&[trailers(65).as_bytes()]), Err(NotChunked), "too many");
    assert_eq!(decode(&[trailers(64).as_bytes()]), Ok(Some((Vec::new(), 0))));
    let long = format!("0\r\na: {}\r\n\r\n", "b".repeat(9000));
    assert_eq!(decode(&[long.as_bytes()]), Err(NotChunked), "too long");
}

#[test]
fn extensions_are_bounded_in_a_request_as_a_whole_and_in_an_answer_chunk_by_chunk() {
    let each = |padding: &str| format!("1{padding}\r\nx\r\n").repeat(2000) + "0\r\n\r\n";
    let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(5000));
    let table = [
        (each("   "), true, false),
        (each(";a"), true, true),
        (each(";abc"), true, false),
        (long, false, false),
    ];
    for (body, in_answer, in_request) in table {
        for (mut decoder, expected) in [
            (ChunkedDecoder::of_answer(100, 1), in_answer),
            (ChunkedDecoder::default(), in_request),
        ] {
            let mut rest = body.as_bytes();
            let whole = loop {
                match decoder.decode(rest) {
                    Ok(Decoded::Data { skip, length }) => rest = &rest[skip + length..],
                    Ok(Decoded::End(_)) => break true,
                    Ok(Decoded::Nothing(_)) => panic!("all of it is there"),
                    Err(NotChunked) => break false,
                }
            };
            assert_eq!(whole, expected, "{:?}", &body[..20]);
        }
    }
}

#[test]
fn sizes_and_numbers_are_written_as_they_are_read() {
    for length in [1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65535, 65536, usize::MAX] {
        let mut text = Vec::new();
        respond::write_chunk_size(&mut text, length);
        assert_eq!(text, format!("{length:x}\r\n").as_bytes());
    }
}
