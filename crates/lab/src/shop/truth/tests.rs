//! Verdicts about versions, in process and from a record.

use super::*;
use peregrine_base::ManualClock;
use std::convert::Infallible;

struct Fixture {
    clock: Arc<ManualClock>,
    truth: Truth,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            truth: Truth::new(Arc::new(Catalogue::generate(1, 100)), 10, clock.clone()),
            clock,
        }
    }

    fn change_after(&self, seconds: u64, id: u32) -> Instant {
        self.clock.advance(Duration::from_secs(seconds));
        let Ok(()) = self
            .truth
            .change_product::<Infallible>(id, |_, offer| Ok(Offer { stock: 1, ..offer }));
        self.clock.now()
    }

    fn exchange(&self) -> Exchange {
        Exchange {
            asked: self.clock.now(),
            answered: self.clock.now(),
        }
    }
}

const PRODUCT: Resource = Resource::Product(5);
const LIST: Resource = Resource::List {
    category: None,
    page: 1,
};

#[test]
fn a_version_may_be_as_old_as_allowed_and_no_older() {
    let fixture = Fixture::new();
    let changed = fixture.change_after(10, 5);
    fixture.clock.advance(Duration::from_secs(10));
    for (resource, other) in [
        (PRODUCT, Resource::Product(6)),
        (
            LIST,
            Resource::List {
                category: None,
                page: 2,
            },
        ),
    ] {
        let judge = |version, age| {
            fixture
                .truth
                .judge(resource, version, &fixture.exchange(), Duration::from_secs(age))
        };
        assert_eq!(judge(2, 0), Verdict::Current);
        assert_eq!(judge(1, 0), Verdict::TooOld);
        assert_eq!(judge(1, 10), Verdict::TooOld, "superseded exactly ten seconds ago");
        assert_eq!(judge(1, 11), Verdict::Stale);
        assert_eq!(
            (judge(3, 11), judge(0, 11)),
            (Verdict::NeverExisted, Verdict::NeverExisted)
        );
        assert_eq!(fixture.truth.snapshot(other).version, 1, "others are not touched");
    }
    // A request that was under way while the change happened may get either.
    let exchange = Exchange {
        asked: changed.before(Duration::from_nanos(1)),
        answered: changed,
    };
    for version in [1, 2] {
        assert_eq!(
            fixture.truth.judge(PRODUCT, version, &exchange, Duration::ZERO),
            Verdict::Current
        );
    }
}

#[test]
fn lists_count_the_changes_of_their_products() {
    let fixture = Fixture::new();
    let first = fixture.change_after(1, 1);
    let second = fixture.change_after(1, 2);
    fixture.change_after(1, 1);
    fixture.change_after(1, 99);
    assert_eq!(fixture.truth.snapshot(LIST).version, 4);
    assert_eq!(fixture.truth.version_at(LIST, first), Some(2));
    assert_eq!(fixture.truth.version_at(LIST, second), Some(3));
    assert_eq!(fixture.truth.snapshot(Resource::Report).version, 5);
}

#[test]
fn what_is_forgotten_is_not_held_against_an_answer() {
    let fixture = Fixture::new();
    for _ in 0..VERSIONS_MAX + 10 {
        fixture.change_after(1, 5);
    }
    let longer_than_remembered = Duration::from_secs(VERSIONS_MAX as u64 + 5);
    for resource in [PRODUCT, LIST] {
        let judge = |age_max| fixture.truth.judge(resource, 3, &fixture.exchange(), age_max);
        assert_eq!(judge(Duration::from_secs(100)), Verdict::TooOld);
        assert_eq!(judge(longer_than_remembered), Verdict::Stale);
        let record = fixture.truth.record(resource);
        assert_eq!(
            record.judge(3, &fixture.exchange(), Duration::from_secs(100)),
            Verdict::TooOld
        );
        assert_eq!(
            record.judge(3, &fixture.exchange(), longer_than_remembered),
            Verdict::Stale
        );
    }
    let long_ago = fixture.clock.now().before(longer_than_remembered);
    let exchange = Exchange {
        asked: long_ago,
        answered: long_ago,
    };
    assert_ne!(
        fixture.truth.judge(PRODUCT, 12, &exchange, Duration::ZERO),
        Verdict::NeverExisted
    );
    assert_ne!(
        fixture.truth.record(PRODUCT).judge(12, &exchange, Duration::ZERO),
        Verdict::NeverExisted
    );
}

#[test]
fn a_record_judges_as_the_truth_does() {
    let fixture = Fixture::new();
    for id in [5, 6, 5, 5, 99] {
        fixture.change_after(10, id);
    }
    for resource in [PRODUCT, LIST, Resource::Report] {
        let record = fixture.truth.record(resource);
        let text = serde_json::to_string(&record).unwrap();
        let record: Record = serde_json::from_str(&text).unwrap();
        for version in 0..8 {
            for age in [0, 5, 15, 25, 35, 45, 55] {
                let (exchange, age_max) = (fixture.exchange(), Duration::from_secs(age));
                let expected = fixture.truth.judge(resource, version, &exchange, age_max);
                assert_eq!(
                    record.judge(version, &exchange, age_max),
                    expected,
                    "{resource:?} {version} {age}"
                );
            }
        }
    }
}

#[test]
fn a_refused_change_changes_nothing() {
    let fixture = Fixture::new();
    assert_eq!(fixture.truth.change_product(5, |_, _| Err("no")), Err("no"));
    assert_eq!(fixture.truth.snapshot(PRODUCT).version, 1);
}
