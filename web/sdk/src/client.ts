import { follow, type EventsOptions, type Subscription } from "./events.js";
import { Problem } from "./problem.js";
import type * as T from "./types.js";

export interface ClientOptions {
  /** Where the admin API is: `http://127.0.0.1:9180`; the page's own origin if not given. */
  baseUrl?: string;
  /** A token or API key; without one the browser's session cookie counts. */
  token?: string | (() => string | null);
  fetch?: typeof globalThis.fetch;
}

export interface HistoryQuery {
  resolution?: "1s" | "10s" | "1m" | "auto"; range?: string; limit?: number;
  /** Seconds since 1970. */
  from?: number;
  to?: number;
  series?: string[]; route?: string; upstream?: string; heat?: boolean;
}
export interface EntriesQuery {
  namespace?: string; tenant?: string; tag?: string; prefix?: string; contains?: string; limit?: number;
  state?: "fresh" | "stale";
}
export interface TrafficQuery {
  limit?: number; route?: string; status?: string; cache?: string; contains?: string; min_ms?: number;
}
export interface ExplainQuery { url: string; method?: string; fetch?: boolean; headers?: Record<string, string> }
export interface AuditQuery { limit?: number; before?: number; who?: string; what?: string }
export interface NewApiKey { name: string; role: T.Role; namespaces?: string[]; expires_in_s?: number }

type Query = Record<string, string | number | boolean | string[] | undefined | null>;
interface Call { query?: Query | object; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal }

const API = "/api/performance/";

/** The admin API as functions. Every one of them fails with a {@link Problem}. */
export type PerformanceClient = ReturnType<typeof createClient>;

export function createClient(options: ClientOptions = {}) {
  const base = (options.baseUrl ?? "").replace(/\/+$/, "");
  const send = options.fetch ?? ((...given: Parameters<typeof fetch>) => globalThis.fetch(...given));
  const authorization = (): Record<string, string> => {
    const token = typeof options.token === "function" ? options.token() : options.token;
    return token ? { authorization: `Bearer ${token}` } : {};
  };

  async function answer(method: string, path: string, call: Call = {}): Promise<Response> {
    const writes = method !== "GET";
    let response: Response;
    try {
      response = await send(base + API + path + search(call.query), {
        method,
        credentials: "same-origin",
        headers: {
          accept: "application/json",
          // The API takes changes only as JSON, also where there is no body: a form of another page cannot send that.
          ...(writes ? { "content-type": "application/json", "idempotency-key": unique() } : {}),
          ...authorization(),
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        ...(call.signal ? { signal: call.signal } : {}),
      });
    } catch (error) {
      if (call.signal?.aborted) throw error;
      throw Problem.unreachable(error);
    }
    if (!response.ok) throw await Problem.from(response);
    return response;
  }

  async function json<R>(method: string, path: string, call?: Call): Promise<R> {
    const response = await answer(method, path, call);
    const text = await response.text();
    return (text === "" ? null : JSON.parse(text)) as R;
  }
  const get = <R>(path: string, query?: Query | object, signal?: AbortSignal) =>
    json<R>("GET", path, { ...(query ? { query } : {}), ...(signal ? { signal } : {}) });
  const rows = async <R>(path: string, field: string, query?: Query | object, signal?: AbortSignal): Promise<R[]> => {
    const value = await get<unknown>(path, query, signal);
    if (Array.isArray(value)) return value as R[];
    const inner = (value as Record<string, unknown> | null)?.[field];
    return Array.isArray(inner) ? (inner as R[]) : [];
  };

  return {
    // What is measured
    dashboard: (range?: string, signal?: AbortSignal) => get<T.Dashboard>("dashboard", { range }, signal),
    summary: (range?: string, signal?: AbortSignal) => get<T.Summary>("summary", { range }, signal),
    history: (query: HistoryQuery = {}, signal?: AbortSignal) => get<T.History>("history", query, signal),
    metrics: (signal?: AbortSignal) => get<T.Metrics>("metrics", undefined, signal),
    systemMetrics: (signal?: AbortSignal) => get<T.SystemMetrics>("metrics/system", undefined, signal),
    cacheMetrics: (signal?: AbortSignal) => get<T.CacheMetrics>("metrics/cache", undefined, signal),
    applicationMetrics: (signal?: AbortSignal) => get<T.ApplicationMetrics>("metrics/application", undefined, signal),
    health: (signal?: AbortSignal) => get<T.Row>("health", undefined, signal),
    routes: (range?: string, signal?: AbortSignal) => rows<T.RouteFigures>("routes", "routes", { range }, signal),
    upstreams: (signal?: AbortSignal) => rows<T.UpstreamReport>("upstreams", "upstreams", undefined, signal),
    nodes: (signal?: AbortSignal) => rows<T.NodeReport>("nodes", "nodes", undefined, signal),
    traffic: (query: TrafficQuery = {}, signal?: AbortSignal) => rows<T.RequestEvent>("traffic", "requests", query, signal),

    // The cache
    cacheStats: (signal?: AbortSignal) => get<T.CacheStats>("cache/stats", undefined, signal),
    tags: (limit?: number, signal?: AbortSignal) => rows<T.TagCount>("cache/tags", "tags", { limit }, signal),
    entries: (query: EntriesQuery = {}, signal?: AbortSignal) => get<T.EntriesPage>("cache/entries", query, signal),
    explain: ({ headers, fetch: ask, ...query }: ExplainQuery, signal?: AbortSignal) => get<T.Explanation>("explain", {
      ...query, ...(ask ? { fetch: true } : {}), ...(headers ? { headers: JSON.stringify(headers) } : {}),
    }, signal),
    invalidate: (what: T.Invalidation) => json<T.Receipt>("POST", "cache/invalidate", { body: what }),
    clear: (namespace?: string) => json<T.Receipt>("POST", "cache/clear", { body: namespace ? { namespace } : {} }),
    preload: (what: T.PreloadRequest) => json<T.Preloaded>("POST", "cache/preload", { body: what }),

    // Alerts, objectives, reports, recommendations
    alerts: (signal?: AbortSignal) => get<T.AlertsReport>("alerts", undefined, signal),
    putRules: (rules: T.AlertRule[]) => json<unknown>("PUT", "alerts/rules", { body: { rules } }),
    silence: (what: { rule?: string; labels?: Record<string, string>; for_s: number; reason: string }) =>
      json<T.Silence>("POST", "alerts/silence", { body: what }),
    unsilence: (id: string) => json<unknown>("DELETE", "alerts/silence", { query: { id } }),
    acknowledge: (id: string, note?: string) =>
      json<unknown>("POST", "alerts/acknowledge", { body: { id, ...(note ? { note } : {}) } }),
    forgetAlerts: () => json<unknown>("DELETE", "alerts"),
    slos: (signal?: AbortSignal) => rows<T.SloStatus>("slos", "slos", undefined, signal),
    report: (id?: string, signal?: AbortSignal) => get<T.Report>("report", { id }, signal),
    reports: (limit?: number, signal?: AbortSignal) => rows<T.ReportHead>("reports", "reports", { limit }, signal),
    /** The address of a report as a page or as Markdown. */
    reportUrl: (id: string, format: "html" | "markdown" | "json") =>
      `${base}${API}report${search({ id, format })}`,
    recommendations: (signal?: AbortSignal) =>
      rows<T.Recommendation>("optimization/recommendations", "recommendations", undefined, signal),
    optimize: () => json<unknown>("POST", "optimization/run", { body: {} }),

    // Configuration, access, audit
    config: (signal?: AbortSignal) => get<T.ConfigReport>("config", undefined, signal),
    patchConfig: (etag: string, changes: Record<string, unknown>, dry_run: boolean) =>
      json<T.Patched>("PATCH", "config", { body: { changes, dry_run }, headers: { "if-match": quoted(etag) } }),
    reload: () => json<{ applied: string[]; needs_restart: string[] }>("POST", "config/reload", { body: {} }),
    login: (by: { token: string } | { code: string }) => json<T.Me>("POST", "access/login", { body: by }),
    logout: () => json<unknown>("POST", "access/logout", { body: {} }),
    me: (signal?: AbortSignal) => get<T.Me>("access/me", undefined, signal),
    apiKeys: (signal?: AbortSignal) => rows<T.ApiKey>("access/apikeys", "keys", undefined, signal),
    createApiKey: (what: NewApiKey) => json<T.ApiKey & { key: string }>("POST", "access/apikeys", { body: what }),
    revokeApiKey: (id: string) => json<unknown>("DELETE", "access/apikeys", { query: { id } }),
    audit: (query: AuditQuery = {}, signal?: AbortSignal) => get<T.AuditPage>("audit", query, signal),
    logLevel: (signal?: AbortSignal) => get<{ level: string }>("log", undefined, signal),
    setLogLevel: (level: string) => json<{ level: string }>("PUT", "log", { body: { level } }),

    /** Follows the event stream until the subscription is closed; see {@link follow}. */
    events: (what: EventsOptions): Subscription => follow((lastId, signal) => send(
      base + API + "events" + search({ topics: what.topics.join(","), after: lastId }),
      {
        credentials: "same-origin", signal,
        headers: {
          accept: "text/event-stream", ...authorization(), ...(lastId === null ? {} : { "last-event-id": lastId }),
        },
      },
    ), what),
  };
}

function search(query?: Query | object): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}) as [string, Query[string]][]) {
    if (value === undefined || value === null || value === "" || value === false) continue;
    out.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = out.toString();
  return text === "" ? "" : `?${text}`;
}

/** An entity tag as a header wants it, whether the body had it with quotes or without. */
function quoted(etag: string): string {
  return /^(W\/)?"/.test(etag) ? etag : `"${etag}"`;
}

/** A name for one write, so that a repeat of it is not done twice. `crypto.randomUUID` is missing without TLS. */
function unique(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
