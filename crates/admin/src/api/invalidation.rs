//! POST `cache/invalidate`, POST `cache/clear`, DELETE `cache` and DELETE `cache/pattern`: what is to be gone or stale. All
//! of them are answered with a receipt. The first takes an [`Invalidation`] as the engine reads it; its `scope` is no part of
//! the text and stays open, since the admin token may touch every namespace.

use crate::api::{Checked, check_name, check_names, check_tenant};
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_cache::Invalidation;
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

impl Checked for Invalidation {
    fn check(&self, faults: &mut Vec<Fault>) {
        let lists = [
            ("tags", &self.tags),
            ("keys", &self.keys),
            ("prefixes", &self.prefixes),
            ("patterns", &self.patterns),
            ("namespaces", &self.namespaces),
        ];
        if let Some(tenant) = &self.tenant {
            check_tenant("tenant", tenant, faults);
        }
        if !self.all && self.tenant.is_none() && lists.iter().all(|(_, names)| names.is_empty()) {
            faults.push(fault(
                "body",
                "names nothing: give tags, keys, prefixes, patterns, namespaces or a tenant, or `\"all\": true`",
            ));
        }
        for (field, names) in lists {
            check_names(field, names.iter(), faults);
        }
    }
}

/// What to clear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClearRequest {
    /// Only this namespace; without it, everything.
    pub namespace: Option<String>,
}

impl Checked for ClearRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if let Some(namespace) = &self.namespace {
            check_name("namespace", namespace, faults);
        }
    }
}

impl From<ClearRequest> for Invalidation {
    fn from(request: ClearRequest) -> Self {
        let namespaces: Vec<String> = request.namespace.into_iter().collect();
        Self {
            all: namespaces.is_empty(),
            namespaces,
            ..Self::default()
        }
    }
}

/// Which pattern's entries to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternRequest {
    /// The pattern; `*` stands for anything.
    pub pattern: String,
    /// Only make them stale.
    #[serde(default)]
    pub soft: bool,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
}

impl PatternRequest {
    /// Reads it from the query `pattern=`.
    pub(crate) fn from_query(query: Option<&str>) -> Result<Self, Refusal> {
        let mut faults = Vec::new();
        let mut query = Query::parse(query, &["pattern"], &mut faults);
        let pattern = query.take("pattern").unwrap_or_default();
        let request = Self {
            pattern,
            soft: false,
            dry_run: false,
        };
        request.check(&mut faults);
        if faults.is_empty() {
            Ok(request)
        } else {
            Err(Refusal::invalid(faults))
        }
    }
}

impl Checked for PatternRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name("pattern", &self.pattern, faults);
    }
}

impl From<PatternRequest> for Invalidation {
    fn from(request: PatternRequest) -> Self {
        let PatternRequest { pattern, soft, dry_run } = request;
        Self {
            patterns: vec![pattern],
            soft,
            dry_run,
            ..Self::default()
        }
    }
}
