//! GET `traffic`: the last finished requests.

use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_telemetry::tail::{Filter, KEPT_MAX, RequestEvent};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// How many requests are answered, unless it is said.
const LIMIT: u64 = 100;

/// The last finished requests.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TrafficReport {
    /// The newest first.
    #[schema(value_type = Vec<RequestEvent>)]
    pub requests: Vec<Arc<RequestEvent>>,
}

/// Which requests, and how many of them.
pub(crate) fn from_query(query: Option<&str>) -> Result<(Filter, usize), Refusal> {
    let mut faults = Vec::new();
    let known = ["limit", "route", "status", "cache", "contains", "min_ms"];
    let mut query = Query::parse(query, &known, &mut faults);
    let limit = query.number("limit", &mut faults).unwrap_or(LIMIT);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if !(1..=KEPT_MAX).contains(&limit) {
        faults.push(fault("limit", format!("is not between 1 and {KEPT_MAX}")));
    }
    let status = query.take("status").map(|status| status.parse());
    let min_ms = query.take("min_ms").map(|least| least.parse::<f64>());
    if let Some(Err(problem)) = &status {
        faults.push(fault("status", *problem));
    }
    if min_ms
        .as_ref()
        .is_some_and(|least| !least.as_ref().is_ok_and(|least| least.is_finite()))
    {
        faults.push(fault("min_ms", "is not a number"));
    }
    if !faults.is_empty() {
        return Err(Refusal::invalid(faults));
    }
    let filter = Filter {
        route: query.take("route"),
        status: status.and_then(Result::ok),
        cache: query.take("cache"),
        contains: query.take("contains"),
        min_ms: min_ms.and_then(Result::ok),
    };
    Ok((filter, limit))
}
