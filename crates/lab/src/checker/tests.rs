//! The checker must catch every kind of wrong answer and accuse no right one. Time stands still unless a test moves it.

use super::*;
use crate::shop::tests::{Got, ask};
use crate::shop::{Shop, ShopConfig, ShopParts, token};
use http::Method;
use peregrine_base::{Clock, ManualClock};
use std::fmt::Write as _;

struct Fixture {
    clock: Arc<ManualClock>,
    shop: ShopHandle,
    checker: Checker,
}

const PRODUCT: Resource = Resource::Product(17);
const LIST: Resource = Resource::List {
    category: None,
    page: 1,
};

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let parts = ShopParts {
            clock: clock.clone(),
            ..ShopParts::system(1)
        };
        let config = ShopConfig {
            latency_scale: 0.0,
            products: 100,
            users: 10,
            ..ShopConfig::default()
        };
        let shop = Shop::start_with(config, parts).unwrap();
        Self {
            checker: Checker::new(&shop, Duration::ZERO),
            clock,
            shop,
        }
    }

    async fn fetch(&self, asked: &Asked) -> Got {
        let path = asked.resource.unwrap().path(self.shop.truth.catalogue());
        let cookie = format!("session={}", token(1, asked.user));
        let (method, body) = match asked.kind {
            Kind::Write => (Method::PATCH, r#"{"stock":1}"#),
            Kind::Head => (Method::HEAD, ""),
            Kind::Read | Kind::Revisit(_) => (Method::GET, ""),
        };
        ask(&self.shop, method, &path, &[("cookie", &cookie)], body).await
    }

    /// Shows the checker an answer that was asked for now.
    fn show(&self, asked: &Asked, got: &Got) {
        self.show_asked_at(self.clock.now(), asked, got);
    }

    fn show_asked_at(&self, started: Instant, asked: &Asked, got: &Got) {
        let mut head = format!("HTTP/1.1 {} X\r\n", got.status);
        for (name, value) in &got.headers {
            writeln!(head, "{name}: {}\r", value.to_str().unwrap()).unwrap();
        }
        let body = if asked.kind == Kind::Head {
            &[]
        } else {
            got.body.as_slice()
        };
        let answer = Answer {
            status: got.status,
            head: head.as_bytes(),
            body,
            started,
            answered: self.clock.now(),
        };
        self.checker.answer(*asked, &answer);
    }

    /// The kinds of wrong answers since the fixture was made.
    fn wrong(&self) -> Vec<String> {
        self.checker.findings().wrong.into_keys().collect()
    }

    fn assert_right(&self, about: &str) {
        let findings = self.checker.findings();
        assert_eq!(findings.wrong_total(), 0, "{about}: {:?}", findings.examples);
    }
}

fn read(resource: Resource) -> Asked {
    Asked {
        resource: Some(resource),
        user: 3,
        kind: Kind::Read,
        accepts_packed: true,
    }
}

fn write(resource: Resource) -> Asked {
    Asked {
        kind: Kind::Write,
        ..read(resource)
    }
}

#[tokio::test]
async fn right_answers_are_right() {
    let fixture = Fixture::new();
    let revisit = Asked {
        kind: Kind::Revisit(1),
        ..read(PRODUCT)
    };
    let head = Asked {
        kind: Kind::Head,
        ..read(PRODUCT)
    };
    for asked in [
        read(PRODUCT),
        read(LIST),
        read(Resource::Cart(3)),
        read(Resource::Report),
        read(Resource::Asset(Asset::Logo)),
        head,
    ] {
        let got = fixture.fetch(&asked).await;
        fixture.show(&asked, &got);
    }
    fixture.show(
        &revisit,
        &Got {
            status: 304,
            ..fixture.fetch(&head).await
        },
    );
    let missing = Asked {
        resource: None,
        ..read(PRODUCT)
    };
    fixture.show(
        &missing,
        &Got {
            status: 404,
            ..fixture.fetch(&head).await
        },
    );
    fixture.assert_right("fresh answers");
    assert_eq!(fixture.checker.findings().checked, 8);
}

#[tokio::test]
async fn an_answer_may_be_as_old_as_its_headers_allow_and_no_older() {
    for (resource, age_max_s) in [(PRODUCT, 330), (LIST, 30), (Resource::Report, 120)] {
        let fixture = Fixture::new();
        let old = fixture.fetch(&read(resource)).await;
        // Somebody else changes it, past the proxy.
        fixture.fetch(&write(PRODUCT)).await;
        fixture.clock.advance(Duration::from_millis(age_max_s * 1000 - 1));
        fixture.show(&read(resource), &old);
        fixture.assert_right("just within what is allowed");
        assert_eq!(fixture.checker.findings().stale, 1);
        fixture.clock.advance(Duration::from_millis(1));
        fixture.show(&read(resource), &old);
        assert_eq!(fixture.wrong(), ["too_old"], "{resource:?}");
    }
}

#[tokio::test]
async fn who_was_told_of_a_change_must_see_it() {
    let fixture = Fixture::new();
    let old = fixture.fetch(&read(PRODUCT)).await;
    let asked_before = fixture.clock.now();
    fixture.clock.advance(Duration::from_millis(5));
    let changed = fixture.fetch(&write(PRODUCT)).await;
    fixture.clock.advance(Duration::from_millis(5));
    // The answer to the change has not arrived yet: the old version is merely stale.
    fixture.show(&read(PRODUCT), &old);
    fixture.show(&write(PRODUCT), &changed);
    fixture.clock.advance(Duration::from_millis(5));
    fixture.show_asked_at(asked_before, &read(PRODUCT), &old);
    fixture.assert_right("asked before the change was answered");
    fixture.show(&read(PRODUCT), &old);
    let findings = fixture.checker.findings();
    assert_eq!(fixture.wrong(), ["older_than_change"], "asked after it was");
    assert!(
        findings.examples[0]
            .detail
            .contains("version 1; when it was asked for, 2 was current"),
        "{:?}",
        findings.examples
    );
    // A list with the product may lag.
    fixture.checker.examples.lock().clear();
    let list = Asked {
        kind: Kind::Revisit(1),
        ..read(LIST)
    };
    fixture.show(
        &list,
        &Got {
            status: 304,
            ..fixture.fetch(&list).await
        },
    );
    assert_eq!(fixture.checker.findings().wrong_total(), 1);
}

#[tokio::test]
async fn another_users_cart_is_caught_however_it_comes() {
    let fixture = Fixture::new();
    let theirs = Asked {
        user: 4,
        resource: Some(Resource::Cart(4)),
        ..read(PRODUCT)
    };
    let mine = read(Resource::Cart(3));
    let got = fixture.fetch(&theirs).await;
    fixture.show(&mine, &got);
    let head = Asked {
        kind: Kind::Head,
        ..mine
    };
    fixture.show(&head, &got);
    fixture.show(&theirs, &got);
    // Their body under the head of mine.
    let headers = fixture.fetch(&mine).await.headers;
    fixture.show(&mine, &Got { headers, ..got });
    let expected = BTreeMap::from([("other_user".to_owned(), 3)]);
    assert_eq!(fixture.checker.findings().wrong, expected);
}

#[tokio::test]
async fn a_cart_may_not_be_old_at_all() {
    let fixture = Fixture::new();
    let mine = read(Resource::Cart(3));
    let old = fixture.fetch(&mine).await;
    fixture.shop.truth.add_to_cart(3, 5, 1);
    fixture.clock.advance(Duration::from_nanos(1));
    fixture.show(&mine, &old);
    assert_eq!(fixture.wrong(), ["too_old"]);
}

#[tokio::test]
async fn answers_that_are_not_what_they_should_be_are_told_apart() {
    type Spoil = fn(&mut Got);
    let cases: [(&str, Asked, Spoil); 9] = [
        ("damaged", read(PRODUCT), |got| got.body.truncate(got.body.len() - 1)),
        ("damaged", read(PRODUCT), |got| {
            drop(got.headers.insert("etag", "\"p17-2\"".parse().unwrap()))
        }),
        ("damaged", read(Resource::Asset(Asset::Logo)), |got| got.body[5] ^= 1),
        ("damaged", read(PRODUCT), |got| {
            drop(got.headers.insert("content-encoding", "gzip".parse().unwrap()))
        }),
        ("encoding", read(PRODUCT), |got| {
            drop(got.headers.insert("content-encoding", "compress".parse().unwrap()))
        }),
        ("other_resource", read(Resource::Product(18)), |_| {}),
        (
            "other_resource",
            Asked {
                kind: Kind::Head,
                ..read(Resource::Product(18))
            },
            |_| {},
        ),
        ("status", read(PRODUCT), |got| got.status = 304),
        (
            "status",
            Asked {
                resource: None,
                ..read(PRODUCT)
            },
            |_| {},
        ),
    ];
    for (word, asked, spoil) in cases {
        let fixture = Fixture::new();
        let source = if matches!(asked.resource, Some(Resource::Asset(_))) {
            asked
        } else {
            read(PRODUCT)
        };
        let mut got = fixture.fetch(&source).await;
        spoil(&mut got);
        fixture.show(&asked, &got);
        assert_eq!(fixture.wrong(), [word], "{asked:?}");
    }
}

#[tokio::test]
async fn a_version_from_the_future_never_existed() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    other.fetch(&write(PRODUCT)).await;
    let got = other.fetch(&read(PRODUCT)).await;
    fixture.show(&read(PRODUCT), &got);
    assert_eq!(fixture.wrong(), ["never_existed"]);
}

#[tokio::test]
async fn examples_are_few_and_server_errors_are_not_wrong() {
    let fixture = Fixture::new();
    let got = Got {
        status: 404,
        ..fixture.fetch(&read(PRODUCT)).await
    };
    for _ in 0..100 {
        fixture.show(&read(PRODUCT), &got);
    }
    fixture.show(&read(PRODUCT), &Got { status: 502, ..got });
    let findings = fixture.checker.findings();
    assert_eq!(
        (findings.checked, findings.wrong_total(), findings.examples.len()),
        (100, 100, EXAMPLES_MAX)
    );
}
