//! Sends load from a core of its own, with requests as a browser sends them.

use crate::http::process::Server;
use crate::http::servers::Certificate;
use peregrine_lab::load::{
    self, Arrivals, Limit, Load, LoadReport, Pace, Plan, Planned, Roots, Settings, Target, write_request,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a browser sends beside `Host`: with it twelve fields.
const BROWSER: [(&str, &str); 11] = [
    ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("Upgrade-Insecure-Requests", "1"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
];
/// Asks whether the page has changed; it has not.
const VALIDATOR: (&str, &str) = ("If-None-Match", "\"one\"");

/// What is asked for; the length of a body is the origin's business, which reads it in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The same page again and again, with a body of so many bytes.
    Same(usize),
    /// Whether the same page has changed.
    Changed,
    /// A page that nobody asked for before, each time.
    New,
    /// Nine of ten requests for one of `popular` pages, the tenth for one of `rare`, with bodies of `bytes`.
    Mixed { popular: u64, rare: u64, bytes: usize },
}

impl Asking {
    /// The status of every answer.
    const fn status(self) -> u16 {
        if matches!(self, Self::Changed) { 304 } else { 200 }
    }
}

/// The requests of one run.
struct Browser {
    host: String,
    asking: Asking,
    /// Tells the pages of this run from those of all others.
    asked: AtomicU64,
}

impl Browser {
    fn path(&self, rng: &mut fastrand::Rng) -> String {
        match self.asking {
            Asking::Same(bytes) => format!("/bytes/{bytes}/product/1"),
            Asking::Changed => "/bytes/1024/product/1".to_owned(),
            Asking::New => {
                let number = self.asked.fetch_add(1, Ordering::Relaxed);
                format!("/bytes/1024/product/{number:012}")
            }
            Asking::Mixed { popular, rare, bytes } => {
                if rng.u8(0..10) == 0 {
                    format!("/bytes/{bytes}/rare/{}", rng.u64(0..rare))
                } else {
                    format!("/bytes/{bytes}/popular/{}", rng.u64(0..popular))
                }
            }
        }
    }
}

impl Plan for Browser {
    type Note = ();

    fn next(&self, rng: &mut fastrand::Rng, wire: &mut Vec<u8>) -> Planned<()> {
        let mut fields = [("Host", self.host.as_str()); 13];
        fields[1..12].copy_from_slice(&BROWSER);
        fields[12] = VALIDATOR;
        let count = if self.asking == Asking::Changed { 13 } else { 12 };
        write_request(wire, "GET", &self.path(rng), &fields[..count], None);
        Planned {
            note: (),
            to_head: false,
            is_repeatable: true,
        }
    }
}

/// How a server did under load.
pub(crate) struct Driven {
    /// Answers per second.
    pub(crate) requests_per_s: f64,
    /// The middle of the time until an answer, in microseconds.
    pub(crate) p50_us: f64,
    /// What one answer in a hundred exceeds, in microseconds.
    pub(crate) p99_us: f64,
    /// Processor time of the server for each request, in microseconds.
    pub(crate) processor_us: f64,
    /// What the server occupies afterwards.
    pub(crate) resident_bytes: u64,
}

/// A closed loop over `connections` to `server` until `limit`, all on this thread; over TLS when there is a certificate to
/// trust.
///
/// # Errors
/// When it cannot start, or not every answer was whole and as expected: such numbers would compare unlike work.
pub(crate) fn drive(
    server: &Server,
    asking: Asking,
    connections: usize,
    limit: Limit,
    trusted: Option<&Certificate>,
) -> Result<Driven, String> {
    drive_at(Pace::Closed, server, asking, connections, limit, trusted)
}

/// The same in an open loop: `rate_per_s` requests arrive in a second, independently of each other and of the answers, and
/// whoever waits for a free connection waits within the time that is measured.
pub(crate) fn drive_steadily(
    server: &Server,
    asking: Asking,
    rate_per_s: f64,
    connections: usize,
    limit: Limit,
) -> Result<Driven, String> {
    let pace = Pace::Open {
        rate_per_s,
        arrivals: Arrivals::Poisson,
    };
    drive_at(pace, server, asking, connections, limit, None)
}

fn drive_at(
    pace: Pace,
    server: &Server,
    asking: Asking,
    connections: usize,
    limit: Limit,
    trusted: Option<&Certificate>,
) -> Result<Driven, String> {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let first_page = RUN.fetch_add(1, Ordering::Relaxed) * 1_000_000_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let target = runtime.block_on(target(server, trusted))?;
    let plan = Browser {
        host: target.authority.clone(),
        asking,
        asked: AtomicU64::new(first_page),
    };
    let load = Load {
        name: server.name.to_owned(),
        target,
        plan: Arc::new(plan),
        observer: Arc::new(()),
        settings: Settings {
            connections,
            pace,
            limit,
            warm_up: Duration::from_millis(300),
            ..Settings::default()
        },
        on_progress: None,
        stop: None,
    };
    let before = server.processor_time();
    let report = runtime.block_on(load::run(load)).map_err(|error| error.to_string())?;
    let used = server.processor_time().saturating_sub(before);
    let is_good = report.failures.is_empty() && report.statuses.keys().eq([&asking.status()]);
    if !is_good {
        return Err(format!(
            "{} did not answer all with {}: {:?} {:?}",
            server.name,
            asking.status(),
            report.statuses,
            report.failures
        ));
    }
    Ok(Driven::new(server, &report, used))
}

impl Driven {
    fn new(server: &Server, report: &LoadReport, used: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 answers")]
        let processor_us = used.as_secs_f64() * 1e6 / report.answers_with_warm_up as f64;
        Self {
            requests_per_s: report.requests_per_s,
            p50_us: report.latency.p50_us,
            p99_us: report.latency.p99_us,
            processor_us,
            resident_bytes: server.resident_bytes(),
        }
    }
}

async fn target(server: &Server, trusted: Option<&Certificate>) -> Result<Target, String> {
    let Some(certificate) = trusted else {
        return Ok(Target::plain(server.address));
    };
    let address = server.secure.ok_or_else(|| format!("{} speaks no TLS", server.name))?;
    let roots = Roots::Given(vec![certificate.der.clone()]);
    let (target, _) = Target::from_url(&format!("https://{address}/"), &roots)
        .await
        .map_err(|error| error.to_string())?;
    Ok(target)
}
