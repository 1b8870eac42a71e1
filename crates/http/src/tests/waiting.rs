//! What a HEAD does to what is stored, and what those get who waited, or whose body broke off.

use super::bench::{Gate, answer, until};
use super::partial::{URL, ask, before, film, range, ranges, shown};
use super::*;
use peregrine_cache::Invalidation;
use peregrine_net::http::{Body, BodyError, BodyFault};
use std::sync::Arc;

#[tokio::test]
async fn a_head_goes_to_the_origin_as_a_head_and_renews_what_is_stored() {
    // RFC 9111 §4.3.5.
    let shared = film(1000, &[("etag", "\"v1\""), ("a", "1")]);
    let bench = before(Setup::plain(), &shared);
    let cold = bench.ask("HEAD", URL, &[]).await;
    assert_eq!(
        (cold.status, &*cold.field("cache-status")),
        (200, "Peregrine; fwd=uri-miss; detail=uri_miss")
    );
    ask(&bench, &[]).await;
    assert!(bench.ask("HEAD", URL, &[]).await.is_hit());
    bench.advance(61);
    shared.lock().fields[3] = ("a", "2");
    let head = bench.ask("HEAD", URL, &[]).await;
    assert_eq!((&*head.field("a"), head.is_hit()), ("2", false));
    assert!(head.field("cache-status").contains("fwd=stale; stored"), "{head:?}");
    let whole = ask(&bench, &[]).await;
    assert_eq!(
        (whole.is_hit(), &*whole.field("a"), whole.text.len()),
        (true, "2", 1000)
    );
    assert_eq!(ranges(&bench), ["HEAD", "", "HEAD"]);
}

#[tokio::test]
async fn a_head_that_tells_of_another_version_makes_what_is_stored_stale() {
    let setup = Setup::plain().strategy(|strategy| {
        strategy.stale_while_revalidate = peregrine_base::Span::ZERO;
    });
    let shared = film(1000, &[("etag", "\"v1\"")]);
    let bench = before(setup, &shared);
    ask(&bench, &[]).await;
    *shared.lock() = film(900, &[("etag", "\"v2\"")]).lock().clone();
    // The client does not want it from the cache, so the origin is asked.
    let head = bench.ask("HEAD", URL, &[("cache-control", "no-cache")]).await;
    assert_eq!(head.field("etag"), "\"v2\"");
    let whole = ask(&bench, &[]).await;
    assert_eq!((whole.is_hit(), whole.text.len()), (false, 900));
}

#[tokio::test]
async fn a_head_that_is_one_users_own_says_nothing_about_what_is_stored() {
    let shared = film(1000, &[("etag", "\"v1\"")]);
    let bench = before(Setup::plain(), &shared);
    ask(&bench, &[]).await;
    shared.lock().fields[2] = ("etag", "\"theirs\"");
    let own = [("authorization", "Basic eA=="), ("cache-control", "no-cache")];
    assert_eq!(bench.ask("HEAD", URL, &own).await.field("etag"), "\"theirs\"");
    assert!(ask(&bench, &[]).await.is_hit());
}

#[tokio::test]
async fn who_waits_for_an_origin_that_fails_gets_nothing_that_was_invalidated_meanwhile() {
    for invalidate in [false, true] {
        let gate = Gate::shut();
        let shut = gate.clone();
        let setup = Setup::plain().strategy(|strategy| strategy.stale_if_error = "1h".parse().unwrap());
        let bench = setup.before(move |heard| {
            let shut = shut.clone();
            async move {
                if heard.field("if-none-match").is_empty() {
                    return answer(200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "old");
                }
                shut.passed().await;
                answer(503, &[], "")
            }
        });
        ask(&bench, &[]).await;
        bench.advance(11);
        let (answer, ()) = tokio::join!(bench.get(URL, &[]), async {
            until("the origin is asked", || bench.heard().len() == 2).await;
            if invalidate {
                let keys = Invalidation::of_keys(vec!["/film".into()]);
                bench.engine.invalidate(&keys).await;
            }
            gate.open();
        });
        let expected = if invalidate { (502, false) } else { (200, true) };
        assert_eq!((answer.status, answer.text == "old"), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn who_follows_a_load_is_told_why_the_origin_was_asked() {
    let gate = Gate::shut();
    let body = gate.clone();
    let bench = Setup::plain().before(move |heard| {
        let language = heard.field("accept-language").to_owned();
        let fields = [("cache-control", "max-age=60"), ("vary", "accept-language")];
        let response = answer(200, &fields, "");
        let body = match language.as_str() {
            "de" => Body::full("eins"),
            _ => body.body("o", "ne"),
        };
        async { response.map(|_| body) }
    });
    ask(&bench, &[("accept-language", "de")]).await;
    let english: &[(&str, &[u8])] = &[("accept-language", b"en")];
    let leader = bench.begin("GET", URL, english).await;
    let follower = bench.begin("GET", URL, english).await;
    gate.open();
    for (response, word) in [(leader, "stored"), (follower, "collapsed")] {
        let said = response.headers()["cache-status"].to_str().unwrap().to_owned();
        assert!(said.contains("fwd=vary-miss") && said.contains(word), "{said}");
        assert_eq!(response.into_body().collect(100).await.unwrap(), "one");
    }
}

#[tokio::test]
async fn what_came_before_a_body_broke_off_need_not_be_sent_again() {
    // RFC 9111 §3.3.
    let film = film(1000, &[("etag", "\"v1\"")]);
    let text = film.lock().text.clone();
    let source = Arc::clone(&film);
    let gate = Gate::shut();
    let cutting = gate.clone();
    let bench = Setup::plain().before(move |heard| {
        let whole = shown(&source.lock(), &heard);
        let mut first = Some(bytes::Bytes::from(source.lock().text[..300].to_owned()));
        let mut cut = Box::pin(cutting.clone().passed());
        let broken = BodyError::new(BodyFault::Broken, peregrine_base::Party::Upstream);
        let breaking = move |context: &mut std::task::Context<'_>| match first.take() {
            Some(first) => std::task::Poll::Ready(Some(Ok(first))),
            None => cut.as_mut().poll(context).map(|()| Some(Err(broken))),
        };
        let response = if heard.field("range").is_empty() {
            whole.map(|_| Body::from_poll(Some(1000), breaking))
        } else {
            whole
        };
        async { response }
    });
    let mut cut = bench.begin("GET", URL, &[]).await.into_body();
    assert_eq!(cut.next().await.unwrap().unwrap(), text[..300]);
    gate.open();
    assert!(cut.next().await.unwrap().is_err(), "nobody takes it for the whole");
    until("the load", || bench.engine.statistics().loads_under_way == 0).await;
    let part = range(&bench, "0-99").await;
    assert!(part.is_hit() && part.text == text[..100], "{part:?}");
    let whole = ask(&bench, &[]).await;
    assert_eq!((whole.status, whole.text == text), (200, true));
    assert_eq!(ranges(&bench), ["", "bytes=300- \"v1\""]);
}

#[tokio::test]
async fn a_confirmation_is_for_its_asker_where_each_use_has_to_be_confirmed() {
    // RFC 9111 §5.2.2.4, and §4 for what is stale from the beginning.
    for control in ["no-cache", "max-age=0"] {
        let gate = Gate::shut();
        let shut = gate.clone();
        let bench = Setup::plain().before(move |heard| {
            let shut = shut.clone();
            async move {
                let fields = [("cache-control", control), ("etag", "\"a\"")];
                if heard.field("if-none-match").is_empty() {
                    return answer(200, &fields, "of a");
                }
                shut.passed().await;
                match heard.field("cookie") {
                    "user=a" => answer(304, &fields, ""),
                    _ => answer(200, &[fields[0], ("etag", "\"b\"")], "of b"),
                }
            }
        });
        let (a, b) = ([("cookie", "user=a")], [("cookie", "user=b")]);
        assert_eq!(ask(&bench, &a).await.text, "of a");
        let (first, second, ()) = tokio::join!(bench.get(URL, &a), bench.get(URL, &b), async {
            until("both to have looked", || bench.engine.statistics().total.misses == 3).await;
            gate.open();
        });
        assert_eq!((&*first.text, &*second.text), ("of a", "of b"), "{control}");
        let confirming = bench
            .heard()
            .iter()
            .filter(|heard| !heard.field("if-none-match").is_empty())
            .count();
        assert_eq!(confirming, 2, "{control}: each is to be confirmed");
    }
}

#[tokio::test]
async fn who_comes_when_an_answer_under_way_is_stale_already_gets_another() {
    // RFC 9111 §4: a body may arrive for longer than its answer is fresh.
    let gate = Gate::shut();
    let body = gate.clone();
    let fields = [("cache-control", "max-age=5"), ("etag", "\"1\"")];
    let setup = Setup::plain().strategy(|strategy| strategy.stale_while_revalidate = peregrine_base::Span::ZERO);
    let first = std::sync::atomic::AtomicBool::new(true);
    let bench = setup.before(move |_| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let response = answer(200, &fields, "new");
        let body = if is_first {
            body.body("o", "ld")
        } else {
            Body::full("new")
        };
        async { response.map(|_| body) }
    });
    let leader = bench.begin("GET", URL, &[]).await;
    bench.advance(4);
    let follower = bench.begin("GET", URL, &[]).await;
    assert_eq!(bench.heard().len(), 1, "it is fresh");
    // Not on these terms.
    for terms in ["no-cache", "max-age=3", "min-fresh=2"] {
        assert_eq!(bench.get(URL, &[("cache-control", terms)]).await.text, "new", "{terms}");
        bench.engine.clear(bench.engine.namespace("default").as_ref().unwrap());
    }
    bench.advance(2);
    assert_eq!(bench.get(URL, &[]).await.text, "new");
    gate.open();
    for response in [leader, follower] {
        assert_eq!(response.into_body().collect(100).await.unwrap(), "old");
    }
    until("the loads", || bench.engine.statistics().loads_under_way == 0).await;
    assert_eq!(bench.get(URL, &[]).await.text, "new", "what began later stays");
}

#[tokio::test]
async fn who_waited_until_the_stale_answer_was_gone_waits_on_for_the_new_one() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let setup = Setup::plain().strategy(|strategy| {
        strategy.stale_if_error = "1h".parse().unwrap();
        strategy.load_soft_limit = Some("50ms".parse().unwrap());
    });
    let first = std::sync::atomic::AtomicBool::new(true);
    let bench = setup.before(move |_| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let shut = shut.clone();
        async move {
            let fields = [("cache-control", "max-age=10"), ("etag", "\"1\"")];
            if is_first {
                return answer(200, &fields, "old");
            }
            shut.passed().await;
            answer(200, &fields, "new")
        }
    });
    ask(&bench, &[]).await;
    bench.advance(11);
    let (leader, follower, ()) = tokio::join!(bench.get(URL, &[]), bench.get(URL, &[]), async {
        until("the origin is asked", || bench.heard().len() == 2).await;
        let keys = Invalidation::of_keys(vec!["/film".into()]);
        bench.engine.invalidate(&keys).await;
        // Longer than the limit: then both have found out.
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        gate.open();
    });
    for answer in [leader, follower] {
        assert_eq!((answer.status, &*answer.text), (200, "new"), "{answer:?}");
    }
}

#[tokio::test]
async fn who_bounds_age_or_staleness_waits_for_a_slow_origin() {
    for control in ["max-age=60", "max-stale=0", "min-fresh=1"] {
        let gate = Gate::shut();
        let shut = gate.clone();
        let setup = Setup::plain().strategy(|strategy| {
            strategy.stale_while_revalidate = peregrine_base::Span::ZERO;
            strategy.stale_if_error = "1h".parse().unwrap();
            strategy.load_soft_limit = Some("50ms".parse().unwrap());
        });
        let first = std::sync::atomic::AtomicBool::new(true);
        let bench = setup.before(move |_| {
            let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            let shut = shut.clone();
            async move {
                let fields = [("cache-control", "max-age=10")];
                if is_first {
                    return answer(200, &fields, "old");
                }
                shut.passed().await;
                answer(200, &fields, "new")
            }
        });
        ask(&bench, &[]).await;
        bench.advance(11);
        let fields = [("cache-control", control)];
        let bounded = bench.get(URL, &fields);
        let (bounded, plain) = tokio::join!(bounded, async {
            let plain = bench.get(URL, &[]).await;
            // Longer than the limit once more: had the other taken what is stale, it would have it by now.
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            gate.open();
            plain
        });
        assert_eq!((&*bounded.text, &*plain.text), ("new", "old"), "{control}");
    }
}

#[tokio::test]
async fn one_who_wants_no_stale_answer_does_not_take_it_from_the_others() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let setup = Setup::plain().strategy(|strategy| strategy.stale_if_error = "1h".parse().unwrap());
    let first = std::sync::atomic::AtomicBool::new(true);
    let bench = setup.before(move |_| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let shut = shut.clone();
        async move {
            if is_first {
                return answer(200, &[("cache-control", "max-age=10")], "old");
            }
            shut.passed().await;
            answer(503, &[], "")
        }
    });
    ask(&bench, &[]).await;
    bench.advance(11);
    let insisting = bench.get(URL, &[("cache-control", "no-cache")]);
    let (first, second, ()) = tokio::join!(insisting, bench.get(URL, &[]), async {
        until("both to have looked", || bench.engine.statistics().total.misses == 3).await;
        gate.open();
    });
    assert_eq!(first.status, 503);
    assert_eq!((second.status, &*second.text), (200, "old"), "{second:?}");
    assert_eq!(bench.heard().len(), 2, "the origin is left alone");
}

#[tokio::test]
async fn a_head_that_a_load_would_not_send_says_nothing_about_what_is_stored() {
    // Some origins take another URL or host from such fields.
    let bench = Setup::plain().before(|heard| {
        let kind = if heard.field("x-original-url").is_empty() {
            "text/plain"
        } else {
            "text/html"
        };
        let response = answer(200, &[("cache-control", "max-age=60"), ("content-type", kind)], "page");
        async { response }
    });
    ask(&bench, &[]).await;
    let fields = [("cache-control", "no-cache"), ("x-original-url", "/other")];
    assert_eq!(bench.ask("HEAD", URL, &fields).await.field("content-type"), "text/html");
    assert_eq!(ask(&bench, &[]).await.field("content-type"), "text/plain");
}

#[tokio::test]
async fn an_answer_that_was_overtaken_by_a_newer_one_does_not_take_its_place() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let shared = film(1000, &[("etag", "\"v1\"")]);
    let source = Arc::clone(&shared);
    let bench = Setup::plain().before(move |heard| {
        let response = shown(&source.lock(), &heard);
        let shut = (heard.method == "HEAD").then(|| shut.clone());
        async move {
            if let Some(shut) = shut {
                shut.passed().await;
            }
            response
        }
    });
    ask(&bench, &[]).await;
    bench.advance(61);
    let (_, ()) = tokio::join!(bench.ask("HEAD", URL, &[]), async {
        until("the origin to have answered the HEAD", || bench.heard().len() == 2).await;
        *shared.lock() = film(900, &[("etag", "\"v2\"")]).lock().clone();
        bench.advance(1);
        assert_eq!(ask_beside(&bench).await.text.len(), 900);
        gate.open();
    });
    let after = ask(&bench, &[]).await;
    assert_eq!((after.is_hit(), after.text.len()), (true, 900), "{after:?}");
}

/// Asks while another load goes on.
async fn ask_beside(bench: &super::bench::Bench) -> super::bench::Answer {
    let answer = bench.get(URL, &[]).await;
    until("the load", || bench.engine.statistics().loads_under_way == 1).await;
    answer
}
