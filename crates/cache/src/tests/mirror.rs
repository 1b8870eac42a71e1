//! Another engine that is told of every invalidation.

use crate::testing::{Bench, tagged};
use crate::{Engine, Invalidation, MirrorId, NamespaceConfig, SetOptions};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

fn with_other() -> Bench {
    Bench::with(|settings| {
        settings.namespaces.insert("other".into(), NamespaceConfig::default());
    })
}

/// What lies between two engines.
struct Link {
    /// The mirrors at the first and at the second.
    ends: [MirrorId; 2],
    /// How many invalidations went over, in either direction.
    told: Arc<AtomicUsize>,
}

/// Lets each of both hear of what the other is told.
fn link(one: &Bench, two: &Bench) -> Link {
    let told = Arc::new(AtomicUsize::new(0));
    let ways = [Arc::new(OnceLock::new()), Arc::new(OnceLock::new())];
    let towards = |to: &Arc<Engine>, back: &Arc<OnceLock<MirrorId>>| {
        let (to, back, told) = (Arc::clone(to), Arc::clone(back), Arc::clone(&told));
        move |request: &Invalidation| {
            told.fetch_add(1, Ordering::SeqCst);
            to.invalidate_as_told(request, back.get().copied());
        }
    };
    let there = one
        .engine
        .mirror_invalidations(Arc::new(towards(&two.engine, &ways[1])));
    let back = two
        .engine
        .mirror_invalidations(Arc::new(towards(&one.engine, &ways[0])));
    for (way, id) in ways.iter().zip([there, back]) {
        way.set(id).unwrap();
    }
    Link {
        ends: [there, back],
        told,
    }
}

fn pair() -> (Bench, Bench) {
    let (one, two) = (with_other(), with_other());
    link(&one, &two);
    (one, two)
}

#[tokio::test]
async fn what_one_engine_is_told_holds_in_both() {
    let (one, two) = pair();
    for (number, request) in [
        Invalidation::of_tags(vec!["t".into()]),
        Invalidation::of_keys(vec!["/page".into()]),
        Invalidation {
            patterns: vec!["/p*".into()],
            soft: true,
            ..Invalidation::default()
        },
        Invalidation {
            all: true,
            scope: Some(vec!["default".into(), "gone".into()]),
            ..Invalidation::default()
        },
    ]
    .iter()
    .enumerate()
    {
        two.put_with("/page", "body", tagged(&["t"]));
        if number % 2 == 0 {
            one.engine.invalidate_uncounted(request);
        } else {
            one.engine.invalidate(request).await;
        }
        assert!(two.hit("/page").is_none(), "{request:?}");
        two.engine.clear(&two.namespace);
    }
    let (dry, elsewhere) = (
        Invalidation {
            dry_run: true,
            all: true,
            ..Invalidation::default()
        },
        Invalidation {
            all: true,
            scope: Some(vec!["other".into()]),
            ..Invalidation::default()
        },
    );
    let nowhere = Invalidation {
        namespaces: vec!["default".into()],
        ..elsewhere.clone()
    };
    two.put("/page", "body");
    for request in [&dry, &elsewhere, &nowhere] {
        one.engine.invalidate_uncounted(request);
        assert!(two.hit("/page").is_some(), "{request:?}");
    }
}

#[test]
fn values_that_are_set_or_deleted_are_gone_elsewhere() {
    let (one, two) = pair();
    let set = |bench: &Bench, value: &'static [u8]| {
        bench.engine.set(
            &bench.namespace,
            "name",
            Bytes::from_static(value),
            &SetOptions::default(),
        )
    };
    let get = |bench: &Bench| bench.engine.get(&bench.namespace, "name").is_some();
    assert!(set(&two, b"old") && get(&two));
    assert!(set(&one, b"new") && get(&one) && !get(&two));
    assert!(set(&two, b"newer") && !get(&one));
    one.engine.delete(&one.namespace, "name");
    assert!(!get(&two));
    set(&two, b"again");
    one.engine.clear(&one.namespace);
    assert!(!get(&two));
}

#[test]
fn what_one_end_of_a_chain_is_told_holds_at_the_other_and_comes_back_to_nobody() {
    let (one, two, three) = (with_other(), with_other(), with_other());
    let links = [link(&one, &two), link(&two, &three)];
    let all = [&one, &two, &three];
    let request = Invalidation::of_keys(vec!["/page".into()]);
    for (number, by) in (1..).zip(all) {
        for bench in all {
            bench.put("/page", "body");
        }
        by.engine.invalidate_uncounted(&request);
        assert!(all.iter().all(|bench| bench.hit("/page").is_none()), "{number}");
        let told = links.each_ref().map(|link| link.told.load(Ordering::SeqCst));
        assert_eq!(told, [number, number], "once over each link");
    }
}

#[test]
fn one_that_leaves_does_not_cut_the_others_off() {
    let (one, two, three) = (with_other(), with_other(), with_other());
    let links = [link(&one, &two), link(&two, &three)];
    let request = Invalidation::of_keys(vec!["/page".into()]);
    one.engine.end_mirror(links[0].ends[0]);
    two.engine.end_mirror(links[0].ends[1]);
    // Again does nothing.
    two.engine.end_mirror(links[0].ends[1]);
    one.put("/page", "body");
    for (by, there) in [(&two, &three), (&three, &two)] {
        there.put("/page", "body");
        by.engine.invalidate_uncounted(&request);
        assert!(there.hit("/page").is_none());
        assert!(one.hit("/page").is_some(), "it has left");
    }
    assert_eq!(links[0].told.load(Ordering::SeqCst), 0);
}

#[test]
fn whoever_is_told_finds_it_done() {
    let bench = with_other();
    let seen = Arc::new(AtomicUsize::new(0));
    let (engine, namespace, count) = (
        Arc::clone(&bench.engine),
        Arc::clone(&bench.namespace),
        Arc::clone(&seen),
    );
    bench.engine.mirror_invalidations(Arc::new(move |request| {
        // Only for what was done before it was told: a mirror of use must not ask.
        let there = engine
            .get(&namespace, "name")
            .map(|hit| Bytes::copy_from_slice(hit.as_slice().unwrap()));
        let wanted = (count.fetch_add(1, Ordering::SeqCst) == 0).then(|| Bytes::from_static(b"new"));
        assert_eq!(there, wanted, "{request:?}");
    }));
    let set = |value: &'static [u8]| {
        let (value, options) = (Bytes::from_static(value), SetOptions::default());
        bench.engine.set(&bench.namespace, "name", value, &options)
    };
    assert!(set(b"new"));
    bench.engine.delete(&bench.namespace, "name");
    let all = Invalidation {
        all: true,
        ..Invalidation::default()
    };
    bench.engine.invalidate_uncounted(&all);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}
