import type { UpstreamReport } from "@peregrine/sdk";
import { ChartCard } from "@/charts/chartcard";
import { Parts } from "@/charts/spark";
import { client, useAsk } from "@/lib/api";
import { ago, count, milliseconds, percent } from "@/lib/format";
import { useHistory } from "@/lib/history";
import { useRange } from "@/lib/range";
import { show } from "@/lib/series";
import { Badge, stateTone, type Tone } from "@/ui/badge";
import { Card, PageHead } from "@/ui/card";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";

/** Origins, their targets, and how they are. */
export default function Upstreams() {
  const answer = useAsk(["upstreams"], (signal) => client.upstreams(signal), 2_000);
  return (
    <>
      <PageHead title="Upstreams" about="The origins behind the routes: each target's health, share of the load, latency and errors, and what was tried again." />
      <Answer of={answer}>
        {(list) => list.length === 0 ? <Card><Empty icon="upstreams" title="No upstreams">The configuration names none.</Empty></Card>
          : <div className="flex flex-col gap-4">{list.map((one) => <Upstream key={one.name} of={one} />)}</div>}
      </Answer>
    </>
  );
}

const WORDS: [string, string][] = [["requests_per_s", "requests"], ["latency_ms", "latency"], ["errors_per_s", "errors"], ["retries_per_s", "retries"], ["in_flight", "in flight"]];

/** A target's part of the upstream's requests; one that came back lately takes part in some of the choices only. */
function Share({ part, warm }: { part: number; warm: number | null }) {
  return (
    <span className="flex items-center gap-2">
      <span className="w-14"><Parts className="h-1.5" parts={[{ key: "s", share: part, color: "--origin" }]} /></span>
      {percent(part, 0)}
      {warm !== null && warm < 1 && <span className="text-2xs text-faint">warming up, {percent(warm, 0)}</span>}
    </span>
  );
}

function Upstream({ of: one }: { of: UpstreamReport }) {
  const { range } = useRange();
  const history = useHistory(range, ["requests_per_s", "latency_ms", "errors_per_s", "retries_per_s"], { upstream: one.name });
  const well = one.targets.filter((target) => target.health === "healthy" || target.health === "unknown").length;
  const asked = one.targets.reduce((sum, target) => sum + target.requests, 0);
  const tone: Tone = well === one.targets.length ? "good" : well === 0 ? "bad" : "warn";
  return (
    <section aria-label={`Upstream ${one.name}`} className="grid gap-2.5 lg:grid-cols-2">
      <Card flush className="lg:col-span-2" title={<span className="mono text-sm">{one.name}</span>} note={<span className="flex flex-wrap items-center gap-2"><Badge tone={tone} dot>{well} of {one.targets.length} healthy</Badge>{one.balance.replaceAll("_", " ")}</span>} actions={
        <dl className="flex flex-wrap gap-x-4 text-xs">{WORDS.filter(([name]) => name in one.figures).map(([name, label]) => <div key={name} className="flex gap-1.5"><dt className="text-muted">{label}</dt><dd className="font-semibold">{show(name, one.figures[name])}</dd></div>)}</dl>
      }>
        <Table caption={`Targets of ${one.name}`} rows={one.targets} id={(target) => target.url} empty={<Empty icon="upstreams" title="No targets" />} columns={[
          { key: "url", label: "Target", show: (target) => <span className="mono">{target.url}</span> },
          { key: "health", label: "Health", sort: (target) => target.health, show: (target) => <span className="inline-flex items-center gap-2"><Badge tone={stateTone(target.health)} dot>{target.health}</Badge>{target.since && <span className="text-2xs text-faint">{ago(target.since)}</span>}</span> },
          { key: "share", label: "Share", sort: (target) => target.requests, show: (target) => <Share part={target.requests / Math.max(1, asked)} warm={target.share} /> },
          { key: "latency", label: "Latency", numeric: true, sort: (target) => target.latency_ms, show: (target) => milliseconds(target.latency_ms) },
          { key: "flight", label: "In flight", numeric: true, sort: (target) => target.in_flight, show: (target) => count(target.in_flight) },
          { key: "requests", label: "Requests", numeric: true, sort: (target) => target.requests, show: (target) => count(target.requests) },
          { key: "errors", label: "Errors", numeric: true, sort: (target) => target.errors, show: (target) => count(target.errors) },
          { key: "retries", label: "Retries", numeric: true, sort: (target) => target.retries, show: (target) => count(target.retries) },
          { key: "last", label: "Last error", show: (target) => <span className="line-clamp-1 min-w-32 text-muted" title={target.last_error ?? ""}>{target.last_error ?? "none"}</span> },
        ]} />
      </Card>
      <ChartCard title={`Latency of ${one.name}`} history={history.data} problem={history.error} height={130} series={[{ name: "latency_ms", fill: true, color: "--origin" }]} />
      <ChartCard title={`Requests and errors of ${one.name}`} history={history.data} problem={history.error} height={130} series={[{ name: "requests_per_s", fill: true }, { name: "errors_per_s" }, { name: "retries_per_s" }]} />
    </section>
  );
}
