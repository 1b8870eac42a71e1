//! What comes along with an entry: its encodings; and what is held of a value that is not there whole.

use super::*;
use peregrine_base::Clock as _;

/// Has what lies under `path` encoded, and waits for that.
pub(super) fn code(bench: &Bench, path: &str, coding: Coding) {
    let key = bench.key(path);
    bench.engine.encode(&key, &bench.hit(path).unwrap(), coding);
    assert!(bench.hit(path).unwrap().encoded(coding).is_some());
}

/// Keeps `bytes` as what is held, from `start` on, of a value of `complete` bytes.
pub(super) fn put_part(bench: &Bench, path: &str, start: u64, bytes: &'static str, complete: u64) {
    let lease = bench.lead(path);
    let meta = Meta {
        length: Some(bytes.len() as u64),
        part: Some(crate::PartMeta {
            start,
            complete,
            validator: Some(b"v1".to_vec()),
        }),
        ..meta()
    };
    let mut fill = lease.fill(meta, &crate::NoVariants).unwrap();
    crate::testing::at_once(fill.push(Bytes::from_static(bytes.as_bytes()))).unwrap();
    assert!(matches!(fill.finish(), crate::Finished::Stored(_)));
}

/// What is held under `path` for one who asks for the span from `start` to `end`.
fn held(bench: &Bench, path: &str, start: u64, end: u64) -> Option<String> {
    let span = crate::ByteSpan::new(start, end).unwrap();
    let lies_in = |hit: &crate::Hit| hit.parts().is_some_and(|parts| parts.spans.covers(span));
    let ask = crate::Ask {
        lead: false,
        part: Some(crate::PartAsk {
            text: "part",
            lies_in: &lies_in,
        }),
        ..bench.ask()
    };
    match bench.engine.lookup(&bench.key(path), &ask) {
        Lookup::Fresh { hit, .. } => {
            let bytes: Vec<u8> = hit.slice(span)?.collect::<Vec<_>>().concat();
            Some(String::from_utf8(bytes).unwrap())
        }
        _ => None,
    }
}

#[test]
fn parts_and_encodings_come_back_with_what_they_belong_to() {
    let (before, bytes) = mixed();
    let after = successor(&before, 1, |_| {});
    load(&after, &bytes).unwrap();
    assert_eq!(held(&after, "/part", 4, 7).as_deref(), Some("art"));
    assert_eq!(held(&after, "/part", 2, 7), None);
    let (old, new) = (before.hit("/coded").unwrap(), after.hit("/coded").unwrap());
    let gzip = |hit: &crate::Hit| hit.encoded(Coding::Gzip).unwrap().chunks().collect::<Vec<_>>().concat();
    assert_eq!((text(&new), gzip(&new)), (text(&old), gzip(&old)));
    assert_eq!(new.codings().count(), 1);
    // An invalidation since reaches both.
    let later = successor(&before, 1, |_| {});
    let expecting = later.engine.expect_snapshot();
    invalidate(&later, |request| request.keys = vec!["/part".into(), "/coded".into()]);
    expecting.load(Cursor::new(&bytes), &HERE).unwrap();
    assert!(held(&later, "/part", 4, 7).is_none() && later.hit("/coded").is_none());
    // What is there as a whole needs no part.
    let whole = successor(&before, 1, |_| {});
    whole.put("/part", "all of it");
    load(&whole, &bytes).unwrap();
    assert_eq!(text(&whole.hit("/part").unwrap()), "all of it");
}

#[test]
fn encodings_are_left_behind_before_what_they_are_of() {
    let bench = Bench::new();
    bench.put("/coded", &"def".repeat(200));
    code(&bench, "/coded", Coding::Gzip);
    let all = snapshot(&bench).len() as u64;
    let mut bytes = Vec::new();
    let limits = SnapshotLimits {
        // The end takes no part in the limit.
        size_max: all - 50,
        ..UNLIMITED
    };
    let written = bench.engine.write_snapshot(&mut bytes, &HERE, &limits).unwrap();
    assert_eq!((written.entries, written.left_out), (1, 0));
    let after = successor(&bench, 1, |_| {});
    load(&after, &bytes).unwrap();
    let hit = after.hit("/coded").unwrap();
    assert_eq!((text(&hit), hit.codings().count()), ("def".repeat(200), 0));
}

#[test]
fn a_part_that_cannot_be_is_left_out() {
    let (before, _) = mixed();
    for (spans, complete, body) in [
        (vec![(3, 7)], 20, "part"),
        (vec![(3, 7)], 20, "par"),
        (vec![(3, 7)], 6, "part"),
        (vec![(0, 4)], 4, "part"),
        (vec![(5, 7), (1, 3)], 20, "part"),
        (vec![(1, 3), (2, 4)], 20, "part"),
        (vec![], 20, "part"),
    ] {
        let mut head = u16::try_from(spans.len()).unwrap().to_le_bytes().to_vec();
        head.extend_from_slice(&0u16.to_le_bytes());
        head.extend_from_slice(&u64::to_le_bytes(complete));
        for (start, end) in &spans {
            head.extend_from_slice(&u64::to_le_bytes(*start));
            head.extend_from_slice(&u64::to_le_bytes(*end));
        }
        let key = before.key("/odd");
        let description = Description {
            what: What::Part,
            rules: 0,
            flags: 0,
            age_ns: 0,
            lifetime_ms: 60_000,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 0,
            cost_us: 0,
            hits: 0,
            stamp: None,
            key: key.text(),
            variant: "",
            selector: "",
            tags: Vec::new(),
            codings: Vec::new(),
            head: &head,
        };
        let header = Header {
            stored: 1,
            source: 7,
            boot: 9,
            wall_ms: before.time.clock.wall().as_millis(),
            now_ns: before.now().as_nanos(),
        };
        let (mut meta, mut bytes) = (Vec::new(), Vec::new());
        description.encode(&mut meta).unwrap();
        let mut writer = Writer::new(&mut bytes, &header).unwrap();
        writer.record(&meta, &[body.as_bytes()]).unwrap();
        writer.finish().unwrap();
        let after = successor(&before, 1, |_| {});
        let can_be = (&*spans, complete, body) == (&[(3, 7)], 20, "part");
        assert_eq!(load(&after, &bytes).unwrap().entries, u64::from(can_be), "{spans:?}");
    }
}
