// DEVELOPMENT FAKE: numbers that look like a shop behind Peregrine. All are functions of time, so that history and the live
// stream agree. Nothing of this is part of the build.

const noise = (seed) => {
  const x = Math.sin(seed * 127.1) * 43758.5453;
  return x - Math.floor(x);
};
const smooth = (at, period, seed) => {
  const place = at / period;
  const base = Math.floor(place);
  const part = place - base;
  const eased = part * part * (3 - 2 * part);
  return noise(base + seed) * (1 - eased) + noise(base + 1 + seed) * eased;
};
/** A slow origin for a minute out of every eleven. */
const trouble = (at) => Math.max(0, 1 - Math.abs(((at % 660) - 420) / 45));

export const ROUTES = [
  ["/products", "pages", "shop", 0.36, 0.94, 28], ["/api/catalog/*", "catalog", "shop", 0.22, 0.88, 64],
  ["/images/*", "images", "assets", 0.29, 0.991, 9], ["/api/recommendations", "recommend", "models", 0.06, 0.61, 210],
  ["/search", "search", "shop", 0.05, 0.42, 120], ["/checkout", "bypass", "shop", 0.02, 0, 85],
].map(([route, strategy, upstream, share, hits, cost]) => ({ route, strategy, upstream, share, hits, cost, namespace: strategy }));

export function values(at) {
  const day = 0.75 + 0.25 * Math.sin((at / 86400) * 2 * Math.PI);
  const bad = trouble(at);
  const requests = 1850 * day * (0.85 + 0.3 * smooth(at, 40, 1)) + 60 * (noise(at) - 0.5);
  const hit = Math.min(0.985, 0.925 + 0.035 * smooth(at, 120, 7) - 0.09 * bad);
  const redis = 0.085 + 0.03 * smooth(at, 90, 3);
  const p50 = 0.62 + 0.25 * smooth(at, 25, 4) + 1.2 * bad;
  const p95 = 26 + 16 * smooth(at, 30, 5) + 190 * bad;
  const p99 = 88 + 50 * smooth(at, 35, 6) + 620 * bad;
  const errors = Math.max(0, 0.0012 + 0.0018 * (smooth(at, 50, 8) - 0.4) + 0.021 * bad);
  const origin = requests * (1 - hit);
  return {
    requests_per_s: requests, error_ratio: errors, latency_p50_ms: p50, latency_p95_ms: p95, latency_p99_ms: p99, latency_mean_ms: p50 * 5,
    upstream_p50_ms: 34 + 20 * smooth(at, 30, 11) + 100 * bad, upstream_p95_ms: 140 + 60 * smooth(at, 30, 12) + 420 * bad, upstream_p99_ms: 320 + 900 * bad, queue_p50_ms: 0.1, queue_p95_ms: 1.4 + 30 * bad, queue_p99_ms: 6 + 120 * bad,
    hit_ratio: hit, hit_ratio_memory: hit - redis, hit_ratio_redis: redis, stale_ratio: 0.012 + 0.08 * bad, bypass_ratio: 0.021, coalesced_per_s: origin * 0.3,
    origin_requests_per_s: origin, origin_seconds_saved_per_s: requests * hit * 0.041, bytes_sent_per_s: requests * 18200, bytes_saved_per_s: requests * hit * 17600,
    evictions_per_s: 2.4 * smooth(at, 30, 13), invalidations_per_s: 0.3 * smooth(at, 30, 14), invalidation_lag_ms: 1.4 + smooth(at, 20, 15),
    cache_bytes: 6.1e8 + 1.2e8 * smooth(at, 600, 16), cache_entries: 48210 + 9000 * smooth(at, 600, 16), cache_used_ratio: 0.57 + 0.11 * smooth(at, 600, 16),
    connections_open: 412 + 120 * smooth(at, 60, 17), tunnels_open: 18, http2_connections: 230 + 60 * smooth(at, 60, 18), in_flight: 22 + 30 * smooth(at, 12, 19) + 60 * bad,
    origin_in_flight: 7 + 40 * bad, retries_per_s: 0.4 + 6 * bad, targets_unhealthy: bad > 0.4 ? 1 : 0, dependencies_down: 0, apdex: 0.985 - 0.09 * bad,
    score: 93 - 3 * smooth(at, 60, 20) - 22 * bad, cpu_ratio: 0.31 + 0.14 * smooth(at, 20, 21), machine_cpu_ratio: 0.43 + 0.15 * smooth(at, 20, 22),
    load_1m: 1.2 + 0.8 * smooth(at, 60, 23), memory_bytes: 8.2e8 + 6e7 * smooth(at, 600, 24), memory_ratio: 0.41, machine_memory_ratio: 0.58, disk_used_ratio: 0.36,
    disk_read_per_s: 4.1e4, disk_written_per_s: 3.8e5 * smooth(at, 15, 25), network_in_per_s: 3.2e6, network_out_per_s: requests * 18900, open_files: 731, open_files_ratio: 0.011,
  };
}

export const BOUNDS = Array.from({ length: 28 }, (_, at) => 0.1 * 1.5 ** at);
export function heat(at, step) {
  const now = values(at);
  const total = now.requests_per_s * step;
  const bell = (center, width, weight) => BOUNDS.concat(Infinity).map((bound) => {
    const distance = Math.log(Math.min(bound, 1e6) / center) / width;
    return Math.exp(-distance * distance) * weight;
  });
  const hits = bell(now.latency_p50_ms, 0.7, now.hit_ratio);
  const misses = bell(now.upstream_p50_ms, 0.8, (1 - now.hit_ratio) * 1.2);
  const sum = hits.reduce((a, b) => a + b, 0) + misses.reduce((a, b) => a + b, 0);
  return hits.map((value, row) => Math.floor(((value + misses[row]) / sum) * total + noise(at + row * 7) * 0.7));
}

export function figures(at, seconds, share = 1, shape = null) {
  const now = values(at);
  const hit = shape ? shape.hits : now.hit_ratio;
  const rate = now.requests_per_s * share;
  const cost = shape ? shape.cost : 41;
  return {
    requests: Math.round(rate * seconds), requests_per_s: rate, error_ratio: now.error_ratio * (shape?.route === "/search" ? 6 : 0.8),
    latency_ms: { p50: shape && hit < 0.5 ? cost * 0.9 : now.latency_p50_ms, p95: shape ? cost * 2.4 : now.latency_p95_ms, p99: shape ? cost * 5 : now.latency_p99_ms, mean: cost * (1 - hit) + 0.5 },
    upstream_ms: { p50: cost, p95: cost * 2.8, p99: cost * 5.5, mean: cost * 1.2 }, queue_ms: { p50: 0.04, p95: 0.3, p99: 2.1, mean: 0.1 },
    hit_ratio: { total: hit, memory: Math.max(0, hit - 0.09), redis: Math.min(hit, 0.09) }, stale_ratio: 0.012, bypass_ratio: hit === 0 ? 1 : 0.01,
    coalesced: Math.round(rate * seconds * 0.01), origin_requests: Math.round(rate * seconds * (1 - hit)), origin_seconds: (rate * seconds * (1 - hit) * cost) / 1000, origin_seconds_saved: (rate * seconds * hit * cost) / 1000,
    bytes_sent: rate * seconds * 18200, bytes_saved: rate * seconds * hit * 17600, evictions: 214, invalidations: 31, connections_open: now.connections_open,
    in_flight: now.in_flight, cpu_ratio: now.cpu_ratio, memory_bytes: now.memory_bytes, memory_ratio: now.memory_ratio,
  };
}
export function routeFigures(at, seconds) {
  const weight = (one) => one.share * (1 - one.hits) * one.cost;
  const total = ROUTES.reduce((sum, one) => sum + weight(one), 0);
  return ROUTES.map((one) => ({
    ...figures(at, seconds, one.share, one), route: one.route, strategy: one.strategy, upstream: one.upstream, namespace: one.namespace,
    share_of_origin_time: weight(one) / total,
  })).sort((a, b) => b.share_of_origin_time - a.share_of_origin_time);
}

const WORDS = ["lamp", "chair", "desk", "rug", "vase", "shelf", "clock", "mirror"];
export function request(seq, at) {
  const pick = noise(seq * 3.3);
  let sum = 0;
  const route = ROUTES.find((one) => (sum += one.share) > pick) ?? ROUTES[0];
  const hit = noise(seq * 7.7) < route.hits;
  const bad = trouble(at / 1000);
  const failed = !hit && noise(seq * 9.1) < 0.015 + 0.2 * bad;
  const cache = route.hits === 0 ? "bypass" : hit ? (noise(seq) < 0.1 ? "hit_redis" : noise(seq) < 0.12 ? "stale" : "hit") : "miss";
  const upstream = hit ? null : route.cost * (0.6 + noise(seq * 2.2) * 2) * (1 + 4 * bad);
  const word = WORDS[Math.floor(noise(seq * 5) * WORDS.length)];
  const target = route.route === "/products" ? `/products?page=${1 + Math.floor(noise(seq * 4) * 30)}` : route.route.replace("*", `${word}-${Math.floor(noise(seq * 6) * 900)}${route.strategy === "images" ? ".webp" : ""}`) + (route.route === "/search" ? `?q=${word}` : "");
  return {
    at: new Date(at).toISOString(), request_id: `01J${(0x10000000 + seq * 7919).toString(36).toUpperCase()}`, client: `203.0.113.${1 + (seq % 200)}`, method: route.strategy === "bypass" ? "POST" : "GET",
    scheme: "https", host: "shop.example", target, status: failed ? 502 : noise(seq * 8) < 0.02 ? 404 : noise(seq * 8.8) < 0.05 ? 304 : 200,
    duration_ms: (upstream ?? 0) + 0.3 + noise(seq) * 0.9, upstream_ms: upstream, upstream: hit ? null : route.upstream, route: route.route, strategy: route.strategy,
    tenant: null, cache, reason: cache === "miss" ? (noise(seq * 4.4) < 0.5 ? "expired" : "absent") : cache === "bypass" ? "method" : null, error: failed ? "upstream_reset" : null,
    sent_bytes: Math.round(2000 + noise(seq * 2) * 40000), trace_id: null,
  };
}
export { noise, trouble };
