//! What the admin API needs of the program. The API reads requests, checks them and writes answers; the program, which
//! alone knows the engine, the planes and the configuration, carries them out.

use crate::api::config::{ConfigReport, LogLevel, PatchRequest, Patched};
use crate::api::explain::{ExplainRequest, Explanation};
use crate::api::health::{Health, Readiness};
use crate::api::keys::{EraseRequest, Erased, KeysReport, RotateRequest};
use crate::api::operation::{Operation, Outcome};
use crate::api::preload::{PreloadReport, PreloadRequest};
use crate::api::reload::Reloaded;
use crate::api::statistics::{StatisticsReport, TenantReport};
use crate::refusal::Refusal;
use peregrine_cache::{EntriesQuery, EntryView, Found, Invalidation, NamespaceStatistics, Receipt, Rotated, TagView};
use peregrine_insight::model::TenantFigures;
use peregrine_insight::report::Configured;
use peregrine_telemetry::Exposition;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// Work on its way to an answer. It is dropped when the client goes away.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// The program, as the admin API sees it. Inputs have been checked for what can be checked without knowing the program:
/// their shape, their bounds, and that they name something.
pub trait Control: Send + Sync + 'static {
    /// Whether requests should be sent here. Asked often; answers at once.
    fn readiness(&self) -> Readiness;

    /// How everything is.
    fn health(&self) -> Health;

    /// What the configuration says, for recommendations.
    fn configured(&self) -> Configured;

    /// Whether the names of entries may be written nowhere in plain text, because some of them are encrypted.
    fn names_are_sealed(&self) -> bool;

    /// What the cache did so far.
    fn statistics(&self) -> StatisticsReport;

    /// The namespaces' part of it.
    fn namespaces(&self) -> BTreeMap<String, NamespaceStatistics>;

    /// Adds every metric there is.
    fn metrics(&self, exposition: &mut Exposition);

    /// Why a URL is served as it is.
    fn explain(&self, request: ExplainRequest) -> Answering<'_, Explanation>;

    /// Reads or changes entries; answers as the same variant of [`Outcome`] as the [`crate::api::operation::Act`] has.
    fn operation(&self, operation: Operation) -> Answering<'_, Outcome>;

    /// Makes entries stale or gone; when it answers, that holds.
    fn invalidate(&self, invalidation: Invalidation) -> Answering<'_, Receipt>;

    /// Loads URLs into the cache; answers when all are done.
    fn preload(&self, request: PreloadRequest) -> Answering<'_, PreloadReport>;

    /// What each tenant did.
    fn tenants(&self) -> Vec<TenantFigures>;

    /// What the cache holds of `tenant`, and what its requests were.
    fn tenant_report<'a>(&self, tenant: &'a str) -> TenantReport<'a>;

    /// Who has data keys, from `cursor` on.
    fn keys(&self, cursor: String) -> Answering<'_, KeysReport>;

    /// Lets the active master key wrap the data keys of some owners.
    fn rotate_keys(&self, request: RotateRequest) -> Answering<'_, Rotated>;

    /// Destroys an owner's data keys.
    fn erase_keys(&self, request: EraseRequest) -> Answering<'_, Erased>;

    /// The entries in memory that `query` wants.
    fn entries(&self, query: EntriesQuery) -> Answering<'_, Found<EntryView>>;

    /// The tags that most entries carry, in `namespaces`, at most `limit`.
    fn tags(&self, namespaces: Option<Vec<String>>, limit: usize) -> Answering<'_, Found<TagView>>;

    /// What is configured.
    fn config(&self) -> Answering<'_, ConfigReport>;

    /// Changes the configuration file and reads it again, if the configuration is still known by `etag`; where it is nothing,
    /// whatever it is known by.
    fn patch_config(&self, request: PatchRequest, etag: Option<String>) -> Answering<'_, Patched>;

    /// The log's level.
    fn log_level(&self) -> LogLevel;

    /// Another level, until the next restart or reload.
    fn set_log_level(&self, level: LogLevel) -> Result<LogLevel, Refusal>;

    /// Reads the configuration again and applies what a reload can.
    fn reload(&self) -> Answering<'_, Reloaded>;
}
