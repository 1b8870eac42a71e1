//! What is told of every call. A test holds this table against the table of calls, so that none is missing in either.

use super::schemas::{Schemas, of};
use super::told::{Area, Form, Given, Kind, Told};
use crate::api::access::{ApiKey, ApiKeys, CreateKey, LoggedOut, LoginRequest, Me, NewKey};
use crate::api::config::{ConfigReport, LogLevel, PatchRequest, Patched};
use crate::api::entries::{EntriesPage, NamespacesReport, TagsPage};
use crate::api::explain::Explanation;
use crate::api::health::Health;
use crate::api::invalidation::{ClearRequest, PatternRequest};
use crate::api::keys::{EraseRequest, Erased, KeysReport, RotateRequest};
use crate::api::monitoring::{
    AcknowledgeRequest, AppliedReport, Dashboard, ForceRequest, Forgotten, MetricsReset, NodesReport,
    RecommendationsReport, RoutesReport, RulesRequest, SilenceRequest, SlosReport, UpstreamsReport,
};
use crate::api::operation::{OperationRequest, WrittenOutcome};
use crate::api::preload::{PreloadReport, PreloadRequest};
use crate::api::reload::Reloaded;
use crate::api::statistics::{StatisticsReport, TenantReport, WithinReport};
use crate::api::strategies::StrategiesReport;
use crate::api::traffic::TrafficReport;
use crate::audit::read::AuditPage;
use crate::calls::Call;
use peregrine_cache::{Invalidation, Receipt, Rotated};
use peregrine_insight::model::{
    Alert, AlertsReport, ApplicationMetrics, CacheMetrics, History, Metrics, Report, ReportTitles, Silence, Summary,
    SystemMetrics,
};
use serde_json::{Value, json};

const WORD: Form = Form {
    content_type: "text/plain",
    about: "A word.",
};

/// The forms of the metrics, by `Accept`.
const EXPOSITIONS: &[Form] = &[
    Form {
        content_type: "text/plain",
        about: "Prometheus' text format 0.0.4.",
    },
    Form {
        content_type: "application/openmetrics-text",
        about: "OpenMetrics 1.0.",
    },
    Form {
        content_type: "application/vnd.google.protobuf",
        about: "Prometheus' protobuf format, with native histograms.",
    },
];

/// The forms of a report, by `format`.
const REPORTS: &[Form] = &[
    Form {
        content_type: "text/markdown",
        about: "With `format=markdown`.",
    },
    Form {
        content_type: "text/html",
        about: "With `format=html`: a page that prints well.",
    },
];

const STREAM: &[Form] = &[Form {
    content_type: "text/event-stream",
    about: "Server-sent events: `id` is a number that grows, `event` a topic, `data` JSON as the field of that name in \
            the schema `Events` says.",
}];

const ID: Given = Given::text("id", "Its id.").needed();
const RANGE: Given = Given::text("range", "The span that ends now, 1m to 30d; default 15m.");
const PAGE: Kind = Kind::Whole { min: 1, max: 1000 };

const HISTORY: &[Given] = &[
    Given::new(
        "resolution",
        Kind::Words(&["auto", "1s", "10s", "1m", "15m"]),
        "The span of a point; default `auto`: the finest that reaches far enough.",
    ),
    Given::text("range", "The span that ends at `to`, 1m to 30d; default 1h."),
    Given::new(
        "from",
        Kind::Whole { min: 0, max: u64::MAX },
        "Seconds since 1970; instead of `range`.",
    ),
    Given::new(
        "to",
        Kind::Whole { min: 0, max: u64::MAX },
        "Seconds since 1970; default: now.",
    ),
    Given::new(
        "limit",
        Kind::Whole {
            min: 1,
            max: peregrine_insight::query::POINTS_MAX as u64,
        },
        "At most so many points, the newest.",
    ),
    Given::text("series", "Names of series with commas between them; all without."),
    Given::text("route", "The series of this route."),
    Given::text("upstream", "The series of this upstream."),
    Given::new(
        "heat",
        Kind::Flag,
        "Whether with the heat map of latency; default false.",
    ),
];

const EXPLAIN: &[Given] = &[
    Given::text("url", "A URL, or a path on the address that Peregrine listens on.").needed(),
    Given::text("method", "Default GET."),
    Given::new(
        "fetch",
        Kind::Flag,
        "Whether to make the request too, as a client would, which stores what may be stored; default false. Not for who is limited to namespaces.",
    ),
    Given::text(
        "headers",
        "Header fields of the request, as a JSON object from names to texts.",
    ),
];

const ENTRIES: &[Given] = &[
    Given::text("namespace", "Of this namespace."),
    Given::text("tenant", "Of this tenant."),
    Given::text("tag", "With this tag."),
    Given::text("prefix", "Whose key, URL or path begins so."),
    Given::text("contains", "With this in the key."),
    Given::new("limit", PAGE, "At most so many; default 100."),
    Given::new("state", Kind::Words(&["fresh", "stale"]), "That are so."),
];

const TRAFFIC: &[Given] = &[
    Given::new("limit", PAGE, "At most so many, the newest; default 100."),
    Given::text("route", "Of this route."),
    Given::text("status", "Answered so: `404`, or a class: `5xx`."),
    Given::text("cache", "With this outcome of the cache."),
    Given::text("contains", "With this in host, target or request id."),
    Given::new("min_ms", Kind::Number, "That took at least so long."),
];

const AUDIT: &[Given] = &[
    Given::new("limit", PAGE, "At most so many, the newest; default 100."),
    Given::new(
        "before",
        Kind::Whole { min: 0, max: u64::MAX },
        "Only records with smaller numbers, for the next page.",
    ),
    Given::text("who", "Whose `who` has this in it."),
    Given::text("what", "Whose `what` has this in it."),
];

const EVENTS: &[Given] = &[
    Given::text(
        "topics",
        "With commas between them: `sample`, `alert`, `request`, `change`, `invalidation`, `report`, `audit` (role `admin`).",
    )
    .needed(),
    Given::new(
        "after",
        Kind::Whole { min: 0, max: u64::MAX },
        "The last number that was seen: what came since is told first.",
    ),
];

/// The answer to `cache/stats`, by who asks.
fn statistics(schemas: &mut Schemas) -> Value {
    let all = [
        of::<StatisticsReport>(schemas),
        of::<WithinReport>(schemas),
        of::<TenantReport<'_>>(schemas),
    ];
    json!({ "oneOf": all })
}

/// An answer that says that some of it is still to come.
const PENDING: (u16, &str) = (
    202,
    "It holds at this node; not every layer has confirmed it yet (`journaled`: Redis will be told when it is back).",
);

const fn invalidating(about: &'static str) -> Told {
    Told::new(Area::Cache, about)
        .gives::<Receipt>()
        .also(PENDING.0, PENDING.1)
        .refused(&[404])
}

const fn monitoring(about: &'static str) -> Told {
    Told::new(Area::Monitoring, about)
}

/// Every call, in the order of the document.
#[rustfmt::skip]
pub(super) const TOLD: &[(Call, Told)] = &[
    (Call::Live, Told::new(Area::Probes, "Whether the process is alive: `ok`.").forms(&[WORD])),
    (Call::Ready, Told::new(Area::Probes, "Whether requests should be sent here: `ready`.").forms(&[WORD])
        .also(503, "They should not: `starting` or `draining`.")),

    (Call::Summary, monitoring("How things are, at a glance.").asks(&[RANGE]).gives::<Summary>()),
    (Call::DashboardData, monitoring("The summary and the history of fifteen minutes in one answer.").asks(&[RANGE]).gives::<Dashboard>()),
    (Call::Health, monitoring("How Peregrine and its upstreams are.").gives::<Health>()),
    (Call::History, monitoring("Points of the past.").asks(HISTORY).gives::<History>()),
    (Call::AllMetrics, monitoring("Everything that is measured.").gives::<Metrics>()),
    (Call::ResetMetrics, monitoring("Forgets the history that is kept, in memory and in the file, so that figures begin anew. What counts since the start goes on, as do alerts; reports, the audit log and what was changed stay.").gives::<MetricsReset>().refused(&[503])),
    (Call::SystemMetrics, monitoring("The process, its control group and the machine.").gives::<SystemMetrics>()),
    (Call::ApplicationMetrics, monitoring("Requests by route, strategy, tier and tenant, statuses, errors and reasons, each with what stands behind it, connections.").gives::<ApplicationMetrics>()),
    (Call::CacheMetrics, monitoring("The cache in numbers, by namespace.").gives::<CacheMetrics>()),
    (Call::Metrics, monitoring("Every metric, for Prometheus and what speaks its formats.").forms(EXPOSITIONS)),
    (Call::Routes, monitoring("What each route did within a span.").asks(&[RANGE]).gives::<RoutesReport>()),
    (Call::Upstreams, monitoring("The upstreams with their targets.").gives::<UpstreamsReport>()),
    (Call::Nodes, monitoring("The nodes that share a Redis, and how far each of them is behind.").gives::<NodesReport>()),
    (Call::Slos, monitoring("How the objectives stand.").gives::<SlosReport>()),
    (Call::Report, monitoring("The newest report, or the one with an id.")
        .asks(&[Given::text("id", "Which; the newest without it."), Given::new("format", Kind::Words(&["json", "markdown", "html"]), "Default `json`.")])
        .gives::<Report>().forms(REPORTS).refused(&[404, 503])),
    (Call::Reports, monitoring("The reports that are kept.")
        .asks(&[Given::new("limit", Kind::Whole { min: 0, max: u64::MAX }, "At most so many, the newest; default 100.")]).gives::<ReportTitles>()),
    (Call::Traffic, monitoring("The last finished requests.").asks(TRAFFIC).gives::<TrafficReport>()),
    (Call::Events, monitoring("What happens, as it happens.").asks(EVENTS)
        .reads(Given::new("Last-Event-ID", Kind::Whole { min: 0, max: u64::MAX }, "As `after`, and counts more: browsers that come again send it."))
        .forms(STREAM).refused(&[503])),

    (Call::Statistics, Told::new(Area::Cache, "What the cache did, and why it did not do more. For who is limited to namespaces or a tenant, their numbers.").shaped(statistics)),
    (Call::Namespaces, Told::new(Area::Cache, "What each namespace did and holds.").gives::<NamespacesReport>()),
    (Call::Strategies, Told::new(Area::Cache, "The caching policies: what each of them means, who uses it, what came of it, its settings.").gives::<StrategiesReport>()),
    (Call::Tags, Told::new(Area::Cache, "The tags that most entries in memory carry.").asks(&[Given::new("limit", PAGE, "At most so many; default 100.")]).gives::<TagsPage>()),
    (Call::Entries, Told::new(Area::Cache, "Looks through the entries in memory, for a quarter of a second at most.").asks(ENTRIES).gives::<EntriesPage>()),
    (Call::Explain, Told::new(Area::Cache, "Why a URL is served as it is. Nothing is counted, and nothing stored without `fetch`.").asks(EXPLAIN).gives::<Explanation>()),
    (Call::Operation, Told::new(Area::Cache, "Reads and writes named values.").takes::<OperationRequest>().gives::<WrittenOutcome<'_>>().also(PENDING.0, PENDING.1).refused(&[404])),
    (Call::Invalidate, invalidating("Makes entries gone or stale; answers when that holds.").takes::<Invalidation>()),
    (Call::Clear, invalidating("Removes a namespace, or everything.").may_take::<ClearRequest>()),
    (Call::ClearAll, invalidating("Removes everything.")),
    (Call::ClearPattern, invalidating("Removes what matches a pattern, from the query or the body.").asks(&[Given::text("pattern", "The pattern, where there is no body; `*` stands for anything.")]).may_take::<PatternRequest>()),
    (Call::Preload, Told::new(Area::Cache, "Loads URLs before somebody asks; answers when all are done.").takes::<PreloadRequest>().gives::<PreloadReport>()),

    (Call::Recommendations, Told::new(Area::Optimization, "What would make things better, with the numbers behind it.").gives::<RecommendationsReport>()),
    (Call::Recommend, Told::new(Area::Optimization, "Looks for it now.").gives::<RecommendationsReport>()),
    (Call::Force, Told::new(Area::Optimization, "Puts a recommendation into the configuration file, if what it was computed from still holds.").takes::<ForceRequest>().gives::<Patched>().refused(&[404])),
    (Call::Applied, Told::new(Area::Optimization, "The recommendations that were applied.").gives::<AppliedReport>()),

    (Call::Alerts, Told::new(Area::Alerts, "Alerts, their rules and silences.").gives::<AlertsReport>()),
    (Call::ForgetAlerts, Told::new(Area::Alerts, "Forgets the alerts that are over.").gives::<Forgotten>()),
    (Call::SetRules, Told::new(Area::Alerts, "Sets the rules that hold beside those of the configuration; all of them or none.").takes::<RulesRequest>().gives::<AlertsReport>()),
    (Call::Silence, Told::new(Area::Alerts, "Tells nobody of some alerts for a while.").takes::<SilenceRequest>().gives::<Silence>()),
    (Call::EndSilence, Told::new(Area::Alerts, "Ends a silence.").asks(&[ID]).gives::<Silence>().refused(&[404])),
    (Call::Acknowledge, Told::new(Area::Alerts, "Says that somebody looks after an alert.").takes::<AcknowledgeRequest>().gives::<Alert>().refused(&[404])),

    (Call::Config, Told::new(Area::Configuration, "Every parameter with its value, what set it and what it does.").gives::<ConfigReport>().marked("ETag", "What the configuration is known by, for `If-Match`.")),
    (Call::PatchConfig, Told::new(Area::Configuration, "Changes the configuration file field by field, and applies it; or says what would come of it.")
        .reads(Given::text("If-Match", "The entity tag of the configuration that was seen; `*`: whatever holds.").needed()).takes::<PatchRequest>().gives::<Patched>().refused(&[412, 428])),
    (Call::Reload, Told::new(Area::Configuration, "Reads the configuration again and applies what a reload can.").gives::<Reloaded>()),
    (Call::LogLevel, Told::new(Area::Configuration, "The log's level.").gives::<LogLevel>()),
    (Call::SetLogLevel, Told::new(Area::Configuration, "Another level, until the next restart or reload.").takes::<LogLevel>().gives::<LogLevel>()),

    (Call::Login, Told::new(Area::Access, "Begins a session of a browser.").takes::<LoginRequest>().gives::<Me>().marked("Set-Cookie", "The session.").refused(&[401, 429])),
    (Call::Logout, Told::new(Area::Access, "Ends it.").gives::<LoggedOut>().marked("Set-Cookie", "Takes the session's cookie back.")),
    (Call::Me, Told::new(Area::Access, "Who one is, and what one may do.").gives::<Me>()),
    (Call::ApiKeys, Told::new(Area::Access, "The API keys, without their secrets.").gives::<ApiKeys>()),
    (Call::CreateKey, Told::new(Area::Access, "Makes an API key; its secret is in this answer alone.").takes::<CreateKey>().gives::<NewKey>()),
    (Call::RevokeKey, Told::new(Area::Access, "Takes an API key back, by its id or name.").asks(&[ID]).gives::<ApiKey>().refused(&[404])),
    (Call::Audit, Told::new(Area::Access, "Who changed what, the newest first, and whether the log is as it was written.").asks(AUDIT).gives::<AuditPage>()),

    (Call::Keys, Told::new(Area::Keys, "Who has data keys, some of the owners at a time.").asks(&[Given::text("cursor", "The `next` of the answer before.")]).gives::<KeysReport>()),
    (Call::RotateKeys, Told::new(Area::Keys, "Lets the active master key wrap the data keys of some owners.").takes::<RotateRequest>().gives::<Rotated>()),
    (Call::EraseKeys, Told::new(Area::Keys, "Destroys an owner's data keys. It cannot be undone.").takes::<EraseRequest>().gives::<Erased>()),
];
