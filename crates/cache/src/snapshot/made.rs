//! What a record describes, as an entry of this engine; nothing where the record contradicts itself.

use super::format::{Description, SOFTENED, What};
use super::recalled::Place;
use crate::codec;
use crate::coding::Coding;
use crate::entry::{BodyDraft, Carried, Coded, Draft, Encoding, Entry, Kind, PACKED_MAX, tags_fit};
use crate::key::Key;
use crate::spans::PartMap;
use bytes::Bytes;
use peregrine_base::Instant;
use std::time::Duration;

/// `pieces` as those of the body and those of the further encodings; nothing where they are not as many as that.
pub(super) fn divide(mut pieces: Vec<Bytes>, codings: &[(Coding, u32)]) -> Option<(Vec<Bytes>, Box<[Coded]>)> {
    let mut coded = Vec::with_capacity(codings.len());
    for (coding, count) in codings.iter().rev() {
        let start = pieces
            .len()
            .checked_sub(usize::try_from(*count).ok().filter(|count| *count > 0)?)?;
        coded.push(Coded {
            coding: *coding,
            pieces: pieces.split_off(start).into(),
        });
    }
    coded.reverse();
    Some((pieces, coded.into()))
}

/// The entry that was described, `passed` later, at its place among the invalidations.
pub(super) fn entry(
    key: &Key,
    described: &Description<'_>,
    (pieces, coded): (Vec<Bytes>, Box<[Coded]>),
    (now, passed): (Instant, Duration),
    place: Place,
) -> Option<Entry> {
    let kind = match described.what {
        What::Value => Kind::Value,
        What::Selector => Kind::Selector,
        What::Part => Kind::Part,
    };
    let tags: Vec<String> = described.tags.iter().map(|tag| (*tag).to_owned()).collect();
    if !tags_fit(&tags) {
        return None;
    }
    let size: usize = pieces.iter().map(Bytes::len).sum();
    let carried = Carried {
        flags: described.rules,
        lifetime: Duration::from_millis(described.lifetime_ms),
        hits: described.hits,
        softened: place.softened || described.flags & SOFTENED != 0,
    };
    let draft = Draft::empty(kind, key, described.variant, now, Duration::ZERO);
    let entry = Entry::carried(
        Draft {
            tags: &tags,
            head: described.head,
            position: place.position,
            body: if pieces.len() <= 1 && size <= PACKED_MAX {
                BodyDraft::Packed(&pieces)
            } else {
                BodyDraft::Segments(pieces.clone().into())
            },
            coded,
            age: Duration::from_nanos(described.age_ns).saturating_add(passed),
            stale_while_revalidate: Duration::from_millis(described.stale_while_revalidate_ms),
            stale_if_error: Duration::from_millis(described.stale_if_error_ms),
            cost: Duration::from_micros(u64::from(described.cost_us)),
            ..draft
        },
        &carried,
    )?;
    let is_sound = match entry.kind() {
        Kind::Part => {
            let holds_all = |parts: PartMap| parts.is_sound(size as u64);
            entry.encoding() == Encoding::Identity
                && entry.all_coded().is_empty()
                && crate::hit::parts(&entry).is_some_and(holds_all)
        }
        Kind::Value => {
            let twice = |coded: &Coded| Encoding::from(coded.coding) == entry.encoding();
            !entry.all_coded().iter().any(twice)
        }
        Kind::Selector | Kind::Marker(_) => entry.all_coded().is_empty(),
    };
    (is_sound && codec::is_readable(entry.encoding(), &pieces)).then_some(entry)
}
