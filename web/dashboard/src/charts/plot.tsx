import type { N } from "@peregrine/sdk";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { colour, useTheme } from "@/lib/theme";

export interface Line {
  key: string;
  label: string;
  color: string;
  values: N[];
  format: (value: N) => string;
  /** Painted down to the axis. */
  fill?: boolean;
  width?: number;
  /** Against an axis of its own, from 0 to 1. */
  right?: boolean;
}
export interface Mark { at: number; color: string }
interface Props {
  at: number[];
  lines: Line[];
  label: string;
  height: number;
  marks?: Mark[] | undefined;
  /** Upper end of the axis; the data's own if not given. */
  top?: number | undefined;
  stacked?: boolean;
  onZoom?: ((from: number, to: number) => void) | undefined;
  /** Which point the cursor of this or another chart is at. */
  onCursor?: ((index: number | null) => void) | undefined;
  /** Paints over the grid. */
  paint?: ((plot: uPlot) => void) | undefined;
  axis?: ((plot: uPlot, values: number[]) => string[]) | undefined;
  splits?: ((plot: uPlot) => number[]) | undefined;
}

const SYNC = uPlot.sync("peregrine");
const two = (value: number) => String(value).padStart(2, "0");
/** As short as the stretch between two marks allows. */
function times(_plot: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] {
  let day = "";
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const name = `${two(date.getDate())}.${two(date.getMonth() + 1)}.`;
    if (step >= 86_400) return name;
    const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
    const text = step < 60 ? `${clock}:${two(date.getSeconds())}` : day !== "" && day !== name ? `${clock}\n${name}` : clock;
    day = name;
    return text;
  });
}

/** How wide an axis is, at least `least` pixels: so that its longest label is not cut. A character of 11 px takes about 6. */
const labelWidth = (labels: string[] | null, least: number): number => Math.max(least, 14 + 6 * Math.max(0, ...(labels ?? []).map((label) => label.length)));

export const sums = (lines: Line[]): N[][] => {
  const total: number[] = [];
  return lines.map(({ values }) => values.map((value, at) => {
    if (value === null) return null;
    total[at] = (total[at] ?? 0) + value;
    return total[at];
  }));
};

/** uPlot in a place that knows its width: rebuilt when what is drawn changes its kind, else only given new numbers. */
export default function Plot(props: Props) {
  const { at, lines, label, height, top, stacked = false } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const theme = useTheme();
  const kind = lines.map((line) => `${line.key}${line.color}${line.fill ?? ""}${line.right ?? ""}`).join() + (top ?? "") + stacked + theme + height;

  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const [text, line] = [colour("--faint"), colour("--line")];
    const font = "11px 'Inter Variable', system-ui, sans-serif";
    const shown = latest.current;
    const right = shown.lines.some((one) => one.right);
    const made = new uPlot({
      width: Math.max(box.clientWidth, 80), height: shown.height,
      legend: { show: false },
      padding: [8, right ? 0 : 16, 0, 0],
      scales: {
        x: { time: true },
        y: { range: (_plot, _low, high) => [0, latest.current.top ?? (high && high > 0 ? high * 1.12 : 1)] },
        r: { range: (_plot, _low, high) => {
          const most = Math.max(0.01, (high || 0) * 1.5);
          // A ratio goes to 1 and no further.
          return [0, (high || 0) <= 1 ? Math.min(1, most) : most];
        } },
      },
      series: [{}, ...shown.lines.map((one) => ({
        label: one.label, scale: one.right ? "r" : "y", stroke: colour(one.color), width: one.width ?? 1.35,
        ...(one.fill ? { fill: stacked ? faded(colour(one.color), 0.75) : gradient(colour(one.color)) } : {}),
        points: { show: false }, spanGaps: false,
      }))],
      ...(stacked ? { bands: shown.lines.slice(1).map((_, index) => ({ series: [index + 2, index + 1] as [number, number] })) } : {}),
      axes: [
        { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, gap: 6, size: 22, space: 64, values: times },
        {
          scale: "y", stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, gap: 6, size: (_self: uPlot, labels: string[] | null) => labelWidth(labels, 52), space: 34,
          ...(shown.splits ? { splits: (self) => latest.current.splits?.(self) ?? [] } : {}),
          values: (self, splits) => latest.current.axis
            ? latest.current.axis(self, splits)
            : splits.map((value) => latest.current.lines.find((one) => !one.right)?.format(value).replace(/\.0+(?=\D|$)/, "") ?? String(value)),
        },
        ...(right ? [{
          scale: "r", side: 1 as const, stroke: text, font, grid: { show: false }, ticks: { show: false }, gap: 6, size: (_self: uPlot, labels: string[] | null) => labelWidth(labels, 44), space: 34,
          values: (_self: uPlot, splits: number[]) => splits.map((value) => latest.current.lines.find((one) => one.right)?.format(value).replace(/\.0+(?=\D|$)/, "") ?? ""),
        }] : []),
      ],
      cursor: {
        sync: { key: SYNC.key, setSeries: false }, drag: { x: true, y: false, setScale: false },
        points: { size: 6, width: 1.5, fill: colour("--surface") },
      },
      hooks: {
        draw: [(self) => {
          latest.current.paint?.(self);
          paintMarks(self, latest.current.marks);
        }],
        setCursor: [(self) => latest.current.onCursor?.(self.cursor.idx ?? null)],
        setSelect: [(self) => {
          if (self.select.width < 8) return;
          const [from, to] = [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")];
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onZoom?.(from, to);
        }],
      },
    }, data(latest.current), box);
    SYNC.sub(made);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: Math.max(box.clientWidth, 80), height: latest.current.height }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      SYNC.unsub(made);
      made.destroy();
      plot.current = null;
    };
  }, [kind, stacked]);

  useEffect(() => {
    plot.current?.setData(data(latest.current));
  }, [at, lines]);
  useEffect(() => {
    plot.current?.redraw(false);
  }, [props.marks]);

  return (
    <div ref={place} role="group" aria-roledescription="chart" aria-label={label} tabIndex={0} className="min-w-0 overflow-hidden"
      style={{ height }}
      onKeyDown={(event) => {
        const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
        const self = plot.current;
        if (step === 0 || !self || at.length === 0) return;
        event.preventDefault();
        const index = Math.min(Math.max((self.cursor.idx ?? at.length - 1) + step * (event.shiftKey ? 10 : 1), 0), at.length - 1);
        self.setCursor({ left: self.valToPos(at[index] ?? 0, "x"), top: 10 });
      }} />
  );
}

function data({ at, lines, stacked }: Props): uPlot.AlignedData {
  return [at, ...(stacked ? sums(lines) : lines.map((line) => line.values))] as uPlot.AlignedData;
}

function paintMarks(plot: uPlot, marks: Mark[] | undefined) {
  if (!marks || marks.length === 0) return;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = window.devicePixelRatio;
  ctx.setLineDash([3, 3]);
  for (const mark of marks) {
    const x = plot.valToPos(mark.at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = faded(colour(mark.color), 0.7);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** `#rrggbb` with an opacity. */
export function faded(hex: string, opacity: number): string {
  const number = Number.parseInt(hex.slice(1), 16);
  return `rgba(${(number >> 16) & 255}, ${(number >> 8) & 255}, ${number & 255}, ${opacity})`;
}
function gradient(hex: string) {
  return (plot: uPlot) => {
    const { top, height } = plot.bbox;
    if (!Number.isFinite(top + height)) return faded(hex, 0.12);
    const paint = plot.ctx.createLinearGradient(0, top, 0, top + height);
    paint.addColorStop(0, faded(hex, 0.28));
    paint.addColorStop(1, faded(hex, 0.02));
    return paint;
  };
}
