//! Random requests for a page that changes, is renewed and purged: every answer decodes to the page that its tag names, and
//! one tag always names the same bytes.

use super::*;
use http::Response;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An origin that moves on: every answer is the page of its version, and confirms that one only.
fn moving(version: Arc<AtomicU64>) -> Bench {
    Setup::plain().before(move |heard| {
        let version = version.load(Ordering::Relaxed);
        async move { moved(version, heard.field("if-none-match")) }
    })
}

fn moved(version: u64, asked: &str) -> Response<Body> {
    let etag = format!("\"{version}\"");
    let fields = [FIELDS[0], FIELDS[1], ("etag", &*etag)];
    if asked == etag {
        answer(304, &fields, "")
    } else {
        answer(200, &fields, page(version))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Get(Vec<(usize, u32)>, Option<(usize, u64)>, bool),
    Change,
    Wait(u64),
    Purge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let accept = proptest::collection::vec((0usize..5, 0u32..4), 0..4);
    let condition = proptest::option::of((0usize..4, 0u64..4));
    let step = prop_oneof![
        8 => (accept, condition, any::<bool>()).prop_map(|(accept, condition, range)| Step::Get(accept, condition, range)),
        1 => Just(Step::Change),
        1 => (1u64..90).prop_map(Step::Wait),
        1 => Just(Step::Purge),
    ];
    proptest::collection::vec(step, 1..40)
}

const SUFFIXES: [&str; 4] = ["", "-zstd", "-br", "-gzip"];

/// Runs `steps` and checks every answer.
async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let version = Arc::new(AtomicU64::new(1));
    let bench = moving(Arc::clone(&version));
    // What was ever served under a tag.
    let mut bodies: BTreeMap<String, (String, Vec<u8>)> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Change => drop(version.fetch_add(1, Ordering::Relaxed)),
            Step::Wait(seconds) => bench.advance(seconds),
            Step::Purge => {
                let all = peregrine_cache::Invalidation {
                    all: true,
                    ..Default::default()
                };
                bench.engine.invalidate(&all).await;
            }
            Step::Get(accept, condition, range) => {
                let names = ["zstd", "br", "gzip", "identity", "*"];
                let weights = ["0", "0.3", "0.7", "1"];
                let line: Vec<_> = accept
                    .iter()
                    .map(|(name, q)| format!("{};q={}", names[*name], weights[*q as usize]))
                    .collect();
                let line = line.join(", ");
                let condition = condition.map(|(suffix, version)| format!("\"{version}{}\"", SUFFIXES[suffix]));
                let mut fields = vec![("accept-encoding", &*line)];
                fields.extend(condition.as_deref().map(|tag| ("if-none-match", tag)));
                if range {
                    fields.push(("range", "bytes=3-12"));
                }
                let got = get(&bench, &fields).await;
                check(&got, condition.as_deref(), &line, &mut bodies)?;
            }
        }
    }
    Ok(())
}

/// One answer: decodes to the page that its tag names, the same bytes as ever under that tag.
fn check(
    got: &Got,
    condition: Option<&str>,
    accept: &str,
    bodies: &mut BTreeMap<String, (String, Vec<u8>)>,
) -> Result<(), TestCaseError> {
    let etag = got.field("etag").to_owned();
    let inner = etag.trim_matches('"');
    let (version, suffix) = inner
        .split_once('-')
        .map_or((inner, String::new()), |(version, coding)| (version, coding.to_owned()));
    let page = page(version.parse().unwrap());
    // The origin itself may have said 304.
    prop_assert!(got.status == 304 || got.field("vary") == "Accept-Encoding");
    match got.status {
        304 => prop_assert_eq!(Some(&*etag), condition),
        200 => {
            prop_assert_eq!(
                got.field("content-encoding"),
                &suffix,
                "the tag is of this representation"
            );
            prop_assert!(
                suffix.is_empty() || accept.contains(&*suffix) || accept.contains('*'),
                "{} for {}",
                suffix,
                accept
            );
            prop_assert_eq!(got.decoded(), page);
            let seen = bodies.entry(etag).or_insert_with(|| (suffix, got.body.clone()));
            prop_assert_eq!(&seen.1, &got.body, "one tag, one sequence of bytes");
        }
        206 => {
            prop_assert_eq!((got.field("content-encoding"), &*suffix), ("", ""));
            prop_assert_eq!(&got.body[..], &page.as_bytes()[3..13]);
        }
        other => prop_assert!(false, "{}", other),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_served_decodes_to_the_page_that_its_tag_names(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
