//! A checker that cannot fail is a defect: toy nodes with one fault each, which it must find, and one without.

use super::run::Invalidate;
use super::*;
use crate::freshness::origin::Truth;
use crate::load::Target;
use crate::progress::Show;
use crate::report::{self, Look};
use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use peregrine_base::{Instant, Runtime, SystemClock, TokioRuntime};
use peregrine_net::drain::{self, Drain};
use peregrine_net::http::{Body, Handler, Peer, Server, ServerLimits, ServerParts};
use peregrine_net::listen::Listener;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with a toy node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing: it forgets what it is told to at once, and stores no load that began before.
    Nothing,
    /// It never forgets.
    Keeps,
    /// It forgets only what it is told itself.
    TellsNobody,
    /// As [`Fault::TellsNobody`], and says so.
    TellsNobodyAndSaysSo,
    /// It stores loads that an invalidation overtook.
    StoresOvertaken,
    /// It answers some requests with an error.
    Fails,
    /// It answers with another key's value.
    MixesUp,
    /// It caches nothing.
    NoCache,
}

/// A toy: a cache of versions by key, and the position of the last invalidation of each.
struct Toy {
    fault: Fault,
    truth: Arc<Truth>,
    kept: Mutex<HashMap<usize, u64>>,
    positions: Mutex<HashMap<usize, u64>>,
}

impl Toy {
    fn forget(&self, key: usize) {
        if self.fault == Fault::Keeps {
            return;
        }
        *self.positions.lock().entry(key).or_default() += 1;
        self.kept.lock().remove(&key);
    }

    /// Loads that are to be overtaken take longer than it is from one change of a key to the next.
    fn load_time(&self) -> Duration {
        Duration::from_millis(if self.fault == Fault::StoresOvertaken { 150 } else { 4 })
    }

    fn position(&self, key: usize) -> u64 {
        self.positions.lock().get(&key).copied().unwrap_or(0)
    }
}

struct Serves(Arc<Toy>);

impl Handler for Serves {
    async fn handle(&self, request: Request<Body>, _peer: Peer) -> Response<Body> {
        let toy = &self.0;
        let key: usize = request.uri().path().rsplit('/').next().unwrap().parse().unwrap();
        let kept = toy.kept.lock().get(&key).copied();
        let (version, is_hit) = match kept {
            Some(version) => (version, true),
            None => {
                let position = toy.position(key);
                let version = toy.truth.current(key);
                TokioRuntime.sleep(toy.load_time()).await;
                let positions = toy.positions.lock(); // nothing is forgotten between the look and the insertion
                let now = positions.get(&key).copied().unwrap_or(0);
                if now == position || toy.fault == Fault::StoresOvertaken {
                    toy.kept.lock().insert(key, version);
                }
                (version, false)
            }
        };
        let is_hit = is_hit && toy.fault != Fault::NoCache;
        let mut response = Response::new(Body::empty());
        if toy.fault == Fault::Fails && version % 3 == 0 {
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            return response;
        }
        // 0 stays 0, so that the run begins.
        let key = if toy.fault == Fault::MixesUp { key / 2 } else { key };
        let value = origin::Value {
            run: toy.truth.run.clone(),
            key,
            version,
        };
        *response.body_mut() = Body::full(serde_json::to_vec(&value).unwrap());
        let label = match (is_hit, toy.fault) {
            (true, Fault::TellsNobodyAndSaysSo) => "Toy; hit; detail=unverified",
            (true, _) => "Toy; hit",
            (false, _) => "Toy; fwd=miss",
        };
        response.headers_mut().insert("cache-status", label.parse().unwrap());
        response
    }
}

struct Toys(Vec<Arc<Toy>>);

impl Invalidate for Toys {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn invalidate(&self, through: usize, tag: &str) -> Invalidating {
        if let Some(key) = tag.rsplit('-').next().and_then(|key| key.parse().ok()) {
            for (number, toy) in self.0.iter().enumerate() {
                let alone = matches!(toy.fault, Fault::TellsNobody | Fault::TellsNobodyAndSaysSo);
                if number == through || !alone {
                    toy.forget(key);
                }
            }
        }
        Box::pin(std::future::ready(Ok(Told {
            node: Some(through),
            returned: Instant::ZERO,
            confirmed: true,
            everywhere: false,
            words: "told".to_owned(),
        })))
    }
}

fn serve(toy: &Arc<Toy>) -> (SocketAddr, Drain) {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let parts = ServerParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
    };
    let (drain, watch) = drain::channel();
    Server::new(ServerLimits::default(), parts).serve(listener, Arc::new(Serves(toy.clone())), watch);
    (address, drain)
}

/// Three toys with the same fault, for as long as it takes `wanted` to show, or for a good while.
async fn verify(fault: Fault, wanted: Option<&'static str>) -> FreshnessReport {
    let settings = FreshnessSettings {
        duration: Duration::from_millis(500),
        reads_per_s: 2000.0,
        changes_per_s: 80.0,
        keys: 8,
        bound: Duration::from_millis(40),
        show: Show::Nothing,
        ..FreshnessSettings::default()
    };
    let mut tries = 0;
    loop {
        let origin = VersionedOrigin::start((Ipv4Addr::LOCALHOST, 0).into(), &settings).unwrap();
        let toys: Vec<Arc<Toy>> = (0..3)
            .map(|_| {
                Arc::new(Toy {
                    fault,
                    truth: origin.truth.clone(),
                    kept: Mutex::default(),
                    positions: Mutex::default(),
                })
            })
            .collect();
        let served: Vec<(SocketAddr, Drain)> = toys.iter().map(serve).collect();
        let nodes = served.iter().map(|(address, _)| Checked {
            url: format!("http://{address}"),
            target: Target::plain(*address),
        });
        let report = run(&origin, nodes.collect(), Arc::new(Toys(toys)), settings.clone())
            .await
            .unwrap();
        tries += 1;
        // A machine that hardly runs us may not get to it in one go.
        if tries == 60 || wanted.is_none_or(|wanted| report.violations.contains_key(wanted)) {
            return report;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_found_and_told_with_its_history() {
    for (fault, promise) in [
        (Fault::Keeps, "P1"),
        (Fault::TellsNobody, "P2"),
        (Fault::StoresOvertaken, "P1"),
        (Fault::Fails, "P6"),
        (Fault::MixesUp, "damaged"),
    ] {
        let report = verify(fault, Some(promise)).await;
        assert_eq!(report.verdict, Verdict::Broken, "{fault:?}: {}", report.because);
        assert!(
            report.violations.contains_key(promise),
            "{fault:?}: {:?}",
            report.violations
        );
        let text = report::freshness(&report, &Look::PLAIN);
        // What is damaged may be so before anything was changed.
        let is_age = matches!(promise, "P1" | "P2");
        assert!(text.contains("BROKEN"), "{text}");
        assert!(!is_age || text.contains("the origin has version"), "{text}");
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains(r#""verdict":"broken""#)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_its_promises_passes() {
    let report = verify(Fault::Nothing, None).await;
    assert_eq!(report.verdict, Verdict::Kept, "{report:#?}");
    assert!(report.reads() > 0 && report.nodes.iter().all(|node| node.hits > 0));
    assert_eq!(
        report.staleness.buckets.iter().map(|bucket| bucket.reads).sum::<u64>(),
        report.reads(),
        "every answer is in one bucket"
    );
    assert!(report::freshness(&report, &Look::PLAIN).contains("kept: "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_so_may_be_old_elsewhere_and_what_caches_nothing_shows_nothing() {
    let report = verify(Fault::TellsNobodyAndSaysSo, None).await;
    assert_eq!(report.verdict, Verdict::Kept, "{report:#?}");
    assert!(report.nodes.iter().all(|node| node.unverified > 0));
    let report = verify(Fault::NoCache, None).await;
    assert_eq!(report.verdict, Verdict::Inconclusive);
}

#[test]
fn a_read_is_judged_by_what_was_promised_when_it_was_sent() {
    let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
    let bound = Duration::from_millis(1000);
    let told = |node, returned, confirmed, everywhere| Told {
        node: Some(node),
        returned: at(returned),
        confirmed,
        everywhere,
        words: String::new(),
    };
    let read = |node, sent, version, unverified| Read {
        node,
        sent: at(sent),
        version,
        unverified,
        cache_status: String::new(),
    };
    let mut history = History::default();
    assert_eq!(history.change(at(100)), 2);
    history.told(2, told(0, 110, true, false));
    for (asked, behind, broken) in [
        (read(1, 90, 1, false), 0, None),
        (read(0, 105, 1, false), 5, None),
        (read(0, 110, 1, false), 10, None),
        (read(0, 111, 1, false), 11, Some(Promise::P1)),
        (read(0, 111, 1, true), 11, Some(Promise::P1)),
        (read(0, 111, 2, false), 0, None),
        (read(1, 1110, 1, false), 1010, None),
        (read(1, 1111, 1, false), 1011, Some(Promise::P2)),
        (read(1, 1111, 1, true), 1011, None),
        (read(1, 1111, 3, false), 0, Some(Promise::Damaged)),
        (read(1, 1111, 0, false), 1011, Some(Promise::Damaged)),
    ] {
        let judged = history.read(asked.clone(), bound);
        assert_eq!(judged, (Duration::from_millis(behind), broken), "{asked:?}");
    }
    // Journaled: nothing is promised elsewhere. Everybody has confirmed: nobody has an excuse.
    history.change(at(2000));
    history.told(3, told(0, 2010, false, false));
    assert_eq!(history.read(read(1, 9000, 2, false), bound).1, None);
    assert_eq!(history.read(read(0, 9000, 2, false), bound).1, Some(Promise::P1));
    history.change(at(9100));
    history.told(4, told(0, 9110, true, true));
    assert_eq!(history.read(read(2, 9111, 3, true), bound).1, Some(Promise::Receipt));
}

#[tokio::test]
async fn a_node_that_leads_elsewhere_is_told_before_anything_begins() {
    let settings = FreshnessSettings {
        show: Show::Nothing,
        ..FreshnessSettings::default()
    };
    let origin = VersionedOrigin::start((Ipv4Addr::LOCALHOST, 0).into(), &settings).unwrap();
    let other = VersionedOrigin::start((Ipv4Addr::LOCALHOST, 0).into(), &settings).unwrap();
    let nodes = vec![Checked {
        url: "the other".to_owned(),
        target: Target::plain(other.address),
    }];
    let refused = run(&origin, nodes, Arc::new(Toys(Vec::new())), settings).await;
    assert!(matches!(refused, Err(FreshnessError::NoRoute { .. })));
}
