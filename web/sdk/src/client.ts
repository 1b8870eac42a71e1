import type { operations, paths } from "./api.generated.js";
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

/** What a call can be asked for, by the description of the API. */
type Question<K extends keyof operations> =
  operations[K] extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;

/** `from` and `to` are seconds since 1970. */
export type HistoryQuery = Omit<Question<"history">, "series"> & { series?: string[] };
export type EntriesQuery = Question<"cache_entries">;
export type TrafficQuery = Question<"traffic">;
export type ExplainQuery = Omit<Question<"explain">, "headers"> & { headers?: Record<string, string> };
export type AuditQuery = Question<"audit">;
export type NewApiKey = T.CreateKey;

/** What is called by a method, by its path under `/api/performance/`. */
type Of<M extends "get" | "put" | "post" | "patch" | "delete", P extends string> =
  paths[`/api/performance/${P}` & keyof paths][M];
/** What a call answers, as the API's description says. */
type Answer<O> = O extends { responses: { 200: { content: { "application/json": infer R } } } } ? R : never;
/** What it takes as its body. */
type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;
/** What it can be asked for. */
type Asked<O> = O extends { parameters: { query?: infer Q } } ? { [K in keyof NonNullable<Q>]?: unknown } : never;
/** Every path that answers JSON by a method. */
type Path<M extends "get" | "put" | "post" | "patch" | "delete"> = {
  [K in keyof paths]: K extends `/api/performance/${infer P}` ? (paths[K][M] extends operations[keyof operations] ? P : never) : never;
}[keyof paths];

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
  const get = <P extends Path<"get">>(path: P, query?: Asked<Of<"get", P>>, signal?: AbortSignal) =>
    json<Answer<Of<"get", P>>>("GET", path, { ...(query ? { query } : {}), ...(signal ? { signal } : {}) });
  const post = <P extends Path<"post">>(path: P, body: Body<Of<"post", P>> | Record<string, never>) =>
    json<Answer<Of<"post", P>>>("POST", path, { body });
  const put = <P extends Path<"put">>(path: P, body: Body<Of<"put", P>>) =>
    json<Answer<Of<"put", P>>>("PUT", path, { body });
  const remove = <P extends Path<"delete">>(path: P, query?: Asked<Of<"delete", P>>) =>
    json<Answer<Of<"delete", P>>>("DELETE", path, query ? { query } : {});
  /** The list in an answer that is a list and what is told about it. */
  const rows = async <P extends Path<"get">, F extends keyof Answer<Of<"get", P>>>(
    path: P, field: F, query?: Asked<Of<"get", P>>, signal?: AbortSignal,
  ) => (await get(path, query, signal))[field];

  return {
    // What is measured
    dashboard: (range?: string, signal?: AbortSignal) => get("dashboard", { range }, signal),
    summary: (range?: string, signal?: AbortSignal) => get("summary", { range }, signal),
    history: (query: HistoryQuery = {}, signal?: AbortSignal) => get("history", query, signal),
    metrics: (signal?: AbortSignal) => get("metrics", undefined, signal),
    /** Forgets the history that is kept, so that figures begin anew. */
    resetMetrics: () => remove("metrics"),
    systemMetrics: (signal?: AbortSignal) => get("metrics/system", undefined, signal),
    cacheMetrics: (signal?: AbortSignal) => get("metrics/cache", undefined, signal),
    applicationMetrics: (signal?: AbortSignal) => get("metrics/application", undefined, signal),
    health: (signal?: AbortSignal) => get("health", undefined, signal),
    routes: (range?: string, signal?: AbortSignal) => get("routes", { range }, signal),
    upstreams: (signal?: AbortSignal) => rows("upstreams", "upstreams", undefined, signal),
    nodes: (signal?: AbortSignal) => rows("nodes", "nodes", undefined, signal),
    traffic: (query: TrafficQuery = {}, signal?: AbortSignal) => rows("traffic", "requests", query, signal),

    // The cache
    /** For whoever is limited to namespaces or a tenant there is less in the answer. */
    cacheStats: (signal?: AbortSignal) => get("cache/stats", undefined, signal) as Promise<T.CacheStats>,
    strategies: (signal?: AbortSignal) => rows("cache/strategies", "strategies", undefined, signal),
    tags: (limit?: number, signal?: AbortSignal) => rows("cache/tags", "tags", { limit }, signal),
    entries: (query: EntriesQuery = {}, signal?: AbortSignal) => get("cache/entries", query, signal),
    explain: ({ headers, fetch: ask, ...query }: ExplainQuery, signal?: AbortSignal) => get("explain", {
      ...query, ...(ask ? { fetch: true } : {}), ...(headers ? { headers: JSON.stringify(headers) } : {}),
    }, signal),
    invalidate: (what: T.Invalidation) => post("cache/invalidate", what),
    clear: (namespace?: string) => post("cache/clear", namespace ? { namespace } : {}),
    preload: (what: T.PreloadRequest) => post("cache/preload", what),

    // Alerts, objectives, reports, recommendations
    alerts: (signal?: AbortSignal) => get("alerts", undefined, signal),
    putRules: (rules: T.AlertRuleInput[]) => put("alerts/rules", { rules }),
    silence: (what: T.SilenceRequest) =>
      post("alerts/silence", what),
    unsilence: (id: string) => remove("alerts/silence", { id }),
    acknowledge: (id: string, note?: string) =>
      post("alerts/acknowledge", { id, ...(note ? { note } : {}) }),
    forgetAlerts: () => remove("alerts"),
    slos: (signal?: AbortSignal) => rows("slos", "slos", undefined, signal),
    report: (id?: string, signal?: AbortSignal) => get("report", { id }, signal),
    reports: (limit?: number, signal?: AbortSignal) => rows("reports", "reports", { limit }, signal),
    /** The address of a report as a page or as Markdown. */
    reportUrl: (id: string, format: "html" | "markdown" | "json") =>
      `${base}${API}report${search({ id, format })}`,
    recommendations: (signal?: AbortSignal) =>
      rows("optimization/recommendations", "recommendations", undefined, signal),
    optimize: () => post("optimization/run", {}),

    // Configuration, access, audit
    config: (signal?: AbortSignal) => get("config", undefined, signal),
    patchConfig: (etag: string, changes: Record<string, unknown>, dry_run: boolean) =>
      json<Answer<Of<"patch", "config">>>("PATCH", "config", { body: { changes, dry_run }, headers: { "if-match": quoted(etag) } }),
    reload: () => post("config/reload", {}),
    login: (by: { token: string } | { code: string }) => post("access/login", by),
    logout: () => post("access/logout", {}),
    me: (signal?: AbortSignal) => get("access/me", undefined, signal),
    apiKeys: (signal?: AbortSignal) => rows("access/apikeys", "keys", undefined, signal),
    createApiKey: (what: NewApiKey) => post("access/apikeys", what),
    revokeApiKey: (id: string) => remove("access/apikeys", { id }),
    audit: (query: AuditQuery = {}, signal?: AbortSignal) => get("audit", query, signal),
    logLevel: (signal?: AbortSignal) => get("log", undefined, signal),
    setLogLevel: (level: T.LogLevel["level"]) => put("log", { level }),

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
