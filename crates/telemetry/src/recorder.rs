//! Where the one event of a finished request goes: the access log, the live tail, the keys that are asked for most, and
//! warnings of slow requests. A plane has one of these, asks first whether anybody wants the event, and gathers it only then.

#[cfg(test)]
mod tests;

use crate::access::{Access, AccessLog, Redaction, TARGET_MAX_BYTES, cut, without_credentials};
use crate::config::LogConfig;
use crate::otlp::Tracer;
use crate::tail::{Pace, Tail};
use crate::top::TopKeys;
use crate::trace::Trace;
use crate::{Counter, Exposition, Gauge};
use arc_swap::ArcSwap;
use peregrine_base::Instant;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many slow requests a second are warned of.
const WARNINGS_PER_S: u32 = 10;
/// The longest key that is counted, in bytes.
const KEY_MAX_BYTES: usize = 256;
/// That every request is logged, in the parts of [`SAMPLE_PARTS`].
const SAMPLE_ALL: u64 = SAMPLE_PARTS;
/// Into how many parts a share is divided.
const SAMPLE_PARTS: u64 = 1 << 32;

/// Takes finished requests. Never waits.
#[derive(Debug)]
pub struct Recorder {
    /// A line for every request.
    pub access_log: AccessLog,
    /// The last ones, and whoever watches.
    pub tail: Arc<Tail>,
    /// What is asked for most.
    pub top_keys: TopKeys,
    /// Requests that began and have not ended; who begins one moves it, and who ends it moves it back. What is answered
    /// where it was read is never under way.
    pub under_way: Gauge,
    tracer: OnceLock<Tracer>,
    redaction: ArcSwap<Redaction>,
    /// How many requests are logged, in [`SAMPLE_PARTS`].
    sample: AtomicU64,
    /// From how many nanoseconds on a request is slow.
    slow: AtomicU64,
    warnings: Pace,
    slow_requests: Counter,
    left_out: Counter,
}

/// How a request ended, as far as that decides who wants to know more of it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// When.
    pub now: Instant,
    /// From its head to the end of the answer.
    pub duration: Duration,
    /// From its head to the head of the answer.
    pub began: Duration,
    /// The status that the client got.
    pub status: u16,
    /// Whether something went wrong.
    pub failed: bool,
    /// Whether a trace of it is recorded.
    pub traced: bool,
    /// The request id.
    pub request_id: &'a str,
}

/// Who wants the event of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    log: bool,
    tail: bool,
    key: bool,
    slow: bool,
    trace: bool,
}

impl Wanted {
    /// Whether anybody does.
    #[inline]
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.log || self.tail || self.key || self.slow || self.trace
    }
}

impl Recorder {
    /// Opens what `config` describes.
    ///
    /// # Errors
    /// When the access log's file cannot be opened.
    pub fn start(config: &LogConfig) -> io::Result<Self> {
        let recorder = Self {
            access_log: AccessLog::start(config)?,
            tail: Arc::new(Tail::new(Redaction::default())),
            top_keys: TopKeys::default(),
            under_way: Gauge::new(),
            tracer: OnceLock::new(),
            redaction: ArcSwap::default(),
            sample: AtomicU64::new(SAMPLE_ALL),
            slow: AtomicU64::new(u64::MAX),
            warnings: Pace::new(WARNINGS_PER_S),
            slow_requests: Counter::new(),
            left_out: Counter::new(),
        };
        recorder.apply(config);
        Ok(recorder)
    }

    /// Applies a changed configuration.
    ///
    /// # Errors
    /// When the access log's file cannot be opened; everything then goes on as before.
    pub fn reconfigure(&self, config: &LogConfig) -> io::Result<()> {
        self.access_log.reconfigure(config)?;
        self.apply(config);
        Ok(())
    }

    fn apply(&self, config: &LogConfig) {
        let redaction = Redaction::new(&config.redact);
        self.tail.redact(redaction.clone());
        self.redaction.store(Arc::new(redaction));
        self.sample.store(parts(config.access_sample), Ordering::Relaxed);
        let slow = config.slow.map_or(u64::MAX, |slow| nanos(slow.get()));
        self.slow.store(slow, Ordering::Relaxed);
    }

    /// Who wants the event of a request that `ended` so. To be asked once for each.
    #[inline]
    #[must_use]
    pub fn wanted(&self, ended: &Ended<'_>) -> Wanted {
        let slow = nanos(ended.began) >= self.slow.load(Ordering::Relaxed);
        Wanted {
            log: self.access_log.is_on() && (slow || self.is_logged(ended)),
            tail: self.tail.wants(ended.now, ended.status, ended.duration),
            key: self.top_keys.is_due(),
            slow,
            trace: ended.traced,
        }
    }

    /// Whether a request that was not slow is in the access log.
    fn is_logged(&self, ended: &Ended<'_>) -> bool {
        let sample = self.sample.load(Ordering::Relaxed);
        let is_logged =
            sample >= SAMPLE_ALL || ended.failed || ended.status >= 500 || u64::from(mixed(ended.request_id)) < sample;
        if !is_logged {
            self.left_out.increment();
        }
        is_logged
    }

    /// From now on requests are traced, and so many of the traces that begin here recorded. To be said once.
    pub fn trace(&self, sample: f64) {
        self.tracer.get_or_init(|| Tracer::new(sample));
    }

    /// What takes spans, where requests are traced.
    #[inline]
    #[must_use]
    pub fn tracer(&self) -> Option<&Tracer> {
        self.tracer.get()
    }

    /// Hands the event to those who want it; `trace` is the request's, where it is recorded.
    pub fn record(&self, wanted: Wanted, now: Instant, access: &Access<'_>, trace: Option<&Trace>) {
        if wanted.trace
            && let (Some(tracer), Some(trace)) = (self.tracer(), trace)
        {
            let target = cut(access.target, TARGET_MAX_BYTES);
            tracer.finished(trace, access, &self.redaction.load().apply(target));
        }
        if wanted.log {
            self.access_log.record(access);
        }
        if wanted.tail {
            self.tail.record(now, access);
        }
        if wanted.key {
            self.count_key(access);
        }
        if wanted.slow {
            self.slow_requests.increment();
            if self.warnings.take(now) {
                self.warn(access);
            }
        }
    }

    /// Counts what was asked for: method, host, path and query.
    fn count_key(&self, access: &Access<'_>) {
        thread_local! {
            static KEY: RefCell<String> = const { RefCell::new(String::new()) };
        }
        KEY.with_borrow_mut(|key| {
            key.clear();
            // A text takes all that is written.
            let _ = write!(
                key,
                "{} {}://{}",
                access.method,
                access.scheme,
                without_credentials(access.host)
            );
            let target = cut(access.target, TARGET_MAX_BYTES);
            self.redaction.load().pieces(target, |piece| key.push_str(piece));
            self.top_keys.count(cut(key, KEY_MAX_BYTES));
        });
    }

    fn warn(&self, access: &Access<'_>) {
        let redaction = self.redaction.load();
        let target = redaction.apply(cut(access.target, TARGET_MAX_BYTES));
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            request_id = access.request_id,
            method = access.method,
            host = without_credentials(access.host),
            target = &*target,
            status = access.status,
            duration_ms = millis(access.duration),
            upstream_ms = access.upstream_duration.map(millis),
            route = access.route,
            cache = access.cache,
            "a request was slow"
        );
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        self.access_log.expose(exposition);
        self.tail.expose(exposition);
        if let Some(tracer) = self.tracer() {
            tracer.expose(exposition);
        }
        exposition.gauge(
            "peregrine_requests_in_flight",
            &[],
            self.under_way.value().max(0).cast_unsigned(),
        );
        exposition.counter("peregrine_access_log_sampled_out_total", &[], self.left_out.value());
        exposition.counter("peregrine_slow_requests_total", &[], self.slow_requests.value());
    }
}

/// A share in [`SAMPLE_PARTS`].
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share between 0 and 1 has its place among 2^32 parts"
)]
fn parts(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * SAMPLE_PARTS as f64) as u64
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A number that hangs on all of `text`: eight bytes at a time are multiplied in (FNV-1a's manner, with the multiplier of
/// `SplitMix64`), and the upper half of the last product counts.
fn mixed(text: &str) -> u32 {
    let step = |hash: u64, piece: &[u8]| {
        let mut word = [0; 8];
        word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        let product = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        product ^ (product >> 32)
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(0x9E37_79B9_7F4A_7C15, |hash, word| step(hash, word));
    let hash = step(hash, rest);
    u32::try_from(hash.wrapping_mul(0x94D0_49BB_1331_11EB) >> 32).unwrap_or(u32::MAX)
}
