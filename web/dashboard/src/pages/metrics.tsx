import type { RouteFigures, SystemMetrics } from "@peregrine/sdk";
import { useState } from "react";
import { ChartCard, ExportMenu, type SeriesChoice } from "@/charts/chartcard";
import { HeatCard } from "@/charts/heat";
import { Parts } from "@/charts/spark";
import { client, useAsk, useMay } from "@/lib/api";
import { bytes, count, date, duration, percent } from "@/lib/format";
import { useHistory } from "@/lib/history";
import { useRange } from "@/lib/range";
import { download } from "@/lib/export";
import { useParam } from "@/lib/url";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Choice, Facts, Tabs } from "@/ui/field";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";
import { Answers } from "./parts/answers";
import { ForgetDialog } from "./parts/forget";
import { served } from "./parts/served";

interface Chart { title: string; series: SeriesChoice[]; top?: number; stacked?: boolean }
const CHARTS: Chart[] = [
  { title: "Requests", series: [{ name: "requests_per_s", fill: true }, { name: "origin_requests_per_s" }, { name: "coalesced_per_s" }] },
  { title: "Errors and retries", series: [{ name: "error_ratio", fill: true }, { name: "retries_per_s", right: true }] },
  { title: "Latency", series: [{ name: "latency_p99_ms" }, { name: "latency_p95_ms" }, { name: "latency_p50_ms", fill: true }] },
  { title: "Latency of origins", series: [{ name: "upstream_p99_ms" }, { name: "upstream_p95_ms" }, { name: "upstream_p50_ms", fill: true }] },
  { title: "Waiting for a connection to the origin", series: [{ name: "queue_p99_ms" }, { name: "queue_p95_ms" }, { name: "queue_p50_ms", fill: true }] },
  { title: "Hits by tier", top: 1, stacked: true, series: [{ name: "hit_ratio_memory", fill: true }, { name: "hit_ratio_redis", fill: true }] },
  { title: "Stale and bypassed", series: [{ name: "stale_ratio" }, { name: "bypass_ratio" }] },
  { title: "Origin time saved", series: [{ name: "origin_seconds_saved_per_s", fill: true }] },
  { title: "Bytes", series: [{ name: "bytes_sent_per_s", fill: true }, { name: "bytes_saved_per_s" }] },
  { title: "Cache", series: [{ name: "cache_bytes", fill: true }, { name: "cache_used_ratio", right: true, color: "--p95" }] },
  { title: "Evictions and invalidations", series: [{ name: "evictions_per_s" }, { name: "invalidations_per_s" }] },
  { title: "Connections", series: [{ name: "connections_open", fill: true }, { name: "http2_connections" }, { name: "tunnels_open" }] },
  { title: "Under way", series: [{ name: "in_flight", fill: true }, { name: "origin_in_flight" }] },
];
const SYSTEM: Chart[] = [
  { title: "CPU", top: 1, series: [{ name: "cpu_ratio", fill: true }, { name: "machine_cpu_ratio" }] },
  { title: "Memory", top: 1, series: [{ name: "memory_ratio", fill: true }, { name: "machine_memory_ratio" }] },
  { title: "Resident memory", series: [{ name: "memory_bytes", fill: true }] },
  { title: "Load and files", series: [{ name: "load_1m" }, { name: "open_files", color: "--origin" }] },
  { title: "Network", series: [{ name: "network_out_per_s", fill: true }, { name: "network_in_per_s" }] },
  { title: "Disk", series: [{ name: "disk_written_per_s", fill: true }, { name: "disk_read_per_s" }] },
];
const ROUTE: Chart[] = [
  { title: "Requests", series: [{ name: "requests_per_s", fill: true }, { name: "origin_requests_per_s" }] },
  { title: "Errors", series: [{ name: "error_ratio", fill: true }] },
  { title: "Latency", series: [{ name: "latency_p99_ms" }, { name: "latency_p95_ms" }, { name: "latency_p50_ms", fill: true }] },
  { title: "Latency of origins", series: [{ name: "upstream_p95_ms", fill: true }] },
  { title: "Waiting for a connection to the origin", series: [{ name: "queue_p95_ms", fill: true }] },
  { title: "Hits", top: 1, series: [{ name: "hit_ratio", fill: true }] },
  { title: "Bytes", series: [{ name: "bytes_sent_per_s", fill: true }] },
];
const namesOf = (charts: Chart[]) => [...new Set(charts.flatMap((chart) => chart.series.map((one) => one.name)))];

/** Everything that is measured, over any stretch of time. */
export default function Metrics() {
  const [view, setView] = useParam("view", "traffic");
  const [route, setRoute] = useParam("route");
  const metrics = useAsk(["metrics"], (signal) => client.metrics(signal), 5_000);
  const { range } = useRange();
  const ranged = useAsk(["routes", range.preset], (signal) => client.routes(range.preset, signal), 5_000, view !== "system");
  const routes = ranged.data?.routes ?? [];
  const may = useMay("admin");
  const [forgetting, setForgetting] = useState(false);
  return (
    <>
      <PageHead title="Metrics" about="Every number that is kept: a second apart for an hour, ten seconds for a day, a minute for a month. Drag over a chart to look closer." actions={<>
        {view === "traffic" && <Choice label="Route" value={route} onChange={setRoute} className="w-52" options={[["", "All routes"], ...routes.map((one) => [one.route, one.route] as const)]} />}
        {may && <Button onClick={() => setForgetting(true)}>Begin anew…</Button>}
      </>} />
      <Tabs label="Metrics" value={view} onChange={setView} tabs={[["traffic", "Traffic and cache"], ["routes", "Routes"], ["answers", "Answers"], ["system", "System"]]} />
      {view === "traffic" && (route ? <Charts key={route} charts={ROUTE} route={route} /> : <Charts charts={CHARTS} heat />)}
      {view === "routes" && <Answer of={ranged}>{(data) => <>
        <Routes title="Routes" routes={data.routes} onRoute={(name) => { setRoute(name); setView("traffic"); }} />
        {data.without_history.length > 0 && <Routes title="Routes without a history" note="more than insight.routes_max: since the start" routes={data.without_history} />}
      </>}</Answer>}
      {view === "answers" && <Answer of={metrics}>{(data) => <Answers data={data.application} />}</Answer>}
      {view === "system" && <><Answer of={metrics}>{(data) => <System data={data.system} />}</Answer><Charts charts={SYSTEM} /></>}
      {forgetting && <ForgetDialog onClose={() => setForgetting(false)} />}
    </>
  );
}

function Charts({ charts, route, heat = false }: { charts: Chart[]; route?: string; heat?: boolean }) {
  const { range } = useRange();
  const history = useHistory(range, namesOf(charts), route ? { route } : {});
  const map = useHistory(range, ["requests_per_s"], { heat: true, ...(route ? { route } : {}) });
  return (
    <div className="grid gap-2.5 md:grid-cols-2 2xl:grid-cols-3">
      {charts.map((chart) => <ChartCard key={chart.title} {...chart} history={history.data} problem={history.error} height={176} />)}
      {heat && <HeatCard className="md:col-span-2 2xl:col-span-3" history={map.data} height={220} />}
    </div>
  );
}

function Routes({ title, note, routes, onRoute }: { title: string; note?: string; routes: RouteFigures[]; onRoute?: (name: string) => void }) {
  const write = (format: "csv" | "json") => download("peregrine-routes", format,
    ["route", "strategy", "upstream", "requests_per_s", "error_ratio", "hit_ratio", "p50_ms", "p95_ms", "p99_ms", "origin_seconds", "bytes_sent"],
    routes.map((one) => [one.route, one.strategy, one.upstream, one.requests_per_s, one.error_ratio, one.hit_ratio.total, one.latency_ms.p50, one.latency_ms.p95, one.latency_ms.p99, one.origin_seconds, one.bytes_sent]));
  return (
    <Card flush title={title} {...(note ? { note } : {})} actions={<ExportMenu label="Routes" write={write} />}>
      <Table caption={title} rows={routes} id={(one) => one.route} sorted={["share", "down"]} {...(onRoute ? { onRow: (one: RouteFigures) => onRoute(one.route) } : {})}
        empty={<Empty icon="traffic" title="No requests yet">Routes appear with their first request.</Empty>} columns={[
          { key: "route", label: "Route", sort: (one) => one.route, show: (one) => onRoute ? <button type="button" className="mono text-left hover:underline" onClick={() => onRoute(one.route)}>{one.route}</button> : <span className="mono">{one.route}</span> },
          { key: "strategy", label: "Strategy", sort: (one) => one.strategy, show: (one) => one.strategy },
          { key: "upstream", label: "Upstream", sort: (one) => one.upstream, show: (one) => one.upstream },
          { key: "share", label: "Origin time", sort: (one) => one.share_of_origin_time, show: (one) => <span className="flex items-center gap-2"><span className="w-16"><Parts className="h-1.5" parts={[{ key: "s", share: one.share_of_origin_time ?? 0, color: "--origin" }]} /></span>{percent(one.share_of_origin_time, 0)}</span> },
          { key: "rate", label: "Requests/s", numeric: true, sort: (one) => one.requests_per_s, show: (one) => count(one.requests_per_s) },
          ...served,
        ]} />
    </Card>
  );
}

function System({ data }: { data: SystemMetrics }) {
  const { process, cgroup, machine } = data;
  return (
    <div className="mb-2.5 grid gap-2.5 lg:grid-cols-3">
      <Card title="Peregrine">
        <Facts rows={[["CPU", percent(process.cpu_ratio)], ["Memory", `${bytes(process.memory_bytes)}, at most ${bytes(process.memory_peak_bytes)}`], ["Threads", count(process.threads)], ["Open files", `${count(process.open_files)} of ${count(process.open_files_max)}`], ["Started", date(process.started)]]} />
      </Card>
      <Card title="Its limits">
        {cgroup ? <Facts rows={[["Memory", `${bytes(cgroup.memory_bytes)} of ${bytes(cgroup.memory_max_bytes)}`], ["Cores", count(cgroup.cpu_max_cores)], ["Held back", duration(cgroup.throttled_seconds)]]} /> : <p className="text-muted">No control group limits it.</p>}
      </Card>
      <Card title="Machine">
        <Facts rows={[["CPU", `${percent(machine.cpu_ratio)} of ${count(machine.cores)} cores`], ["Load", [machine.load.m1, machine.load.m5, machine.load.m15].map((one) => count(one)).join(" · ")], ["Memory", `${bytes(machine.memory_available_bytes)} of ${bytes(machine.memory_bytes)} available`], ["Disk", machine.disk ? `${bytes(machine.disk.free_bytes)} free at ${machine.disk.path}` : "–"]]} />
      </Card>
    </div>
  );
}
