//! POST `cache/preload`: loading URLs before somebody asks for them.

use crate::api::explain::{check_headers, check_url};
use crate::api::{Checked, NAMES_MAX};
use crate::refusal::fault;
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most URLs at the same time.
const CONCURRENCY_MAX: u32 = 256;
/// Most URLs in a second.
const RATE_MAX: u32 = 10_000;

/// What to load, and how fast.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreloadRequest {
    /// URLs, or paths on the address that Peregrine listens on; a `Host` field names another.
    pub urls: Vec<String>,
    /// At most so many in a second.
    #[serde(default = "default_rate")]
    pub rate: u32,
    /// At most so many at the same time.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// Header fields of the requests, such as `Accept-Encoding`, which select the variant.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

const fn default_rate() -> u32 {
    50
}

const fn default_concurrency() -> u32 {
    8
}

impl Checked for PreloadRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        match self.urls.len() {
            0 => faults.push(fault("urls", "is empty")),
            1..=NAMES_MAX => {}
            count => {
                faults.push(fault(
                    "urls",
                    format!("has {count} elements; {NAMES_MAX} are the most in one call"),
                ));
            }
        }
        for (index, url) in self.urls.iter().take(NAMES_MAX).enumerate() {
            check_url(&format!("urls[{index}]"), url, faults);
        }
        if !(1..=RATE_MAX).contains(&self.rate) {
            faults.push(fault("rate", format!("is not between 1 and {RATE_MAX} per second")));
        }
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            faults.push(fault("concurrency", format!("is not between 1 and {CONCURRENCY_MAX}")));
        }
        check_headers(&self.headers, faults);
    }
}

/// What came of it. The four counts add up to the number of URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct PreloadReport {
    /// Loaded and stored.
    pub stored: u64,
    /// Fresh in the cache already.
    pub fresh: u64,
    /// Answered, but not stored.
    pub not_stored: u64,
    /// Not answered, or with an error.
    pub failed: u64,
    /// How long it took.
    pub took_ms: u64,
    /// Why some were not stored or failed; the first of them.
    pub problems: Vec<PreloadProblem>,
}

/// Why a URL was not stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct PreloadProblem {
    /// The URL.
    pub url: String,
    /// The status that the origin gave, if it gave one.
    pub status: Option<u16>,
    /// The reason's word.
    pub reason: String,
}
