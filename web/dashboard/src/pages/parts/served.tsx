import type { Figures } from "@peregrine/sdk";
import { bytes, count, duration, milliseconds, percent } from "@/lib/format";
import type { Column } from "@/ui/table";

/** How requests were served: the columns that routes, strategies, tiers and tenants have in common. */
export const served: Column<Pick<Figures, "hit_ratio" | "latency_ms" | "error_ratio" | "bytes_sent">>[] = [
  { key: "hits", label: "Hits", numeric: true, sort: (one) => one.hit_ratio.total, show: (one) => percent(one.hit_ratio.total) },
  { key: "p50", label: "p50", numeric: true, sort: (one) => one.latency_ms.p50, show: (one) => milliseconds(one.latency_ms.p50) },
  { key: "p95", label: "p95", numeric: true, sort: (one) => one.latency_ms.p95, show: (one) => milliseconds(one.latency_ms.p95) },
  { key: "p99", label: "p99", numeric: true, sort: (one) => one.latency_ms.p99, show: (one) => milliseconds(one.latency_ms.p99) },
  { key: "errors", label: "Errors", numeric: true, sort: (one) => one.error_ratio, show: (one) => percent(one.error_ratio) },
  { key: "sent", label: "Sent", numeric: true, sort: (one) => one.bytes_sent, show: (one) => bytes(one.bytes_sent) },
];

/** How much of the origin it took, and how much it did not. */
export const spared: Column<Pick<Figures, "upstream_ms" | "queue_ms" | "coalesced" | "origin_seconds_saved">>[] = [
  { key: "upstream", label: "Origin p95", numeric: true, sort: (one) => one.upstream_ms.p95, show: (one) => milliseconds(one.upstream_ms.p95) },
  { key: "queue", label: "Queue p95", numeric: true, sort: (one) => one.queue_ms?.p95, show: (one) => milliseconds(one.queue_ms?.p95) },
  { key: "coalesced", label: "Coalesced", numeric: true, sort: (one) => one.coalesced, show: (one) => count(one.coalesced) },
  { key: "saved", label: "Origin time saved", numeric: true, sort: (one) => one.origin_seconds_saved, show: (one) => duration(one.origin_seconds_saved) },
];
