//! What the admin API asks of the program, answered from the rooms.

use super::program::Program;
use super::sharing::Sharing;
use peregrine_admin::api::config::{ConfigReport, LogLevel, PatchRequest, Patched};
use peregrine_admin::api::explain::{EntryState, ExplainRequest, Explanation, Held, LastOutcome, Step};
use peregrine_admin::api::health::{Health, HealthStatus, Readiness};
use peregrine_admin::api::keys::{EraseRequest, Erased, KeysReport, RotateRequest};
use peregrine_admin::api::operation::{Act, Item, Operation, Outcome, SetOptions};
use peregrine_admin::api::preload::{PreloadProblem, PreloadReport, PreloadRequest};
use peregrine_admin::api::reload::Reloaded;
use peregrine_admin::api::statistics::{ReasonShare, StatisticsReport, TenantReport};
use peregrine_admin::{Answering, Control, Refusal};
use peregrine_cache::{
    EntriesQuery, EntryView, Found, Hit, Invalidation, Namespace, NamespaceStatistics, Receipt, Rotated, TagView,
};
use peregrine_http::{OwnRequest, State, Summary, Warmed};
use peregrine_insight::model::{ChangeKind, TenantFigures};
use peregrine_insight::report::Configured;
use peregrine_net::upstream::{Health as TargetHealth, UpstreamStatus};
use peregrine_telemetry::Exposition;
use peregrine_telemetry::time::Rfc3339;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How many of the problems of a preload are named.
const PROBLEMS_MAX: usize = 20;

impl Control for Program {
    fn readiness(&self) -> Readiness {
        if self.draining.is_leaving() {
            Readiness::Draining
        } else {
            Readiness::Ready
        }
    }

    fn health(&self) -> Health {
        let upstreams: Vec<UpstreamStatus> = self
            .upstreams
            .load()
            .values()
            .map(|upstream| upstream.status())
            .collect();
        let mut complaints = Vec::new();
        let mut status = HealthStatus::Ok;
        for upstream in &upstreams {
            let healthy = upstream
                .targets
                .iter()
                .filter(|target| target.health == TargetHealth::Healthy)
                .count();
            let of = upstream.targets.len();
            if healthy == 0 {
                status = HealthStatus::Failing;
                complaints.push(format!(
                    "upstream `{}`: none of its {of} targets answers",
                    upstream.name
                ));
            } else if healthy < of {
                status = status_at_least_degraded(status);
                complaints.push(format!(
                    "upstream `{}`: {} of its {of} targets are left out",
                    upstream.name,
                    of - healthy
                ));
            }
        }
        let about_certificates = self.listeners.complaints(Self::clock().wall());
        if !about_certificates.is_empty() {
            status = status_at_least_degraded(status);
            complaints.extend(about_certificates);
        }
        let about_sharing = self.sharing.as_ref().map(Sharing::complaints).unwrap_or_default();
        if !about_sharing.is_empty() {
            status = status_at_least_degraded(status);
            complaints.extend(about_sharing);
        }
        Health {
            status,
            readiness: self.readiness(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.uptime().as_secs(),
            complaints,
            upstreams,
        }
    }

    fn configured(&self) -> Configured {
        super::insight::configured(self)
    }

    fn names_are_sealed(&self) -> bool {
        self.engine.keys().statistics().active.is_some()
    }

    fn statistics(&self) -> StatisticsReport {
        let summary = Summary::of(&self.plane.table());
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let share = |count: u64| count as f64 / summary.requests.max(1) as f64;
        let reasons = summary.reasons.iter().map(|reason| ReasonShare {
            reason: reason.reason.to_owned(),
            count: reason.requests,
            share: share(reason.requests),
            sentence: reason.sentence.to_owned(),
            advice: reason.advice.map(str::to_owned),
        });
        StatisticsReport {
            uptime_s: self.uptime().as_secs(),
            requests: summary.requests,
            reasons: reasons.collect(),
            cache: self.engine.statistics(),
            keys: Some(self.engine.keys().statistics()).filter(|keys| keys.active.is_some()),
            backplane: self.sharing.as_ref().map(|sharing| sharing.backplane.status()),
            redis: self.sharing.as_ref().map(|sharing| sharing.redis.status()),
        }
    }

    fn namespaces(&self) -> BTreeMap<String, NamespaceStatistics> {
        self.engine.statistics_without_tenants().namespaces
    }

    fn tenants(&self) -> Vec<TenantFigures> {
        self.tenant_figures()
    }

    fn tenant_report<'a>(&self, tenant: &'a str) -> TenantReport<'a> {
        self.tenant_report_of(tenant)
    }

    fn metrics(&self, exposition: &mut Exposition) {
        super::metrics::expose(self, exposition);
    }

    fn explain(&self, request: ExplainRequest) -> Answering<'_, Explanation> {
        Box::pin(async move {
            let own = self.own_request(&request.url, &request.method, &request.headers)?;
            let told = self.plane.explain(&own, request.fetch).await;
            Ok(explanation(told, request.method))
        })
    }

    fn operation(&self, operation: Operation) -> Answering<'_, Outcome> {
        Box::pin(async move { self.operate(operation).await })
    }

    fn invalidate(&self, invalidation: Invalidation) -> Answering<'_, Receipt> {
        Box::pin(async move {
            let receipt = self.engine.invalidate(&invalidation).await;
            if !invalidation.dry_run {
                let id = Some(receipt.id.to_string());
                self.watching.note(
                    ChangeKind::Invalidation,
                    super::insight::in_words(&invalidation, self.names_are_sealed()),
                    id,
                );
            }
            tracing::info!(
                id = receipt.id,
                dry_run = invalidation.dry_run,
                soft = invalidation.soft,
                confirmed = receipt.is_confirmed(),
                "invalidated"
            );
            Ok(receipt)
        })
    }

    fn preload(&self, request: PreloadRequest) -> Answering<'_, PreloadReport> {
        Box::pin(async move { self.preload_all(request).await })
    }

    fn keys(&self, cursor: String) -> Answering<'_, KeysReport> {
        Box::pin(async move { self.list_keys(&cursor).await })
    }

    fn rotate_keys(&self, request: RotateRequest) -> Answering<'_, Rotated> {
        Box::pin(async move { self.rotate(&request).await })
    }

    fn erase_keys(&self, request: EraseRequest) -> Answering<'_, Erased> {
        Box::pin(async move { self.erase(request).await })
    }

    fn entries(&self, query: EntriesQuery) -> Answering<'_, Found<EntryView>> {
        Box::pin(async move {
            let engine = Arc::clone(&self.engine);
            let found = tokio::task::spawn_blocking(move || engine.entries(&query)).await;
            found.map_err(|_| Refusal::failed("the entries cannot be looked through"))
        })
    }

    fn tags(&self, namespaces: Option<Vec<String>>, limit: usize) -> Answering<'_, Found<TagView>> {
        Box::pin(async move {
            let engine = Arc::clone(&self.engine);
            let found = tokio::task::spawn_blocking(move || engine.tags(namespaces.as_deref(), limit)).await;
            found.map_err(|_| Refusal::failed("the entries cannot be looked through"))
        })
    }

    fn config(&self) -> Answering<'_, ConfigReport> {
        Box::pin(async move { Ok(self.config_report()) })
    }

    fn patch_config(&self, request: PatchRequest, etag: Option<String>) -> Answering<'_, Patched> {
        Box::pin(async move {
            let stopping = || Refusal::failed("the program is being stopped");
            let program = self.shared().ok_or_else(stopping)?;
            // Files are written and pools built; and what has begun is done, whether or not the client stays.
            let patched = tokio::task::spawn_blocking(move || program.patch_now(&request, etag.as_deref())).await;
            patched.map_err(|_| stopping())?
        })
    }

    fn log_level(&self) -> LogLevel {
        self.level_report()
    }

    fn set_log_level(&self, level: LogLevel) -> Result<LogLevel, Refusal> {
        self.change_level(&level)
    }

    fn reload(&self) -> Answering<'_, Reloaded> {
        Box::pin(async move {
            let stopping = || Refusal::failed("the program is being stopped");
            let program = self.shared().ok_or_else(stopping)?;
            // Reading files and building pools may take a moment, which the requests need not wait for.
            let reloaded = tokio::task::spawn_blocking(move || program.reload_now()).await;
            let reloaded = reloaded
                .map_err(|_| stopping())?
                .map_err(|failure| Refusal::conflict(format!("not reloaded: {failure}")))?;
            Ok(Reloaded {
                applied: reloaded.applied,
                needs_restart: reloaded.needs_restart,
            })
        })
    }
}

impl Program {
    pub(super) fn uptime(&self) -> Duration {
        Self::clock().now().since(self.started)
    }

    fn named(&self, namespace: &str) -> Result<Arc<Namespace>, Refusal> {
        self.engine
            .namespace(namespace)
            .ok_or_else(|| Refusal::not_found(format!("There is no namespace `{namespace}`.")))
    }

    async fn operate(&self, operation: Operation) -> Result<Outcome, Refusal> {
        let namespace = self.named(&operation.namespace)?;
        let tenant = operation.tenant.as_deref().unwrap_or_default();
        Ok(match operation.act {
            Act::Get(key) => {
                let found = self.engine.get_shared(&namespace, tenant, &key).await;
                Outcome::Got(found.map(|hit| self.item(&hit)))
            }
            Act::GetMany(keys) => {
                let found = self.engine.mget_shared(&namespace, tenant, &keys).await;
                let item = |hit: Option<Hit>| hit.map(|hit| self.item(&hit));
                Outcome::GotMany(found.into_iter().map(item).collect())
            }
            Act::Delete(key) => Outcome::Deleted(self.engine.delete_shared(&namespace, tenant, &key).await),
            Act::Set(values, options) => {
                let options = self.set_options(options)?;
                Outcome::Set(self.engine.mset_shared(&namespace, tenant, values, &options).await)
            }
            Act::Clear => {
                let cleared = Invalidation {
                    tenant: operation.tenant,
                    namespaces: vec![operation.namespace],
                    ..Invalidation::default()
                };
                Outcome::Cleared(self.engine.invalidate(&cleared).await)
            }
        })
    }

    fn set_options(&self, options: SetOptions) -> Result<peregrine_cache::SetOptions, Refusal> {
        let strategy = match options.strategy {
            None => None,
            Some(name) => {
                let found = self.engine.strategy(&name);
                Some(found.ok_or_else(|| Refusal::not_found(format!("There is no strategy `{name}`.")))?)
            }
        };
        Ok(peregrine_cache::SetOptions {
            ttl: options.ttl,
            strategy,
            tags: options.tags,
        })
    }

    fn item(&self, hit: &Hit) -> Item {
        let now = Self::clock().now();
        Item {
            value: hit.body().to_bytes(),
            age: hit.age(now),
            ttl: hit.fresh_until().since(now),
            tags: hit.tags().map(str::to_owned).collect(),
        }
    }

    /// A request of Peregrine's own, from texts that the API has checked already. A path is asked for as on this machine,
    /// unless a field names the host.
    fn own_request(&self, url: &str, method: &str, headers: &BTreeMap<String, String>) -> Result<OwnRequest, Refusal> {
        let unusable = |what: &str| Refusal::failed(format!("{what} cannot be used"));
        let mut fields = http::HeaderMap::new();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().map_err(|_| unusable(name))?;
            fields.append(name, value.parse().map_err(|_| unusable(value))?);
        }
        let url: http::Uri = url.parse().map_err(|_| unusable(url))?;
        if url.authority().is_none()
            && !fields.contains_key(http::header::HOST)
            && let Some(Ok(host)) = self.own_host().map(TryInto::try_into)
        {
            fields.insert(http::header::HOST, host);
        }
        Ok(OwnRequest {
            url,
            method: method.parse().map_err(|_| unusable(method))?,
            headers: fields,
        })
    }

    /// Loads the URLs at the rate and with the concurrency that were asked for.
    async fn preload_all(&self, request: PreloadRequest) -> Result<PreloadReport, Refusal> {
        let started = Self::clock().now();
        let pause = Duration::from_secs(1) / request.rate.max(1);
        let mut report = PreloadReport::default();
        let mut underway: JoinSet<(String, Warmed)> = JoinSet::new();
        let mut ticks = tokio::time::interval(pause);
        // After pages that took their time the rate is not exceeded to catch up.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for url in request.urls {
            let own = self.own_request(&url, "GET", &request.headers)?;
            if underway.len() >= usize::try_from(request.concurrency).unwrap_or(usize::MAX) {
                count(&mut report, underway.join_next().await);
            }
            ticks.tick().await;
            let plane = Arc::clone(&self.plane);
            underway.spawn(async move { (url, plane.warm(&own).await) });
        }
        while let Some(warmed) = underway.join_next().await {
            count(&mut report, Some(warmed));
        }
        report.took_ms = u64::try_from(Self::clock().now().since(started).as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }
}

/// Counts what became of one URL.
fn count(report: &mut PreloadReport, warmed: Option<Result<(String, Warmed), tokio::task::JoinError>>) {
    let Some(Ok((url, warmed))) = warmed else {
        report.failed += 1;
        return;
    };
    let problem = match warmed {
        Warmed::Stored => return report.stored += 1,
        Warmed::Fresh => return report.fresh += 1,
        Warmed::NotStored(status, reason) => {
            report.not_stored += 1;
            PreloadProblem {
                url,
                status: Some(status),
                reason: reason.to_owned(),
            }
        }
        Warmed::Failed(status, reason) => {
            report.failed += 1;
            PreloadProblem {
                url,
                status: Some(status),
                reason: reason.to_owned(),
            }
        }
    };
    if report.problems.len() < PROBLEMS_MAX {
        report.problems.push(problem);
    }
}

const fn status_at_least_degraded(status: HealthStatus) -> HealthStatus {
    match status {
        HealthStatus::Failing => HealthStatus::Failing,
        _ => HealthStatus::Degraded,
    }
}

/// What the plane tells, as the API writes it.
fn explanation(told: peregrine_http::Explanation, method: String) -> Explanation {
    let route = told.route.as_deref();
    let entry = told.entry.as_ref();
    let steps = told.steps.iter().map(|step| Step {
        step: step.step.to_owned(),
        outcome: step.outcome.clone(),
        reason: step.decision.map(|decision| decision.reason.as_str().to_owned()),
        clause: step.decision.map(|decision| decision.clause.to_string()),
        sentence: step.decision.map(|decision| decision.sentence()),
    });
    let last = told.last.as_ref().map(|last| LastOutcome {
        when: Rfc3339(last.when).to_string(),
        cache_status: last.cache_status.clone().unwrap_or_default(),
        decision: last.decision.map(|decision| decision.reason.as_str().to_owned()),
        clause: last.decision.map(|decision| decision.clause.to_string()),
        sentence: last.decision.map(|decision| decision.sentence()),
    });
    Explanation {
        method,
        route: route.map(|route| route.name.to_string()),
        upstream: route.map(|route| route.upstream.name().to_string()),
        strategy: route.map(|route| route.strategy.name().to_owned()),
        namespace: route.map(|route| route.namespace.name().to_owned()),
        tenant: Some(told.tenant.clone()).filter(|tenant| !tenant.is_empty()),
        key: told.key.clone(),
        variant: entry
            .map(|entry| entry.variant.clone())
            .filter(|variant| !variant.is_empty()),
        state: match told.state {
            State::Fresh => EntryState::Fresh,
            State::Stale => EntryState::Stale,
            State::Absent => EntryState::Absent,
            State::HitForMiss => EntryState::HitForMiss,
            State::Bypass => EntryState::Bypass,
            State::NotRouted => EntryState::NotRouted,
        },
        age_s: entry.map(|entry| entry.age.as_secs_f64()),
        ttl_s: entry.map(|entry| entry.ttl_s),
        tags: entry.map(|entry| entry.tags.clone()).unwrap_or_default(),
        size: entry.map(|entry| entry.length_bytes),
        hits: entry.map(|entry| entry.hits),
        stored_encoding: entry.map(|entry| {
            let encodings: Vec<&str> = std::iter::once(entry.stored_encoding)
                .chain(entry.codings.iter().copied())
                .collect();
            encodings.join(", ")
        }),
        held: entry.and_then(|entry| entry.held.as_ref()).map(|held| Held {
            ranges: held
                .positions
                .iter()
                .map(|(first, last)| format!("{first}-{last}"))
                .collect(),
            complete: held.complete_bytes,
        }),
        steps: steps.collect(),
        last,
        advice: told.advice.map(str::to_owned),
        url: told.url,
    }
}
