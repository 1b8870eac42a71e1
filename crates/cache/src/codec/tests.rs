//! Every encoding by what goes in and comes out, and by input that lies.

use super::*;
use proptest::prelude::*;

fn text() -> Bytes {
    Bytes::from("peregrine falcon ".repeat(40_000))
}

fn noise(length: usize) -> Bytes {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn pack_whole(coding: Coding, body: &Bytes) -> Option<Vec<Bytes>> {
    let length = body.len() as u64;
    let chunks = || {
        body.chunks(100_000)
            .map(Bytes::copy_from_slice)
            .collect::<Vec<_>>()
            .into_iter()
    };
    pack(coding, chunks, length, worthwhile(length))
}

fn unpack_whole(coding: Coding, pieces: &[Bytes], limit: u64) -> Vec<u8> {
    let pieces: Vec<Bytes> = pieces.into();
    unpack(coding, pieces.into_iter(), limit).unwrap().flatten().collect()
}

#[test]
fn text_gains_and_noise_is_left_alone() {
    for coding in Coding::ALL {
        let pieces = pack_whole(coding, &text()).unwrap();
        assert_eq!(unpack_whole(coding, &pieces, u64::MAX), text(), "{coding:?}");
        assert!(pack_whole(coding, &noise(10_000)).is_none(), "{coding:?}");
    }
    let lz4 = frames(std::iter::once(text())).unwrap();
    assert!(lz4.len() > 1, "a large body has several frames");
    let back: Vec<u8> = lz4.iter().flat_map(|frame| decode_frame(frame).unwrap()).collect();
    assert_eq!(back, text());
    assert!(frames(std::iter::once(noise(10_000))).is_none());
}

#[test]
fn a_large_result_comes_in_pieces_without_room_to_spare() {
    // Half of it noise, so that it gains and stays large.
    let body: Bytes = [noise(600_000), Bytes::from(vec![0; 600_000])].concat().into();
    for coding in Coding::ALL {
        let pieces = pack_whole(coding, &body).unwrap();
        assert!(pieces.len() > 2, "{coding:?}");
        assert!(pieces.iter().all(|piece| piece.len() <= SEGMENT_BYTES), "{coding:?}");
        assert_eq!(unpack_whole(coding, &pieces, u64::MAX), body, "{coding:?}");
    }
}

#[test]
fn the_same_body_gives_the_same_bytes() {
    for coding in Coding::ALL {
        assert_eq!(pack_whole(coding, &text()), pack_whole(coding, &text()), "{coding:?}");
    }
}

#[test]
fn nothing_unpacks_to_more_than_it_may() {
    let bomb = Bytes::from(vec![0u8; 32 << 20]);
    for coding in Coding::ALL {
        let pieces = pack_whole(coding, &bomb).unwrap();
        let size: usize = pieces.iter().map(Bytes::len).sum();
        assert!(size < 64 << 10, "{coding:?}: {size}");
        assert_eq!(unpack_whole(coding, &pieces, 1_000).len(), 1_000, "{coding:?}");
    }
    let mut frame = frame(&vec![0; SEGMENT_BYTES]).unwrap();
    frame[..FRAME_PREFIX].copy_from_slice(&100u32.to_le_bytes());
    assert!(decode_frame(&frame).is_none(), "shorter than it is");
    frame[..FRAME_PREFIX].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode_frame(&frame).is_none(), "longer than allowed");
}

#[test]
fn a_stream_is_one_frame_or_member_and_asks_for_no_huge_window() {
    use std::io::Write as _;
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(24).unwrap();
    wide.write_all(&noise(100)).unwrap();
    let wide = Bytes::from(wide.finish().unwrap());
    assert_eq!(unpack_whole(Coding::Zstd, &[wide], 1_000), b"", "16 MiB (RFC 9659)");
    for coding in [Coding::Zstd, Coding::Gzip] {
        let pieces = pack_whole(coding, &text()).unwrap();
        let twice = [&pieces[..], &pieces].concat();
        assert_eq!(unpack_whole(coding, &twice, u64::MAX), text(), "{coding:?}");
    }
}

#[test]
fn small_bodies_and_unpromising_types_stay_as_they_are() {
    assert_eq!(choose(Compression::Auto, true, 100), None);
    assert_eq!(choose(Compression::Auto, false, 10_000), None);
    assert_eq!(choose(Compression::Auto, true, 10_000), Some(Encoding::Zstd));
    assert_eq!(choose(Compression::Lz4, false, 10_000), Some(Encoding::Lz4));
    assert_eq!(choose(Compression::Off, true, 10_000), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_packed_reads_back(words in proptest::collection::vec("[a-f]{1,9}", 1..400), cut in 1usize..500) {
        let body = Bytes::from(words.join(" "));
        for coding in Coding::ALL {
            let chunks = || body.chunks(cut).map(Bytes::copy_from_slice).collect::<Vec<_>>().into_iter();
            if let Some(pieces) = pack(coding, chunks, body.len() as u64, u64::MAX) {
                prop_assert_eq!(&unpack_whole(coding, &pieces, body.len() as u64)[..], &body[..]);
                let less: Vec<Bytes> = pieces.iter().map(|piece| piece.slice(..piece.len() - 1)).collect();
                let read = unpack_whole(coding, &less, u64::MAX);
                prop_assert!(body.starts_with(&read), "what is cut off reads as a beginning at most");
            } else {
                prop_assert!(false, "{:?} does not read back", coding);
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Some(out) = decode_frame(&bytes) {
            prop_assert_eq!(out.len(), frame_length(&bytes));
        }
        for coding in Coding::ALL {
            prop_assert!(unpack_whole(coding, &[Bytes::copy_from_slice(&bytes)], 10_000).len() <= 10_000);
        }
    }
}
