//! The files that browsers get without a token: the dashboard, built into the program, and what little a page needs where it
//! was not. Only files: all data is asked of the API, which wants to know who asks.
//!
//! Guarantees: a path is looked up in a table and never in a file system; what is compressed was compressed by the build; a
//! name with a hash in it may be kept for ever, everything else is asked for again; no page runs what is not one of these
//! files or can be framed.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use peregrine_net::http::Body;
use std::collections::BTreeMap;

/// Where the dashboard is.
pub(crate) const DASHBOARD: &str = "/dashboard/performance";

/// What a page may load and do (CSP level 3): only what comes from here, nothing inline, in no frame.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                                 connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file.
pub(crate) struct File {
    /// Its path, seen from the dashboard.
    pub(crate) name: &'static str,
    pub(crate) plain: &'static [u8],
    pub(crate) br: Option<&'static [u8]>,
    pub(crate) gz: Option<&'static [u8]>,
}

/// What the build found.
const BUILT: &[File] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// What stands there while nothing was built.
const NOT_BUILT: &[File] = &[
    File {
        name: "index.html",
        plain: include_bytes!("pages/not_built.html"),
        br: None,
        gz: None,
    },
    File {
        name: "plain.css",
        plain: include_bytes!("pages/plain.css"),
        br: None,
        gz: None,
    },
];

/// The files by their names.
pub(crate) struct Dashboard {
    files: BTreeMap<&'static str, (&'static File, HeaderValue)>,
}

impl Dashboard {
    /// What the build embedded, or else the page that says how to build it.
    pub(crate) fn embedded() -> Self {
        let built = BUILT.iter().any(|file| file.name == "index.html");
        Self::of(if built { BUILT } else { NOT_BUILT })
    }

    fn of(files: &'static [File]) -> Self {
        let tagged = |file: &'static File| (file.name, (file, entity_tag(file.plain)));
        Self {
            files: files.iter().map(tagged).collect(),
        }
    }

    /// Whether `path` is one of the dashboard's.
    pub(crate) fn has(path: &str) -> bool {
        path.strip_prefix(DASHBOARD)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The answer to a GET of `path`, which [`Dashboard::has`].
    pub(crate) fn answer(&self, path: &str, request: &Parts) -> Response<Body> {
        let name = path.strip_prefix(DASHBOARD).unwrap_or_default().strip_prefix('/');
        let name = name.unwrap_or_default();
        let found = self.files.get(name).or_else(|| {
            // Every other path is one of the single page's own; but a file that is not there is not the page.
            is_page(name).then(|| self.files.get("index.html")).flatten()
        });
        match found {
            Some((file, tag)) => serve(file, tag, &request.headers),
            None => nothing_here(),
        }
    }
}

/// Whether `name` may be a path of the single page: no file's name, and nothing that would be another path to somebody else.
fn is_page(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.starts_with('/')
        && !["%2e", "%2f", "%5c", "%00", "\\", ".", "//"]
            .iter()
            .any(|odd| name.contains(odd))
}

pub(crate) fn nothing_here() -> Response<Body> {
    let mut response = Response::new(Body::full("There is no such file.\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

pub(crate) fn serve(file: &File, tag: &HeaderValue, asked: &HeaderMap) -> Response<Body> {
    let (coding, bytes) = choose(file, asked);
    let mut response = Response::new(Body::full(Bytes::from_static(bytes)));
    let caching = if is_hashed(file.name) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    if asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|names| mentions(names, tag))
    {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(file.name)));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// The smallest form that the client takes (RFC 9110 §12.5.3).
fn choose(file: &File, asked: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let takes = |coding: &str| {
        asked.get_all(header::ACCEPT_ENCODING).iter().any(|field| {
            field.to_str().unwrap_or_default().split(',').any(|one| {
                let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
                let refused = parameters
                    .trim()
                    .strip_prefix("q=")
                    .and_then(|weight| weight.trim().parse::<f32>().ok())
                    .is_some_and(|weight| weight <= 0.0);
                name.trim().eq_ignore_ascii_case(coding) && !refused
            })
        })
    };
    match (file.br, file.gz) {
        (Some(br), _) if takes("br") => (Some("br"), br),
        (_, Some(gz)) if takes("gzip") => (Some("gzip"), gz),
        _ => (None, file.plain),
    }
}

/// Whether the name changes with what is in it: the build puts such files into `assets` as `name-HASH.ending`.
fn is_hashed(name: &str) -> bool {
    let hash = name
        .strip_prefix("assets/")
        .and_then(|name| name.rsplit_once('.'))
        .and_then(|(stem, _)| stem.rsplit_once('-').or_else(|| stem.rsplit_once('.')))
        .map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A weak tag, since the compressed forms share it (RFC 9110 §8.8.1).
pub(crate) fn entity_tag(bytes: &[u8]) -> HeaderValue {
    let hex = crate::secrets::Digest::of(bytes).hex();
    let short: String = hex.chars().take(24).collect();
    HeaderValue::from_str(&format!("W/\"{short}\"")).expect("hex is visible ASCII")
}

/// Whether `names`, the value of `If-None-Match`, has `tag` in it, by the weak comparison (RFC 9110 §13.1.2).
pub(crate) fn mentions(names: &HeaderValue, tag: &HeaderValue) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let (names, tag) = (text(names), text(tag));
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    names.trim() == "*" || names.split(',').any(|name| opaque(name) == opaque(&tag))
}

/// What every answer says to a browser.
pub(crate) const SAFETY: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

#[cfg(test)]
mod tests;
