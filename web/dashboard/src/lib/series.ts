import { unit } from "./format";

/** What is known of a series of history: how to name it, in what unit it is, in which colour it is drawn. */
export interface SeriesInfo { name: string; label: string; unit: string; color: string; about: string }

const rows: [string, string, string, string, string][] = [
  ["requests_per_s", "Requests", "/s", "--text", "Requests that were answered"],
  ["error_ratio", "Errors", "ratio", "--bad", "Answers of class 5xx, made here or by the origin"],
  ["latency_p50_ms", "p50", "ms", "--p50", "Half of all answers were faster"],
  ["latency_p95_ms", "p95", "ms", "--p95", "19 of 20 answers were faster"],
  ["latency_p99_ms", "p99", "ms", "--p99", "99 of 100 answers were faster"],
  ["latency_mean_ms", "mean", "ms", "--quiet", "Mean time to the end of the answer"],
  ["upstream_p50_ms", "origin p50", "ms", "--p50", "Time the origin took, median"],
  ["upstream_p95_ms", "origin p95", "ms", "--p95", "Time the origin took, 95th percentile"],
  ["upstream_p99_ms", "origin p99", "ms", "--p99", "Time the origin took, 99th percentile"],
  ["queue_p50_ms", "wait p50", "ms", "--p50", "Time requests waited for a connection to the origin, median"],
  ["queue_p95_ms", "wait p95", "ms", "--p95", "Time requests waited for a connection to the origin, 95th percentile"],
  ["queue_p99_ms", "wait p99", "ms", "--p99", "Time requests waited for a connection to the origin, 99th percentile"],
  ["hit_ratio", "Hits", "ratio", "--memory", "Of what could be cached, answered without the origin"],
  ["hit_ratio_memory", "memory", "ratio", "--memory", "Answered from memory"],
  ["hit_ratio_redis", "Redis", "ratio", "--redis", "Answered from Redis"],
  ["stale_ratio", "stale", "ratio", "--stale", "Answered from stale entries"],
  ["bypass_ratio", "bypass", "ratio", "--quiet", "Went past the cache"],
  ["coalesced_per_s", "coalesced", "/s", "--memory", "Requests that shared another's load"],
  ["origin_requests_per_s", "to the origin", "/s", "--origin", "Requests the origin had to answer"],
  ["origin_seconds_saved_per_s", "origin time saved", "s/s", "--good", "Seconds of origin work saved each second"],
  ["bytes_sent_per_s", "sent", "bytes/s", "--p50", "Bytes sent to clients"],
  ["bytes_saved_per_s", "saved", "bytes/s", "--good", "Bytes the origin did not have to send"],
  ["evictions_per_s", "evictions", "/s", "--origin", "Entries that had to make room"],
  ["invalidations_per_s", "invalidations", "/s", "--stale", "Invalidations that were taken"],
  ["invalidation_lag_ms", "invalidation lag", "ms", "--stale", "How late an invalidation reached this node"],
  ["cache_bytes", "cache", "bytes", "--memory", "Bytes held in memory"],
  ["cache_entries", "entries", "", "--memory", "Entries held in memory"],
  ["cache_used_ratio", "cache used", "ratio", "--memory", "Share of the cache's limit in use"],
  ["connections_open", "connections", "", "--p50", "Open client connections"],
  ["tunnels_open", "tunnels", "", "--p95", "Upgraded connections, such as WebSocket"],
  ["http2_connections", "HTTP/2", "", "--p99", "Open HTTP/2 connections"],
  ["in_flight", "in flight", "", "--p50", "Requests under way"],
  ["origin_in_flight", "origin in flight", "", "--origin", "Requests under way at the origin"],
  ["retries_per_s", "retries", "/s", "--warn", "Requests to the origin that were sent again"],
  ["targets_unhealthy", "unhealthy targets", "", "--bad", "Upstream targets that are out"],
  ["dependencies_down", "dependencies down", "", "--bad", "Redis and others that do not answer"],
  ["apdex", "Apdex", "score", "--good", "Satisfaction by the Apdex formula"],
  ["score", "score", "points", "--brand-solid", "The performance score"],
  ["cpu_ratio", "Peregrine's CPU", "ratio", "--p50", "Of the cores it may use"],
  ["machine_cpu_ratio", "machine's CPU", "ratio", "--quiet", "Of all cores"],
  ["load_1m", "load", "", "--p95", "Load average over a minute"],
  ["memory_bytes", "resident", "bytes", "--memory", "Resident memory of the process"],
  ["memory_ratio", "memory used", "ratio", "--memory", "Of the limit of its group or the machine"],
  ["machine_memory_ratio", "machine's memory", "ratio", "--quiet", "Used memory of the machine"],
  ["disk_used_ratio", "disk used", "ratio", "--origin", "Of the disk of the state directory"],
  ["disk_read_per_s", "read", "bytes/s", "--p50", "Read from disk"],
  ["disk_written_per_s", "written", "bytes/s", "--origin", "Written to disk"],
  ["network_in_per_s", "in", "bytes/s", "--p50", "Received by the machine"],
  ["network_out_per_s", "out", "bytes/s", "--p95", "Sent by the machine"],
  ["open_files", "open files", "", "--p50", "File descriptors in use"],
  ["open_files_ratio", "open files used", "ratio", "--p50", "Of the limit of file descriptors"],
  ["origin_seconds_per_s", "origin time", "s/s", "--origin", "Seconds of origin work each second"],
  ["latency_ms", "latency", "ms", "--p50", "Recent latency"],
  ["errors_per_s", "errors", "/s", "--bad", "Failed requests"],
  ["healthy_ratio", "healthy", "ratio", "--good", "Share of healthy targets"],
];
const table = new Map(rows.map(([name, label, kind, color, about]) => [name, { name, label, unit: kind, color, about }]));

export const seriesNames = rows.map(([name]) => name);

export function info(name: string): SeriesInfo {
  return table.get(name) ?? { name, label: name.replaceAll("_", " "), unit: "", color: "--p50", about: "" };
}

/** A figure of a report: by its series where it is one, else by the unit that it names. */
export function figure(name: string, value: number | null | undefined, kind: string): string {
  if (table.has(name)) return show(name, value);
  return unit(value, kind === "" && /ratio|errors|share|past the cache/.test(name) ? "ratio" : kind);
}

export function show(name: string, value: number | null | undefined): string {
  return unit(value, info(name).unit);
}
