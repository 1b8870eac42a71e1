//! Variants of one key.

use crate::testing::{Bench, at_once, meta, text};
use crate::{Ask, Followed, Hit, Lease, Lookup, Meta, PassReason, Selector, Variants};
use bytes::Bytes;

/// A request with fields.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [(&'a str, &'a str)]);

impl Variants for Fields<'_> {
    fn variant(&self, selector: &Selector, out: &mut String) {
        for name in selector.names() {
            let value = self
                .0
                .iter()
                .find(|(field, _)| *field == name)
                .map_or("", |(_, value)| *value);
            out.push_str(name);
            out.push('=');
            out.push_str(value);
            out.push(';');
        }
    }
}

const FRENCH: Fields<'static> = Fields(&[("accept-language", "fr"), ("cookie", "a")]);
const GERMAN: Fields<'static> = Fields(&[("accept-language", "de"), ("cookie", "b")]);

fn lookup(bench: &Bench, fields: &Fields<'_>) -> Lookup {
    bench.engine.lookup(
        &bench.key("/a"),
        &Ask {
            variants: fields,
            ..bench.ask()
        },
    )
}

fn lead(bench: &Bench, fields: &Fields<'_>) -> Lease {
    match lookup(bench, fields) {
        Lookup::Lead(lease) => lease,
        other => panic!("expected a lease, got {other:?}"),
    }
}

fn hit(bench: &Bench, fields: &Fields<'_>) -> Option<Hit> {
    match lookup(bench, fields) {
        Lookup::Fresh { hit, .. } => Some(hit),
        _ => None,
    }
}

fn varying(names: &[&str]) -> Meta {
    Meta {
        selector: Selector::new(names.iter().copied()),
        ..meta()
    }
}

fn store(bench: &Bench, fields: &Fields<'_>, names: &[&str], body: &'static str) {
    lead(bench, fields)
        .store(varying(names), &Bytes::from_static(body.as_bytes()), fields)
        .unwrap();
}

#[test]
fn each_asker_gets_its_own_variant() {
    let bench = Bench::new();
    store(&bench, &FRENCH, &["Accept-Language"], "bonjour");
    assert!(hit(&bench, &GERMAN).is_none());
    store(&bench, &GERMAN, &["accept-language"], "hallo");
    assert_eq!(text(&hit(&bench, &FRENCH).unwrap()), "bonjour");
    assert_eq!(text(&hit(&bench, &GERMAN).unwrap()), "hallo");
}

#[test]
fn an_answer_without_names_is_kept_under_the_names_that_are_known() {
    let bench = Bench::new();
    store(&bench, &FRENCH, &["accept-language"], "bonjour");
    store(&bench, &GERMAN, &[], "plain");
    assert_eq!(text(&hit(&bench, &GERMAN).unwrap()), "plain");
    assert_eq!(
        text(&hit(&bench, &FRENCH).unwrap()),
        "bonjour",
        "it does not answer for others"
    );
}

#[test]
fn names_add_up() {
    let bench = Bench::new();
    store(&bench, &FRENCH, &["accept-language"], "bonjour");
    store(&bench, &GERMAN, &["cookie"], "hallo");
    let other_cookie = Fields(&[("accept-language", "de"), ("cookie", "c")]);
    assert!(
        hit(&bench, &other_cookie).is_none(),
        "the language alone does not tell them apart any more"
    );
    assert_eq!(text(&hit(&bench, &GERMAN).unwrap()), "hallo");
}

#[test]
fn too_many_names_are_refused_and_not_mistaken_for_none() {
    let bench = Bench::new();
    let many: Vec<String> = (0..40).map(|n| format!("x-{n}")).collect();
    let names: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = lead(&bench, &FRENCH).fill(varying(&names), &FRENCH).unwrap_err();
    assert_eq!(refused.reason, PassReason::VaryLimit);
    assert!(hit(&bench, &FRENCH).is_none());
}

#[tokio::test]
async fn followers_of_another_variant_look_again_and_then_load_side_by_side() {
    let bench = Bench::new();
    let lease = lead(&bench, &FRENCH);
    let Lookup::Follow(mut french) = lookup(&bench, &FRENCH) else {
        panic!("nobody knows of variants yet")
    };
    let Lookup::Follow(mut german) = lookup(&bench, &GERMAN) else {
        panic!("nobody knows of variants yet")
    };
    let mut fill = lease.fill(varying(&["accept-language"]), &FRENCH).unwrap();
    assert!(matches!(at_once(german.wait(&GERMAN)), Followed::Again));
    let Followed::Stream(mut reader) = at_once(french.wait(&FRENCH)) else {
        panic!("the same variant")
    };
    let own = lead(&bench, &GERMAN);
    let Lookup::Follow(late) = lookup(&bench, &FRENCH) else {
        panic!("the load goes on under its variant")
    };
    fill.push(Bytes::from_static(b"bonjour")).await.unwrap();
    fill.finish();
    assert_eq!(reader.next().await.unwrap().unwrap(), "bonjour");
    assert!(reader.next().await.is_none());
    drop((late, own));
    assert!(hit(&bench, &FRENCH).is_some() && hit(&bench, &GERMAN).is_none());
}

#[tokio::test]
async fn an_answer_that_is_there_at_once_is_only_for_its_variant() {
    let bench = Bench::new();
    let lease = lead(&bench, &FRENCH);
    let Lookup::Follow(mut german) = lookup(&bench, &GERMAN) else {
        panic!("follows")
    };
    let Lookup::Follow(mut french) = lookup(&bench, &FRENCH) else {
        panic!("follows")
    };
    lease
        .store(varying(&["accept-language"]), &Bytes::from_static(b"bonjour"), &FRENCH)
        .unwrap();
    assert!(matches!(at_once(german.wait(&GERMAN)), Followed::Again));
    assert!(matches!(at_once(french.wait(&FRENCH)), Followed::Serve(_)));
}

#[tokio::test]
async fn an_invalidated_key_is_gone_in_all_its_variants() {
    let bench = Bench::new();
    store(&bench, &FRENCH, &["accept-language"], "bonjour");
    store(&bench, &GERMAN, &["accept-language"], "hallo");
    let receipt = bench
        .engine
        .invalidate(&crate::Invalidation::of_keys(vec![bench.key("/a").text().to_owned()]))
        .await;
    assert_eq!(receipt.matched.memory, Some(2));
    assert!(hit(&bench, &FRENCH).is_none() && hit(&bench, &GERMAN).is_none());
}

#[test]
fn a_marker_is_for_its_variant_alone() {
    let bench = Bench::new();
    store(&bench, &FRENCH, &["cookie"], "public");
    lead(&bench, &GERMAN).pass(PassReason::Private);
    assert!(lead(&bench, &GERMAN).alone());
    assert_eq!(text(&hit(&bench, &FRENCH).unwrap()), "public");
}

#[test]
fn a_renewed_variant_stays_where_it_is() {
    let bench = Bench::new();
    store(&bench, &FRENCH, &["accept-language"], "bonjour");
    bench.advance(61);
    let lease = lead(&bench, &FRENCH);
    assert!(
        matches!(lookup(&bench, &GERMAN), Lookup::Lead(_)),
        "another variant does not wait for it"
    );
    lease.renew(varying(&["accept-language"]), &FRENCH).unwrap();
    assert_eq!(text(&hit(&bench, &FRENCH).unwrap()), "bonjour");
}

#[test]
fn the_variants_that_were_stored_last_are_remembered_while_they_are_there() {
    let bench = Bench::new();
    let languages: Vec<String> = (0..12).map(|number| format!("x-{number}")).collect();
    for language in &languages {
        let fields = [("accept-language", &**language)];
        let fields = Fields(&fields);
        let lease = lead(&bench, &fields);
        lease
            .store(varying(&["accept-language"]), &Bytes::from(language.clone()), &fields)
            .unwrap();
    }
    let siblings = |bench: &Bench| {
        let lease = lead(bench, &FRENCH);
        let found = lease.siblings().unwrap();
        assert_eq!(found.selector.names().collect::<Vec<_>>(), ["accept-language"]);
        found.hits.iter().map(text).collect::<Vec<_>>()
    };
    let expected: Vec<String> = languages[4..].iter().rev().cloned().collect();
    assert_eq!(siblings(&bench), expected);
    bench
        .engine
        .invalidate_uncounted(&crate::Invalidation::of_keys(vec!["/a".into()]));
    assert!(siblings(&bench).is_empty(), "what is gone is none");
}

#[test]
fn what_an_invalidation_overtakes_is_not_renewed_with_another() {
    for late in [false, true] {
        let bench = Bench::new();
        for fields in [&FRENCH, &GERMAN] {
            let lease = lead(&bench, fields);
            lease
                .store(varying(&["accept-language"]), &Bytes::from_static(b"text"), fields)
                .unwrap();
        }
        bench.advance(61);
        let lease = lead(&bench, &FRENCH);
        let siblings = lease.siblings().unwrap();
        let [german] = &siblings.hits[..] else {
            panic!("{siblings:?}")
        };
        if late {
            bench
                .engine
                .invalidate_uncounted(&crate::Invalidation::of_keys(vec!["/a".into()]));
        }
        assert_eq!(lease.renew_also(&siblings.selector, german, &meta()), !late);
        assert_eq!(hit(&bench, &GERMAN).is_some(), !late);
    }
}
