//! The rules. Each is a function of facts, with the thresholds that it needs beside it.

use super::super::words::{percent, size};
use super::{Advice, Facts, RouteFacts};
use crate::model::{Confidence, Recommendation};

/// With fewer requests on a route within the span nothing is said about it.
const REQUESTS_MIN: u64 = 50;
/// From how many on a rule is sure of itself.
const REQUESTS_SURE: u64 = 1000;
/// Which part of the requests of a route must suffer from something before it is worth a change.
const SHARE_MIN: f64 = 0.05;
/// Below which part a hit ratio is low.
const HITS_LOW: f64 = 0.7;
/// Above which part of its bound memory counts as full.
const FULL: f64 = 0.9;
/// Evictions for want of room that are worth more memory.
const EVICTIONS_MIN: u64 = 50;

type Found = Option<Recommendation>;

/// What is a matter of the whole program.
pub(super) fn of_program(facts: &Facts<'_>) -> Vec<Recommendation> {
    let mut found: Vec<Recommendation> = memory(facts).into_iter().collect();
    found.extend(
        facts
            .reading
            .cache
            .namespaces
            .keys()
            .filter_map(|name| memory_of_namespace(facts, name)),
    );
    found.extend(object_size(facts));
    found
}

/// What is a matter of one route.
pub(super) fn of_route(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Vec<Recommendation> {
    if route.did.outcomes.total() < REQUESTS_MIN {
        return Vec::new();
    }
    let rules = [
        no_freshness,
        stale_while_revalidate,
        refresh_ahead,
        stale_if_error,
        cookies,
        set_cookie,
        authorization,
        vary,
    ];
    rules.iter().filter_map(|rule| rule(facts, route)).collect()
}

fn sure(count: u64) -> Confidence {
    if count >= REQUESTS_SURE {
        Confidence::High
    } else {
        Confidence::Medium
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn evicted(facts: &Facts<'_>, namespace: &str) -> u64 {
    facts.grew(namespace, |of| {
        of.kept.evictions_by_cause.get("capacity").copied().unwrap_or(0)
    })
}

/// Memory is full and entries leave it for want of room.
fn memory(facts: &Facts<'_>) -> Found {
    let cache = &facts.reading.cache;
    let shared = cache.namespaces.iter().filter(|(_, of)| of.memory_max.is_none());
    let evictions: u64 = shared.map(|(name, _)| evicted(facts, name)).sum();
    let used = share(cache.bytes, cache.memory_max);
    if evictions < EVICTIONS_MIN || used < FULL {
        return None;
    }
    let now = facts.configured.bytes("cache.memory").unwrap_or(cache.memory_max);
    let available = facts
        .reading
        .system
        .as_ref()
        .and_then(|system| system.machine.memory_available_bytes);
    let is_there = available.is_none_or(|available| available / 2.0 >= now as f64);
    let to = format!("\"{}\"", size(now.saturating_mul(2)));
    let advice = Advice::new(
        "memory",
        "",
        format!("Give the cache more memory: cache.memory = {to}"),
        format!(
            "Memory is {} full, and {evictions} entries left it within the span for want of room.",
            percent(used)
        ),
    )
    .evidence("evictions for want of room", evictions as f64, "")
    .evidence("memory in use", used, "")
    .evidence(
        "origin requests in the same span",
        facts.total.all.origin_requests as f64,
        "",
    )
    .set(facts.configured, "cache.memory", &to)
    .sure(sure(evictions));
    let advice = match available {
        Some(available) => advice.evidence("memory that the machine could give", available, "B"),
        None => advice,
    };
    let advice = if is_there { advice } else { advice.undecided() };
    let spared = evictions.min(facts.total.all.origin_requests);
    let risk = match is_there {
        true => "The process grows by as much once it is needed.",
        false => "The machine has not that much to spare: it needs more memory first.",
    };
    Some(advice.so(format!("Up to {spared} fewer origin requests in as long a span."), risk))
}

/// The same of a namespace with a part of its own.
fn memory_of_namespace(facts: &Facts<'_>, name: &str) -> Found {
    let is = facts.reading.cache.namespaces.get(name)?;
    let bound = is.memory_max?;
    let (evictions, used) = (evicted(facts, name), share(is.kept.bytes, bound));
    if evictions < EVICTIONS_MIN || used < FULL {
        return None;
    }
    let parameter = format!("namespace.{name}.memory_max");
    let to = format!("\"{}\"", size(bound.saturating_mul(2)));
    let why = format!(
        "Its part of the memory is {} full, and {evictions} entries left it for want of room.",
        percent(used)
    );
    let advice = Advice::new(
        "namespace_memory",
        name,
        format!("Give the namespace {name} more memory: {to}"),
        why,
    )
    .evidence("evictions for want of room", evictions as f64, "")
    .evidence("memory in use", used, "")
    .set(facts.configured, &parameter, &to)
    .sure(sure(evictions));
    // The part is taken from the whole.
    let whole = facts
        .configured
        .bytes("cache.memory")
        .unwrap_or(facts.reading.cache.memory_max);
    let advice = if bound.saturating_mul(2) > whole {
        advice.undecided()
    } else {
        advice
    };
    let risk = "What the namespace takes is missing elsewhere; raise cache.memory by as much to avoid that.";
    Some(advice.so(
        format!("Up to {evictions} fewer origin requests in as long a span."),
        risk,
    ))
}

/// Bodies are too large to be kept.
fn object_size(facts: &Facts<'_>) -> Found {
    let large = |of: &crate::reading::NamespaceReading| of.not_stored_by_reason.get("too_large").copied().unwrap_or(0);
    let count: u64 = facts
        .reading
        .cache
        .namespaces
        .keys()
        .map(|name| facts.grew(name, large))
        .sum();
    let (now, memory) = (
        facts.configured.bytes("cache.object_size_max")?,
        facts.configured.bytes("cache.memory")?,
    );
    let to = now.saturating_mul(4);
    if count < REQUESTS_MIN || to > memory / 4 {
        return None;
    }
    let to = format!("\"{}\"", size(to));
    let why = format!("{count} answers were not stored because they are larger than cache.object_size_max.");
    let advice = Advice::new(
        "object_size",
        "",
        format!("Store larger answers: cache.object_size_max = {to}"),
        why,
    )
    .evidence("answers too large to be stored", count as f64, "")
    .set(facts.configured, "cache.object_size_max", &to);
    Some(advice.so(
        format!("Up to {count} fewer origin requests in as long a span."),
        "Large answers take room from small ones.",
    ))
}

/// The origin says nothing about lifetimes, so nothing is stored.
fn no_freshness(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let (count, asked) = (route.reason("no_freshness"), route.did.outcomes.asked());
    let part = share(count, asked);
    let (freshness, ttl) = (route.of_strategy("freshness"), route.of_strategy("ttl"));
    let hits = share(route.did.outcomes.spared(), asked);
    if part < SHARE_MIN || hits >= HITS_LOW || facts.configured.word(&freshness)? != "origin" {
        return None;
    }
    let lifetime = facts.configured.word(&ttl).unwrap_or("5m").to_owned();
    let why = format!(
        "{count} of {asked} requests were not stored because the origin gives no lifetime; the strategy has one ({lifetime}), \
         and does not use it.",
    );
    let title = format!(
        "Let the strategy {} give a lifetime where the origin gives none",
        route.reading.strategy
    );
    let advice = Advice::new("no_freshness", route.name(), title, why)
        .evidence("not stored for want of a lifetime", count as f64, "")
        .evidence("hit ratio of the route", hits, "")
        .evidence("origin time of the route", route.did.origin_seconds(), "s")
        .set(facts.configured, &freshness, "\"fallback\"")
        .sure(sure(count));
    let mean = route.did.upstream_time.mean_ms().unwrap_or(0.0) / 1000.0;
    let expected = format!(
        "Up to {count} fewer origin requests, {:.1} s of its work, in as long a span, as far as the same is asked for again \
         within {lifetime}.",
        count as f64 * mean,
    );
    Some(advice.so(
        expected,
        "Answers may be as old as the ttl; choose it by how long an old answer does no harm.",
    ))
}

/// Clients wait for entries that have just expired.
fn stale_while_revalidate(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let (count, asked) = (
        route.reason("stale") + route.reason("revalidated"),
        route.did.outcomes.asked(),
    );
    let parameter = route.of_strategy("stale_while_revalidate");
    if share(count, asked) < SHARE_MIN || facts.configured.seconds(&parameter)? > 0.0 {
        return None;
    }
    let why = format!("{count} of {asked} requests found an entry that was stale, and waited for the origin.");
    let title = format!("Answer at once while entries are renewed: {parameter} = \"1m\"");
    let mut advice = Advice::new("stale_while_revalidate", route.name(), title, why)
        .evidence("requests that waited for a renewal", count as f64, "")
        .set(facts.configured, &parameter, "\"1m\"")
        .sure(sure(count));
    let wait = route.did.upstream_time.quantile_ms(0.95);
    if let Some(wait) = wait {
        advice = advice.evidence("p95 of the origin on this route", wait, "ms");
    }
    let expected = format!("{count} requests in as long a span would not have waited for the origin.");
    Some(advice.so(expected, "An answer may be up to a minute older than its lifetime."))
}

/// Entries that are asked for often expire and are loaded by somebody who waits.
fn refresh_ahead(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let (count, spared) = (
        route.reason("stale") + route.reason("revalidated"),
        route.did.outcomes.spared(),
    );
    let (parameter, window) = (
        route.of_strategy("refresh_ahead"),
        route.of_strategy("stale_while_revalidate"),
    );
    let is_hot = spared >= count.saturating_mul(10) && count >= EVICTIONS_MIN;
    // With a window of grace nobody waits, and below the share the other rule speaks.
    if !is_hot || facts.configured.number(&parameter)? > 0.0 || facts.configured.seconds(&window)? > 0.0 {
        return None;
    }
    let each = spared / count.max(1);
    let why = format!(
        "Entries of this route are used about {each} times before they expire; then somebody waits for the next."
    );
    let title = format!("Renew hot entries before they expire: {parameter} = 0.8");
    let advice = Advice::new("refresh_ahead", route.name(), title, why)
        .evidence("requests that waited for a renewal", count as f64, "")
        .evidence("answers from the cache", spared as f64, "")
        .set(facts.configured, &parameter, "0.8")
        .sure(sure(spared));
    let expected = format!("{count} requests in as long a span would have been hits.");
    Some(advice.so(
        expected,
        "About a quarter more loads of entries that are asked for near the end of their lifetime.",
    ))
}

/// The origin fails, and there was something stale that could have answered.
fn stale_if_error(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    const ENOUGH_S: f64 = 600.0;
    let (failed, total) = (route.did.failed(), route.did.outcomes.total());
    let (parameter, old) = (route.of_strategy("stale_if_error"), route.reason("stale_too_old"));
    let now = facts.configured.seconds(&parameter)?;
    let suffers = share(failed, total) >= 0.01 && failed >= 5;
    if !suffers || now >= ENOUGH_S || (old == 0 && route.did.outcomes.spared() == 0) {
        return None;
    }
    let why = format!(
        "{failed} of {total} answers were errors of class 5xx; {old} of them had a stale answer that was too old."
    );
    let title = format!("Answer from the cache for longer while the origin fails: {parameter} = \"1h\"");
    let advice = Advice::new("stale_if_error", route.name(), title, why)
        .evidence("answers of class 5xx", failed as f64, "")
        .evidence("stale answers that were too old", old as f64, "")
        .set(facts.configured, &parameter, "\"1h\"")
        .sure(if old >= REQUESTS_MIN {
            Confidence::High
        } else {
            Confidence::Medium
        });
    let expected = match old {
        0 => "Errors become stale answers wherever something is stored.".to_owned(),
        old => format!("At least {old} errors in as long a span would have been stale answers."),
    };
    Some(advice.so(
        expected,
        "While the origin fails, answers may be up to an hour past their lifetime.",
    ))
}

/// Requests carry cookies that keep answers from being shared.
fn cookies(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let (count, asked) = (route.reason("cookie"), route.did.outcomes.total());
    let index = route_index(facts, route)?;
    if share(count, asked) < SHARE_MIN {
        return None;
    }
    let why = format!(
        "{count} of {asked} answers were not stored because the request had cookies that the origin may have used."
    );
    let title = format!("Name the cookies of the route {} that change nothing", route.name());
    let advice = Advice::new("cookies", route.name(), title, why)
        .evidence("not stored because of cookies", count as f64, "")
        .set(
            facts.configured,
            &format!("route[{index}].key.cookies_ignore"),
            "[\"_ga*\", \"_gid\"]",
        )
        .sure(sure(count))
        .undecided();
    let expected = format!("Up to {count} more answers could be stored in as long a span.");
    Some(advice.so(
        expected,
        "A cookie that does change the answer must not be named: one user would see another's page.",
    ))
}

/// Answers set cookies and are not stored for it.
fn set_cookie(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let parameter = route.of_strategy("allow_set_cookie");
    let risk = "Only where the cookie is the same for everybody: a session would be shared between users.";
    decided(
        facts,
        route,
        ("set_cookie", "set_cookie", "they set a cookie"),
        &parameter,
        risk,
    )
}

/// Requests are authorized and the origin does not say that the answers may be shared.
fn authorization(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let parameter = route.of_strategy("allow_authorization");
    let risk = "Only where the answer is the same for everybody who is let in; otherwise set [tenants] so that each has its own.";
    decided(
        facts,
        route,
        ("authorization", "authorization", "the request has Authorization"),
        &parameter,
        risk,
    )
}

/// A switch that somebody has to decide about: what is not stored for `reason`, because of `because`.
fn decided(
    facts: &Facts<'_>,
    route: &RouteFacts<'_>,
    (rule, reason, because): (&str, &str, &str),
    parameter: &str,
    risk: &str,
) -> Found {
    let (count, total) = (route.reason(reason), route.did.outcomes.total());
    if share(count, total) < SHARE_MIN || facts.configured.text(parameter)? != "false" {
        return None;
    }
    let why = format!("{count} of {total} answers were not stored because {because}.");
    let title = format!("Decide whether {} may be true", parameter);
    let advice = Advice::new(rule, route.name(), title, why)
        .evidence("not stored for that", count as f64, "")
        .evidence("origin time of the route", route.did.origin_seconds(), "s")
        .set(facts.configured, parameter, "true")
        .sure(sure(count))
        .undecided();
    Some(advice.so(
        format!("Up to {count} more answers could be stored in as long a span."),
        risk,
    ))
}

/// What is stored answers other values of the fields that Vary names.
fn vary(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Found {
    let (count, asked) = (route.reason("vary_miss"), route.did.outcomes.asked());
    let index = route_index(facts, route)?;
    if share(count, asked) < 2.0 * SHARE_MIN {
        return None;
    }
    let why = format!("{count} of {asked} requests found only answers for other values of the fields that Vary names.");
    let title = format!("Keep fewer variants of what the route {} answers", route.name());
    let advice = Advice::new("vary", route.name(), title, why)
        .evidence("misses because of Vary", count as f64, "")
        .set(
            facts.configured,
            &format!("route[{index}].key.values"),
            "{ x-device = \"mobile, desktop\" }",
        )
        .sure(Confidence::Low)
        .undecided();
    let expected = format!("Up to {count} more hits in as long a span.");
    let risk = "Put the field that the origin varies on in place of x-device, with the values that it tells apart; for \
                Accept-Language there is key.languages.";
    Some(advice.so(expected, risk))
}

/// The place of the route in the configuration, by its name there or by its number.
fn route_index(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Option<usize> {
    let named = format!("\"{}\"", route.name());
    let by_name = (0..facts.reading.routes.len())
        .find(|index| facts.configured.text(&format!("route[{index}].name")) == Some(&named));
    by_name.or_else(|| {
        facts
            .reading
            .routes
            .iter()
            .position(|known| known.name == *route.name())
    })
}
