//! Fields that decide about caching.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use peregrine_base::WallTime;
use peregrine_http::policy::{
    Asked, CacheControl, RequestVerdict, Rules, Storage, Times, admit_request, decide_storage, evaluate_conditions,
    groups, headers_to_store, invalidated_groups, parse_date, select_range, tags, vary_names,
};
use std::time::Duration;

/// When everything here happens.
const NOW: WallTime = WallTime::from_millis(1_767_225_600_000);
/// What the word for no storing looks like in any spelling.
const NO_STORE: &[u8] = b"no-store";

/// Lines of `name: value`; those that are no fields are left out, as a codec would refuse them.
fn fields(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

fn rules() -> Rules {
    Rules {
        heuristic: true,
        targeted_fields: vec![HeaderName::from_static("cdn-cache-control")],
        ..Rules::default()
    }
}

/// A request and a response, parted by an empty line: decisions agree with themselves, and a plain `no-store` always holds.
pub fn cache_control(bytes: &[u8]) {
    let middle = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (request, response) = middle.map_or((&bytes[..0], bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    let (request, response, rules) = (fields(request), fields(response), rules());
    let asked = match admit_request(&Method::GET, &request, &rules) {
        RequestVerdict::Use(asked) => asked,
        RequestVerdict::Bypass(_) => Asked::default(),
    };
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    let decide = || decide_storage(&asked, &Method::GET, StatusCode::OK, &response, &rules, times);
    let decided = decide();
    assert_eq!(format!("{decided:?}"), format!("{:?}", decide()), "the same twice");
    if let Storage::Store(_) = decided {
        let mut lines = response.get_all(header::CACHE_CONTROL).iter();
        let is_plain = |line: &HeaderValue| line.as_bytes().eq_ignore_ascii_case(NO_STORE);
        // A targeted field speaks in its place, and must-understand takes it back (RFC 9111 §5.2.2.3).
        let understands = |line: &HeaderValue| {
            line.as_bytes()
                .to_ascii_lowercase()
                .windows(15)
                .any(|word| word == b"must-understand")
        };
        let is_targeted = response.contains_key("cdn-cache-control")
            || response.get_all(header::CACHE_CONTROL).iter().any(understands);
        assert!(is_targeted || !lines.any(is_plain), "no-store was stored");
        let stored = headers_to_store(&response, &rules, NOW);
        assert!(
            !stored.contains_key(header::CONNECTION),
            "a field of the connection was stored"
        );
    }
    let _ = (vary_names(&response), tags(&response));
    let _ = evaluate_conditions(&Method::GET, &request, StatusCode::OK, &response, NOW);
    for value in response.values() {
        let _ = parse_date(value.as_bytes(), NOW);
    }
}

/// Targeted fields and groups (RFC 9213, RFC 9875), which are structured fields.
pub fn structured_fields(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(8) {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            return;
        };
        for name in [
            "cdn-cache-control",
            "cache-groups",
            "cache-group-invalidation",
            "cache-control",
        ] {
            headers.append(name, value.clone());
        }
    }
    let _ = CacheControl::of(&headers);
    let _ = (
        groups(&headers),
        invalidated_groups(&Method::POST, StatusCode::OK, &headers),
    );
    let times = Times {
        received: NOW,
        delay: Duration::ZERO,
    };
    let _ = decide_storage(
        &Asked::default(),
        &Method::GET,
        StatusCode::OK,
        &headers,
        &rules(),
        times,
    );
}

/// A Range field and the length of what is stored: what is selected lies within it.
pub fn range(bytes: &[u8]) {
    let Some((length, bytes)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let length = u64::from_le_bytes(*length);
    let request = fields(&[b"range: ", bytes].concat());
    let _ = select_range(&request, &HeaderMap::new(), length);
}
