//! The examples of RFC 7541 Appendix C, and what no honest client sends.

use super::huffman::code_of;
use super::known::{KNOWN, number_of};
use super::*;
use proptest::prelude::*;

/// Bytes from hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// The fields of a block as lines; nothing when it is broken.
fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, Broken> {
    Fields::with(1 << 16, |fields| {
        decoder.decode(block, fields)?;
        let line = |index| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            format!("{}: {}", text(fields.name(index)), text(fields.value(index)))
        };
        Ok((0..fields.len()).map(line).collect())
    })
}

/// `bytes` in Huffman's code, padded with ones.
fn huffman(bytes: &[u8]) -> Vec<u8> {
    let mut bits = String::new();
    for byte in bytes {
        let (code, length) = code_of(*byte);
        bits += &format!("{code:0length$b}", length = length as usize);
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    let eight = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
    (0..bits.len()).step_by(8).map(eight).collect()
}

#[test]
fn the_examples_of_single_fields() {
    for (block, line, size) in [
        (
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key: custom-header",
            55,
        ),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0),
        ("82", ":method: GET", 0),
    ] {
        let mut decoder = Decoder::default();
        assert_eq!(read(&mut decoder, &hex(block)).unwrap(), [line]);
        assert_eq!(decoder.table_size(), size, "{line}");
    }
}

#[test]
fn the_examples_of_requests() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let expected: [(&[&str], usize); 3] = [
        (
            &[
                ":method: GET",
                ":scheme: http",
                ":path: /",
                ":authority: www.example.com",
            ],
            57,
        ),
        (
            &[
                ":method: GET",
                ":scheme: http",
                ":path: /",
                ":authority: www.example.com",
                "cache-control: no-cache",
            ],
            110,
        ),
        (
            &[
                ":method: GET",
                ":scheme: https",
                ":path: /index.html",
                ":authority: www.example.com",
                "custom-key: custom-value",
            ],
            164,
        ),
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::default();
        for (block, (lines, size)) in blocks.iter().zip(expected) {
            assert_eq!(read(&mut decoder, &hex(block)).unwrap(), lines);
            assert_eq!(decoder.table_size(), size);
        }
    }
}

#[test]
fn the_examples_of_responses_with_a_small_table() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e \
         1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d \
         4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 \
         7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b \
         97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf \
         cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let (private, location) = ("cache-control: private", "location: https://www.example.com");
    let (date, later) = (
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
    );
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    for blocks in [plain, coded] {
        let mut decoder = Decoder::default();
        // To 256 bytes, which the examples begin with.
        assert!(read(&mut decoder, &[0x3f, 0xe1, 0x01]).unwrap().is_empty());
        let lines = read(&mut decoder, &hex(blocks[0])).unwrap();
        assert_eq!(
            (lines, decoder.table_size()),
            (
                vec![":status: 302".into(), private.into(), date.into(), location.into()],
                222
            )
        );
        let lines = read(&mut decoder, &hex(blocks[1])).unwrap();
        assert_eq!(
            (lines, decoder.table_size()),
            (
                vec![":status: 307".into(), private.into(), date.into(), location.into()],
                222
            )
        );
        let lines = read(&mut decoder, &hex(blocks[2])).unwrap();
        let gzip = "content-encoding: gzip";
        let expected = [":status: 200", private, later, location, gzip, cookie];
        assert_eq!(
            (lines.as_slice(), decoder.table_size()),
            (&expected.map(String::from)[..], 215)
        );
    }
}

#[test]
fn what_is_no_block() {
    let table: &[(&str, &str)] = &[
        ("80", "number 0"),
        ("be", "a number behind the table"),
        ("ff ff ff ff ff 7f", "a number without end"),
        ("ff 80 80 80 80 80 01", "zeros without end"),
        ("7f", "a number that is cut"),
        ("40", "no name"),
        ("40 0a 61", "half a name"),
        ("40 01 61", "no value"),
        ("40 01 61 05 62", "half a value"),
        ("00 01 61 7f ff ff ff 7f", "a length beyond the block"),
        ("3f e2 1f", "a table of 4097 bytes"),
        ("82 20", "a table resized behind a field"),
        ("40 01 61 81 00", "a code padded with zeros"),
        ("40 01 61 82 1f ff", "a byte of padding too much"),
        ("40 01 61 84 ff ff ff ff", "the end in the middle"),
        ("40 01 61 85 ff ff ff ff ff", "the end, and more"),
    ];
    for (block, what) in table {
        assert_eq!(read(&mut Decoder::default(), &hex(block)), Err(Broken), "{what}");
    }
    // As large as it may be, twice, and no padding at all.
    let fine = "20 3f e1 1f 40 01 61 85 1c64 1c64 1f";
    assert!(read(&mut Decoder::default(), &hex(fine)).is_ok());
    assert_eq!(read(&mut Decoder::default(), &[]), Ok(vec![]));
}

#[test]
fn the_oldest_go_and_what_is_too_large_empties_the_table() {
    let mut decoder = Decoder::default();
    let literal = |name: &str, value: &str| {
        let mut block = vec![0x40, u8::try_from(name.len()).unwrap()];
        block.extend_from_slice(name.as_bytes());
        block.push(0x7f);
        // A length of 127 and more.
        let mut rest = value.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest & 127).unwrap() | 128);
            rest >>= 7;
        }
        block.push(u8::try_from(rest).unwrap());
        block.extend_from_slice(value.as_bytes());
        block
    };
    // 1000 bytes each with what an entry counts for: four fit.
    for number in 0..50 {
        let value = format!("{number:0967}");
        read(&mut decoder, &literal("a", &value)).unwrap();
        let fitting = (number + 1).min(4);
        assert_eq!(decoder.table_size(), 1000 * fitting);
        for back in 0..fitting {
            let index = u8::try_from(62 + back).unwrap();
            let line = read(&mut decoder, &[0x80 | index]).unwrap();
            assert_eq!(line, [format!("a: {:0967}", number - back)]);
        }
        assert_eq!(read(&mut decoder, &[0x80 | 66]), Err(Broken));
    }
    // A name from the table whose entry has to go for the new one (§4.4).
    let value = "v".repeat(3000);
    // Number 65, and a length of 3000.
    let mut by_name = vec![0x40 | 0x3f, 65 - 63, 0x7f, 0x80 | 0x39, 0x16];
    by_name.extend_from_slice(value.as_bytes());
    assert_eq!(read(&mut decoder, &by_name).unwrap(), [format!("a: {value}")]);
    assert_eq!(decoder.table_size(), 3033 + 1000);
    let large = literal("b", &"c".repeat(5000));
    assert_eq!(read(&mut decoder, &large).unwrap().len(), 1);
    assert_eq!(decoder.table_size(), 0);
    // To nothing and back.
    read(&mut decoder, &literal("a", &"x".repeat(200))).unwrap();
    read(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f]).unwrap();
    assert_eq!((decoder.table_size(), read(&mut decoder, &[0xbe])), (0, Err(Broken)));
}

#[test]
fn a_list_that_is_too_large_is_cut_and_the_table_is_right_all_the_same() {
    let mut decoder = Decoder::default();
    let bomb = [&hex("40 01 61 04 62626262")[..], &[0xbe; 1000], &hex("40 01 63 01 64")].concat();
    Fields::with(400, |fields| {
        decoder.decode(&bomb, fields).unwrap();
        assert!(fields.is_cut() && fields.len() == 10 && fields.text().len() < 100);
    });
    assert_eq!(read(&mut decoder, &[0xbe, 0xbf]).unwrap(), ["c: d", "a: bbbb"]);
}

#[test]
fn pieces_become_one_and_others_stay() {
    let block = hex("40 06 636f6f6b6965 03 613d31 40 01 78 01 79 be 60 03 623d32");
    Fields::with(1000, |fields| {
        Decoder::default().decode(&block, fields).unwrap();
        fields.join(b"cookie", b"; ");
        let lines: Vec<_> = (0..fields.len())
            .map(|index| (fields.name_text(index).to_owned(), fields.value(index).to_vec()))
            .collect();
        let expected = [("cookie", &b"a=1; b=2"[..]), ("x", b"y"), ("x", b"y")];
        assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_vec())));
    });
}

#[test]
fn names_of_answers_have_the_numbers_of_the_table() {
    for (name, _) in &KNOWN {
        if let Some(number) = number_of(name.as_bytes()) {
            assert_eq!(KNOWN[usize::from(number) - 1].0, *name);
        }
    }
    for (number, name) in [
        (33, "date"),
        (55, "set-cookie"),
        (61, "www-authenticate"),
        (18, "accept-ranges"),
    ] {
        assert_eq!(number_of(name.as_bytes()), Some(number));
    }
}

#[test]
fn what_is_written_reads_as_what_it_was() {
    let mut block = Vec::new();
    for status in [200, 204, 206, 304, 400, 404, 500, 103, 302, 503] {
        encode::status(&mut block, ::http::StatusCode::from_u16(status).unwrap());
    }
    let long = "x".repeat(40_000);
    let text = format!("content-type: text/html\r\nset-cookie: a=b\r\nx-long: {long}\r\nempty: \r\nbare:\r\n");
    assert!(encode::lines(&mut block, text.as_bytes()));
    encode::date(&mut block, peregrine_base::WallTime::from_millis(0));
    let lines = read(&mut Decoder::default(), &block).unwrap();
    assert_eq!(lines[..3], [":status: 200", ":status: 204", ":status: 206"]);
    assert_eq!(lines[9], ":status: 503");
    let expected = [
        "content-type: text/html".to_owned(),
        "set-cookie: a=b".to_owned(),
        format!("x-long: {long}"),
        "empty: ".to_owned(),
        "bare: ".to_owned(),
        "date: Thu, 01 Jan 1970 00:00:00 GMT".to_owned(),
    ];
    assert_eq!(lines[10..], expected);
    // Nobody on the way may keep a cookie.
    assert!(block.windows(2).any(|bytes| bytes == [0x1f, 55 - 15]));
    for bad in ["a", "a: b", "a: b\r", ": b\r\n", "a\r\nb: c\r\n", "a: b\rc: d\r\n"] {
        assert!(!encode::lines(&mut Vec::new(), bad.as_bytes()), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn huffman_reads_what_it_wrote(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let coded = huffman(&bytes);
        let mut text = b"before".to_vec();
        prop_assert_eq!(decode_huffman(&coded, &mut text), Ok(()));
        prop_assert_eq!(&text[6..], &bytes[..]);
        // Cut or longer by a byte it is no code, or another text.
        if let Some((last, cut)) = coded.split_last() {
            let mut less = Vec::new();
            let read = decode_huffman(cut, &mut less);
            prop_assert!(read.is_err() || less.len() < bytes.len(), "{last}");
        }
        let mut more = Vec::new();
        prop_assert_eq!(decode_huffman(&[&coded[..], &[0xff]].concat(), &mut more), Err(Broken));
    }

    #[test]
    fn any_fields_read_as_they_were_written(
        fields in proptest::collection::vec(("[a-z-]{1,40}", proptest::collection::vec(any::<u8>(), 0..300)), 0..20)
    ) {
        let mut block = Vec::new();
        for (name, value) in &fields {
            encode_field(&mut block, name.as_bytes(), value);
        }
        Fields::with(1 << 20, |read| {
            prop_assert_eq!(Decoder::default().decode(&block, read), Ok(()));
            prop_assert_eq!(read.len(), fields.len());
            for (index, (name, value)) in fields.iter().enumerate() {
                prop_assert_eq!((read.name(index), read.value(index)), (name.as_bytes(), &value[..]));
            }
            Ok(())
        })?;
    }
}
