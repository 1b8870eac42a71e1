/**
 * What the admin API takes and answers, as its description says (`docs/reference/openapi.json`, from which
 * `api.generated.ts` is made), under the names that read well here. Numbers that are not known are `null`, times are
 * RFC 3339, durations end in `_s` or `_ms`, ratios lie between 0 and 1.
 */
import type * as G from "./api.generated.js";

export type {
  Alert, AlertRule, AlertRuleInput, AlertsReport, Apdex, ApiKey, ApplicationMetrics, AppliedReport, AuditPage, AuditRecord,
  CacheMetrics, ChangeNote, ConfigReport, CreateKey, Dashboard, EntriesPage, ExplainStep, Explanation, Figures, Forgotten, Health,
  Heat, History, Kept, Latency, LogLevel, LoggedOut, Me, Metrics, NamespaceMetrics, NamespaceReport, NewKey, NodeReport, Patched,
  PatchRequest, PreloadRequest, ReasonShare, Receipt, ReceiptLayer, Recommendation, Reloaded, Report, RequestEvent, Role,
  RouteFigures, RoutesReport, Sample, Saved, Score, ScorePart, Severity, Silence, SilenceRequest, SloStatus, Status, Summary,
  SystemMetrics, Time, UpstreamReport,
} from "./api.generated.js";

/** A number, or none where it is not known. */
export type N = number | null;
export type SavedRoute = G.SavedOfRoute;
/** What `cache/stats` answers to somebody who is not limited. */
export type CacheStats = G.StatisticsReport;
export type Entry = G.EntryReport;
export type TagCount = G.TagReport;
export type Strategy = G.StrategyReport;
export type Preloaded = G.PreloadReport;
export type Target = G.TargetReport;
export type ReportHead = G.ReportTitle;
export type Parameter = G.ParameterReport;
/** What to invalidate; whatever is left out is not named. */
export type Invalidation = G.Invalidation;
/** A part of an answer that is not spelled out here. */
export type Row = Record<string, unknown>;

/** What arrives on the event stream, by topic. */
export type Topics = G.Events;
export type Topic = Exclude<keyof Topics, "hello" | "gap" | "end">;
