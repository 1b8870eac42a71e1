import type { ApplicationMetrics, RouteFigures, SystemMetrics } from "@peregrine/sdk";
import { useState } from "react";
import { ChartCard, ExportMenu, type SeriesChoice } from "@/charts/chartcard";
import { HeatCard } from "@/charts/heat";
import { Parts } from "@/charts/spark";
import { client, useAsk, useMay } from "@/lib/api";
import { bytes, count, date, duration, milliseconds, percent } from "@/lib/format";
import { useHistory } from "@/lib/history";
import { useRange } from "@/lib/range";
import { download } from "@/lib/export";
import { useParam } from "@/lib/url";
import { statusTone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Choice, Facts, Tabs } from "@/ui/field";
import { Answer, Empty } from "@/ui/states";
import { type Column, Table } from "@/ui/table";
import { Prose } from "@/ui/prose";
import { ForgetDialog } from "./parts/forget";

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

/** How requests were served: the columns that routes and tenants have in common. */
const served: Column<Pick<RouteFigures, "hit_ratio" | "latency_ms" | "error_ratio" | "bytes_sent">>[] = [
  { key: "hits", label: "Hits", numeric: true, sort: (one) => one.hit_ratio.total, show: (one) => percent(one.hit_ratio.total) },
  { key: "p50", label: "p50", numeric: true, sort: (one) => one.latency_ms.p50, show: (one) => milliseconds(one.latency_ms.p50) },
  { key: "p95", label: "p95", numeric: true, sort: (one) => one.latency_ms.p95, show: (one) => milliseconds(one.latency_ms.p95) },
  { key: "p99", label: "p99", numeric: true, sort: (one) => one.latency_ms.p99, show: (one) => milliseconds(one.latency_ms.p99) },
  { key: "errors", label: "Errors", numeric: true, sort: (one) => one.error_ratio, show: (one) => percent(one.error_ratio) },
  { key: "sent", label: "Sent", numeric: true, sort: (one) => one.bytes_sent, show: (one) => bytes(one.bytes_sent) },
];

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

const TONE_COLORS = { good: "--good", info: "--info", warn: "--warn", bad: "--bad", quiet: "--quiet" } as const;
function Answers({ data }: { data: ApplicationMetrics }) {
  const statuses = Object.entries(data.statuses).sort(([, left], [, right]) => right - left);
  const total = statuses.reduce((sum, [, value]) => sum + value, 0) || 1;
  const bars = (rows: [string, number][], color: (name: string) => string, empty: string) => rows.length === 0 ? <Empty icon="check" title={empty} /> : (
    <ul className="flex flex-col gap-2 pt-1">
      {rows.map(([name, value]) => {
        const all = rows.reduce((sum, [, one]) => sum + one, 0) || 1;
        return (
          <li key={name} className="grid grid-cols-[minmax(0,8rem)_1fr_4.5rem] items-center gap-3">
            <span className="mono truncate" title={name}>{name}</span><Parts className="h-1.5" parts={[{ key: name, share: value / all, color: color(name) }]} /><span className="text-right">{count(value)}</span>
          </li>
        );
      })}
    </ul>
  );
  return (
    <div className="grid gap-2.5 lg:grid-cols-2">
      <Card title="Statuses" note={`${count(total)} answers since the start`}>{bars(statuses, (name) => TONE_COLORS[statusTone(Number.parseInt(name, 10))], "No answers yet")}</Card>
      <Card title="Errors by kind">{bars(Object.entries(data.errors).filter(([, value]) => value > 0).sort(([, left], [, right]) => right - left), () => "--bad", "No errors since the start")}</Card>
      <Card title="Why not from the cache" className="lg:col-span-2">
        {data.reasons.length === 0 ? <Empty icon="cache" title="Nothing missed yet" /> : (
          <ul className="flex flex-col divide-y divide-line">
            {data.reasons.slice(0, 12).map((one) => <li key={one.reason} className="grid grid-cols-[9rem_4.5rem_1fr] gap-3 py-1.5"><span className="mono">{one.reason}</span><span className="text-right font-semibold">{count(one.count)}</span><span className="text-muted"><Prose text={one.sentence} /></span></li>)}
          </ul>
        )}
      </Card>
      <Card flush title="Keys asked for most" note="counted by a sketch">
        <Table compact caption="Keys asked for most" rows={data.top_keys} id={(one) => one.key} empty={<Empty icon="key" title="No keys yet" />} columns={[
          { key: "key", label: "Key", show: (one) => <span className="mono block max-w-96 truncate" title={one.key}>{one.key}</span> },
          { key: "count", label: "Requests", numeric: true, show: (one) => count(one.count) },
          { key: "error", label: "± at most", numeric: true, show: (one) => count(one.error) },
        ]} />
      </Card>
      <Card flush title="Strategies">
        <Table compact caption="Strategies" rows={data.strategies} id={(one) => one.strategy} empty={<Empty icon="cache" title="No strategies" />} columns={[
          { key: "strategy", label: "Strategy", show: (one) => one.strategy },
          { key: "rate", label: "Requests/s", numeric: true, show: (one) => count(one.requests_per_s) },
          { key: "hits", label: "Hits", numeric: true, show: (one) => percent(one.hit_ratio?.total) },
          { key: "p95", label: "p95", numeric: true, show: (one) => milliseconds(one.latency_ms?.p95) },
          { key: "errors", label: "Errors", numeric: true, show: (one) => percent(one.error_ratio) },
        ]} />
      </Card>
      {data.tenants.length > 0 && (
        <Card flush title="Tenants" note="since the start" className="lg:col-span-2">
          <Table compact caption="Tenants" rows={data.tenants} id={(one) => one.tenant} sorted={["requests", "down"]} columns={[
            { key: "tenant", label: "Tenant", sort: (one) => one.tenant, show: (one) => <span className="mono">{one.tenant}</span> },
            { key: "requests", label: "Requests", numeric: true, sort: (one) => one.requests, show: (one) => count(one.requests) },
            ...served,
          ]} />
        </Card>
      )}
    </div>
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
