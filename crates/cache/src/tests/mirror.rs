//! Another engine that is told of every invalidation.

use crate::testing::{Bench, tagged};
use crate::{Invalidation, NamespaceConfig, SetOptions};
use bytes::Bytes;
use std::sync::Arc;

fn pair() -> (Bench, Bench) {
    let with_other = || {
        Bench::with(|settings| {
            settings.namespaces.insert("other".into(), NamespaceConfig::default());
        })
    };
    let (one, two) = (with_other(), with_other());
    for (from, to) in [(&one, &two), (&two, &one)] {
        let to = Arc::clone(&to.engine);
        from.engine
            .mirror_invalidations(Some(Arc::new(move |request| to.invalidate_as_told(request))));
    }
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
