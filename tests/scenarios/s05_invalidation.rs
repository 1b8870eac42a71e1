//! After an invalidation nobody gets what was loaded before it, whoever asks how, and whatever was under way.

use crate::harness::{Gate, Origin, Peregrine, Reply, until};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An origin that tags what it answers.
fn tagging() -> Origin {
    Origin::start(|heard| {
        let product = heard
            .target
            .strip_prefix("/products/")
            .map(|id| format!("product-{id} catalogue"));
        match product {
            Some(keys) => Reply::ok(&[("cache-control", "max-age=600"), ("surrogate-key", &keys)], "product"),
            None => Reply::ok(
                &[("cache-control", "max-age=600"), ("cache-tag", "page, site map")],
                "page",
            ),
        }
    })
}

const PAGES: [&str; 5] = [
    "/products/1",
    "/products/2",
    "/products/2?size=l",
    "/about",
    "/about/team",
];

/// Loads all pages and makes sure that they are cached.
fn fill(peregrine: &Peregrine) {
    for page in PAGES {
        peregrine.get(page, &[]);
        assert!(peregrine.get(page, &[]).is_hit(), "{page} is not cached");
    }
}

/// The pages that are not served from the cache any more.
fn gone(peregrine: &Peregrine) -> Vec<&'static str> {
    PAGES
        .into_iter()
        .filter(|page| !peregrine.get(page, &[]).is_hit())
        .collect()
}

#[test]
fn an_invalidation_reaches_what_it_names_and_nothing_else() {
    let origin = tagging();
    let route = "[[route]]\nupstream = \"origin\"\ntags = [\"shop\", \"kind-{path.1}\", \"size-{query.size}\"]\n";
    let peregrine = Peregrine::before(&origin, route);
    let products = &PAGES[..3];
    for (what, expected) in [
        (json!({"tags": ["product-1"]}), vec!["/products/1"]),
        (json!({"tags": ["catalogue"]}), products.to_vec()),
        (json!({"tags": ["site map"]}), vec!["/about", "/about/team"]),
        (json!({"tags": ["kind-about"]}), vec!["/about", "/about/team"]),
        (json!({"tags": ["size-l"]}), vec!["/products/2?size=l"]),
        (json!({"tags": ["shop"]}), PAGES.to_vec()),
        (json!({"tags": ["nobody"]}), vec![]),
        (
            json!({"tags": ["product-1", "page"]}),
            vec!["/products/1", "/about", "/about/team"],
        ),
        (json!({"keys": ["http://shop.example/products/2"]}), vec!["/products/2"]),
        (json!({"keys": ["/about"]}), vec!["/about"]),
        (json!({"keys": ["http://other.example/about"]}), vec![]),
        (
            json!({"prefixes": ["/products/2"]}),
            vec!["/products/2", "/products/2?size=l"],
        ),
        (
            json!({"prefixes": ["http://shop.example/about"]}),
            vec!["/about", "/about/team"],
        ),
        (json!({"patterns": ["/*/team"]}), vec!["/about/team"]),
        (json!({"patterns": ["*size=*"]}), vec!["/products/2?size=l"]),
        (json!({"patterns": ["/*size=*"]}), vec!["/products/2?size=l"]),
        (json!({"namespaces": ["default"]}), PAGES.to_vec()),
        (
            json!({"namespaces": ["default"], "tags": ["product-1"]}),
            vec!["/products/1"],
        ),
        (json!({"all": true}), PAGES.to_vec()),
    ] {
        fill(&peregrine);
        let receipt = peregrine.invalidate(&what);
        assert_eq!(receipt["matched"]["memory"], expected.len(), "{what}: {receipt}");
        assert_eq!(gone(&peregrine), expected, "{what}");
    }
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let origin = tagging();
    let peregrine = Peregrine::before(&origin, "");
    fill(&peregrine);
    let receipt = peregrine.invalidate(&json!({"tags": ["catalogue"], "dry_run": true}));
    assert_eq!(receipt["matched"]["memory"], 3, "{receipt}");
    assert_eq!(gone(&peregrine), Vec::<&str>::new());
}

#[test]
fn a_receipt_says_where_the_invalidation_holds() {
    let origin = tagging();
    let peregrine = Peregrine::before(&origin, "");
    fill(&peregrine);
    let first = peregrine.invalidate(&json!({"tags": ["catalogue"]}));
    assert_eq!(first["matched"]["redis"], json!(null), "there is no Redis");
    assert_eq!(
        (&first["layers"][0]["layer"], &first["layers"][0]["confirmed"]),
        (&json!("memory"), &json!(1)),
        "{first}"
    );
    assert_eq!(first["layers"][0]["of"], 1);
    let second = peregrine.invalidate(&json!({"tags": ["catalogue"]}));
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["matched"]["memory"], 0, "what is gone is not counted again");
}

#[test]
fn a_soft_invalidation_leaves_something_to_serve_while_it_is_renewed() {
    let gate = Gate::default();
    let (waiting, asked) = (gate.clone(), AtomicUsize::new(0));
    let lifetime = [
        ("cache-control", "max-age=600, stale-while-revalidate=600"),
        ("surrogate-key", "page"),
    ];
    let origin = Origin::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::ok(&lifetime, "old"),
        _ => Reply::default().wait(&waiting).then(&Reply::ok(&lifetime, "new")),
    });
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    peregrine.invalidate(&json!({"tags": ["page"], "soft": true}));
    let answer = peregrine.get("/a", &[]);
    assert!(answer.is_hit() && answer.text() == "old", "{answer:?}");
    until("the renewal", || origin.count() == 2);
    gate.open();
    until("the new answer", || peregrine.get("/a", &[]).text() == "new");
}

/// An origin whose answers are numbered; each waits for its gate, where it has one, after as much of it as `before` says.
struct Numbered {
    origin: Origin,
    gate: Gate,
}

impl Numbered {
    /// The first answer waits for the gate: before its head, or in the middle of its body.
    fn start(in_the_middle: bool) -> Self {
        let gate = Gate::default();
        let (waiting, asked) = (gate.clone(), AtomicUsize::new(0));
        let origin = Origin::start(move |heard| {
            if heard.method == "PUT" {
                return Reply::status(204, &[], "");
            }
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            let fields = [
                ("cache-control", "max-age=600"),
                ("surrogate-key", "page"),
                ("content-length", "9"),
            ];
            let (head, body) = (Reply::default().head(200, &fields), format!("version {number}"));
            match (number, in_the_middle) {
                (1, true) => head.send(&body[..3]).wait(&waiting).send(&body[3..]),
                (1, false) => Reply::default().wait(&waiting).then(&head).send(body),
                _ => head.send(body),
            }
        });
        Self { origin, gate }
    }
}

/// A load that begins before the invalidation and ends after it reaches the client who began it, and nobody else.
fn a_load_is_overtaken(in_the_middle: bool, waits: bool, invalidate: impl Fn(&Peregrine)) {
    let Numbered { origin, gate } = Numbered::start(in_the_middle);
    let peregrine = Peregrine::before(&origin, "");
    let mut early = peregrine.begin("/page", &[]);
    until("the load to be under way", || origin.count() == 1);
    if in_the_middle {
        early.head().unwrap();
        assert_eq!(early.bytes(3), b"ver");
    }
    invalidate(&peregrine);
    let mut later = peregrine.begin("/page", &[]);
    if !waits {
        let later = later.read("GET");
        assert_eq!(
            later.text(),
            "version 2",
            "it does not join a load that began before the invalidation: {later:?}"
        );
    }
    gate.open();
    if waits {
        assert_eq!(
            later.read("GET").text(),
            "version 2",
            "it does not get what a load brought that began before"
        );
    }
    if in_the_middle {
        assert_eq!(early.bytes(6), b"sion 1");
    } else {
        assert_eq!(early.read("GET").text(), "version 1");
    }
    for _ in 0..10 {
        assert_eq!(
            peregrine.get("/page", &[]).text(),
            "version 2",
            "the old load does not replace the new entry"
        );
    }
}

#[test]
fn a_load_begun_before_an_invalidation_is_not_served_to_later_requests() {
    for target in [
        json!({"keys": ["/page"]}),
        json!({"prefixes": ["/pa"]}),
        json!({"patterns": ["/*e"]}),
        json!({"all": true}),
    ] {
        println!("{target}");
        a_load_is_overtaken(false, false, |peregrine| drop(peregrine.invalidate(&target)));
    }
    // Which tags an answer has is known once its head is there.
    a_load_is_overtaken(false, true, |peregrine| {
        drop(peregrine.invalidate(&json!({"tags": ["page"]})))
    });
}

#[test]
fn a_body_half_received_at_an_invalidation_is_not_served_to_later_requests() {
    a_load_is_overtaken(true, false, |peregrine| {
        drop(peregrine.invalidate(&json!({"tags": ["page"]})))
    });
    a_load_is_overtaken(true, false, |peregrine| {
        drop(peregrine.invalidate(&json!({"patterns": ["/p*"]})))
    });
}

#[test]
fn a_write_that_races_a_slow_read_leaves_nothing_old_behind() {
    for in_the_middle in [false, true] {
        a_load_is_overtaken(in_the_middle, false, |peregrine| {
            assert_eq!(peregrine.ask("PUT", "/page", &[("content-length", "0")]).status, 204);
        });
    }
}

#[test]
fn an_overtaken_load_that_ends_with_nobody_after_it_is_not_stored() {
    let Numbered { origin, gate } = Numbered::start(false);
    let peregrine = Peregrine::before(&origin, "");
    let mut early = peregrine.begin("/page", &[]);
    until("the load to be under way", || origin.count() == 1);
    peregrine.invalidate(&json!({"tags": ["page"]}));
    gate.open();
    assert_eq!(early.read("GET").text(), "version 1");
    assert_eq!(peregrine.get("/page", &[]).text(), "version 2");
}

#[test]
fn whoever_reads_the_answer_to_a_write_reads_no_older_value_afterwards() {
    let version = Arc::new(AtomicUsize::new(0));
    let served = Arc::clone(&version);
    let origin = Origin::start(move |heard| match heard.method.as_str() {
        "GET" => Reply::ok(
            &[("cache-control", "max-age=600")],
            served.load(Ordering::SeqCst).to_string(),
        ),
        _ => {
            served.fetch_add(1, Ordering::SeqCst);
            Reply::status(200, &[], "done")
        }
    });
    let peregrine = Peregrine::before(&origin, "");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(peregrine.get("/counter", &[]).status, 200);
                }
            });
        }
        for method in ["POST", "PUT", "PATCH", "DELETE"].into_iter().cycle().take(40) {
            assert_eq!(
                peregrine.ask(method, "/counter", &[("content-length", "0")]).status,
                200
            );
            let written = version.load(Ordering::SeqCst);
            let read: usize = peregrine.get("/counter", &[]).text().parse().unwrap();
            assert_eq!(read, written, "after {method}");
        }
    });
}
