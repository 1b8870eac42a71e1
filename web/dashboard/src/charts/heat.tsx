import type { Heat, History } from "@peregrine/sdk";
import { lazy, Suspense, useMemo, useState } from "react";
import type uPlot from "uplot";
import { colour, useTheme } from "@/lib/theme";
import { clock, count, date, milliseconds } from "@/lib/format";
import { download } from "@/lib/export";
import { useRange } from "@/lib/range";
import { IconButton } from "@/ui/button";
import { Card } from "@/ui/card";
import { Table } from "@/ui/table";
import { ExportMenu } from "./chartcard";

const Plot = lazy(() => import("./plot"));
const ROWS = 20;
const COLUMNS = 120;

export interface Cells {
  /** Upper bounds of the rows in milliseconds; the last row has none. */
  bounds: number[];
  at: number[];
  /** How long a column is. */
  step: number;
  counts: number[][];
  most: number;
}

/** Brings a heat map to a size that can be seen: neighbours in time and in latency are added up, empty ends left out. */
export function cells(heat: Heat, at: number[], resolution: number, rowsMax = ROWS, columnsMax = COLUMNS): Cells {
  const empty = { bounds: [], at: [], step: resolution, counts: [], most: 0 };
  if (heat.counts.length === 0) return empty;
  const used = heat.bounds_ms.map((_, row) => heat.counts.some((column) => (column[row] ?? 0) > 0));
  used.push(heat.counts.some((column) => (column[heat.bounds_ms.length] ?? 0) > 0));
  const low = used.indexOf(true);
  const high = used.lastIndexOf(true);
  if (low < 0) return empty;
  const per = Math.max(1, Math.ceil((high - low + 1) / rowsMax));
  const wide = Math.max(1, Math.ceil(at.length / columnsMax));
  const bounds: number[] = [];
  for (let row = low; row <= high; row += per) {
    const end = Math.min(row + per - 1, high);
    const bound = heat.bounds_ms[end];
    bounds.push(bound ?? Number.POSITIVE_INFINITY);
  }
  const out: Cells = { bounds, at: [], step: resolution * wide, counts: [], most: 0 };
  for (let column = 0; column < at.length; column += wide) {
    const sums = bounds.map(() => 0);
    for (let each = column; each < Math.min(column + wide, at.length); each += 1) {
      heat.counts[each]?.forEach((value, row) => {
        const slot = Math.floor((row - low) / per);
        if (row >= low && row <= high) sums[slot] = (sums[slot] ?? 0) + value;
      });
    }
    out.at.push(at[column] ?? 0);
    out.counts.push(sums);
    out.most = Math.max(out.most, ...sums);
  }
  return out;
}

function ramp(): (share: number) => string {
  const stops = [0, 1, 2, 3].map((step) => colour(`--heat-${step}`).split(" ").map(Number));
  return (share) => {
    const place = Math.min(Math.max(share, 0), 1) * 3;
    const base = Math.min(Math.floor(place), 2);
    const part = place - base;
    const mix = [0, 1, 2].map((channel) => {
      const [from, to] = [stops[base]?.[channel] ?? 0, stops[base + 1]?.[channel] ?? 0];
      return Math.round(from + (to - from) * part);
    });
    return `rgb(${mix.join(",")})`;
  };
}
const bound = (value: number | undefined) => (value === undefined ? "" : Number.isFinite(value) ? milliseconds(value).replace(/\.0+ /, " ") : "more");

/** How many requests took how long, over time. Darkness goes by the logarithm, so that the few slow ones are seen. */
export function HeatCard({ history, height = 190, className = "" }: { history: History | undefined; height?: number; className?: string }) {
  const [asTable, setAsTable] = useState(false);
  const [cursor, setCursor] = useState<number | null>(null);
  const { zoom } = useRange();
  const theme = useTheme();
  const map = useMemo(() => (history?.heat ? cells(history.heat, history.at, history.resolution_s) : null), [history]);
  const lines = useMemo(() => [{ key: `heat-${theme}`, label: "rows", color: "--transparent", values: map?.at.map(() => null) ?? [], format: () => "", width: 0 }], [map, theme]);
  const paint = (plot: uPlot) => {
    if (!map) return;
    const tone = ramp();
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    map.at.forEach((at, column) => {
      const left = plot.valToPos(at, "x", true);
      const right = plot.valToPos(at + map.step, "x", true);
      map.counts[column]?.forEach((value, row) => {
        if (value <= 0) return;
        const [top, bottom] = [plot.valToPos(row + 1, "y", true), plot.valToPos(row, "y", true)];
        ctx.fillStyle = tone(0.18 + 0.82 * (Math.log1p(value) / Math.log1p(map.most)));
        ctx.fillRect(Math.floor(left), Math.ceil(top) + 1, Math.max(1, Math.ceil(right) - Math.floor(left)), Math.floor(bottom - top) - 1);
      });
    });
    ctx.restore();
  };
  const under = cursor === null ? null : map?.counts[cursor];
  const total = under?.reduce((sum, value) => sum + value, 0) ?? 0;
  const slowest = under ? under.reduce((best, value, row) => (value > 0 ? row : best), -1) : -1;
  const columns = map ? map.bounds.map((value, row) => `${Number.isFinite(value) ? `≤ ${bound(value)}` : `> ${bound(map.bounds[row - 1])}`}`) : [];
  return (
    <Card title="Latency heat map" className={className} actions={<>
      <IconButton icon="table" label={`Latency heat map: ${asTable ? "show the chart" : "show as a table"}`} pressed={asTable} onClick={() => setAsTable(!asTable)} className="!size-6" />
      <ExportMenu label="Latency heat map" write={(format) => download("peregrine-latency-heat-map", format, ["time", ...columns],
        map?.at.map((at, column) => [new Date(at * 1000).toISOString(), ...(map.counts[column] ?? [])]) ?? [])} />
    </>}>
      <p className="mb-1 flex min-h-4 items-center gap-1.5 text-2xs text-muted">
        {under && map ? <>{clock(map.at[cursor ?? 0])}<span className="font-semibold text-text">{count(total)}</span> requests, slowest {slowest >= 0 ? columns[slowest] : "–"}</>
          : <>requests by how long they took <span className="ml-auto">few</span><Ramp key={theme} /><span>many</span></>}
      </p>
      {!history ? <div className="skeleton" style={{ height }} role="status" aria-label="Loading the heat map" />
        : !map || map.at.length === 0 ? <p className="grid place-items-center text-muted" style={{ height }}>No requests in this time.</p>
          : asTable ? (
            <div style={{ height }} className="-mx-3.5 overflow-y-auto">
              <Table compact caption="Requests by latency, newest first" rows={map.at.map((_, row) => row).reverse().slice(0, 60)} id={String} columns={[
                { key: "time", label: "Time", show: (row) => <span className="whitespace-nowrap">{date(map.at[row])}</span> },
                ...columns.map((name, column) => ({ key: name, label: name, numeric: true, show: (row: number) => count(map.counts[row]?.[column] ?? 0) })),
              ]} />
            </div>
          ) : (
            <Suspense fallback={<div className="skeleton" style={{ height }} />}>
              <Plot at={map.at} lines={lines} height={height} top={map.bounds.length} paint={paint} onZoom={zoom} onCursor={setCursor}
                label={`Latency heat map: ${map.bounds.length} classes of latency over time. The table holds the numbers.`}
                splits={() => map.bounds.map((_, row) => row + 1).filter((row) => row % Math.max(1, Math.round(map.bounds.length / 5)) === 0 && row < map.bounds.length)}
                axis={(_plot, values) => values.map((row) => bound(map.bounds[row - 1]))} />
            </Suspense>
          )}
    </Card>
  );
}

function Ramp() {
  const tone = ramp();
  return (
    <svg viewBox="0 0 60 8" className="h-2 w-15 rounded-[2px]" aria-hidden="true">
      {Array.from({ length: 12 }, (_, step) => <rect key={step} x={step * 5} width="5" height="8" fill={tone(0.18 + (0.82 * step) / 11)} />)}
    </svg>
  );
}
