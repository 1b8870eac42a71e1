//! Sends load from a core of its own, with requests as a browser sends them.

use crate::http::process::Server;
use peregrine_lab::load::{self, Limit, Load, LoadReport, Plan, Planned, Settings, Target, write_request};
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

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The same page again and again.
    Same,
    /// A page that nobody asked for before, each time.
    New,
}

/// The requests of one run.
struct Browser {
    host: String,
    asking: Asking,
    /// Tells the pages of this run from those of all others.
    asked: AtomicU64,
}

impl Plan for Browser {
    type Note = ();

    fn next(&self, _: &mut fastrand::Rng, wire: &mut Vec<u8>) -> Planned<()> {
        let mut fields = [("Host", self.host.as_str()); 12];
        fields[1..].copy_from_slice(&BROWSER);
        match self.asking {
            Asking::Same => write_request(wire, "GET", "/product/1", &fields, None),
            Asking::New => {
                let number = self.asked.fetch_add(1, Ordering::Relaxed);
                write_request(wire, "GET", &format!("/product/{number:012}"), &fields, None);
            }
        }
        Planned {
            note: (),
            to_head: false,
            is_repeatable: true,
        }
    }
}

/// How a server did under load.
pub(crate) struct Driven {
    /// What the load generator saw.
    pub(crate) report: LoadReport,
    /// Processor time of the server for each request, in microseconds.
    pub(crate) processor_us: f64,
}

/// A closed loop over `connections` to `server` until `limit`, all on this thread.
///
/// # Errors
/// When it cannot start, or not every answer was whole and good: such numbers would compare unlike work.
pub(crate) fn drive(server: &Server, asking: Asking, connections: usize, limit: Limit) -> Result<Driven, String> {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let first_page = RUN.fetch_add(1, Ordering::Relaxed) * 1_000_000_000;
    let plan = Browser {
        host: server.address.to_string(),
        asking,
        asked: AtomicU64::new(first_page),
    };
    let load = Load {
        name: server.name.to_owned(),
        target: Target::plain(server.address),
        plan: Arc::new(plan),
        observer: Arc::new(()),
        settings: Settings {
            connections,
            limit,
            warm_up: Duration::from_millis(300),
            ..Settings::default()
        },
        on_progress: None,
        stop: None,
    };
    let before = server.processor_time();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let report = runtime.block_on(load::run(load)).map_err(|error| error.to_string())?;
    let used = server.processor_time().saturating_sub(before);
    let is_good = report.failures.is_empty() && report.statuses.keys().eq([&200]);
    if !is_good {
        return Err(format!(
            "{} did not answer all with 200: {:?} {:?}",
            server.name, report.statuses, report.failures
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 answers")]
    let processor_us = used.as_secs_f64() * 1e6 / report.answers_with_warm_up as f64;
    Ok(Driven { report, processor_us })
}
