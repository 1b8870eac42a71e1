import type { History, N } from "@peregrine/sdk";
import { lazy, Suspense, useMemo, useState, type ReactNode } from "react";
import { info, show } from "@/lib/series";
import { clock, date } from "@/lib/format";
import { download } from "@/lib/export";
import { useRange } from "@/lib/range";
import { IconButton } from "@/ui/button";
import { Card } from "@/ui/card";
import { Table } from "@/ui/table";
import { Failure } from "@/ui/states";
import type { Problem } from "@peregrine/sdk";
import type { Line, Mark } from "./plot";

const Plot = lazy(() => import("./plot"));
/** A table of a chart has at most so many rows: every so manyth second of a long range. */
const ROWS_MAX = 60;

export interface SeriesChoice { name: string; label?: string; color?: string; fill?: boolean; right?: boolean }
interface Props {
  title: string;
  note?: ReactNode;
  history: History | undefined;
  problem?: Problem | null | undefined;
  series: SeriesChoice[];
  height?: number;
  marks?: Mark[] | undefined;
  top?: number;
  stacked?: boolean;
  className?: string;
}

/** A chart, what its numbers are under the cursor, the table behind it, and its export. */
export function ChartCard({ title, note, history, problem, series, height = 190, marks, top, stacked = false, className = "" }: Props) {
  const [asTable, setAsTable] = useState(false);
  const [cursor, setCursor] = useState<number | null>(null);
  const { zoom } = useRange();
  const names = series.map((one) => one.name + one.color + one.label).join();
  const lines = useMemo<Line[]>(() => series.map((one) => {
    const known = info(one.name);
    return {
      key: one.name, label: one.label ?? known.label, color: one.color ?? known.color,
      values: history?.series[one.name] ?? history?.at.map(() => null) ?? [],
      format: (value: N) => show(one.name, value), ...(one.fill ? { fill: true } : {}), ...(one.right ? { right: true } : {}),
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the names stand for the choices
  }), [history, names]);
  const at = history?.at ?? [];
  const index = cursor !== null && cursor < at.length ? cursor : at.length - 1;
  const summary = lines.map((line) => `${line.label} ${line.format(line.values[index] ?? null)}`).join(", ");
  const write = (format: "csv" | "json") => download(
    `peregrine-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`, format, ["time", ...lines.map((line) => line.key)],
    at.map((time, row) => [new Date(time * 1000).toISOString(), ...lines.map((line) => line.values[row] ?? null)]));

  return (
    <Card title={title} note={note} className={`group/chart ${className}`} actions={<>
      <span className="mr-1 hidden text-2xs text-faint sm:inline" aria-hidden="true">{cursor !== null && at[index] ? clock(at[index]) : ""}</span>
      <IconButton icon="table" label={`${title}: ${asTable ? "show the chart" : "show as a table"}`} pressed={asTable} onClick={() => setAsTable(!asTable)} className="!size-6" />
      <ExportMenu label={title} write={write} />
    </>}>
      {problem && !history ? <Failure problem={problem} /> : <>
        <ul className="mb-1 flex min-h-4 flex-wrap gap-x-3 gap-y-0.5 text-2xs text-muted">
          {lines.map((line) => (
            <li key={line.key} className="inline-flex items-center gap-1.5">
              <span className="h-2 w-2 rounded-[2px]" style={{ background: `var(${line.color})` }} aria-hidden="true" />
              {line.label}<span className="font-semibold text-text">{line.format(line.values[index] ?? null)}</span>
            </li>
          ))}
        </ul>
        {asTable ? <Behind title={title} at={at} lines={lines} height={height} /> : history && at.length === 0
          ? <p className="grid place-items-center text-muted" style={{ height }}>Nothing was measured in this time.</p>
          : history ? (
            <Suspense fallback={<div className="skeleton" style={{ height }} />}>
              <Plot at={at} lines={lines} label={`${title}: ${summary}. Arrow keys move the cursor; the table holds the numbers.`} height={height}
                marks={marks} top={top} stacked={stacked} onZoom={zoom} onCursor={setCursor} />
            </Suspense>
          ) : <div className="skeleton" style={{ height }} role="status" aria-label={`Loading ${title}`} />}
      </>}
    </Card>
  );
}

function Behind({ title, at, lines, height }: { title: string; at: number[]; lines: Line[]; height: number }) {
  const step = Math.max(1, Math.ceil(at.length / ROWS_MAX));
  const rows = at.map((_, row) => row).filter((row) => (at.length - 1 - row) % step === 0).reverse();
  return (
    <div style={{ height }} className="-mx-3.5 overflow-y-auto">
      <Table compact caption={`${title}, newest first${step > 1 ? `, every ${step}th point` : ""}`} rows={rows} id={(row) => String(row)} columns={[
        { key: "time", label: "Time", show: (row) => <span className="whitespace-nowrap">{date(at[row])}</span> },
        ...lines.map((line) => ({ key: line.key, label: line.label, numeric: true, show: (row: number) => line.format(line.values[row] ?? null) })),
      ]} />
    </div>
  );
}

export function ExportMenu({ label, write }: { label: string; write: (format: "csv" | "json") => void }) {
  return (
    <details className="relative" onKeyDown={(event) => { if (event.key === "Escape") event.currentTarget.open = false; }}
      onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false; }}>
      <summary aria-label={`${label}: export`} title="Export" className="grid size-6 list-none place-items-center rounded-[7px] text-muted hover:bg-raised hover:text-text [&::-webkit-details-marker]:hidden">
        <svg viewBox="0 0 20 20" className="size-4" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true"><path d="M10 3v9M6.5 8.5 10 12l3.5-3.500M4 16h12" /></svg>
      </summary>
      <div className="absolute right-0 z-20 mt-1 flex w-28 flex-col rounded-lg border border-line bg-surface p-1 shadow-lg">
        {(["csv", "json"] as const).map((format) => (
          <button key={format} type="button" className="rounded-md px-2 py-1 text-left hover:bg-raised"
            onClick={(event) => { write(format); event.currentTarget.closest("details")?.removeAttribute("open"); }}>
            {format.toUpperCase()}
          </button>
        ))}
      </div>
    </details>
  );
}
