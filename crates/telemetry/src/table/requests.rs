//! Requests, by route and by tenant.

use super::{Metric, counter, gauge, histogram};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    counter(
        "peregrine_unrouted_requests_total",
        &[],
        "Requests that no route takes.",
    ),
    gauge(
        "peregrine_requests_in_flight",
        &[],
        "Requests whose answer is not all there yet; hits that are answered where they are read are never among them.",
    ),
    counter(
        "peregrine_requests_total",
        &["route", "cache"],
        "Requests by how the cache took part.",
    ),
    counter(
        "peregrine_responses_total",
        &["route", "class"],
        "Responses by class of status.",
    ),
    counter(
        "peregrine_encoded_responses_total",
        &["route", "coding"],
        "Responses in a content coding that was made here.",
    ),
    counter(
        "peregrine_uncompressed_bytes_total",
        &["route", "because"],
        "Bytes of stored answers that compress well, sent as they are to clients that take a coding, by the parameter of the strategy that does not offer one.",
    ),
    counter(
        "peregrine_decisions_total",
        &["route", "reason"],
        "Caching decisions by reason.",
    ),
    counter(
        "peregrine_request_errors_total",
        &["route"],
        "Requests that ended in an error.",
    ),
    counter(
        "peregrine_sent_bytes_total",
        &["route"],
        "Bytes of bodies sent to clients.",
    ),
    counter(
        "peregrine_saved_bytes_total",
        &["route"],
        "Bytes of bodies that the origin did not send.",
    ),
    histogram(
        "peregrine_request_duration_seconds",
        &["route"],
        "From the parsed request to the end of the answer.",
    ),
    histogram(
        "peregrine_upstream_first_byte_seconds",
        &["route"],
        "From the request to the origin until its first byte.",
    ),
    counter(
        "peregrine_hits_total",
        &["route", "tier"],
        "Answers from the cache by the tier that had them.",
    ),
    histogram(
        "peregrine_hit_duration_seconds",
        &["route", "tier"],
        "From the parsed request to the end of an answer from the cache, by the tier that had it.",
    ),
    counter(
        "peregrine_request_failures_total",
        &["route", "kind"],
        "Requests by what went wrong with them, clients that left included.",
    ),
    counter(
        "peregrine_origin_requests_total",
        &["route"],
        "Requests that the origin got, renewals in the background included.",
    ),
    counter(
        "peregrine_origin_seconds_total",
        &["route"],
        "Time until the origin answered, or failed, together.",
    ),
    counter(
        "peregrine_origin_saved_requests_total",
        &["route"],
        "Requests that the origin did not get because something stored, or another's load, answered.",
    ),
    counter(
        "peregrine_origin_saved_seconds_total",
        &["route"],
        "Time that the loads of what answered in place of the origin had taken.",
    ),
    histogram(
        "peregrine_upstream_wait_seconds",
        &["route"],
        "How long requests waited for a connection to the origin.",
    ),
    gauge(
        "peregrine_route_info",
        &["route", "strategy", "upstream", "namespace"],
        "Always 1; its labels say which strategy, upstream and namespace a route has.",
    ),
    counter(
        "peregrine_tenant_requests_total",
        &["tenant", "cache"],
        "Requests of a tenant by how the cache took part; `(others)` are all who have no counters of their own.",
    ),
    counter(
        "peregrine_tenant_responses_total",
        &["tenant", "class"],
        "Responses to a tenant by class of status.",
    ),
    counter(
        "peregrine_tenant_answers_total",
        &["tenant", "tier"],
        "Answers to a tenant from the cache by the tier that had them.",
    ),
    counter(
        "peregrine_tenant_decisions_total",
        &["tenant", "reason"],
        "Caching decisions about a tenant's requests by reason.",
    ),
    counter(
        "peregrine_tenant_request_errors_total",
        &["tenant"],
        "A tenant's requests that ended in an error.",
    ),
    counter(
        "peregrine_tenant_request_failures_total",
        &["tenant", "kind"],
        "A tenant's requests by what went wrong with them, clients that left included.",
    ),
    counter(
        "peregrine_tenant_sent_bytes_total",
        &["tenant"],
        "Bytes of bodies sent to a tenant.",
    ),
    counter(
        "peregrine_tenant_saved_bytes_total",
        &["tenant"],
        "Bytes of bodies sent to a tenant that the origin did not send.",
    ),
    counter(
        "peregrine_tenant_origin_requests_total",
        &["tenant"],
        "Requests that the origin got for a tenant, renewals in the background included.",
    ),
    counter(
        "peregrine_tenant_origin_seconds_total",
        &["tenant"],
        "Time until the origin answered a tenant, or failed, together.",
    ),
    counter(
        "peregrine_tenant_origin_saved_requests_total",
        &["tenant"],
        "A tenant's requests that the origin did not get because something stored, or another's load, answered.",
    ),
    counter(
        "peregrine_tenant_origin_saved_seconds_total",
        &["tenant"],
        "Time that the loads of what answered a tenant in place of the origin had taken.",
    ),
    histogram(
        "peregrine_tenant_request_duration_seconds",
        &["tenant"],
        "From a tenant's parsed request to the end of the answer.",
    ),
    histogram(
        "peregrine_tenant_upstream_first_byte_seconds",
        &["tenant"],
        "From a tenant's request to the origin until its first byte.",
    ),
    histogram(
        "peregrine_tenant_upstream_wait_seconds",
        &["tenant"],
        "How long a tenant's requests waited for a connection to the origin.",
    ),
];
