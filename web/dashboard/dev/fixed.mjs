// DEVELOPMENT FAKE: the parts of the fake admin API that move little. Never part of the build.
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
const later = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();

export const me = (role) => ({ name: role === "admin" ? "admin" : `${role} key`, role, namespaces: null, tenant: null, expires: later(43200) });
export const changes = () => [
  { at: ago(95), kind: "invalidation", text: "invalidated tags products, 412 entries", by: "ci", id: "a" },
  { at: ago(260), kind: "reload", text: "reload: strategy.pages.ttl, strategy.search.swr", by: "admin", id: null },
  { at: ago(420), kind: "upstream", text: "upstream shop: 10.0.0.12:8080 is unhealthy", by: null, id: null },
  { at: ago(455), kind: "alert", text: "alert latency_high fires", by: null, id: null },
  { at: ago(600), kind: "node", text: "node edge-77d0e1b4 joined", by: null, id: null },
  { at: ago(790), kind: "invalidation", text: "softly invalidated prefix /images/lamp", by: "shop-admin", id: "b" },
];
export const score = (value) => ({
  value, grade: value >= 90 ? "A" : value >= 80 ? "B" : value >= 70 ? "C" : value >= 60 ? "D" : "F", formula: "Each part makes 100 at its good value, 0 at its bad one and in between by the straight line through both; the score is the mean of the parts by their weights.",
  parts: [
    { name: "latency", weight: 0.3, measured: 42, unit: "ms", good: 100, bad: 2000, score: 100, why: "p95 of 42 ms is under 100 ms." },
    { name: "errors", weight: 0.3, measured: 0.0021, unit: "ratio", good: 0.001, bad: 0.05, score: 98, why: "0.21% of answers failed; 0.1% would be good." },
    { name: "hit ratio", weight: 0.25, measured: 0.941, unit: "ratio", good: 0.95, bad: 0.3, score: 72, why: "94.1% of cacheable requests were hits; 95% would be good." },
    { name: "headroom", weight: 0.15, measured: 0.38, unit: "ratio", good: 0.6, bad: 0.95, score: 100, why: "CPU and memory are at 38% and 41%." },
  ],
});
export const saved = (now) => ({
  since: ago(3 * 86400), origin_requests: 412_330_120 + now % 1e6, origin_seconds: 16_905_000 + (now % 1e6), bytes: 7.3e12, money: 1843.2, currency: "EUR",
  how: ["Each hit saved one request to the origin and the mean time that this route's loads took in the hour before.", "Money is origin seconds × 0.000109 EUR (insight.cost_per_origin_second)."],
  routes: [
    { route: "/products", origin_requests: 182_000_000, origin_seconds: 5_100_000, bytes: 2.1e12, money: 556.1 }, { route: "/api/catalog/*", origin_requests: 104_000_000, origin_seconds: 6_660_000, bytes: 9e11, money: 726.2 },
    { route: "/images/*", origin_requests: 151_000_000, origin_seconds: 1_360_000, bytes: 4.1e12, money: 148.3 }, { route: "/api/recommendations", origin_requests: 15_000_000, origin_seconds: 3_150_000, bytes: 9e10, money: 343.5 },
  ],
});
export const slos = () => [
  { name: "products-fast", route: "/products", kind: "latency", objective: 0.95, threshold_ms: 250, window_s: 2592000, good: 9_812_331, total: 9_901_120, attained: 0.99103, budget_left: 0.82, burn: [{ window_s: 3600, rate: 0.4 }, { window_s: 300, rate: 0.3 }, { window_s: 21600, rate: 0.5 }], exhausted_in_s: 2_100_000, state: "ok", alerts: [] },
  { name: "catalog-fast", route: "/api/catalog/*", kind: "latency", objective: 0.99, threshold_ms: 300, window_s: 2592000, good: 6_110_900, total: 6_161_120, attained: 0.99185, budget_left: 0.31, burn: [{ window_s: 3600, rate: 6.2 }, { window_s: 300, rate: 7.9 }, { window_s: 21600, rate: 3.1 }], exhausted_in_s: 151_200, state: "burning", alerts: ["catalog-fast burns 6× over 6 h"] },
  { name: "site-available", route: null, kind: "availability", objective: 0.999, threshold_ms: null, window_s: 2592000, good: 41_002_100, total: 41_019_400, attained: 0.99958, budget_left: 0.58, burn: [{ window_s: 3600, rate: 0.9 }, { window_s: 300, rate: 1.1 }, { window_s: 21600, rate: 0.8 }], exhausted_in_s: 1_310_000, state: "ok", alerts: [] },
  { name: "recommend-5s", route: "/api/recommendations", kind: "latency", objective: 0.95, threshold_ms: 5000, window_s: 2592000, good: 0, total: 0, attained: null, budget_left: null, burn: [], exhausted_in_s: null, state: "no_data", alerts: [] },
];
const alert = (more) => ({ id: more.rule, severity: "high", state: "firing", metric: "latency_p95_ms", labels: {}, value: 1, threshold: 1, text: "", since: ago(500), fired: ago(455), resolved: null, acknowledged: null, silenced_by: null, next_step: "", ...more });
export const alerts = () => [
  alert({ rule: "search_errors", severity: "high", metric: "error_ratio", labels: { route: "/search" }, value: 0.071, threshold: 0.05, text: "Errors of /search are at 7.1%, above 5%", next_step: "Look at Traffic for 5xx of this route; the origin resets its connections." }),
  alert({ rule: "cache_small", severity: "medium", metric: "evictions_per_s", value: 212, threshold: 100, text: "Evictions are at 212/s, above 100/s", since: ago(1800), fired: ago(1500), next_step: "Raise cache.memory_max: the working set does not fit.", acknowledged: { by: "admin", at: ago(1200), note: "more memory is ordered" } }),
  alert({ rule: "cpu_high", severity: "medium", state: "pending", metric: "cpu_ratio", value: 0.83, threshold: 0.8, text: "CPU is at 83%, above 80%", fired: null, since: ago(40), next_step: "Look at the top routes by requests." }),
  alert({ rule: "response_time", severity: "high", state: "resolved", value: 720, threshold: 1000, text: "p95 was at 1.4 s, above 1 s", since: ago(5000), fired: ago(4900), resolved: ago(4100), next_step: "See which upstream is slow." }),
];
export const rules = () => [
  ["response_time", "latency_p95_ms", 1000, null, 800, 60, "high"], ["errors", "error_ratio", 0.05, null, 0.03, 60, "critical"], ["memory", "memory_ratio", 0.8, null, 0.75, 300, "medium"],
  ["cpu", "cpu_ratio", 0.8, null, 0.7, 300, "medium"], ["hit_ratio", "hit_ratio", null, 0.7, 0.75, 300, "low"], ["dependency", "dependencies_down", 0, null, null, 10, "critical"], ["search_errors", "error_ratio", 0.05, null, 0.03, 60, "high"],
].map(([name, metric, above, below, clear, for_s, severity]) => ({ name, metric, labels: name === "search_errors" ? { route: "/search" } : {}, above, below, clear, for_s, keep_firing_s: 60, severity, min_events: 50, notify: ["ops"], enabled: true, default: name !== "search_errors" }));
export const upstreams = (now) => [
  { name: "shop", balance: "least_in_flight", figures: { requests_per_s: now.origin_requests_per_s * 0.7, latency_ms: now.upstream_p50_ms, errors_per_s: 0.4, retries_per_s: now.retries_per_s, in_flight: 7, healthy_ratio: 1 }, targets: [11, 12, 13].map((host, at) => ({ url: `http://10.0.0.${host}:8080`, health: at === 1 && now.targets_unhealthy ? "ejected" : "healthy", share: 0.33, latency_ms: now.upstream_p50_ms * (0.9 + at * 0.12), in_flight: 2 + at, requests: 2_110_233 - at * 1300, errors: 812 + at * 90, retries: 44, last_error: at === 1 ? "connection reset while the head was read" : null, since: ago(86400) })) },
  { name: "assets", balance: "round_robin", figures: { requests_per_s: 6.1, latency_ms: 9, errors_per_s: 0, retries_per_s: 0, in_flight: 1, healthy_ratio: 1 }, targets: [{ url: "https://assets.internal:8443", health: "healthy", share: 1, latency_ms: 8.9, in_flight: 1, requests: 610_003, errors: 3, retries: 0, last_error: null, since: ago(259200) }] },
  { name: "models", balance: "least_in_flight", figures: { requests_per_s: 31, latency_ms: 204, errors_per_s: 0.1, retries_per_s: 0.2, in_flight: 9, healthy_ratio: 0.5 }, targets: [21, 22].map((host, at) => ({ url: `http://10.0.0.${host}:9000`, health: at === 1 ? "unhealthy" : "healthy", share: at === 1 ? 0 : 1, latency_ms: at === 1 ? null : 204, in_flight: at === 1 ? 0 : 9, requests: 410_233, errors: at === 1 ? 9021 : 12, retries: 3, last_error: at === 1 ? "connection refused" : null, since: ago(700) })) },
];
export const nodes = () => [
  { name: "edge-1f0c9a22", self: true, state: "in_step", silent_s: 0, behind: 0, cursor: 88213, verified_age_ms: 41 },
  { name: "edge-77d0e1b4", self: false, state: "in_step", silent_s: 0.8, behind: 0, cursor: 88213, verified_age_ms: 120 },
  { name: "edge-b2290c11", self: false, state: "doubtful", silent_s: 6.2, behind: 3, cursor: 88210, verified_age_ms: 6210 },
];
const NAMES = ["pages", "catalog", "images", "recommend", "search"];
export const kept = (part) => ({ bytes: Math.round(5.9e8 / part / 2), entries: Math.round(48_210 / part / 2), evictions_by_cause: { capacity: Math.round(8112 / part / 2), expired: Math.round(91_200 / part), invalidated: Math.round(1204 / part) }, invalidations: Math.round(612 / part), invalidation_ms: { p50: 6.1, p95: 14.3, p99: 31, mean: 7.2 } });
export const cache = () => ({
  bytes: 5.9e8, memory_max: 1.07e9, used_ratio: 0.55, entries: 48210, hit_ratio: { total: 0.94, memory: 0.85, redis: 0.09 }, loads_under_way: 4,
  namespaces: NAMES.map((namespace, at) => ({ namespace, memory_max: at === 4 ? 1.6e7 : null, hits: 9_000_000 - at * 900_000, misses: 310_000 + at * 50_000, stale_served: 9012, coalesced: 41_022, loads: 300_211, load_failures: 12 * at, misses_by_reason: { absent: 190_000, expired: 120_000 }, ...kept(at + 1), bytes: [9.1e7, 1.6e8, 3.1e8, 2.2e7, 4e6][at], entries: [8120, 20110, 14002, 5010, 968][at] })),
});
export const strategies = (one) => NAMES.map((strategy, at) => ({
  strategy, routes: [`/${strategy}`], namespaces: [strategy], figures: { ...one, requests: Math.round((one.requests ?? 0) / (at + 2)) },
  explained: ["Answers are fresh as long as the origin says, for 5m where it says nothing.", "For 1m past it they are served while they are renewed."],
  settings: [{ name: `strategy.${strategy}.ttl`, value: "5m", text: '"5m"', default: '"5m"', source: at === 0 ? "file" : "default", kind: "duration", unit: null, min: "0s", max: "365d", choices: null, reload: true, secret: false, about: "Lifetime that the strategy gives." }],
}));
export const tags = () => ["products", "catalog", "images", "category:lamps", "category:chairs", "home", "seasonal", "supplier:ilse"].map((tag, at) => ({ tag, entries: Math.round(20110 / (at + 1)) }));
export const entries = () => Array.from({ length: 60 }, (_, at) => ({ key: at % 3 === 0 ? `GET https://shop.example/products?page=${at + 1}` : at % 3 === 1 ? `GET https://shop.example/api/catalog/lamp-${at * 7}` : `GET https://shop.example/images/chair-${at * 5}.webp`, url: at % 3 === 0 ? `https://shop.example/products?page=${at + 1}` : at % 3 === 1 ? `https://shop.example/api/catalog/lamp-${at * 7}` : `https://shop.example/images/chair-${at * 5}.webp`, namespace: ["pages", "catalog", "images"][at % 3], tenant: "", state: at % 7 === 3 ? "stale" : "fresh", age_s: at * 11 + 3, ttl_s: at % 7 === 3 ? -12 : 300 - at * 3, size: 2200 + at * 911, hits: 9021 - at * 133, tags: [["products", "home"], ["catalog", "category:lamps"], ["images"]][at % 3], tier: at % 5 === 0 ? "memory, redis" : "memory" }));
export const explanation = (url) => ({
  url, method: "GET", route: "/products", upstream: "shop", strategy: "pages", namespace: "pages", tenant: null, key: `GET ${url}`, variant: "accept-encoding: zstd", state: "fresh", age_s: 12.4, ttl_s: 47.6, tags: ["products", "home"], size: 18233, hits: 9021, stored_encoding: "zstd", held: null,
  steps: [
    { step: "route", outcome: "matched", reason: null, clause: null, sentence: "The route /products takes it, before /*." },
    { step: "identify", outcome: "key", reason: null, clause: "RFC 9111 §2", sentence: "The key is the method and the URL; Accept-Encoding selects the variant." },
    { step: "admit", outcome: "admitted", reason: null, clause: null, sentence: null },
    { step: "lookup", outcome: "fresh", reason: "hit", clause: "RFC 9111 §4.2", sentence: "The entry is 12 s old and fresh for 60 s." },
    { step: "deliver", outcome: "memory", reason: null, clause: null, sentence: "It is served from memory." },
  ],
  last: { when: ago(2), cache_status: "peregrine; hit; ttl=49", decision: "hit", clause: "RFC 9111 §4.2", sentence: "It was answered from memory." }, advice: null,
});
export const stats = () => ({ uptime_s: 270000, requests: 48_211_020, reasons: [
  { reason: "expired", count: 812_000, share: 0.41, sentence: "The entry's time was over.", advice: "A longer ttl, or swr, would keep these from waiting." }, { reason: "absent", count: 610_000, share: 0.31, sentence: "Nothing was stored under the key.", advice: null },
  { reason: "method", count: 220_000, share: 0.11, sentence: "Only GET and HEAD are cached.", advice: null }, { reason: "set_cookie", count: 190_000, share: 0.1, sentence: "The response sets a cookie.", advice: "Let the route ignore Set-Cookie if the page is the same for all." }, { reason: "no_store", count: 140_000, share: 0.07, sentence: "The origin forbids storing.", advice: "Override it in the strategy where that is wrong." },
], cache: { total: {} }, keys: null, backplane: null, redis: null });
export const system = (now) => ({
  process: { cpu_ratio: now.cpu_ratio, cpu_seconds: 81233, memory_bytes: now.memory_bytes, memory_peak_bytes: 9.4e8, threads: 9, open_files: 731, open_files_max: 65536, started: ago(270000) },
  cgroup: { memory_bytes: now.memory_bytes, memory_max_bytes: 2.1e9, cpu_max_cores: 4, throttled_seconds: 1.2 },
  machine: { cores: 8, cpu_ratio: now.machine_cpu_ratio, load: { m1: now.load_1m, m5: 1.4, m15: 1.3 }, memory_bytes: 1.6e10, memory_available_bytes: 6.9e9, disk: { path: "/var/lib/peregrine", used_bytes: 3.1e10, free_bytes: 5.4e10 }, disk_read_bytes: 8e9, disk_written_bytes: 9e10, network_in_bytes: 8e11, network_out_bytes: 7e12 },
});
export const causes = (part) => ({ errors: { upstream_reset: Math.round(51_200 / part / 2), client_gone: Math.round(4012 / part / 2) }, reasons: Object.fromEntries(stats().reasons.slice(0, 4).map(({ reason, count }) => [reason, Math.round(count / part / 2)])) });
export const application = (one) => ({
  strategies: NAMES.map((strategy, at) => ({ strategy, ...one, causes: causes(at + 1), kept: kept(at + 2), requests_per_s: one.requests_per_s / (at + 2) })), upstreams: NAMES.slice(0, 2).map((upstream, at) => ({ upstream, ...one, causes: causes(at + 1), kept: kept(at + 1), requests_per_s: one.requests_per_s / (at + 2) })), tenants: ["acme", "globex", "initech"].map((tenant, at) => ({ tenant, ...one, causes: causes(at + 2), kept: kept(at + 9), requests: 1_204_118 / (at + 1) })),
  tiers: ["memory", "redis"].map((tier, at) => ({ tier, ...one, requests: 1_912_040 / (1 + at * 9), hit_ratio: { total: at ? 0.06 : 0.81, memory: at ? null : 0.81, redis: at ? 0.06 : null }, latency_ms: at ? { p50: 0.9, p95: 1.9, p99: 3.2, mean: 1 } : { p50: 0.02, p95: 0.05, p99: 0.12, mean: 0.03 }, evictions: at ? null : 8112, kept: at ? null : kept(0.5) })), statuses: { 200: 46_120_331, 304: 1_610_022, 404: 410_220, 502: 61_200, 504: 9247 }, errors: { upstream_reset: 51_200, upstream_timeout: 9247, client_gone: 4012 },
  reasons: stats().reasons.map(({ reason, count, sentence }) => ({ reason, count, sentence })), connections: { http1: 182, http2: 230, tunnels: 18 }, top_keys: Array.from({ length: 8 }, (_, at) => ({ key: `GET https://shop.example/products?page=${at + 1}`, count: 912_000 - at * 81_000, error: 120 })),
});
export const recommendations = () => [
  { id: "search-ttl", title: "Keep answers of /search for 2 minutes", why: "58% of its misses are for entries that had expired, and 97% of the loads brought the same bytes again.", evidence: [{ what: "misses by expiry", value: 0.58, unit: "ratio" }, { what: "loads that changed nothing", value: 0.97, unit: "ratio" }, { what: "loads looked at", value: 41233, unit: "" }], change: [{ parameter: "strategy.search.ttl", from: "\"30s\"", to: "\"2m\"" }, { parameter: "strategy.search.swr", from: null, to: "\"30s\"" }], toml: "[strategy.search]\nttl = \"2m\"\nswr = \"30s\"\n", expected: "Hit ratio of /search from 42% to about 71%; 9 origin requests a second fewer.", confidence: "high", risk: "Results may be 2 minutes old.", applicable: true },
  { id: "cookie", title: "Ignore Set-Cookie on /api/recommendations", why: "The cookie has the same value for everybody.", evidence: [{ what: "responses with the same cookie", value: 0.998, unit: "ratio" }], change: [{ parameter: "strategy.recommend.ignore_set_cookie", from: "false", to: "true" }], toml: "[strategy.recommend]\nignore_set_cookie = true\n", expected: "Hit ratio from 61% to about 80%.", confidence: "medium", risk: "If the cookie becomes personal, it would be lost.", applicable: true },
  { id: "memory", title: "Give the cache 1.5 GiB", why: "Entries are evicted that are asked for again within a minute.", evidence: [{ what: "evicted and asked again", value: 0.12, unit: "ratio" }], change: [{ parameter: "cache.memory_max", from: "\"1GiB\"", to: "\"1.5GiB\"" }], toml: "[cache]\nmemory_max = \"1.5GiB\"\n", expected: "About 2 points of hit ratio.", confidence: "low", risk: "Needs a restart.", applicable: false },
];
export const report = () => ({
  id: "r0", at: ago(60), from: ago(360), to: ago(60), title: "Report of the last five minutes", headline: ["94.1% of cacheable requests were answered without the origin.", "p95 rose from 31 ms to 44 ms; /api/recommendations is the reason.", "The budget of catalog-fast burns 6.2 times too fast."],
  changes: [{ what: "p95", from: 31, to: 44, unit: "ms", better: false, confidence: "high" }, { what: "hit ratio", from: 0.932, to: 0.941, unit: "ratio", better: true, confidence: "high" }, { what: "requests", from: 1810, to: 1904, unit: "/s", better: null, confidence: "medium" }],
  trends: [{ series: "memory_bytes", slope_per_h: 2.1e6, unit: "bytes", confidence: 0.91, text: "Memory grows by 2 MiB an hour; its limit is 25 days away." }, { series: "requests_per_s", slope_per_h: 41, unit: "/s", confidence: 0.62, text: "Requests grow by 41/s each hour, as on other evenings." }], recommendations: recommendations(),
});
const parameter = (name, value, kind, about, more = {}) => ({ name, value, text: String(value), default: String(value), source: "default", kind, unit: null, min: null, max: null, choices: null, reload: true, secret: false, about, ...more });
export const config = () => ({
  file: "/etc/peregrine/peregrine.toml", writable: true, etag: "a", warnings: ["strategy.search.swr is 0: an expired page makes its reader wait"], parameters: [
    parameter("server.listen", "0.0.0.0:8080", "address", "Where clients are answered.", { reload: false, source: "file" }), parameter("server.drain", "30s", "duration", "How long requests under way may take at a stop."),
    parameter("cache.memory_max", "1GiB", "size", "How much memory entries may take.", { reload: false, source: "file", min: "1MiB" }), parameter("cache.entry_max", "64MiB", "size", "The largest entry."), parameter("cache.coalesce", true, "boolean", "Whether one load answers all who wait for the same."),
    parameter("strategy.pages.ttl", "60s", "duration", "How long a response without its own lifetime is fresh.", { source: "file", default: "0s" }), parameter("strategy.pages.swr", "30s", "duration", "For how long after that it may be served while it is loaded again.", { default: "0s", source: "file" }), parameter("strategy.search.ttl", "30s", "duration", "How long a response without its own lifetime is fresh.", { source: "file", default: "0s" }),
    parameter("log.level", "info", "choice", "What is logged.", { choices: ["error", "warn", "info", "debug", "trace"] }), parameter("log.slow", "1s", "duration", "Requests that take longer are logged as slow."), parameter("redis.url", "redis://redis:6379", "url", "The Redis that nodes share.", { secret: true, text: "set", value: null, reload: false, source: "environment" }), parameter("admin.address", "127.0.0.1:9180", "address", "Where this page comes from.", { reload: false }),
    parameter("insight.apdex_threshold", "250ms", "duration", "Up to which time a request satisfies.", { min: "1ms", max: "1min" }),
  ],
});
export const audit = () => Array.from({ length: 40 }, (_, at) => ({ seq: 40 - at, at: ago(600 + at * 3100), who: ["admin", "ci", "shop-admin"][at % 3], role: ["admin", "operator", "operator"][at % 3], address: ["127.0.0.1", "10.0.4.7", "10.0.2.19"][at % 3], what: ["config.patch", "cache.invalidate", "alerts.acknowledge", "access.login"][at % 4], target: ["strategy.pages.ttl", "tags: products", "cache_small", "session"][at % 4], before: at % 4 === 0 ? { "strategy.pages.ttl": "30s" } : null, after: at % 4 === 0 ? { "strategy.pages.ttl": "60s" } : null, outcome: at % 9 === 5 ? "refused" : "done", hash: (at * 7919 + 12345).toString(16).padStart(12, "0").repeat(5) }));
export const keys = () => [
  { id: "k3f9a1", name: "ci", role: "operator", namespaces: ["pages", "catalog"], created: ago(3_000_000), created_by: "admin", expires: later(5_000_000), last_used: ago(95) },
  { id: "p01c7d", name: "grafana", role: "viewer", namespaces: null, created: ago(9_000_000), created_by: "admin", expires: null, last_used: ago(12) },
];
