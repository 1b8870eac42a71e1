//! Runs against real sockets: what the generator counts is what a server of a few lines sent.

use super::*;
use peregrine_base::{Clock, SystemClock};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a scripted server does with a request.
#[derive(Clone)]
enum Act {
    Answer(&'static str),
    AnswerAndClose(&'static str),
    AnswerLate(&'static str, Duration),
    Close,
    Stall,
}

/// Reads requests (without bodies) one after another and does what `script` says about the nth of a connection.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, requests: Arc<AtomicU64>, script: impl Fn(u64) -> Act) {
    let (mut input, mut nth) = (Vec::new(), 0);
    loop {
        while !input.ends_with(b"\r\n\r\n") {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => input.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        }
        input.clear();
        requests.fetch_add(1, Ordering::Relaxed);
        match script(nth) {
            Act::Answer(text) => stream.write_all(text.as_bytes()).await.unwrap_or(()),
            Act::AnswerLate(text, wait) => {
                tokio::time::sleep(wait).await;
                stream.write_all(text.as_bytes()).await.unwrap_or(());
            }
            Act::AnswerAndClose(text) => return stream.write_all(text.as_bytes()).await.unwrap_or(()),
            Act::Close => return,
            Act::Stall => std::future::pending().await,
        }
        nth += 1;
    }
}

/// A server on a free port, and how many requests it has read.
async fn server(script: impl Fn(u64) -> Act + Clone + Send + Sync + 'static) -> (Target, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::plain(listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU64::new(0));
    let counter = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, counter.clone(), script.clone()));
        }
    });
    (target, requests)
}

fn settings(connections: usize, requests: u64) -> Settings {
    Settings {
        connections,
        limit: Limit::Requests(requests),
        warm_up: Duration::ZERO,
        ..Settings::default()
    }
}

async fn measure<O: Observer<()>>(target: &Target, method: &str, observer: Arc<O>, settings: Settings) -> LoadReport {
    let plan = BenchPlan::new(target, "/", method, &[], None).unwrap();
    let (name, target, plan) = ("test".to_owned(), target.clone(), Arc::new(plan));
    run(Load {
        name,
        target,
        plan,
        observer,
        settings,
        on_progress: None,
        stop: None,
    })
    .await
    .unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Status: Peregrine; hit\r\n\r\nhello";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n";
const MISS: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nCache-Status: Peregrine; fwd=miss\r\n\r\n";
const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nhello";
const HEAD_ONLY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn every_framing_is_read_and_counted() {
    for (text, closes, method, status, body_bytes) in [
        (OK, false, "GET", 200, 5),
        (CHUNKED, false, "GET", 200, 5),
        (MISS, false, "GET", 404, 0),
        (EARLY, false, "GET", 204, 0),
        (UNTIL_CLOSE, true, "GET", 200, 5),
        (HEAD_ONLY, false, "HEAD", 200, 0),
    ] {
        let (target, requests) = server(move |_| {
            if closes {
                Act::AnswerAndClose(text)
            } else {
                Act::Answer(text)
            }
        })
        .await;
        let report = measure(&target, method, Arc::new(()), settings(2, 40)).await;
        assert_eq!(report.failures, BTreeMap::new(), "{text}");
        assert_eq!(report.statuses, BTreeMap::from([(status, 40)]), "{text}");
        assert_eq!((report.answers, requests.load(Ordering::Relaxed)), (40, 40), "{text}");
        assert_eq!(report.bytes_in, 40 * text.len() as u64, "{text}");
        assert_eq!(report.body_bytes_in, 40 * body_bytes, "{text}");
    }
}

#[tokio::test]
async fn hits_and_misses_come_from_cache_status() {
    let (target, _) = server(|nth| Act::Answer(if nth % 4 == 0 { MISS } else { OK })).await;
    let report = measure(&target, "GET", Arc::new(()), settings(1, 100)).await;
    assert_eq!((report.hits, report.forwarded), (75, 25));
    assert_eq!(report.hit_ratio(), Some(0.75));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let cut_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (act, word) in [
        (Act::Close, "closed"),
        (Act::AnswerAndClose("HTTP/1.1 20"), "cut_short"),
        (Act::AnswerAndClose(cut), "cut_short"),
        (Act::AnswerAndClose(cut_chunk), "cut_short"),
        (Act::Answer("SSH-2.0-x\r\n\r\n"), "malformed"),
        (Act::Answer(both), "malformed"),
        (
            Act::Answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"),
            "too_large",
        ),
        (Act::Stall, "timed_out"),
    ] {
        let (target, _) = server(move |_| act.clone()).await;
        let settings = Settings {
            request_time_max: Duration::from_millis(100),
            ..settings(1, 2)
        };
        let report = measure(&target, "GET", Arc::new(()), settings).await;
        assert_eq!(report.failures, BTreeMap::from([(word.to_owned(), 2)]));
        assert_eq!((report.answers, report.errors()), (0, 2));
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_opened_again_and_is_no_error() {
    let (target, requests) = server(|nth| if nth < 3 { Act::Answer(OK) } else { Act::Close }).await;
    let report = measure(&target, "GET", Arc::new(()), settings(1, 9)).await;
    assert_eq!((report.answers, report.reconnects, report.errors()), (9, 2, 0));
    assert_eq!(requests.load(Ordering::Relaxed), 11);
    // A request that changes something is never sent twice.
    let report = measure(&target, "DELETE", Arc::new(()), settings(1, 4)).await;
    assert_eq!((report.answers, report.failures.get("closed")), (3, Some(&1)));
}

#[tokio::test]
async fn nobody_listening_is_one_clear_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::plain(listener.local_addr().unwrap());
    drop(listener);
    let plan = Arc::new(BenchPlan::new(&target, "/", "GET", &[], None).unwrap());
    let (name, observer, settings) = (String::new(), Arc::new(()), settings(1, 1));
    let load = Load {
        name,
        target: target.clone(),
        plan,
        observer,
        settings,
        on_progress: None,
        stop: None,
    };
    let error = run(load).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("cannot connect to {target} ({}): connect", target.address)
    );
}

/// Keeps what it sees.
#[derive(Default)]
struct Witness {
    seen: Mutex<Vec<(u16, String, String)>>,
    failures: AtomicUsize,
}

impl Observer<()> for Witness {
    fn answer(&self, (): (), answer: &Answer<'_>) {
        assert!(answer.started <= answer.answered && answer.answered <= SystemClock.now());
        let status = answer.header("cache-status").unwrap_or("none").to_owned();
        self.seen
            .lock()
            .unwrap()
            .push((answer.status, status, String::from_utf8(answer.body.to_vec()).unwrap()));
    }

    fn failure(&self, (): (), _failure: Failure) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn observers_see_heads_and_whole_bodies() {
    let (target, _) = server(|nth| match nth {
        0 => Act::Answer(OK),
        1 => Act::Answer(CHUNKED),
        2 => Act::Answer(EARLY),
        _ => Act::Close,
    })
    .await;
    let witness = Arc::new(Witness::default());
    let plan = Arc::new(BenchPlan::new(&target, "/", "DELETE", &[], None).unwrap());
    let (name, settings) = (String::new(), settings(1, 4));
    let load = Load {
        name,
        target,
        plan,
        observer: witness.clone(),
        settings,
        on_progress: None,
        stop: None,
    };
    run(load).await.unwrap();
    let text = |status: u16, cache: &str, body: &str| (status, cache.to_owned(), body.to_owned());
    let expected = [
        text(200, "Peregrine; hit", "hello"),
        text(200, "none", "hello"),
        text(204, "none", ""),
    ];
    assert_eq!(*witness.seen.lock().unwrap(), expected);
    assert_eq!(witness.failures.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_open_loop_charges_the_wait_to_those_who_waited() {
    // One connection, 200 arrivals per second, and a server that never answers the 20th request: the arrivals that were due
    // while it was waited for count with their waits, sent or not.
    let (target, requests) = server(|nth| if nth == 20 { Act::Stall } else { Act::Answer(OK) }).await;
    let pace = Pace::Open {
        rate_per_s: 200.0,
        arrivals: Arrivals::Even,
    };
    let limit = Limit::Time(Duration::from_secs(1));
    let settings = Settings {
        pace,
        limit,
        request_time_max: Duration::from_secs(2),
        ..settings(1, 0)
    };
    let report = measure(&target, "GET", Arc::new(()), settings).await;
    assert_eq!((report.answers, report.failures.get("timed_out")), (20, Some(&1)));
    assert_eq!(report.unsent + 21, 200, "every arrival is accounted for");
    assert!(report.latency.p50_us > 100_000.0, "{:?}", report.latency);
    assert_eq!(requests.load(Ordering::Relaxed), 21);
}

#[tokio::test]
async fn an_open_loop_keeps_its_schedule_through_a_stall_and_charges_it_to_all_who_were_due() {
    // One connection, 200 arrivals per second; the 20th answer comes after 400 ms, so 80 arrivals are late through no fault
    // of theirs. A generator that measured from when it sent them would see one slow answer of two hundred.
    let late = Act::AnswerLate(OK, Duration::from_millis(400));
    let (target, _) = server(move |nth| if nth == 20 { late.clone() } else { Act::Answer(OK) }).await;
    let pace = Pace::Open {
        rate_per_s: 200.0,
        arrivals: Arrivals::Even,
    };
    let settings = Settings {
        pace,
        ..settings(1, 200)
    };
    let report = measure(&target, "GET", Arc::new(()), settings).await;
    assert_eq!((report.answers, report.unsent, report.errors()), (200, 0, 0));
    assert!(report.latency.p90_us > 100_000.0, "{:?}", report.latency);
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_not_taken_for_an_answer() {
    const TWICE: &str = "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let (target, requests) = server(|_| Act::Answer(TWICE)).await;
    let report = measure(&target, "GET", Arc::new(()), settings(1, 10)).await;
    assert_eq!((report.answers, report.failures.get("malformed")), (5, Some(&5)));
    assert_eq!(requests.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn progress_is_told_and_stopping_ends_a_run_with_its_report() {
    let (target, _) = server(|_| Act::Answer(OK)).await;
    let plan = Arc::new(BenchPlan::new(&target, "/", "GET", &[], None).unwrap());
    let (stopper, stop) = watch::channel(false);
    let stopper = Mutex::new(Some(stopper));
    let on_progress: OnProgress = Box::new(move |progress: &Progress| {
        if progress.answers > 0 {
            stopper
                .lock()
                .unwrap()
                .take()
                .inspect(|stopper| stopper.send(true).unwrap());
        }
    });
    let settings = Settings {
        limit: Limit::Time(Duration::from_secs(3600)),
        ..settings(2, 0)
    };
    let (name, observer) = (String::new(), Arc::new(()));
    let load = Load {
        name,
        target,
        plan,
        observer,
        settings,
        on_progress: Some(on_progress),
        stop: Some(stop),
    };
    let report = run(load).await.unwrap();
    assert!(report.answers > 0 && report.elapsed_s < 3600.0);
}

#[tokio::test]
async fn tls_is_spoken_with_given_roots_only() {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, Arc::default(), |_| Act::Answer(OK)).await;
                }
            });
        }
    });
    let url = format!("https://localhost:{port}/");
    let (target, _) = Target::from_url(&url, &Roots::Given(vec![issued.cert.der().clone()]))
        .await
        .unwrap();
    let report = measure(&target, "GET", Arc::new(()), settings(2, 20)).await;
    assert_eq!(report.statuses, BTreeMap::from([(200, 20)]));

    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (target, _) = Target::from_url(&url, &Roots::Given(vec![other.cert.der().clone()]))
        .await
        .unwrap();
    let plan = Arc::new(BenchPlan::new(&target, "/", "GET", &[], None).unwrap());
    let (name, observer, settings) = (String::new(), Arc::new(()), settings(1, 1));
    let load = Load {
        name,
        target,
        plan,
        observer,
        settings,
        on_progress: None,
        stop: None,
    };
    assert!(matches!(
        run(load).await,
        Err(LoadError::Unreachable {
            failure: Failure::Tls,
            ..
        })
    ));
}
