/**
 * What the admin API answers. Numbers that are not known are `null`, times are RFC 3339, durations end in `_s` or `_ms`,
 * ratios lie between 0 and 1.
 */
export type Time = string;
export type N = number | null;
export type Severity = "critical" | "high" | "medium" | "low";
export type Status = "ok" | "degraded" | "failing";
export type Role = "viewer" | "operator" | "admin";

export interface Latency { p50: N; p95: N; p99: N; mean: N }

export interface Figures {
  requests: N; requests_per_s: N; error_ratio: N; latency_ms: Latency; upstream_ms: Latency;
  hit_ratio: { total: N; memory: N; redis: N }; stale_ratio: N; bypass_ratio: N; coalesced: N;
  origin_requests: N; origin_seconds: N; bytes_sent: N; bytes_saved: N; evictions: N; invalidations: N;
  connections_open: N; in_flight: N; cpu_ratio: N; memory_bytes: N; memory_ratio: N;
}
export interface RouteFigures extends Figures {
  route: string; strategy: string; upstream: string; namespace: string; share_of_origin_time: N;
}
export interface ScorePart {
  name: string; weight: number; measured: N; unit: string; good: number; bad: number; score: N; why: string;
}
export interface Score { value: N; grade: "A" | "B" | "C" | "D" | "F" | null; formula: string; parts: ScorePart[] }
export interface Apdex { value: N; threshold_ms: number; satisfied: number; tolerating: number; frustrated: number }
export interface SavedRoute { route: string; origin_requests: number; origin_seconds: number; bytes: number; money: N }
export interface Saved {
  since: Time; origin_requests: number; origin_seconds: number; bytes: number; money: N; currency: string | null;
  how: string[]; routes: SavedRoute[];
}
export interface ChangeNote {
  at: Time; kind: "start" | "reload" | "invalidation" | "node" | "upstream" | "alert" | "config";
  text: string; by: string | null; id: string | null;
}
export interface Summary {
  at: Time; range_s: number; version: string; node: string; uptime_s: number; status: Status; complaints: string[];
  score: Score; apdex: Apdex; now: Figures; range: Figures; saved: Saved; slos: SloStatus[]; alerts: Alert[];
  top_routes: RouteFigures[]; changes: ChangeNote[];
}
export interface Heat { bounds_ms: number[]; counts: number[][] }
export interface History { resolution_s: number; at: number[]; series: Record<string, N[]>; heat: Heat | null }

export interface SystemMetrics {
  process: {
    cpu_ratio: N; cpu_seconds: N; memory_bytes: N; memory_peak_bytes: N; threads: N; open_files: N; open_files_max: N;
    started: Time;
  };
  cgroup: { memory_bytes: N; memory_max_bytes: N; cpu_max_cores: N; throttled_seconds: N } | null;
  machine: {
    cores: N; cpu_ratio: N; load: { m1: N; m5: N; m15: N }; memory_bytes: N; memory_available_bytes: N;
    disk: { path: string; used_bytes: N; free_bytes: N } | null;
    disk_read_bytes: N; disk_written_bytes: N; network_in_bytes: N; network_out_bytes: N;
  };
}
export interface ApplicationMetrics {
  now: Figures; total: Figures; routes: RouteFigures[]; strategies: ({ strategy: string } & Figures)[];
  tenants: ({ tenant: string } & Partial<Figures>)[]; statuses: Record<string, number>; errors: Record<string, number>;
  reasons: { reason: string; count: number; sentence: string }[]; connections: Record<string, number>;
  top_keys: { key: string; count: number; error: number }[];
}
export interface NamespaceMetrics {
  namespace: string; bytes: number; memory_max: N; entries: number; hits: number; misses: number; stale_served: number;
  coalesced: number; loads: number; load_failures: number; misses_by_reason: Record<string, number>;
  evictions_by_cause: Record<string, number>;
}
export interface CacheMetrics {
  bytes: number; memory_max: number; used_ratio: N; entries: number; hit_ratio: Figures["hit_ratio"];
  loads_under_way: number; namespaces: NamespaceMetrics[];
}
export interface Metrics { at: Time; system: SystemMetrics; application: ApplicationMetrics; cache: CacheMetrics }

export interface ReasonShare { reason: string; count: number; share: number; sentence: string; advice: string | null }
export interface CacheStats {
  uptime_s: number; requests: number; reasons: ReasonShare[]; cache: Record<string, unknown>;
  keys: unknown; backplane: Record<string, unknown> | null; redis: Record<string, unknown> | null;
}
export interface Entry {
  key: string; namespace: string; tenant: string; state: "fresh" | "stale"; age_s: number; ttl_s: N; size: number;
  hits: number; tags: string[]; tier: string; url: string | null;
}
export interface EntriesPage { entries: Entry[]; looked_at: number; complete: boolean }
export interface TagCount { tag: string; entries: number; namespace?: string; bytes?: number }
/** A part of an answer that is not spelled out here. */
export type Row = Record<string, unknown>;

export interface ExplainStep {
  step: string; outcome: string; reason: string | null; clause: string | null; sentence: string | null;
}
export interface Explanation {
  url: string; method: string; route: string | null; upstream: string | null; strategy: string | null;
  namespace: string | null; tenant: string | null; key: string | null; variant: string | null;
  state: "fresh" | "stale" | "absent" | "hit_for_miss" | "bypass" | "not_routed"; age_s: N; ttl_s: N; tags: string[];
  size: N; hits: N; stored_encoding: string | null; held: { ranges: string[]; complete: number } | null;
  steps: ExplainStep[];
  last: { when: Time; cache_status: string; decision: string | null; clause: string | null; sentence: string | null } | null;
  advice: string | null;
}
export interface Invalidation {
  tags?: string[]; keys?: string[]; prefixes?: string[]; patterns?: string[]; namespaces?: string[]; tenant?: string;
  all?: boolean; soft?: boolean; dry_run?: boolean;
}
export interface ReceiptLayer {
  layer: string; confirmed: number; of: number; took_ms: number; nodes?: { node: string; state: string }[];
}
export interface Receipt {
  id: string; matched: { memory: N; redis: N }; layers: ReceiptLayer[]; journaled?: boolean;
}
export interface PreloadRequest { urls: string[]; rate?: number; concurrency?: number; headers?: Record<string, string> }
export interface Preloaded {
  stored: number; fresh: number; not_stored: number; failed: number; took_ms: number;
  problems: { url: string; status: number | null; reason: string | null }[];
}
export interface Target {
  url: string; health: "healthy" | "unhealthy" | "ejected" | "unknown"; share: N; latency_ms: N; in_flight: number;
  requests: number; errors: number; retries: number; last_error: string | null; since: Time | null;
}
export interface UpstreamReport { name: string; balance: string; targets: Target[]; figures: Record<string, N> }
export interface NodeReport {
  name: string; self: boolean; state: string; silent_s: N; behind: N; cursor: N; verified_age_ms: N;
}
export interface RequestEvent {
  at: Time; request_id: string; client: string; method: string; scheme: string; host: string; target: string;
  status: number; duration_ms: number; upstream_ms: N; upstream: string | null; route: string | null;
  strategy: string | null; tenant: string | null; cache: string; reason: string | null; error: string | null;
  sent_bytes: number; trace_id: string | null; skipped?: number;
}
export interface Alert {
  id: string; rule: string; severity: Severity; state: "pending" | "firing" | "resolved"; metric: string;
  labels: Record<string, string>; value: N; threshold: number; text: string; since: Time; fired: Time | null;
  resolved: Time | null; acknowledged: { by: string; at: Time; note: string | null } | null; silenced_by: string | null;
  next_step: string;
}
export interface AlertRule {
  name: string; metric: string; labels: Record<string, string>; above: N; below: N; clear: N; for_s: number;
  keep_firing_s: number; severity: Severity; min_events: number; notify: string[]; enabled: boolean; default: boolean;
  /** What holds while nothing is measured: the state stays, it counts as well, or it counts as a breach. */
  missing?: "keep" | "ok" | "breach";
  group?: string | null; text?: string | null; next_step?: string | null;
}
export interface Silence {
  id: string; rule: string | null; labels: Record<string, string>; until: Time; by: string; reason: string;
}
export interface AlertsReport { alerts: Alert[]; rules: AlertRule[]; silences: Silence[] }
export interface SloStatus {
  name: string; route: string | null; kind: "latency" | "availability"; objective: number; threshold_ms: N;
  window_s: number; good: number; total: number; attained: N; budget_left: N; burn: { window_s: number; rate: N }[];
  exhausted_in_s: N; state: "ok" | "burning" | "exhausted" | "no_data" | "frozen"; alerts: string[];
}
export interface Recommendation {
  id: string; title: string; why: string; evidence: { what: string; value: number; unit: string }[];
  change: { parameter: string; from: string | null; to: string }[]; toml: string; expected: string;
  confidence: "high" | "medium" | "low"; risk: string; applicable: boolean;
}
export interface ReportHead { id: string; at: Time; title: string }
export interface Report extends ReportHead {
  from: Time; to: Time; headline: string[]; figures: Figures; before: Figures;
  changes: { what: string; from: N; to: N; unit: string; better: boolean | null; confidence: "high" | "medium" | "low" }[];
  trends: { series: string; slope_per_h: N; unit: string; confidence: N; text: string }[];
  top_routes: RouteFigures[]; saved: Saved; slos: SloStatus[]; alerts: Alert[]; recommendations: Recommendation[];
  notes: ChangeNote[];
}
export interface Parameter {
  name: string; value: unknown; text: string; default: string | null;
  source: "default" | "file" | "environment" | "command line"; kind: string; unit: string | null; min: string | null;
  max: string | null; choices: string[] | null; reload: boolean; secret: boolean; about: string;
}
export interface ConfigReport {
  file: string | null; writable: boolean; etag: string; parameters: Parameter[]; warnings: string[];
}
export interface Patched { dry_run: boolean; applied: string[]; needs_restart: string[]; diff: string; etag: string }
export interface Me { name: string; role: Role; namespaces: string[] | null; tenant: string | null; expires: Time | null }
export interface ApiKey {
  id: string; name: string; role: Role; namespaces: string[] | null; created: Time; created_by: string;
  expires: Time | null; last_used: Time | null;
}
export interface AuditRecord {
  seq: number; at: Time; who: string; role: string; address: string; what: string; target: string; before: unknown;
  after: unknown; outcome: string; hash: string;
}
export interface AuditPage {
  records: AuditRecord[]; verified: { ok: boolean; records: number; fault: string | null };
}
export interface Dashboard { summary: Summary; history: History }
export interface Sample { at: number; values: Record<string, N> }

/** What arrives on the event stream, by topic. */
export interface Topics {
  hello: { seq: number; node: string };
  sample: Sample;
  alert: Alert;
  request: RequestEvent;
  change: ChangeNote;
  audit: AuditRecord;
  report: ReportHead;
  invalidation: unknown;
  gap: unknown;
}
export type Topic = Exclude<keyof Topics, "hello" | "gap">;
