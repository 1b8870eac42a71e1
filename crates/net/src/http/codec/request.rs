//! The long way of a head: from where it was read into the types that handlers know. All values share one copy of it.

use super::head::Head;
use crate::http::Refusal;
use ::http::header::{HOST, HeaderName, HeaderValue};
use ::http::request::Parts;
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, Method, Request, Uri};
use bytes::Bytes;

/// How many fields a handler may add without the map growing.
const FIELDS_TO_ADD: usize = 8;

/// `head`, which was read from the beginning of `bytes`.
///
/// # Errors
/// When a type takes less than [`super::head::parse`] does; there is no such case that we know of.
pub(crate) fn parts(head: &Head<'_>, bytes: &[u8]) -> Result<Parts, Refusal> {
    let whole = Bytes::copy_from_slice(&bytes[..head.length]);
    let begin = bytes.as_ptr().addr();
    let share = |part: &[u8]| {
        let at = part.as_ptr().addr() - begin;
        whole.slice(at..at + part.len())
    };
    let in_origin_form = !head.absolute && head.target.starts_with('/');
    let target = if in_origin_form {
        PathAndQuery::from_maybe_shared(share(head.target.as_bytes()))
    } else {
        PathAndQuery::try_from(head.target.as_ref())
    };
    let mut headers = HeaderMap::with_capacity(head.fields.len() + FIELDS_TO_ADD);
    for field in head.fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Refusal::Malformed)?;
        let value = if field.value.is_empty() {
            HeaderValue::from_static("")
        } else {
            HeaderValue::from_maybe_shared(share(field.value)).map_err(|_| Refusal::Malformed)?
        };
        headers.append(name, value);
    }
    if head.absolute {
        headers.insert(HOST, HeaderValue::from_str(head.host).map_err(|_| Refusal::Target)?);
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(head.method.as_bytes()).map_err(|_| Refusal::Malformed)?;
    parts.uri = Uri::from(target.map_err(|_| Refusal::Target)?);
    parts.version = head.version;
    parts.headers = headers;
    Ok(parts)
}
