//! What was written is read again; anything else is refused with its reason.

use super::*;
use crate::Coding;
use crate::testing::Bench;

fn front() -> Front {
    Front {
        content: Content::Value,
        rules: 0,
        softened: false,
        writing: 9,
        stored: 3,
        cost_us: 1500,
        data_key: 0,
        made_ms: 1_700_000_000_000,
        load_began_ms: 1_700_000_000_100,
        lifetime_ms: 60_000,
        stale_while_revalidate_ms: 5_000,
        stale_if_error_ms: 3_600_000,
    }
}

fn payload() -> Payload {
    Payload {
        key: "default||GET|http://h/a".into(),
        variant: "accept: text".into(),
        selector: "accept".into(),
        tags: vec!["a".into(), "products/7".into()],
        head: Bytes::from_static(b"head"),
        pieces: vec![Bytes::from_static(b"the body")],
    }
}

fn name() -> Name {
    Name::of(&payload().key, Some(&payload().variant))
}

fn written() -> Bytes {
    front()
        .envelope(name(), &payload().encode().expect("it is short"))
        .into()
}

#[test]
fn what_was_written_is_read_again() {
    let (read, rest) = open(name(), &written()).unwrap();
    assert_eq!(read, front());
    assert_eq!(Payload::decode(rest).unwrap(), payload());
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let whole = written();
    for at in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[at] ^= 0x10;
        assert!(open(name(), &changed.into()).is_err(), "byte {at}");
        assert!(open(name(), &whole.slice(..at)).is_err(), "cut at {at}");
    }
}

#[test]
fn each_fault_has_its_reason() {
    let whole = written();
    let with = |at: usize, byte: u8| {
        let mut changed = whole.to_vec();
        changed[at] = byte;
        open(name(), &changed.into()).map(|_| ())
    };
    assert_eq!(with(0, b'X'), Err(EnvelopeFault::NotOne));
    assert_eq!(with(3, 2), Err(EnvelopeFault::Version));
    assert_eq!(with(FRONT_BYTES, 0xff), Err(EnvelopeFault::Damaged));
    assert_eq!(
        open(name(), &Bytes::from_static(b"OK")).map(|_| ()),
        Err(EnvelopeFault::NotOne)
    );
    // What was copied to another name in Redis is not taken for the value of that.
    let other = Name::of("default||GET|http://h/b", None);
    assert_eq!(open(other, &whole).map(|_| ()), Err(EnvelopeFault::Damaged));
}

#[test]
fn a_sealed_payload_is_bound_to_its_front_and_its_name() {
    let plain = front();
    let sealed = Front { data_key: 7, ..plain };
    assert_eq!(
        sealed.bound(name()),
        plain.bound(name()),
        "the sealer adds the data key"
    );
    let later = Front { writing: 8, ..sealed };
    assert_ne!(sealed.bound(name()), later.bound(name()));
    assert_ne!(sealed.bound(name()), sealed.bound(Name::of("", None)));
    let bytes = Bytes::from(sealed.envelope(name(), b"ciphertext"));
    let (read, rest) = open(name(), &bytes).unwrap();
    assert_eq!((read, &rest[..]), (sealed, &b"ciphertext"[..]));
}

#[test]
fn entries_come_back_in_every_encoding() {
    let bench = Bench::new();
    let key = bench.key("/large");
    let text: Vec<u8> = b"{\"id\": 7, \"name\": \"a shoe\"}, ".repeat(20_000);
    for size in [0, 100, PACKED_MAX, PACKED_MAX + 1, text.len()] {
        let body = Bytes::copy_from_slice(&text[..size]);
        let plain = bench
            .engine
            .value(
                &key,
                &body,
                &["t".into()],
                Duration::from_secs(60),
                Position::default(),
                false,
            )
            .unwrap();
        let length = body.len() as u64;
        let mut entries = vec![plain.clone()];
        if size >= 512 {
            entries.extend(Coding::ALL.map(|coding| {
                let pieces = codec::pack(coding, || [body.clone()].into_iter(), length, length).unwrap();
                plain.recoded(coding.into(), length, pieces).unwrap()
            }));
            let frames = codec::frames([body.clone()].into_iter()).unwrap();
            entries.push(plain.recoded(Encoding::Lz4, length, frames).unwrap());
        }
        for entry in entries {
            let payload = Payload::of(&entry, "");
            let front = Front {
                rules: entry.flags(),
                ..front()
            };
            let read = Payload::decode(payload.encode().unwrap().into()).unwrap();
            let now = bench.now();
            let again = read
                .entry(&key, &front, Position::default(), now, Duration::from_secs(9))
                .unwrap();
            assert_eq!(again.encoding(), entry.encoding());
            let hit = crate::Hit(again);
            assert_eq!(hit.body().to_bytes(), body, "{:?} of {size}", entry.encoding());
            assert_eq!(hit.age(now), Duration::from_secs(9));
            assert_eq!(hit.tags().collect::<Vec<_>>(), ["t"]);
        }
    }
}

#[test]
fn a_body_that_is_not_written_as_the_front_says_is_damaged() {
    let bench = Bench::new();
    let key = bench.key("/a");
    let front = Front {
        rules: Encoding::Zstd as u8,
        ..front()
    };
    let short = Payload {
        pieces: vec![Bytes::from_static(b"1234")],
        ..payload()
    };
    let made = short.entry(&key, &front, Position::default(), bench.now(), Duration::ZERO);
    assert_eq!(made.map(|_| ()), Err(EnvelopeFault::Damaged));
}

#[test]
fn a_stamp_belongs_to_its_name_and_every_changed_bit_of_it_is_refused() {
    let stamp = Stamp {
        generation: crate::backplane::Gen::of("run:replid:salt"),
        seq: 77,
    };
    let bytes = [&stamp.encode(name().number())[..], b"envelope"].concat();
    let read = read_stamp(&Bytes::from(bytes.clone()), name()).unwrap();
    assert_eq!(read, (stamp, Bytes::from_static(b"envelope")));
    assert!(read_stamp(&Bytes::from(bytes.clone()), Name::of("other", None)).is_err());
    for at in 0..Stamp::BYTES {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(read_stamp(&changed.into(), name()).is_err(), "byte {at}");
    }
}
