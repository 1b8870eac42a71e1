//! Reports of a program that a test makes up: when they are made, what they say, and which advice they give.

use super::{Configured, ReportFormat, render, style_hash};
use crate::insight::Insight;
use crate::model::{Confidence, Recommendation, Report};
use crate::reading::ReasonReading;
use crate::store::Store;
use crate::tests::world::{Kept, World, config};
use crate::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;

fn configured(values: &[(&str, &str)]) -> Configured {
    let defaults = [
        ("cache.memory", "\"1MiB\""),
        ("cache.object_size_max", "\"32MiB\""),
        ("strategy.default.ttl", "\"5m\""),
        ("strategy.default.freshness", "\"origin\""),
        ("strategy.default.stale_while_revalidate", "\"0s\""),
        ("strategy.default.stale_if_error", "\"1m\""),
        ("strategy.default.refresh_ahead", "0.0"),
        ("strategy.default.allow_set_cookie", "false"),
        ("strategy.default.allow_authorization", "false"),
    ];
    let all = defaults.iter().chain(values);
    Configured {
        values: all
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        defaults: BTreeMap::from([
            ("strategy.*.encode", "[\"zstd\", \"gzip\"]"),
            ("strategy.*.encode_min_size", "\"1400B\""),
        ]),
    }
}

/// Five minutes in which each second `each` happens, and the report of them.
fn report_of(world: &mut World, values: &[(&str, &str)], mut each: impl FnMut(&mut World)) -> Report {
    for _ in 0..300 {
        each(world);
        world.second();
    }
    let title = world
        .insight
        .report_now(configured(values), Default::default())
        .unwrap();
    world.insight.report(Some(&title.id)).unwrap()
}

fn because(world: &mut World, route: &str, word: &'static str) {
    let reasons = &mut world.route(route).reasons;
    match reasons.iter_mut().find(|reason| reason.word == word) {
        Some(reason) => reason.count += 1,
        None => reasons.push(ReasonReading {
            word,
            sentence: "",
            count: 1,
        }),
    }
}

fn advice<'a>(report: &'a Report, id: &str) -> Option<&'a Recommendation> {
    report.recommendations.iter().find(|one| one.id == id)
}

#[test]
fn reports_come_at_each_multiple_of_their_interval_and_compare_with_the_time_before() {
    let mut world = World::new(config());
    let mut titles = Vec::new();
    for second in 0..900 {
        world.hit("shop", Duration::from_millis(1));
        if second >= 600 {
            (0..9).for_each(|_| world.miss("shop", Duration::from_millis(700)));
        }
        world.second();
        titles.extend(world.insight.report_if_due(|| configured(&[]), Default::default));
    }
    assert_eq!(titles.len(), 3);
    assert!(titles.iter().all(|title| title.at.as_secs().is_multiple_of(300)));
    let last = world.insight.report(None).unwrap();
    assert_eq!(
        (last.figures.requests, last.before.requests),
        (Some(3000.0), Some(300.0))
    );
    let hits = last.changes.iter().find(|change| change.what == "hit ratio").unwrap();
    assert_eq!(
        (hits.from, hits.better, hits.confidence),
        (Some(1.0), Some(false), Confidence::High)
    );
    assert_eq!(last.top_routes[0].route, "shop");
    let listed = world.insight.reports(2).reports;
    assert_eq!((listed.len(), &listed[0].id), (2, &last.id));
    assert!(world.insight.report(Some("nothing")).is_none());
}

#[test]
fn a_series_that_grows_has_a_trend_and_one_that_stands_has_none() {
    let mut world = World::new(config());
    for minute in 0..40u64 {
        world.namespace.kept.bytes = 1000 * minute;
        (0..60).for_each(|_| {
            world.hit("shop", Duration::from_millis(1));
            world.second();
        });
    }
    world.insight.report_now(configured(&[]), Default::default()).unwrap();
    let report = world.insight.report(None).unwrap();
    let trend = report
        .trends
        .iter()
        .find(|trend| trend.series == "cache_bytes")
        .unwrap();
    let slope = trend.slope_per_h.unwrap();
    assert!((slope - 60_000.0).abs() < 600.0, "{slope}");
    assert!(trend.confidence.unwrap() > 0.99);
    assert!(report.trends.iter().all(|trend| trend.series != "requests_per_s"));
}

#[test]
fn advice_names_the_parameter_with_its_numbers_and_falls_silent_once_it_is_followed() {
    let not_stored = |world: &mut World| {
        world.miss("shop", Duration::from_millis(200));
        because(world, "shop", "no_freshness");
    };
    let report = report_of(&mut World::new(config()), &[], not_stored);
    let one = advice(&report, "no_freshness:shop").unwrap();
    assert_eq!(one.change[0].parameter, "strategy.default.freshness");
    assert_eq!(
        (one.change[0].from.as_deref(), one.change[0].to.as_str()),
        (Some("\"origin\""), "\"fallback\"")
    );
    assert_eq!(one.toml, "[strategy.default]\nfreshness = \"fallback\"");
    assert_eq!(one.evidence[0].value, 300.0);
    assert!(one.applicable);
    let followed = report_of(
        &mut World::new(config()),
        &[("strategy.default.freshness", "\"fallback\"")],
        not_stored,
    );
    assert!(advice(&followed, "no_freshness:shop").is_none());
}

#[test]
fn each_rule_speaks_where_its_numbers_say_so_and_only_there() {
    type Each = fn(&mut World);
    let cases: [(&str, &str, Each); 7] = [
        ("memory", "cache.memory", |world| {
            world.miss("shop", Duration::from_millis(9));
            world.namespace.kept.bytes = world.memory_max;
            *world.namespace.kept.evictions_by_cause.entry("capacity").or_default() += 2;
        }),
        (
            "stale_while_revalidate:shop",
            "strategy.default.stale_while_revalidate",
            |world| {
                world.miss("shop", Duration::from_millis(9));
                because(world, "shop", "stale");
            },
        ),
        ("refresh_ahead:shop", "strategy.default.refresh_ahead", |world| {
            (0..40).for_each(|_| world.hit("shop", Duration::from_millis(1)));
            world.miss("shop", Duration::from_millis(9));
            because(world, "shop", "stale");
        }),
        ("stale_if_error:shop", "strategy.default.stale_if_error", |world| {
            world.miss("shop", Duration::from_millis(9));
            world.route("shop").failed += 1;
            because(world, "shop", "stale_too_old");
        }),
        ("set_cookie:shop", "strategy.default.allow_set_cookie", |world| {
            world.miss("shop", Duration::from_millis(9));
            because(world, "shop", "set_cookie");
        }),
        ("cookies:shop", "route[0].key.cookies_ignore", |world| {
            world.miss("shop", Duration::from_millis(9));
            because(world, "shop", "cookie");
        }),
        ("vary:shop", "route[0].key.values", |world| {
            world.miss("shop", Duration::from_millis(9));
            because(world, "shop", "vary_miss");
        }),
    ];
    for (id, parameter, each) in cases {
        let report = report_of(&mut World::new(config()), &[], each);
        let ids: Vec<&str> = report.recommendations.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, [id]);
        let one = &report.recommendations[0];
        assert_eq!(one.change[0].parameter, parameter);
        assert!(one.evidence.iter().all(|evidence| evidence.value.is_finite()) && !one.evidence.is_empty());
        assert!(!one.toml.is_empty() && !one.why.is_empty() && !one.risk.is_empty() && !one.expected.is_empty());
    }
    let well = report_of(&mut World::new(config()), &[], |world| {
        world.hit("shop", Duration::from_millis(1))
    });
    assert_eq!(well.recommendations, []);
}

#[test]
fn what_is_sent_uncompressed_is_told_with_the_parameter_that_keeps_it_so() {
    let sent = |because: &'static str, bytes: u64| {
        move |world: &mut World| {
            world.hit("shop", Duration::from_millis(1));
            world.route("shop").bytes += bytes;
            *world.route("shop").uncompressed.entry(because).or_default() += bytes;
        }
    };
    let off = ("strategy.default.encode", "[]");
    let id = "compression:shop";
    let report = report_of(&mut World::new(config()), &[off], sent("encode", 10_000));
    let one = advice(&report, id).unwrap();
    assert_eq!(one.change[0].parameter, off.0);
    assert_eq!(one.toml, "[strategy.default]\nencode = [\"zstd\", \"gzip\"]");
    assert_eq!(
        (one.evidence[0].value, one.evidence[0].unit.as_str()),
        (3_000_000.0, "B")
    );
    assert!(
        one.why.contains("2.86 MiB") && one.why.contains("offers no coding"),
        "{}",
        one.why
    );
    assert!(one.applicable);
    let large = ("strategy.default.encode_min_size", "\"1MiB\"");
    let report = report_of(&mut World::new(config()), &[large], sent("encode_min_size", 10_000));
    assert_eq!(advice(&report, id).unwrap().change[0].to, "\"1400B\"");
    // Too few bytes, a configuration that says so already, and answers whose lengths may tell something.
    for (values, bytes) in [
        (&[off][..], 1000),
        (&[("strategy.default.encode", "[\"zstd\", \"gzip\"]")], 10_000),
        (&[off, ("strategy.default.allow_authorization", "true")], 10_000),
        (&[off, ("strategy.default.freshness", "\"force\"")], 10_000),
    ] {
        let report = report_of(&mut World::new(config()), values, sent("encode", bytes));
        assert!(advice(&report, id).is_none(), "{values:?} {bytes}");
    }
    // What was sent before the span counts for nothing.
    let mut world = World::new(config());
    report_of(&mut world, &[off], sent("encode", 10_000));
    let later = report_of(&mut world, &[off], sent("encode", 0));
    assert!(advice(&later, id).is_none());
}

#[test]
fn advice_is_about_the_span_and_not_about_what_was_long_ago() {
    let mut world = World::new(config());
    report_of(&mut world, &[], |world| {
        world.miss("shop", Duration::from_millis(9));
        because(world, "shop", "no_freshness");
    });
    let later = report_of(&mut world, &[], |world| world.hit("shop", Duration::from_millis(1)));
    assert_eq!(later.recommendations, []);
}

#[test]
fn a_page_and_markdown_say_the_same_and_let_nothing_of_a_stranger_through() {
    let mut world = World::new(config());
    let name = "<script>alert(1)</script>|x";
    let report = report_of(&mut world, &[], |world| {
        world.miss(name, Duration::from_millis(9));
        because(world, name, "no_freshness");
    });
    let (page, markdown) = (
        render(&report, ReportFormat::Html),
        render(&report, ReportFormat::Markdown),
    );
    assert!(page.starts_with("<!doctype html>") && page.contains("freshness = &quot;fallback&quot;"));
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
    assert_eq!(page.matches("<style>").count(), 1);
    assert!(style_hash().starts_with("'sha256-"));
    assert!(markdown.contains("```toml\n[strategy.default]\nfreshness = \"fallback\"\n```"));
    assert!(markdown.contains("\\<script\\>alert(1)\\</script\\>\\|x"), "{markdown}");
}

#[test]
fn reports_outlive_a_restart_and_are_thinned_by_age() {
    let kept = Kept::default();
    let mut world = World::new(config());
    for _ in 0..3 {
        report_of(&mut world, &[], |world| world.hit("shop", Duration::from_millis(1)));
    }
    kept.apply(&world.insight.take_all_writes()).unwrap();
    let again = Insight::new(config(), "", "node");
    again.restore(&kept, Time::from_millis(world.at * 1000)).unwrap();
    assert_eq!(again.reports(99), world.insight.reports(99));
    assert_eq!(again.report(None), world.insight.report(None));

    for _ in 0..30 * 12 {
        world.at += 299;
        world.second();
        world.insight.report_now(configured(&[]), Default::default());
    }
    // All of a day, and one for each of the hours before it.
    let count = world.insight.reports(9999).reports.len();
    assert!((24 * 12..24 * 12 + 12).contains(&count), "{count}");
}
