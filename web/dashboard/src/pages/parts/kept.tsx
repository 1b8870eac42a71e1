import type { ApplicationMetrics, Kept } from "@peregrine/sdk";
import { bytes, count, milliseconds } from "@/lib/format";
import { Card } from "@/ui/card";
import { Table, type Column } from "@/ui/table";

/** The causes that counted something, in words. */
export const causes = (counts: Record<string, number>) => Object.entries(counts).filter(([, value]) => value > 0).map(([name, value]) => `${name.replaceAll("_", " ")} ${count(value)}`).join(", ");

/** What left memory, and which invalidations reached it: the columns that routes, strategies, tenants and namespaces have in common. */
export const turnover: Column<Pick<Kept, "evictions_by_cause" | "invalidations" | "invalidation_ms">>[] = [
  { key: "why", label: "Evictions", show: (one) => <span className="text-muted">{causes(one.evictions_by_cause) || "none"}</span> },
  { key: "invalidations", label: "Invalidations", numeric: true, sort: (one) => one.invalidations, show: (one) => count(one.invalidations) },
  { key: "lag", label: "Lag p95", numeric: true, sort: (one) => one.invalidation_ms.p95, show: (one) => <span title="From the request until it held in every layer and on every node">{milliseconds(one.invalidation_ms.p95)}</span> },
];

/** Whose entries memory holds, whose left, and whom invalidations reached. */
export function Memory({ data }: { data: ApplicationMetrics }) {
  const of = (kind: string, all: { name: string; kept: Kept | null }[]) => all.flatMap(({ name, kept }) => kept ? [{ kind, name, ...kept }] : []);
  const rows = [
    ...of("route", data.routes.map((one) => ({ name: one.route, kept: one.kept }))),
    ...of("strategy", data.strategies.map((one) => ({ name: one.strategy, kept: one.kept }))),
    ...of("upstream", data.upstreams.map((one) => ({ name: one.upstream, kept: one.kept }))),
    ...of("tenant", data.tenants.map((one) => ({ name: one.tenant, kept: one.kept }))),
    ...of("tier", data.tiers.map((one) => ({ name: one.tier, kept: one.kept }))),
  ];
  return (
    <Card flush title="What memory holds" note="by who stored it, with what left and which invalidations reached it since the start" className="lg:col-span-2">
      <Table compact caption="What memory holds" rows={rows} id={(one) => `${one.kind} ${one.name}`} sorted={["bytes", "down"]} columns={[
        { key: "kind", label: "Of", sort: (one) => one.kind, show: (one) => <span className="text-muted">{one.kind}</span> },
        { key: "name", label: "Name", sort: (one) => one.name, show: (one) => <span className="mono">{one.name}</span> },
        { key: "bytes", label: "Memory", numeric: true, sort: (one) => one.bytes, show: (one) => bytes(one.bytes) },
        { key: "entries", label: "Entries", numeric: true, sort: (one) => one.entries, show: (one) => count(one.entries) },
        ...turnover,
      ]} />
    </Card>
  );
}
