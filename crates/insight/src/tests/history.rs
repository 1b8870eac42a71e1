//! History, figures and values.

use super::world::{START, World, config};
use crate::model::ChangeKind;
use crate::query::HistoryQuery;
use crate::values::{Counts, Labels};
use proptest::prelude::*;
use std::time::Duration;

fn all(until: u64, resolution_s: u64) -> HistoryQuery {
    HistoryQuery {
        resolution_s: Some(resolution_s),
        until,
        limit: Some(50_000),
        ..HistoryQuery::default()
    }
}

/// The quantile of exactly these numbers.
fn exact(millis: &[u64], quantile: f64) -> f64 {
    let mut millis = millis.to_vec();
    millis.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    let rank = ((millis.len() as f64 * quantile).ceil() as usize).clamp(1, millis.len());
    millis[rank - 1] as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A point of any resolution has the quantiles of all requests of its span, not some mean of the seconds' quantiles, and
    /// counts each of them once.
    #[test]
    fn points_of_every_resolution_are_those_of_their_requests(
        seconds in prop::collection::vec(prop::collection::vec(1u64..5000, 0..6), 121..190),
    ) {
        let mut world = World::new(config());
        for second in &seconds {
            second.iter().for_each(|millis| world.miss("shop", Duration::from_millis(*millis)));
            world.second();
        }
        for resolution in [1usize, 10, 60] {
            let history = world.insight.history(&all(world.at, resolution as u64));
            prop_assert_eq!(history.resolution_s, resolution as u64);
            prop_assert!(history.at.len() >= seconds.len() / resolution - 1);
            for (place, at) in history.at.iter().enumerate() {
                let end = usize::try_from(*at - START).unwrap();
                let millis: Vec<u64> = seconds[end - resolution..end].concat();
                let rate = history.series["requests_per_s"][place].unwrap();
                prop_assert!((rate * resolution as f64 - millis.len() as f64).abs() < 1e-3);
                let series = [
                    ("latency_p50_ms", 0.5, 1.0),
                    ("latency_p99_ms", 0.99, 1.0),
                    ("upstream_p95_ms", 0.95, 1.0),
                    // In this world they wait twice as long as all the rest takes.
                    ("queue_p99_ms", 0.99, 2.0),
                ];
                for (series, quantile, times) in series {
                    let found = history.series[series][place];
                    prop_assert_eq!(found.is_some(), !millis.is_empty());
                    if let Some(found) = found {
                        let exact = exact(&millis, quantile) * times;
                        prop_assert!(found >= exact * 0.9999 && found <= exact * 1.126, "{} for {}", found, exact);
                    }
                }
            }
        }
    }
}

#[test]
fn what_begins_anew_is_counted_from_nothing_and_never_backwards() {
    let mut world = World::new(config());
    world.second();
    for _ in 0..100 {
        world.hit("shop", Duration::from_millis(1));
    }
    world.second();
    // A reload made the route anew.
    world.routes.clear();
    for _ in 0..7 {
        world.hit("shop", Duration::from_millis(1));
    }
    world.second();
    // It is gone.
    world.routes.clear();
    world.second();
    let history = world.insight.history(&all(world.at, 1));
    let rates: Vec<f64> = history.series["requests_per_s"].iter().flatten().copied().collect();
    assert_eq!(rates, [0.0, 100.0, 7.0, 0.0]);
    assert_eq!(
        history.series["latency_p99_ms"][0], None,
        "nobody asked, so nothing took any time"
    );
    assert_eq!(history.series["cpu_ratio"], [None; 4], "nobody said");
}

#[test]
fn the_answer_is_as_fine_as_the_range_and_the_limit_allow() {
    let mut world = World::new(config());
    world.hit("shop", Duration::from_millis(3));
    world.seconds(7301);
    let query = |range: u64, limit: Option<usize>| HistoryQuery {
        from: world.at - range,
        until: world.at,
        limit,
        ..HistoryQuery::default()
    };
    for (range, limit, resolution) in [
        (900, None, 1),
        (3600, None, 10),
        (3600, Some(4000), 1),
        (7200, None, 10),
        (86_400, None, 60),
        (2_592_000, None, 900),
    ] {
        assert_eq!(
            world.insight.history(&query(range, limit)).resolution_s,
            resolution,
            "{range} {limit:?}"
        );
    }
    let few = world.insight.history(&HistoryQuery {
        resolution_s: Some(1),
        series: vec!["hit_ratio".to_owned(), "nonsense".to_owned()],
        ..query(60, Some(5))
    });
    assert_eq!((few.at.len(), few.series.len()), (5, 1));
    let of_route = world.insight.history(&HistoryQuery {
        route: Some("shop".to_owned()),
        ..query(900, None)
    });
    assert_eq!((of_route.resolution_s, of_route.at.len()), (10, 90));
    let unknown = world.insight.history(&HistoryQuery {
        route: Some("nobody".to_owned()),
        ..query(900, None)
    });
    assert!(unknown.at.is_empty());
}

#[test]
fn the_heat_map_counts_every_request_once_in_its_column() {
    let mut world = World::new(config());
    world.second();
    for millis in [0, 1, 3, 3, 100, 90_000] {
        world.hit("shop", Duration::from_millis(millis));
    }
    world.second();
    let heat = world
        .insight
        .history(&HistoryQuery {
            heat: true,
            ..all(world.at, 1)
        })
        .heat
        .unwrap();
    let counts = heat.counts.last().unwrap();
    assert_eq!(counts.len(), heat.bounds_ms.len() + 1);
    assert_eq!(counts.iter().sum::<u64>(), 6);
    assert_eq!(counts.last(), Some(&1), "more than a minute");
    let column = heat.bounds_ms.iter().position(|bound| *bound == 4.0).unwrap();
    assert_eq!(counts[column], 2);
}

#[test]
fn alerts_and_objectives_see_the_newest_values_and_count_over_windows() {
    let mut world = World::new(config());
    for second in 0..600 {
        for _ in 0..8 {
            world.hit("shop", Duration::from_millis(1));
        }
        world.miss("shop", Duration::from_secs(2));
        world.miss("mail", Duration::from_millis(100));
        world.route("mail").failed += u64::from(second % 2 == 0);
        world.second();
    }
    world.insight.with_values(|values| {
        let none = Labels::new();
        assert_eq!(values.value("requests_per_s", &none), Some(10.0));
        assert_eq!(values.value("error_ratio", &none), Some(0.05));
        assert_eq!(values.value("cpu_ratio", &none), None);
        assert_eq!(values.value("nonsense", &none), None);
        let of = |label: &str, name: &str| Labels::from([(label.to_owned(), name.to_owned())]);
        assert_eq!(values.value("hit_ratio", &of("route", "mail")), Some(0.0));
        assert_eq!(values.value("hit_ratio", &of("route", "nobody")), None);
        assert_eq!(values.value("healthy_ratio", &of("upstream", "api")), Some(1.0));
        assert_eq!(
            values.label_sets("hit_ratio"),
            [none.clone(), of("route", "mail"), of("route", "shop")]
        );
        assert_eq!(values.label_sets("healthy_ratio"), [of("upstream", "api")]);

        let window = Duration::from_secs(300);
        let within = |counts: Option<Counts>, per_s: u64, good_per_s: f64| {
            let counts = counts.unwrap();
            assert!((300 * per_s..=360 * per_s).contains(&counts.total), "{counts:?}");
            let ratio = counts.good as f64 / counts.total as f64;
            assert!((ratio - good_per_s / per_s as f64).abs() < 0.001, "{counts:?}");
        };
        within(values.counts(None, window, Some(Duration::from_secs(1))), 10, 9.0);
        within(
            values.counts(Some("shop"), window, Some(Duration::from_secs(1))),
            9,
            8.0,
        );
        within(values.counts(Some("mail"), window, None), 1, 0.5);
        let of_a_day = values.counts(None, Duration::from_secs(86_400), None).unwrap();
        assert_eq!((of_a_day.total, of_a_day.seen), (6000, Duration::from_secs(600)));
        assert_eq!(values.counts(Some("nobody"), window, None), None);
    });
}

#[test]
fn routes_with_a_history_are_bounded_and_the_others_count_in_the_totals() {
    let mut world = World::new(crate::InsightConfig {
        routes_max: 2,
        ..config()
    });
    for name in ["a", "b", "c", "d"] {
        world.hit(name, Duration::from_millis(1));
    }
    world.seconds(20);
    let rate = world.insight.history(&all(world.at, 1)).series["requests_per_s"][0];
    assert_eq!(rate, Some(4.0));
    world
        .insight
        .with_values(|values| assert_eq!(values.label_sets("requests_per_s").len(), 1 + 2 + 1));
    assert_eq!(world.insight.routes().len(), 4);
    let (with, without) = (
        world.insight.routes_within(Duration::from_secs(900)),
        world.insight.routes_without_history(),
    );
    let mut names: Vec<&str> = with.iter().chain(&without).map(|route| route.route.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        (names, without.len()),
        (vec!["a", "b", "c", "d"], 2),
        "no route is left out"
    );
    assert_eq!(without[0].figures.requests, Some(1.0));
}

#[test]
fn what_was_saved_is_shown_with_its_price_and_the_way_it_is_computed() {
    let mut world = World::new(crate::InsightConfig {
        origin_second_cost: Some(0.5),
        gigabyte_cost: Some(100.0),
        ..config()
    });
    for _ in 0..30 {
        world.hit("shop", Duration::from_millis(1));
    }
    world.miss("shop", Duration::from_secs(2));
    world.route("shop").saved_micros = 60_000_000;
    world.seconds(10);
    let summary = world.insight.summary(Duration::from_secs(900));
    let saved = &summary.saved;
    assert_eq!(
        (saved.origin_requests, saved.origin_seconds, saved.bytes),
        (30, 60.0, 30_000)
    );
    assert!((saved.money.unwrap() - (30.0 + 0.003)).abs() < 1e-9);
    assert_eq!(saved.currency.as_deref(), Some("EUR"));
    let route = &saved.routes[0];
    assert_eq!((route.route.as_str(), route.origin_requests), ("shop", 30));
    assert!((route.origin_seconds - 60.0).abs() < 1e-6);
    assert!(
        saved
            .how
            .iter()
            .any(|line| line.contains("0.5 EUR for each origin second"))
    );
    let hits = summary.range.hit_ratio.total.unwrap();
    assert!((hits - 30.0 / 31.0).abs() < 1e-9);
    assert_eq!(summary.top_routes[0].share_of_origin_time, Some(1.0));

    let free = World::new(config()).insight.saved(Duration::from_secs(60));
    assert_eq!((free.money, free.currency), (None, None));
}

#[test]
fn targets_that_come_and_go_are_noted_and_told() {
    let mut world = World::new(config());
    let mut events = world.insight.subscribe();
    world.seconds(2);
    assert!(world.insight.changes(9).is_empty());
    world.health = "unhealthy";
    world.second();
    world.health = "healthy";
    world.second();
    let changes = world.insight.changes(9);
    assert_eq!(changes.len(), 2);
    assert_eq!(
        (changes[0].kind, changes[1].text.as_str()),
        (ChangeKind::Upstream, "api: http://a is unhealthy, was healthy")
    );
    let upstream = &world.insight.upstreams()[0];
    assert_eq!(upstream.targets[0].since.map(crate::Time::as_secs), Some(world.at));
    let mut topics = Vec::new();
    while let Ok(event) = events.try_recv() {
        topics.push(event.topic());
    }
    assert_eq!(topics, ["sample", "sample", "change", "sample", "change", "sample"]);
}

#[test]
fn a_second_reading_of_the_same_second_waits_for_the_next() {
    let mut world = World::new(config());
    world.second();
    world.hit("shop", Duration::from_millis(1));
    world.insight.tick(world.reading());
    world.second();
    let history = world.insight.history(&all(world.at, 1));
    assert_eq!(history.series["requests_per_s"], [Some(0.0), Some(1.0)]);
}

#[test]
fn history_begins_near_nothing() {
    let mut world = World::new(config());
    assert_eq!(world.insight.status().memory_bytes, 0);
    world.hit("shop", Duration::from_millis(1));
    world.seconds(60);
    assert!(
        world.insight.status().memory_bytes < 200_000,
        "{:?}",
        world.insight.status()
    );
}
