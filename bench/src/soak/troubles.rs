//! What goes wrong around Peregrine: the origin's moods, clients that leave, invalidations and reloads.

use super::Peregrine;
use super::relay::{Mood, Relay};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the origin is well, and then not, at most.
const WELL_MS_MAX: u64 = 4_000;
const BAD_MS_MAX: u64 = 1_500;
/// Between two invalidations, reloads and clients that leave, at most.
const INVALIDATION_MS_MAX: u64 = 100;
const RELOAD_MS_MAX: u64 = 5_000;
const LEAVER_MS_MAX: u64 = 20;
/// The longest answer of the admin API that is read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// What was done.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) bad_moods: u64,
    pub(crate) leavers: u64,
    pub(crate) invalidations: u64,
    pub(crate) reloads: u64,
    /// Calls of the admin API that failed.
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Counters {
    bad_moods: AtomicU64,
    leavers: AtomicU64,
    invalidations: AtomicU64,
    reloads: AtomicU64,
    refused: AtomicU64,
}

/// Everything that is going wrong.
pub(crate) struct Troubles {
    tasks: JoinSet<()>,
    counters: Arc<Counters>,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Up to `most_ms`, or less when it is over; whether it is over.
async fn pause(rng: &mut fastrand::Rng, most_ms: u64, stopped: &mut watch::Receiver<bool>) -> bool {
    let span = Duration::from_millis(rng.u64(most_ms / 4..=most_ms));
    tokio::select! {
        () = tokio::time::sleep(span) => false,
        _ = stopped.wait_for(|stopped| *stopped) => true,
    }
}

impl Troubles {
    /// Begins them; they end when `stopped` says so.
    pub(crate) fn begin(peregrine: &Peregrine, relay: &Arc<Relay>, seed: u64, stopped: &watch::Receiver<bool>) -> Self {
        let counters = Arc::<Counters>::default();
        let mut tasks = JoinSet::new();
        let rng = |number: u64| fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(number));
        tasks.spawn(moods(relay.clone(), rng(1), counters.clone(), stopped.clone()));
        for number in 0..4 {
            tasks.spawn(leavers(
                peregrine.address,
                rng(10 + number),
                counters.clone(),
                stopped.clone(),
            ));
        }
        let admin = (peregrine.admin, peregrine.token.clone());
        tasks.spawn(invalidations(admin.clone(), rng(2), counters.clone(), stopped.clone()));
        let files = (0..12).map(|round| peregrine.rewrite(round)).collect();
        tasks.spawn(reloads(admin, files, rng(3), counters.clone(), stopped.clone()));
        Self { tasks, counters }
    }

    /// Waits for their end; what they did.
    pub(crate) async fn end(mut self) -> Counts {
        while self.tasks.join_next().await.is_some() {}
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters {
            bad_moods,
            leavers,
            invalidations,
            reloads,
            refused,
        } = &*self.counters;
        Counts {
            bad_moods: read(bad_moods),
            leavers: read(leavers),
            invalidations: read(invalidations),
            reloads: read(reloads),
            refused: read(refused),
        }
    }
}

async fn moods(relay: Arc<Relay>, mut rng: fastrand::Rng, counters: Arc<Counters>, mut stopped: watch::Receiver<bool>) {
    loop {
        relay.feel(Mood::Well);
        if pause(&mut rng, WELL_MS_MAX, &mut stopped).await {
            return;
        }
        relay.feel(Mood::BAD[rng.usize(..Mood::BAD.len())]);
        count(&counters.bad_moods);
        pause(&mut rng, BAD_MS_MAX, &mut stopped).await;
    }
}

/// Clients that ask for something and leave: before the answer, in its middle, or without reading it.
async fn leavers(
    address: SocketAddr,
    mut rng: fastrand::Rng,
    counters: Arc<Counters>,
    mut stopped: watch::Receiver<bool>,
) {
    while !pause(&mut rng, LEAVER_MS_MAX, &mut stopped).await {
        let path = match rng.u32(..5) {
            0 => "/reports/sales".to_owned(),
            1 => "/assets/app.js".to_owned(),
            2 => format!("/products?page={}", rng.u32(1..40)),
            _ => format!("/products/{}", rng.u32(1..2000)),
        };
        let left = leave_in_the_middle(address, &path, rng.u64(..4)).await;
        if left.is_ok() {
            count(&counters.leavers);
        }
    }
}

async fn leave_in_the_middle(address: SocketAddr, path: &str, how: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let whole = how > 0;
    let cut = if whole { request.len() } else { request.len() / 2 };
    stream.write_all(&request.as_bytes()[..cut]).await?;
    if how > 1 {
        let mut some = [0; 100];
        let _ = tokio::time::timeout(Duration::from_millis(5 * how), stream.read(&mut some)).await;
    }
    if how == 3 {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    }
    Ok(())
}

async fn invalidations(
    (admin, token): (SocketAddr, String),
    mut rng: fastrand::Rng,
    counters: Arc<Counters>,
    mut stopped: watch::Receiver<bool>,
) {
    while !pause(&mut rng, INVALIDATION_MS_MAX, &mut stopped).await {
        let (id, soft) = (rng.u32(1..2000), rng.bool());
        let body = match rng.u32(..20) {
            0 => format!("{{\"all\":true,\"soft\":{soft}}}"),
            1..=3 => format!("{{\"patterns\":[\"/products/{}*\"],\"soft\":{soft}}}", id % 10),
            4..=7 => format!("{{\"keys\":[\"/products/{id}\"],\"soft\":{soft}}}"),
            _ => format!("{{\"tags\":[\"product-{id}\"],\"soft\":{soft}}}"),
        };
        match call(admin, &token, "POST", "/api/performance/cache/invalidate", &body).await {
            Ok(_) => count(&counters.invalidations),
            Err(_) => count(&counters.refused),
        }
    }
}

async fn reloads(
    (admin, token): (SocketAddr, String),
    files: Vec<(std::path::PathBuf, String)>,
    mut rng: fastrand::Rng,
    counters: Arc<Counters>,
    mut stopped: watch::Receiver<bool>,
) {
    for (path, text) in files.iter().cycle() {
        if pause(&mut rng, RELOAD_MS_MAX, &mut stopped).await {
            return;
        }
        // Written over as a whole, so that nobody reads half of it.
        let beside = path.with_extension("new");
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
        let reloaded = match written {
            Ok(()) => call(admin, &token, "POST", "/api/performance/config/reload", "").await,
            Err(error) => Err(error),
        };
        match reloaded {
            Ok(_) => count(&counters.reloads),
            Err(_) => count(&counters.refused),
        }
    }
}

/// A call of the admin API; the body of its answer, which must be a good one.
pub(crate) async fn call(admin: SocketAddr, token: &str, method: &str, path: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {admin}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok(body.to_owned()),
        _ => Err(io::Error::other(answer)),
    }
}
