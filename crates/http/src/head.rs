//! The head of a stored response as the bytes that the engine keeps: the status, then each field with its lengths.
//! Written and read only here; the engine sees bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The most that a stored head may measure, in bytes. A response with a larger one is passed on and not stored.
pub(crate) const STORED_HEAD_MAX_BYTES: usize = 64 * 1024;

/// The version in which heads, keys and variants are stored. Raised with every change of what is written, so that nobody reads
/// what an older Peregrine left in a way in which it was not meant.
pub const STORED_VERSION: u32 = 1;

/// A stored response's status and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredHead {
    /// The status.
    pub(crate) status: StatusCode,
    /// The fields that are stored with it.
    pub(crate) headers: HeaderMap,
}

impl StoredHead {
    /// The head as bytes; nothing when it is larger than [`STORED_HEAD_MAX_BYTES`].
    #[must_use]
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let mut out = BytesMut::with_capacity(512);
        out.put_u16(self.status.as_u16());
        for (name, value) in &self.headers {
            out.put_u16(u16::try_from(name.as_str().len()).ok()?);
            out.put_slice(name.as_str().as_bytes());
            out.put_u16(u16::try_from(value.len()).ok()?);
            out.put_slice(value.as_bytes());
            if out.len() > STORED_HEAD_MAX_BYTES {
                return None;
            }
        }
        Some(out.freeze())
    }

    /// The head that `bytes` hold; nothing when they are damaged, which makes the entry a miss.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        // One copy that all values share.
        let mut bytes = Bytes::copy_from_slice(bytes);
        let status = StatusCode::from_u16(take_u16(&mut bytes)?).ok()?;
        let mut headers = HeaderMap::with_capacity(16);
        while !bytes.is_empty() {
            let name = HeaderName::from_bytes(&take(&mut bytes)?).ok()?;
            let value = HeaderValue::from_maybe_shared(take(&mut bytes)?).ok()?;
            headers.append(name, value);
        }
        Some(Self { status, headers })
    }
}

fn take_u16(bytes: &mut Bytes) -> Option<u16> {
    (bytes.len() >= 2).then(|| bytes.get_u16())
}

fn take(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(take_u16(bytes)?);
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_survives_the_way_to_bytes_and_back() {
        let mut headers = HeaderMap::new();
        headers.append("etag", "\"a\"".parse().unwrap());
        headers.append("link", "<a>".parse().unwrap());
        headers.append("link", "<b>".parse().unwrap());
        headers.append("x-latin", HeaderValue::from_bytes(b"\xe9").unwrap());
        let head = StoredHead {
            status: StatusCode::NOT_FOUND,
            headers,
        };
        assert_eq!(StoredHead::decode(&head.encode().unwrap()), Some(head));
    }

    #[test]
    fn an_endless_head_is_not_stored() {
        let mut headers = HeaderMap::new();
        for _ in 0..STORED_HEAD_MAX_BYTES / 1000 {
            headers.append("x-filler", "a".repeat(1000).parse().unwrap());
        }
        assert_eq!(
            StoredHead {
                status: StatusCode::OK,
                headers
            }
            .encode(),
            None
        );
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = StoredHead::decode(&bytes);
        }
    }
}
