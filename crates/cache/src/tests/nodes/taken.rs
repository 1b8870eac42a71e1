//! What is taken from Redis while it is invalidated, written over or taken out here does not stay.

use super::*;

/// To invalidate.
type Way = fn(&Bench);

#[test]
fn what_is_taken_from_redis_while_it_is_invalidated_does_not_stay() {
    let take = |key: Key| -> Meanwhile {
        Box::new(move |engine| {
            let ValueStanding::Good(position) = engine.check_value(&key, ["t"].into_iter(), stamp(1)) else {
                panic!("nothing speaks against it yet")
            };
            let ttl = Duration::from_secs(60);
            let entry = engine.value(&key, &Bytes::from("old"), &["t".into()], ttl, position, false);
            engine.put(&key, key.hash(), &entry.unwrap()).unwrap();
        })
    };
    let ways: [(&str, Way); 3] = [
        ("/a", |bench| {
            drop(at_once(
                bench.engine.invalidate(&Invalidation::of_tags(vec!["t".into()])),
            ))
        }),
        ("/b", |bench| {
            bench
                .engine
                .invalidate_uncounted(&Invalidation::of_tags(vec!["t".into()]))
        }),
        ("/c", |bench| {
            bench.engine.clear(bench.key("/c").namespace());
        }),
    ];
    for (path, way) in ways {
        let world = World::new(WhenUnverified::Load);
        world.sync(1);
        *world.wire.meanwhile.lock() = Some(take(world.bench.key(path)));
        way(&world.bench);
        assert!(world.wire.meanwhile.lock().is_none(), "{path}: it happened");
        assert!(world.bench.hit(path).is_none(), "{path}");
    }
}

#[test]
fn what_was_taken_from_redis_before_a_name_is_written_or_taken_out_is_not_put_in_its_place() {
    let world = World::new(WhenUnverified::Load);
    let (engine, key) = (&world.bench.engine, world.bench.key("/a"));
    let namespace = Arc::clone(key.namespace());
    let ways: [fn(&Arc<Engine>, &Key); 2] = [
        |engine, key| {
            engine.delete(key.namespace(), "name");
        },
        |engine, key| {
            assert!(engine.set(key.namespace(), "name", Bytes::from("new"), &SetOptions::default()));
        },
    ];
    for (way, left) in ways.into_iter().zip([None, Some("new".to_owned())]) {
        world.sync(1);
        let named = Key::named(&namespace, "", "name");
        let written = engine.flights.lock(named.hash()).written();
        let (position, ttl) = (engine.ledger.position(), Duration::from_secs(3600));
        let entry = engine
            .value(&named, &Bytes::from("old"), &[], ttl, position, false)
            .unwrap();
        way(engine, &key);
        let taken = engine
            .take_named(&named, &engine.default_strategy(), entry, written)
            .unwrap();
        assert_eq!(text(&taken), "old", "who asked before gets it");
        assert_eq!(engine.get(&namespace, "name").map(|hit| text(&hit)), left);
    }
}
