//! What is cached, what is not, and how an answer tells which.

use crate::harness::{Origin, Peregrine, Reply, until};

#[test]
fn a_fresh_answer_is_served_again_without_the_origin() {
    let origin = Origin::start(|_| {
        Reply::ok(
            &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("x-own", "kept")],
            "hello",
        )
    });
    let peregrine = Peregrine::before(&origin, "");
    let first = peregrine.get("/a", &[]);
    assert!(
        first
            .field("cache-status")
            .starts_with("Peregrine; fwd=uri-miss; stored; ttl="),
        "{first:?}"
    );
    let second = peregrine.get("/a", &[]);
    assert!(second.is_hit(), "{second:?}");
    assert_eq!(
        (second.status, second.text().as_str(), second.field("x-own").as_str()),
        (200, "hello", "kept")
    );
    assert_eq!(second.field("content-length"), "5");
    assert!(second.field("age").parse::<u64>().is_ok_and(|age| age <= 60));
    assert_eq!(origin.count(), 1);
    assert!(!peregrine.get("/a?other", &[]).is_hit(), "the query is part of the key");
    assert!(
        !peregrine.get("/a", &[("host", "other.example")]).is_hit(),
        "the host is part of the key"
    );
}

#[test]
fn head_is_answered_from_what_get_stored() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=60")], "hello"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let head = peregrine.ask("HEAD", "/a", &[]);
    assert!(head.is_hit());
    assert_eq!((head.field("content-length").as_str(), head.body.len()), ("5", 0));
    assert_eq!(origin.count(), 1);
}

#[test]
fn what_is_one_users_own_is_never_stored() {
    for (fields, why) in [
        (vec![("cache-control", "private, max-age=60")], "private"),
        (vec![("cache-control", "no-store")], "no_store"),
        (
            vec![("cache-control", "max-age=60"), ("set-cookie", "session=1")],
            "set_cookie",
        ),
        (vec![("content-type", "text/html")], "no_freshness"),
    ] {
        let answer_fields = fields.clone();
        let origin = Origin::start(move |_| Reply::ok(&answer_fields, "mine"));
        let peregrine = Peregrine::before(&origin, "");
        for _ in 0..3 {
            let answer = peregrine.get("/a", &[]);
            assert!(!answer.is_hit(), "{fields:?} was served from the cache");
        }
        assert_eq!(origin.count(), 3, "{fields:?}");
        let stats = peregrine.command(&["stats"]);
        let text = String::from_utf8_lossy(&stats.stdout).into_owned();
        assert!(text.contains(why), "{why} is not in\n{text}");
    }
}

#[test]
fn an_authorized_answer_is_shared_only_when_the_origin_says_so() {
    let origin = Origin::start(|heard| {
        let control = if heard.target == "/public" {
            "public, max-age=60"
        } else {
            "max-age=60"
        };
        Reply::ok(&[("cache-control", control)], heard.field("authorization"))
    });
    let peregrine = Peregrine::before(&origin, "");
    for user in ["a", "b", "a"] {
        assert_eq!(peregrine.get("/own", &[("authorization", user)]).text(), user);
    }
    assert_eq!(peregrine.get("/public", &[("authorization", "a")]).text(), "a");
    assert!(peregrine.get("/public", &[("authorization", "b")]).is_hit());
    assert!(!peregrine.get("/own", &[]).is_hit());
    assert!(
        peregrine.get("/own", &[]).is_hit(),
        "what an authorized request could not share does not keep others from caching"
    );
}

#[test]
fn conditions_and_ranges_are_answered_from_the_cache() {
    let origin = Origin::start(|_| {
        Reply::ok(
            &[
                ("cache-control", "max-age=60"),
                ("etag", "\"1\""),
                ("accept-ranges", "bytes"),
            ],
            "0123456789",
        )
    });
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/a", &[]);
    let unchanged = peregrine.get("/a", &[("if-none-match", "\"1\"")]);
    assert_eq!(
        (unchanged.status, unchanged.body.len(), unchanged.has("etag")),
        (304, 0, true)
    );
    assert_eq!(peregrine.get("/a", &[("if-none-match", "\"2\"")]).status, 200);
    let part = peregrine.get("/a", &[("range", "bytes=2-4")]);
    assert_eq!(
        (part.status, part.text().as_str(), part.field("content-range").as_str()),
        (206, "234", "bytes 2-4/10")
    );
    let beyond = peregrine.get("/a", &[("range", "bytes=20-")]);
    assert_eq!(
        (beyond.status, beyond.field("content-range").as_str()),
        (416, "bytes */10")
    );
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_part_of_what_is_not_cached_comes_from_the_origin_and_is_not_taken_for_the_whole() {
    let origin = Origin::start(|heard| {
        let lifetime = ("cache-control", "max-age=60");
        match heard.field("range").as_str() {
            "bytes=2-4" => Reply::status(206, &[lifetime, ("content-range", "bytes 2-4/10")], "234"),
            _ => Reply::ok(&[lifetime], "0123456789"),
        }
    });
    let peregrine = Peregrine::before(&origin, "");
    let part = peregrine.get("/a", &[("range", "bytes=2-4")]);
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    assert_eq!(peregrine.get("/a", &[]).text(), "0123456789");
    let part = peregrine.get("/a", &[("range", "bytes=2-4")]);
    assert!(part.is_hit() && part.status == 206 && part.text() == "234", "{part:?}");
}

#[test]
fn encodings_that_mean_the_same_share_a_variant() {
    let origin = Origin::start(|heard| {
        let encoding = if heard.field("accept-encoding").contains("gzip") {
            "gzip"
        } else {
            "identity"
        };
        Reply::ok(
            &[
                ("cache-control", "max-age=60"),
                ("vary", "Accept-Encoding"),
                ("x-encoding", encoding),
            ],
            encoding,
        )
    });
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/a", &[("accept-encoding", "gzip, br")]).text(), "gzip");
    for same in ["br, gzip", "gzip,br", "br;q=1.0, gzip"] {
        assert!(peregrine.get("/a", &[("accept-encoding", same)]).is_hit(), "{same}");
    }
    let plain = peregrine.get("/a", &[]);
    assert!(!plain.is_hit() && plain.text() == "identity", "{plain:?}");
}

#[test]
fn a_body_that_is_stored_compressed_reaches_clients_as_it_was() {
    let body = "a line that comes again and again\n".repeat(20_000);
    let sent = body.clone();
    let origin = Origin::start(move |_| {
        Reply::ok(
            &[("cache-control", "max-age=60"), ("content-type", "text/plain")],
            &sent,
        )
    });
    for compression in ["auto", "zstd", "gzip", "lz4"] {
        let strategy = format!("[strategy.default]\ncompression = \"{compression}\"\n");
        let peregrine = Peregrine::before(&origin, &strategy);
        peregrine.get("/a", &[]);
        let hit = peregrine.get("/a", &[]);
        assert!(
            hit.is_hit() && hit.text() == body && !hit.has("content-encoding"),
            "{compression}: {:?}",
            hit.fields
        );
        let part = peregrine.get("/a", &[("range", "bytes=100000-100009")]);
        assert_eq!(part.text(), body[100_000..100_010], "{compression}");
        let bytes = || peregrine.statistics()["cache"]["total"]["bytes"].as_u64().unwrap();
        until("it to be stored smaller", || bytes() < body.len() as u64 / 4);
        assert_eq!(peregrine.get("/a", &[]).text(), body, "{compression}");
    }
}

#[test]
fn variants_are_kept_apart() {
    let origin = Origin::start(|heard| {
        Reply::ok(
            &[("cache-control", "max-age=60"), ("vary", "accept-language")],
            heard.field("accept-language"),
        )
    });
    let peregrine = Peregrine::before(&origin, "");
    for _ in 0..2 {
        for language in ["de", "en", "fr"] {
            assert_eq!(peregrine.get("/a", &[("accept-language", language)]).text(), language);
        }
    }
    assert_eq!(origin.count(), 3);
}

#[test]
fn a_stale_answer_is_validated_and_lives_on_after_a_304() {
    let origin = Origin::start(|heard| {
        if heard.field("if-none-match") == "\"1\"" {
            Reply::status(
                304,
                &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("x-new", "yes")],
                "",
            )
        } else {
            Reply::ok(&[("cache-control", "no-cache"), ("etag", "\"1\"")], "hello")
        }
    });
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/a", &[]).text(), "hello");
    let validated = peregrine.get("/a", &[]);
    assert_eq!(
        (
            validated.status,
            validated.text().as_str(),
            validated.field("x-new").as_str()
        ),
        (200, "hello", "yes")
    );
    let hit = peregrine.get("/a", &[]);
    assert!(hit.is_hit() && hit.field("x-new") == "yes", "{hit:?}");
    assert_eq!(origin.count(), 2);
}

#[test]
fn a_write_invalidates_what_it_changed_before_its_answer_goes_out() {
    let origin = Origin::start(|heard| match heard.method.as_str() {
        "PUT" => Reply::status(204, &[("content-location", "/other")], ""),
        "DELETE" => Reply::status(500, &[], ""),
        _ => Reply::ok(&[("cache-control", "max-age=60")], "page"),
    });
    let peregrine = Peregrine::before(&origin, "");
    for page in ["/a", "/other", "/third"] {
        peregrine.get(page, &[]);
        assert!(peregrine.get(page, &[]).is_hit());
    }
    assert_eq!(peregrine.ask("PUT", "/a", &[("content-length", "0")]).status, 204);
    // Counted for the route whose reads it changes, once for each URL.
    let cache = peregrine.statistics()["cache"].clone();
    assert_eq!(cache["routes"]["*"]["invalidations"]["count"], 2, "{cache}");
    assert_eq!(cache["namespaces"]["default"]["invalidations"]["count"], 2, "{cache}");
    assert!(!peregrine.get("/a", &[]).is_hit());
    assert!(!peregrine.get("/other", &[]).is_hit(), "Content-Location names it");
    assert_eq!(peregrine.ask("DELETE", "/third", &[]).status, 500);
    assert!(
        peregrine.get("/third", &[]).is_hit(),
        "a write that failed changed nothing"
    );
}

#[test]
fn a_post_that_says_what_its_page_is_now_spares_the_next_read() {
    let origin = Origin::start(|heard| match &*heard.method {
        "POST" => Reply::ok(
            &[("cache-control", "max-age=600"), ("content-location", "/cart")],
            "one thing",
        ),
        _ => Reply::ok(&[("cache-control", "max-age=600")], "nothing"),
    });
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/cart", &[]).text(), "nothing");
    assert_eq!(
        peregrine.ask("POST", "/cart", &[("content-length", "0")]).text(),
        "one thing"
    );
    until("it to be stored", || {
        peregrine.metric("peregrine_cache_stored_total", &[]) >= 2.0
    });
    let read = peregrine.get("/cart", &[]);
    assert_eq!(
        (read.text(), read.is_hit()),
        ("one thing".to_owned(), true),
        "{:?}",
        read.fields
    );
    assert_eq!(origin.count(), 2);
}
