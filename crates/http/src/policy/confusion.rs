//! Answers that were got by confusing cache and origin about what a URL means, or by a request that only its sender would
//! make. RFC 9111 §7.1 asks caches to be on guard against poisoning and §7.3 against showing one user's pages to others; how
//! is left to them. Whoever asks gets such an answer; nobody else does.

use http::StatusCode;
use http::header::{self, HeaderMap};
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// How often a path is decoded to see what an origin may see: once is the rule, twice a known mistake.
const DECODINGS: usize = 2;
/// A request whose fields are longer than this may be refused by an origin for that alone: the smallest limit in use is 4 KiB
/// for the whole head.
const PLAIN_HEAD_BYTES_MAX: usize = 3 << 10;

/// What files with an ending are sent as. An ending that stands here promises the same bytes to everybody.
const STATIC: &[(&[&str], &[&str])] = &[
    (&["css"], &["text/css"]),
    (&["js", "mjs", "cjs"], &["*javascript", "*ecmascript"]),
    // A stream of MPEG, or TypeScript.
    (&["ts"], &["video/*", "*typescript", "*javascript"]),
    (&["json", "map", "webmanifest"], &["*json"]),
    (
        &[
            "avif", "bmp", "cur", "gif", "heic", "ico", "jfif", "jpeg", "jpg", "jxl", "png", "svg", "svgz", "tif",
            "tiff", "webp",
        ],
        &["image/*"],
    ),
    (
        &["eot", "otf", "ttf", "woff", "woff2"],
        &[
            "font/*",
            "application/font*",
            "application/x-font*",
            "application/vnd.ms-fontobject",
        ],
    ),
    (
        &[
            "aac", "avi", "flac", "m3u8", "m4a", "m4v", "mid", "midi", "mov", "mp3", "mp4", "mpd", "mpeg", "mpg",
            "oga", "ogg", "ogv", "opus", "wav", "webm",
        ],
        &[
            "audio/*",
            "video/*",
            "application/ogg",
            "application/dash+xml",
            "application/vnd.apple.mpegurl",
            "application/x-mpegurl",
        ],
    ),
    (&["pdf"], &["application/pdf"]),
    (&["wasm"], &["application/wasm"]),
    (&["txt"], &["text/plain"]),
    (&["csv"], &["text/csv", "text/plain", "application/vnd.ms-excel"]),
    (
        &[
            "7z", "apk", "bin", "bz2", "class", "dmg", "doc", "docx", "exe", "gz", "iso", "jar", "pls", "ppt", "pptx",
            "rar", "swf", "tar", "tgz", "xls", "xlsx", "xz", "zip", "zst",
        ],
        &[
            "application/vnd.*",
            "application/x-*",
            "application/zip",
            "application/gzip",
            "application/java*",
            "application/msword",
            "application/zstd",
            "audio/*",
        ],
    ),
];

/// Whether a successful answer for `path` may be somebody's own page under a URL that looks like everybody's: the path has
/// dot segments or control characters, plain or encoded, by which the origin may have seen another one, or it ends like a
/// static file and the answer is none.
#[must_use]
pub fn is_path_confusion(path: &str, status: StatusCode, headers: &HeaderMap) -> bool {
    if !status.is_success() {
        return false;
    }
    readings(path).any(|path| {
        let path: &[u8] = &path;
        path.iter().any(u8::is_ascii_control)
            || path.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dot_segment)
            || promised(path).is_some_and(|types| !is_kept(types, headers))
    })
}

/// The path as it came, and as it reads decoded once and twice.
fn readings(path: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut next = Some(Cow::Borrowed(path.as_bytes()));
    let mut left = DECODINGS;
    std::iter::from_fn(move || {
        let this = next.take()?;
        if left > 0 && this.contains(&b'%') {
            left -= 1;
            next = Some(Cow::Owned(percent_decode(&this).collect()));
        }
        Some(this)
    })
}

/// `.` and `..`, with parameters behind a `;` too, which some origins take off first.
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// The types that the ending of `path` promises. A delimiter behind which an origin may stop to read does not hide an ending,
/// and does not make one either: all parts of the last segment count.
fn promised(path: &[u8]) -> Option<&'static [&'static str]> {
    let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\')).rev();
    let last = segments.find(|segment| !segment.is_empty())?;
    let mut parts = last
        .split(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'@' | b'+')))
        .rev();
    parts.find_map(|part| {
        let ending = part.trim_ascii_end();
        let dot = ending.iter().rposition(|byte| *byte == b'.')?;
        let ending = std::str::from_utf8(&ending[dot + 1..]).ok()?;
        let known = STATIC
            .iter()
            .find(|(endings, _)| endings.iter().any(|known| known.eq_ignore_ascii_case(ending)));
        known.map(|(_, types)| *types)
    })
}

/// Whether the type of an answer is one of `types`, or one that no browser shows.
fn is_kept(types: &[&str], headers: &HeaderMap) -> bool {
    let Some(sent) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = sent.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    let matches = |pattern: &&str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => essence.ends_with(end.as_bytes()),
        (None, Some(begin)) => essence.starts_with(begin.as_bytes()),
        (None, None) => essence == pattern.as_bytes(),
    };
    types.iter().any(matches) || matches!(&essence[..], b"application/octet-stream" | b"binary/octet-stream")
}

/// Whether a refusal may be about fields that only this request has: its head is larger than some origins take, or holds bytes
/// that some of them do not read. Stored, it would keep everybody else from what they may have.
#[must_use]
pub fn is_refusal_of_request(status: StatusCode, request: &HeaderMap) -> bool {
    let about_the_resource = matches!(status.as_u16(), 404 | 410 | 451);
    status.is_client_error() && !about_the_resource && is_odd(request)
}

fn is_odd(request: &HeaderMap) -> bool {
    let length: usize = request
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let unusual = |value: &http::HeaderValue| {
        value
            .as_bytes()
            .iter()
            .any(|byte| !(b' '..=b'~').contains(byte) && *byte != b'\t')
    };
    length > PLAIN_HEAD_BYTES_MAX || request.values().any(unusual)
}

/// Request fields by which clients make some origins answer another URL, host, scheme or method than the one that the cache
/// knows the answer by.
pub const OVERRIDES: [&str; 19] = [
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-override-url",
    "x-original-method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-host",
    "x-original-host",
    "x-http-host-override",
    "x-forwarded-scheme",
    "x-forwarded-protocol",
    "x-forwarded-ssl",
    "x-url-scheme",
    "front-end-https",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-server",
];

/// Request fields by which origins commonly choose among answers, or answer with less than all (RFC 9110 §10.1.5, §12.5, §13.1),
/// and which have a `-` in their name.
pub const NEGOTIATED: [&str; 10] = [
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "user-agent",
    "x-requested-with",
];
