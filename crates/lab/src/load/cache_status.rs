//! Reading `Cache-Status` (RFC 9211): did the cache nearest to us answer by itself?

/// What a response says about the cache in front of its origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// No `Cache-Status`.
    #[default]
    Unsaid,
    /// Answered from the cache.
    Hit,
    /// Forwarded to the origin.
    Forwarded,
}

/// What the nearest cache did. Each cache appends its member to the list (RFC 9211 §2), so the nearest is the last.
#[must_use]
pub fn nearest(value: &[u8]) -> CacheUse {
    let member = split_outside_strings(value, b',').last().unwrap_or_default();
    if member.trim_ascii().is_empty() {
        return CacheUse::Unsaid;
    }
    let is_hit = split_outside_strings(member, b';')
        .skip(1)
        .any(|parameter| matches!(parameter.trim_ascii(), b"hit" | b"hit=?1"));
    if is_hit { CacheUse::Hit } else { CacheUse::Forwarded }
}

/// The parts of `value` between `separator`s that stand outside quoted strings.
fn split_outside_strings(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut in_string, mut is_escaped) = (false, false);
    value.split(move |byte| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match byte {
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        *byte == separator && !in_string
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_member_decides() {
        for (value, expected) in [
            ("", CacheUse::Unsaid),
            ("Peregrine; hit; ttl=12", CacheUse::Hit),
            ("Peregrine;hit", CacheUse::Hit),
            ("Peregrine; fwd=uri-miss; stored", CacheUse::Forwarded),
            ("Origin; hit, Peregrine; fwd=stale", CacheUse::Forwarded),
            ("Origin; fwd=miss, Peregrine; hit", CacheUse::Hit),
            ("Peregrine; fwd=miss; key=\"a, b; hit\"", CacheUse::Forwarded),
            ("Peregrine; fwd=miss; key=\"a\\\"; hit; \"", CacheUse::Forwarded),
            ("Peregrine; hit-like=1", CacheUse::Forwarded),
        ] {
            assert_eq!(nearest(value.as_bytes()), expected, "{value}");
        }
    }
}
