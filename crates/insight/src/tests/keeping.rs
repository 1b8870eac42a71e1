//! What is written and read again.

use super::world::{Kept, START, World, config};
use crate::model::{ChangeKind, ChangeNote};
use crate::query::HistoryQuery;
use crate::store::Store;
use crate::time::Time;
use std::time::Duration;

/// A program that runs `seconds`, with requests in each of them if `busy`, and writes as the program does.
fn run(kept: &Kept, at: u64, seconds: u64, busy: bool) -> World {
    let mut world = World::at(at, config());
    world.insight.restore(kept, Time::from_millis(at * 1000)).unwrap();
    for _ in 0..seconds {
        if busy {
            world.hit("shop", Duration::from_millis(3));
            world.miss("shop", Duration::from_millis(300));
        }
        world.second();
        kept.apply(&world.insight.take_writes()).unwrap();
    }
    world
}

fn history(world: &World, resolution_s: u64, route: Option<&str>) -> crate::model::History {
    world.insight.history(&HistoryQuery {
        resolution_s: Some(resolution_s),
        until: world.at,
        limit: Some(50_000),
        route: route.map(str::to_owned),
        heat: true,
        ..HistoryQuery::default()
    })
}

#[test]
fn a_program_that_is_killed_loses_nothing_that_it_had_seen() {
    // Ends within a second, a ten, a minute, a quarter and three hours.
    for seconds in [1, 7, 10, 64, 901, 1234] {
        let kept = Kept::default();
        let before = run(&kept, START, seconds, true);
        let after = run(&kept, START + seconds, 0, true);
        for resolution in [1, 10, 60, 900] {
            for route in [None, Some("shop")] {
                let (old, new) = (history(&before, resolution, route), history(&after, resolution, route));
                // A span that ended with the program is finished by the next.
                assert!(new.at.len() <= old.at.len() + 1, "{seconds} {resolution} {route:?}");
                assert_eq!(new.at[..old.at.len()], old.at, "{seconds} {resolution} {route:?}");
                for (name, values) in &old.series {
                    let again = new.series.get(name).map_or(&[][..], |values| &values[..old.at.len()]);
                    assert!(again == values, "{seconds} {resolution} {route:?} {name}");
                }
            }
        }
        let requests = |world: &World, range: u64| {
            let state = world.insight.lock();
            state
                .ladder
                .total(world.at, Duration::from_secs(range))
                .all
                .outcomes
                .total()
        };
        for range in [3600, 86_400, 2_592_000] {
            assert_eq!(requests(&after, range), 2 * seconds, "{seconds} {range}");
        }
    }
}

#[test]
fn two_lives_within_a_minute_make_one_point_of_both() {
    let kept = Kept::default();
    run(&kept, START, 20, true);
    let after = run(&kept, START + 30, 31, true);
    let minutes = history(&after, 60, None);
    assert_eq!(minutes.at, [START + 60]);
    // 20 seconds before and 30 after, two requests in each.
    assert_eq!(minutes.series["requests_per_s"], [Some(2.0)]);
    assert_eq!(history(&after, 1, None).at.len(), 51);
}

#[test]
fn what_was_under_way_when_it_was_killed_is_finished_by_the_next() {
    let kept = Kept::default();
    run(&kept, START, 95, true);
    let after = run(&kept, START + 5000, 0, true);
    assert_eq!(history(&after, 60, None).at, [START + 60, START + 120]);
    assert_eq!(history(&after, 10, None).at.last(), Some(&(START + 100)));
    assert_eq!(history(&after, 900, None).at, [START + 900]);
}

#[test]
fn a_quiet_program_writes_seldom() {
    let mut world = World::new(config());
    let mut writes = 0;
    for _ in 0..300 {
        world.second();
        writes += u32::from(!world.insight.take_writes().is_empty());
    }
    assert!((9..=11).contains(&writes), "{writes}");
    drop(world.insight.take_all_writes());
    assert!(world.insight.take_writes().is_empty());
    world.second();
    assert!(!world.insight.take_all_writes().is_empty());
}

#[test]
fn changes_come_back_in_order_and_damage_is_left_out() {
    let kept = Kept::default();
    let world = run(&kept, START, 3, true);
    for text in ["one", "two"] {
        let at = Time::from_millis(START * 1000 + 5000);
        world.insight.note(ChangeNote {
            at,
            kind: ChangeKind::Reload,
            text: text.to_owned(),
            by: None,
            id: None,
        });
    }
    kept.apply(&world.insight.take_writes()).unwrap();
    let after = run(&kept, START + 60, 0, false);
    let texts: Vec<String> = after.insight.changes(9).into_iter().map(|note| note.text).collect();
    assert_eq!(texts, ["two", "one"]);

    kept.damage();
    let mut world = World::at(START + 90, config());
    let restored = world
        .insight
        .restore(&kept, Time::from_millis((START + 90) * 1000))
        .unwrap();
    assert!(restored.unreadable > 0);
    assert_eq!(restored.points, 0);
    world.hit("shop", Duration::from_millis(3));
    world.second();
    assert_eq!(history(&world, 1, None).at.len(), 1);
}

#[test]
fn what_is_kept_is_bounded() {
    let kept = Kept::default();
    let mut world = run(&kept, START, 1, true);
    let mut sizes = Vec::new();
    for hour in 0..4 {
        for second in 0..3600 {
            if second % 7 == 0 {
                world.hit("shop", Duration::from_millis(hour));
            }
            world.second();
            kept.apply(&world.insight.take_writes()).unwrap();
        }
        sizes.push(kept.len());
    }
    // The seconds are full after the first hour; from then on an hour adds tens, minutes and quarters of everything.
    let hourly = sizes[3] - sizes[2];
    assert!(hourly < 3 * 360 + 3 * 60 + 3 * 4 + 100, "{sizes:?}");
}

#[test]
fn nothing_is_written_where_nothing_is_to_be_kept() {
    let mut world = World::new(crate::InsightConfig {
        persist: false,
        ..config()
    });
    world.hit("shop", Duration::from_millis(3));
    world.seconds(100);
    assert!(world.insight.take_all_writes().is_empty());
}

#[test]
fn what_is_forgotten_is_gone_from_the_file_too_and_what_comes_later_is_kept() {
    let kept = Kept::default();
    let mut world = run(&kept, START, 130, true);
    world.insight.note(ChangeNote {
        at: Time::from_millis(world.at * 1000),
        kind: ChangeKind::Reload,
        text: "kept".to_owned(),
        by: None,
        id: None,
    });
    let since_start = world.insight.metrics().application.total.requests;
    assert!(world.insight.forget() > 130);
    assert_eq!(world.insight.forget(), 0, "there is nothing more");
    let requests = |world: &World| world.insight.summary(Duration::from_secs(3600)).range.requests;
    assert_eq!((history(&world, 1, None).at.len(), requests(&world)), (0, Some(0.0)));
    assert_eq!(world.insight.metrics().application.total.requests, since_start);
    for _ in 0..3 {
        world.hit("shop", Duration::from_millis(3));
        world.second();
        kept.apply(&world.insight.take_writes()).unwrap();
    }
    let after = run(&kept, world.at, 0, true);
    for world in [&world, &after] {
        assert_eq!((history(world, 1, None).at.len(), requests(world)), (3, Some(3.0)));
    }
    assert_eq!(after.insight.changes(10).len(), 1, "what was changed is still known");
}
