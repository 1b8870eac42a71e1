//! The reasons as people meet them: sentences, Cache-Status, and the page that explains them.

use super::*;
use std::collections::BTreeSet;

#[test]
fn every_reason_has_a_word_of_its_own_and_a_sentence() {
    let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let (word, sentence) = (reason.as_str(), reason.sentence());
        assert!(
            word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{word}"
        );
        assert!(
            !sentence.ends_with('.') && sentence.starts_with(|first: char| first.is_lowercase()),
            "{sentence}"
        );
        let begins: &[&str] = match reason.group() {
            Group::Served => &["served ", "answered "],
            Group::Forwarded => &["fetched", "not served stale:", "not fetched:"],
            Group::Bypassed => &["not cached:"],
            Group::Stored => &["stored:"],
            Group::NotStored => &["not stored:"],
        };
        assert!(
            begins.iter().any(|begin| sentence.starts_with(begin)),
            "{word}: {sentence}"
        );
    }
}

#[test]
fn explain_says_it_in_these_words() {
    let said = |reason: Reason| Decision::new(reason).to_string();
    for (reason, sentence) in [
        (
            Reason::SetCookie,
            "not stored: response has Set-Cookie and the route does not allow it (RFC 9111 §7.3)",
        ),
        (
            Reason::NoStore,
            "not stored: the response says no-store (RFC 9111 §5.2.2.5)",
        ),
        (
            Reason::NoFreshness,
            "not stored: no freshness from the origin (RFC 9111 §3)",
        ),
        (
            Reason::Authorization,
            "not stored: the request has Authorization and the response does not allow sharing (RFC 9111 §3.5)",
        ),
        (
            Reason::StoredMaxAge,
            "stored: lifetime from max-age (RFC 9111 §5.2.2.1)",
        ),
        (
            Reason::StaleIfError,
            "served stale because the origin failed (RFC 5861 §4)",
        ),
        (
            Reason::UriMiss,
            "fetched: nothing is stored under this key (RFC 9111 §4)",
        ),
        (
            Reason::UnsafeMethod,
            "not cached: the method may change something at the origin (RFC 9110 §9.2.1)",
        ),
    ] {
        assert_eq!(said(reason), sentence);
    }
    assert_eq!(
        Reason::NoFreshness.advice(),
        Some("`freshness = \"fallback\"` would cache these")
    );
    assert_eq!(Reason::Fresh.advice(), None);
}

#[test]
fn cache_status_is_written_as_a_structured_field() {
    let said = |status: CacheStatus<'_>| status.to_header_value().to_str().unwrap().to_owned();
    let hit = CacheStatus {
        hit: true,
        ttl_s: Some(376),
        ..CacheStatus::default()
    };
    assert_eq!(said(hit), "Peregrine; hit; ttl=376");
    let stale = CacheStatus {
        hit: true,
        ttl_s: Some(-3),
        detail: Some("stale_if_error"),
        ..CacheStatus::default()
    };
    assert_eq!(said(stale), "Peregrine; hit; ttl=-3; detail=stale_if_error");
    let miss = CacheStatus {
        forward: Some(Forward::UriMiss),
        forward_status: Some(200),
        stored: true,
        collapsed: true,
        ttl_s: Some(60),
        key: Some("default||GET|http://a/\"b\\\u{e9}"),
        ..CacheStatus::default()
    };
    assert_eq!(
        said(miss),
        "Peregrine; fwd=uri-miss; fwd-status=200; stored; collapsed; ttl=60; \
         key=\"default||GET|http://a/\\\"b\\\\%C3%A9\""
    );
    let bypass = CacheStatus {
        forward: Some(Forward::Bypass),
        detail: Some("by rule"),
        ..CacheStatus::default()
    };
    assert_eq!(said(bypass), "Peregrine; fwd=bypass; detail=\"by rule\"");
}

#[test]
fn every_reason_for_going_forward_has_its_word_in_cache_status() {
    for reason in Reason::ALL {
        let expects = match reason.group() {
            Group::Bypassed => true,
            Group::Forwarded => *reason != Reason::OnlyIfCached,
            Group::Served => *reason == Reason::Revalidated,
            Group::Stored | Group::NotStored => false,
        };
        assert_eq!(reason.forward().is_some(), expects, "{}", reason.as_str());
    }
}

/// `docs/reference/reasons.md` has one section for each reason, in the table's order, with its sentence, its clause and
/// its advice word for word.
#[test]
fn the_page_explains_exactly_these_reasons() {
    let page = std::fs::read_to_string(docs().join("reference/reasons.md")).unwrap();
    let sections: Vec<&str> = page.split("\n### ").skip(1).collect();
    let headings: Vec<&str> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(headings, words);
    for (reason, section) in Reason::ALL.iter().zip(sections) {
        for part in [
            Some(reason.sentence().to_owned()),
            Some(reason.clause().to_string()),
            reason.advice().map(str::to_owned),
        ]
        .into_iter()
        .flatten()
        {
            assert!(section.contains(&part), "{} does not say: {part}", reason.as_str());
        }
    }
}

fn docs() -> std::path::PathBuf {
    let crate_folder = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    crate_folder.join("../../docs")
}
