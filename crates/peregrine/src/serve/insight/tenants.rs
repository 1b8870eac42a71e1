//! What tenants did. They have no history: who asks has them read then, and nobody reads them each second.

use super::super::program::Program;
use super::reading::{kept_of, requests_of};
use peregrine_admin::api::statistics::TenantReport;
use peregrine_cache::TenantStatistics;
use peregrine_http::TenantMetrics;
use peregrine_insight::model::TenantFigures;
use peregrine_insight::reading::TenantReading;
use std::collections::BTreeSet;

impl Program {
    /// Every tenant that has an account in the cache, or counters of its requests.
    pub(in crate::serve) fn tenant_figures(&self) -> Vec<TenantFigures> {
        let held = self.engine.statistics().tenants;
        let counted = self.plane.tenant_metrics().all();
        let counted_names = counted.keys().map(|name| &**name);
        let names: BTreeSet<&str> = held.keys().map(String::as_str).chain(counted_names).collect();
        let figures = |name| figures_of(name, held.get(name), counted.get(name).map(|metrics| &**metrics));
        names.into_iter().map(figures).collect()
    }

    /// What one tenant is shown of itself.
    pub(in crate::serve) fn tenant_report_of<'a>(&self, tenant: &'a str) -> TenantReport<'a> {
        let cache = self.engine.statistics_of_tenant(tenant);
        let counted = self.plane.tenant_metrics().get(tenant);
        TenantReport {
            tenant,
            traffic: counted.map(|metrics| figures_of(tenant, cache.as_ref(), Some(&metrics))),
            cache,
        }
    }
}

fn figures_of(tenant: &str, held: Option<&TenantStatistics>, counted: Option<&TenantMetrics>) -> TenantFigures {
    let reading = TenantReading {
        did: counted.map(|metrics| requests_of(&metrics.requests, None)),
        hits: held.map_or(0, |held| held.hits),
        misses: held.map_or(0, |held| held.misses),
        kept: held
            .cloned()
            .map(|held| kept_of((held.bytes, held.entries), held.evictions_by_cause, held.invalidations)),
    };
    peregrine_insight::figures_of_tenant(tenant, &reading)
}
