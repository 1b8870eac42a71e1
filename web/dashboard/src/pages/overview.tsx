import type { Alert, ChangeNote, History, N, ScorePart, SloStatus, Summary } from "@peregrine/sdk";
import { useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { ChartCard } from "@/charts/chartcard";
import { HeatCard } from "@/charts/heat";
import { Parts, Ring, Spark } from "@/charts/spark";
import { client, useAsk, useLive } from "@/lib/api";
import { ago, bytes, clock, count, duration, milli, milliseconds, money, percent, unit } from "@/lib/format";
import { useHistory } from "@/lib/history";
import { useRange } from "@/lib/range";
import { Badge, Dot, severityTone, type Tone } from "@/ui/badge";
import { Card } from "@/ui/card";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Table } from "@/ui/table";
import { changeColor } from "./parts/changes";
import { ScoreDialog } from "./parts/score";

const SERIES = [
  "requests_per_s", "error_ratio", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "hit_ratio", "hit_ratio_memory", "hit_ratio_redis",
  "stale_ratio", "origin_requests_per_s", "origin_seconds_saved_per_s",
];

/** Everything at a glance: is it well, how fast, what it saved, what is wrong and what was changed. */
export default function Overview() {
  const { range } = useRange();
  const summary = useAsk(["summary", range.preset], (signal) => client.summary(range.preset, signal), 5_000);
  const history = useHistory(range, SERIES);
  const heat = useHistory(range, ["requests_per_s"], { heat: true });
  const latest = useLive("latest");
  const now = (name: string, fallback: N | undefined): N => (range.live && latest ? latest.values[name] ?? null : fallback ?? null);
  const marks = useMemo(() => (summary.data?.changes ?? []).flatMap((note) => {
    const at = milli(note.at);
    return at === null || note.kind === "alert" ? [] : [{ at: at / 1000, color: changeColor(note.kind) }];
  }), [summary.data?.changes]);

  if (summary.isError && !summary.data) return <><h1 className="sr-only">Overview</h1><Failure problem={summary.error} retry={() => void summary.refetch()} /></>;
  const data = summary.data;
  return (
    <div className="grid grid-cols-2 gap-2.5 md:grid-cols-4 xl:grid-cols-24">
      <h1 className="sr-only">Overview</h1>
      <Health data={data} />
      <Tile title="Requests" value={rate(now("requests_per_s", data?.now.requests_per_s))} unit="/s" history={history.data} series="requests_per_s" color="--text"
        note={`${count(data?.range.requests)} in ${duration(data?.range_s)}`} />
      <Tile title="Errors" value={percent(now("error_ratio", data?.now.error_ratio))} history={history.data} series="error_ratio" color="--bad"
        tone={toneOf(now("error_ratio", data?.now.error_ratio), 0.01, 0.05)} note={`${percent(data?.range.error_ratio)} in ${duration(data?.range_s)}`} />
      <Percentiles now={now} data={data} />
      <Tiers now={now} data={data} />
      <SavedTile data={data} history={history.data} />
      <Ribbon changes={data?.changes} history={history.data} seconds={range.seconds} />
      <ChartCard className="col-span-2 xl:col-span-8" title="Requests and errors" history={history.data} problem={history.error} height={138} marks={marks}
        series={[{ name: "requests_per_s", fill: true }, { name: "origin_requests_per_s" }, { name: "error_ratio", right: true }]} />
      <ChartCard className="col-span-2 xl:col-span-8" title="Latency" history={history.data} problem={history.error} height={138} marks={marks}
        series={[{ name: "latency_p99_ms" }, { name: "latency_p95_ms" }, { name: "latency_p50_ms", fill: true }]} />
      <ChartCard className="col-span-2 xl:col-span-8" title="Hit ratio by tier" history={history.data} problem={history.error} height={138} marks={marks} top={1} stacked
        series={[{ name: "hit_ratio_memory", fill: true }, { name: "hit_ratio_redis", fill: true }]} />
      <HeatCard className="col-span-2 xl:col-span-10" history={heat.data} height={138} />
      <Objectives slos={data?.slos} />
      <Alerts alerts={data?.alerts} />
      <TopRoutes data={data} />
      <Changed changes={data?.changes} />
    </div>
  );
}

const rate = (value: N) => count(value);
const toneOf = (value: N, warn: number, bad: number): Tone => (value === null ? "quiet" : value >= bad ? "bad" : value >= warn ? "warn" : "good");
const TEXT: Record<Tone, string> = { good: "text-text", quiet: "text-text", info: "text-text", warn: "text-warn", bad: "text-bad" };
const box = "flex min-w-0 flex-col rounded-xl border border-line bg-surface px-3 pt-2.5 pb-2 shadow-(--shadow)";

function Health({ data }: { data: Summary | undefined }) {
  const status = data?.status;
  const [open, setOpen] = useState(false);
  const tone: Tone = status === "ok" ? "good" : status === "degraded" ? "warn" : status === "failing" ? "bad" : "quiet";
  // Number and grade of one span: a second without a request has no score, and a grade beside a dash would be another span's.
  const points = data?.score.value ?? null;
  const color = points === null ? "--quiet" : points >= 80 ? "--good" : points >= 60 ? "--warn" : "--bad";
  const words = { ok: "All is well", degraded: "Degraded", failing: "Failing" };
  return (
    <section aria-label="Status and score" className={`${box} col-span-2 h-[6.75rem] !flex-row items-center gap-3 xl:col-span-5`}>
      <button type="button" className="rounded-full" title={`The score${data ? ` of the last ${duration(data.range_s)}` : ""}, and how it is made`} disabled={!data} onClick={() => setOpen(true)}>
      <Ring share={points === null ? null : points / 100} color={color} size={76}>
        <p className="text-xl leading-6 font-semibold">{points === null ? "–" : Math.round(points)}</p>
        <p className="text-2xs leading-3 text-muted">{data?.score.grade ? <><span className="sr-only">of 100, grade </span>{data.score.grade}</> : "score"}<span className="sr-only">, how the score is made</span></p>
      </Ring>
      </button>
      {open && data && <ScoreDialog score={data.score} onClose={() => setOpen(false)} />}
      <div className="min-w-0">
        <p className="flex items-center gap-2 text-base font-semibold tracking-[-0.01em]"><Dot tone={tone} />{status ? words[status] : <span className="skeleton h-5 w-24" />}</p>
        <p className="line-clamp-2 text-xs text-muted" title={data?.complaints.join(" ")}>{data && (data.complaints[0] ?? weakest(data))}</p>
        <p className="mt-0.5 truncate text-2xs text-faint" title={data && `${data.node}, version ${data.version}`}>{data && `Apdex ${data.apdex.value === null ? "–" : data.apdex.value.toFixed(2)} · up ${duration(data.uptime_s)}`}</p>
      </div>
    </section>
  );
}
/** What costs the score the most. */
function weakest(data: Summary): string {
  const lost = (part: ScorePart) => part.weight * (100 - (part.score ?? 100));
  const part = [...data.score.parts].sort((left, right) => lost(right) - lost(left))[0];
  if (!part || data.score.value === null) return `No request came in the last ${duration(data.range_s)}.`;
  if (lost(part) < 1) return "Nothing costs points.";
  return `${part.name} costs the most: ${unit(part.measured, part.unit)}, ${unit(part.good, part.unit)} would be good`;
}

function Tile({ title, value, unit, note, history, series, color, tone = "quiet" }: {
  title: string; value: string; unit?: string; note: string; history: History | undefined; series: string; color: string; tone?: Tone;
}) {
  return (
    <section aria-label={title} className={`${box} h-[6.75rem] xl:col-span-3`}>
      <h2 className="text-xs text-muted">{title}</h2>
      <p className={`text-2xl leading-8 font-semibold tracking-[-0.025em] ${TEXT[tone]}`} data-value={series}>{value}{unit && <span className="ml-0.5 text-sm font-medium text-muted">{unit}</span>}</p>
      <p className="truncate text-2xs text-faint">{note}</p>
      <div className="mt-auto"><Spark values={history?.series[series] ?? []} color={color} className="h-5 w-full" /></div>
    </section>
  );
}

function Percentiles({ now, data }: { now: (name: string, fallback: N | undefined) => N; data: Summary | undefined }) {
  const rows: [string, string, N][] = [
    ["p50", "--p50", now("latency_p50_ms", data?.now.latency_ms.p50)], ["p95", "--p95", now("latency_p95_ms", data?.now.latency_ms.p95)],
    ["p99", "--p99", now("latency_p99_ms", data?.now.latency_ms.p99)],
  ];
  const most = Math.max(...rows.map(([, , value]) => value ?? 0), 0.001);
  return (
    <section aria-label="Latency now" className={`${box} col-span-2 h-[6.75rem] xl:col-span-4`}>
      <h2 className="text-xs text-muted">Latency</h2>
      <dl className="my-auto flex flex-col gap-1">
        {rows.map(([name, color, value]) => (
          <div key={name} className="grid grid-cols-[1.75rem_1fr_4.25rem] items-center gap-2">
            <dt className="text-2xs text-muted">{name}</dt>
            <dd className="col-start-3 row-start-1 text-right font-semibold whitespace-nowrap">{milliseconds(value)}</dd>
            <span className="col-start-2 row-start-1 h-1.5 overflow-hidden rounded-full bg-track" aria-hidden="true">
              <span className="block h-full rounded-full" style={{ width: `${Math.max(2, (Math.log1p(value ?? 0) / Math.log1p(most)) * 100)}%`, background: `var(${color})` }} />
            </span>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Tiers({ now, data }: { now: (name: string, fallback: N | undefined) => N; data: Summary | undefined }) {
  const memory = now("hit_ratio_memory", data?.now.hit_ratio.memory);
  const redis = now("hit_ratio_redis", data?.now.hit_ratio.redis);
  const total = now("hit_ratio", data?.now.hit_ratio.total);
  const origin = total === null ? null : Math.max(0, 1 - total);
  const rows: [string, string, N][] = [["memory", "--memory", memory], ["Redis", "--redis", redis], ["origin", "--origin", origin]];
  return (
    <section aria-label="Hit ratio now" className={`${box} h-[6.75rem] xl:col-span-5`}>
      <h2 className="text-xs text-muted">Hit ratio</h2>
      <p className="text-2xl leading-7 font-semibold tracking-[-0.025em]">{percent(total)}</p>
      <Parts className="mt-1 h-2" parts={rows.map(([key, color, value]) => ({ key, color, share: value ?? 0 }))} />
      <p className="mt-auto flex flex-wrap justify-between gap-x-1.5 text-2xs leading-4 whitespace-nowrap text-muted xl:flex-nowrap">
        {rows.map(([name, color, value]) => (
          <span key={name} className="inline-flex items-center gap-0.5"><span className="mr-0.5 size-1.5 rounded-full" style={{ background: `var(${color})` }} aria-hidden="true" />{name}<span className="ml-0.5 text-text">{percent(value, 0)}</span></span>
        ))}
      </p>
    </section>
  );
}

function SavedTile({ data, history }: { data: Summary | undefined; history: History | undefined }) {
  const saved = data?.saved;
  return (
    <section aria-label="Saved" className={`${box} h-[6.75rem] xl:col-span-4`}>
      <h2 className="text-xs text-muted">Saved at the origin</h2>
      <p className="truncate text-2xl leading-8 font-semibold tracking-[-0.025em] text-good" title={saved?.how.join(" ")}>{saved ? duration(saved.origin_seconds) : "–"}
        {saved && saved.money !== null && <span className="ml-1.5 text-base font-medium tracking-normal">{money(saved.money, saved.currency, true)}</span>}</p>
      <p className="truncate text-2xs text-faint">{saved && `${count(saved.origin_requests)} requests · ${bytes(saved.bytes)}`}</p>
      <div className="mt-auto"><Spark values={history?.series.origin_seconds_saved_per_s ?? []} color="--good" className="h-5 w-full" /></div>
    </section>
  );
}

/** What was changed, on the same line of time as the charts. */
function Ribbon({ changes, history, seconds }: { changes: ChangeNote[] | undefined; history: History | undefined; seconds: number }) {
  const end = history?.at.at(-1) ?? Date.now() / 1000;
  const begin = history?.at[0] ?? end - seconds;
  const shown = (changes ?? []).flatMap((note) => {
    const at = (milli(note.at) ?? 0) / 1000;
    return at >= begin && at <= end + 2 ? [{ note, place: Math.min(1, (at - begin) / Math.max(end - begin, 1)) }] : [];
  });
  return (
    <section aria-label="Changes over time" className="col-span-full flex h-7 items-center gap-3 rounded-xl border border-line bg-surface px-3">
      <span className="shrink-0 text-2xs text-faint">{clock(begin, false)}</span>
      <div className="relative h-full min-w-0 flex-1">
        <span className="absolute inset-x-0 top-1/2 h-px bg-line" aria-hidden="true" />
        {shown.map(({ note, place }, at) => (
          <span key={`${note.at}${at}`} role="img" aria-label={`${clock(note.at)} ${note.text}`} title={`${clock(note.at)}  ${note.text}${note.by ? ` (${note.by})` : ""}`}
            className="absolute top-1/2 size-2.5 -translate-1/2 rounded-full border-2 border-surface" style={{ left: `${place * 100}%`, background: `var(${changeColor(note.kind)})` }} />
        ))}
        {changes && shown.length === 0 && <span className="absolute top-1/2 left-1/2 -translate-1/2 bg-surface px-2 text-2xs text-faint">nothing was changed</span>}
      </div>
      <span className="shrink-0 text-2xs text-faint">now</span>
    </section>
  );
}

const sloTone = (state: SloStatus["state"]): Tone => (state === "ok" ? "good" : state === "burning" ? "warn" : state === "exhausted" ? "bad" : "quiet");

function Objectives({ slos }: { slos: SloStatus[] | undefined }) {
  return (
    <Card className="col-span-2 xl:col-span-8" title="Objectives" note="error budget left" actions={<More to="/slos" text="All objectives" />}>
      {!slos ? <Skeleton lines={4} /> : slos.length === 0 ? <Empty icon="slos" title="No objectives">Set <code className="mono">slo</code> in the configuration.</Empty> : (
        <ul className="flex flex-col gap-1 pt-0.5">
          {slos.slice(0, 4).map((slo) => {
            const tone = sloTone(slo.state);
            const left = slo.budget_left;
            return (
              <li key={slo.name} className="grid grid-cols-[minmax(0,1fr)_4.75rem] items-center gap-x-3">
                <span className="flex min-w-0 items-center gap-2"><Dot tone={tone} /><span className="truncate" title={slo.name}>{slo.name}</span>
                  <span className="shrink-0 text-2xs text-faint">{slo.kind === "latency" ? `${percent(slo.objective, 1)} ≤ ${milliseconds(slo.threshold_ms)}` : percent(slo.objective, 1)}</span></span>
                <span className="text-right font-semibold">{percent(left, 0)}</span>
                <Parts className="mt-1 h-1.5" parts={[{ key: "left", share: Math.max(0, left ?? 0), color: tone === "good" ? "--good" : tone === "warn" ? "--warn" : tone === "bad" ? "--bad" : "--quiet" }]} />
                <span className="mt-0.5 text-right text-2xs whitespace-nowrap text-muted">{slo.state === "no_data" ? "no data" : slo.exhausted_in_s === null ? slo.state : slo.exhausted_in_s <= 0 ? "used up" : `${duration(slo.exhausted_in_s)} left`}</span>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
}

function Alerts({ alerts }: { alerts: Alert[] | undefined }) {
  return (
    <Card className="col-span-2 xl:col-span-6" title="Alerts" note={alerts && alerts.length > 0 ? `${alerts.length} firing` : ""} actions={<More to="/alerts" text="All alerts" />}>
      {!alerts ? <Skeleton lines={3} /> : alerts.length === 0 ? (
        <div className="m-auto flex flex-col items-center gap-1 py-4 text-center">
          <span className="grid size-9 place-items-center rounded-full bg-good-soft text-good" aria-hidden="true">✓</span>
          <p className="font-medium">Nothing fires</p>
        </div>
      ) : (
        <ul className="flex flex-col gap-1.5 pt-1">
          {alerts.slice(0, 4).map((alert) => (
            <li key={alert.id} className="flex min-w-0 items-start gap-2">
              <Badge tone={severityTone(alert.severity)}>{alert.severity}</Badge>
              <span className="min-w-0"><span className="line-clamp-2">{alert.text}</span><span className="text-2xs text-faint">{ago(alert.fired ?? alert.since)}</span></span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function TopRoutes({ data }: { data: Summary | undefined }) {
  return (
    <Card flush className="col-span-full xl:col-span-15" title="Top routes" note="by origin time" actions={<More to="/metrics" text="All routes" />}>
      {!data ? <div className="px-3.5"><Skeleton lines={4} /></div> : (
        <Table compact caption="Routes by origin time" rows={data.top_routes.slice(0, 5)} id={(route) => route.route}
          empty={<Empty title="No requests yet">Routes appear with their first request.</Empty>} columns={[
            { key: "route", label: "Route", show: (route) => <span className="mono block max-w-56 truncate" title={route.route}>{route.route}</span> },
            { key: "share", label: "Origin time", show: (route) => (
              <span className="flex items-center gap-2"><span className="w-16"><Parts className="h-1.5" parts={[{ key: "share", share: route.share_of_origin_time ?? 0, color: "--origin" }]} /></span>{percent(route.share_of_origin_time, 0)}</span>
            ) },
            { key: "rate", label: "Requests/s", numeric: true, show: (route) => count(route.requests_per_s) },
            { key: "hits", label: "Hits", numeric: true, show: (route) => percent(route.hit_ratio.total) },
            { key: "p50", label: "p50", numeric: true, show: (route) => milliseconds(route.latency_ms.p50) },
            { key: "p95", label: "p95", numeric: true, show: (route) => milliseconds(route.latency_ms.p95) },
            { key: "errors", label: "Errors", numeric: true, show: (route) => <span className={TEXT[toneOf(route.error_ratio, 0.01, 0.05)]}>{percent(route.error_ratio)}</span> },
          ]} />
      )}
    </Card>
  );
}

function Changed({ changes }: { changes: ChangeNote[] | undefined }) {
  return (
    <Card className="col-span-full xl:col-span-9" title="What changed">
      {!changes ? <Skeleton lines={4} /> : changes.length === 0 ? <Empty icon="clock" title="Nothing yet">Reloads, invalidations and nodes are told here.</Empty> : (
        <ol className="flex flex-col gap-1.5 pt-1">
          {changes.slice(0, 5).map((note, at) => (
            <li key={`${note.at}${at}`} className="flex items-baseline gap-2">
              <span className="w-14 shrink-0 text-2xs text-faint">{clock(note.at)}</span>
              <span className="size-2 shrink-0 self-center rounded-full" style={{ background: `var(${changeColor(note.kind)})` }} aria-hidden="true" />
              <span className="min-w-0 truncate" title={note.text}>{note.text}</span>
              {note.by && <span className="ml-auto shrink-0 text-2xs text-faint">{note.by}</span>}
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function More({ to, text }: { to: string; text: string }) {
  const [params] = useSearchParams();
  const query = params.toString();
  return <Link href={query ? `${to}?${query}` : to} aria-label={text} className="rounded px-1 text-xs text-muted hover:text-text">All →</Link>;
}
