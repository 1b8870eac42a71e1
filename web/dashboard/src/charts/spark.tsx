import type { N } from "@peregrine/sdk";
import { useId, useMemo } from "react";

/** A line without axes, for a first look. Its numbers stand beside it, so it is hidden from screen readers. */
export function Spark({ values, color, className = "h-7 w-full", top }: { values: N[]; color: string; className?: string; top?: number }) {
  const id = useId();
  const paths = useMemo(() => {
    const step = Math.max(1, Math.ceil(values.length / 90));
    const points: [number, number | null][] = [];
    for (let at = 0; at < values.length; at += step) {
      const part = values.slice(at, at + step).filter((value): value is number => value !== null);
      points.push([at, part.length === 0 ? null : part.reduce((sum, value) => sum + value, 0) / part.length]);
    }
    const known = points.map(([, value]) => value ?? 0);
    const high = top ?? (Math.max(...known, 0) || 1);
    const width = Math.max(points.length - 1, 1);
    let pen = false;
    let line = "";
    points.forEach(([, value], index) => {
      if (value === null) { pen = false; return; }
      line += `${pen ? "L" : "M"}${((index / width) * 100).toFixed(2)} ${(29 - (Math.min(value, high) / high) * 27).toFixed(2)}`;
      pen = true;
    });
    return { line, area: line && !line.slice(1).includes("M") ? `${line}L100 30L0 30Z` : "" };
  }, [values, top]);
  return (
    <svg viewBox="0 0 100 30" preserveAspectRatio="none" className={className} aria-hidden="true">
      <defs>
        <linearGradient id={id} x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor={`var(${color})`} stopOpacity="0.28" /><stop offset="1" stopColor={`var(${color})`} stopOpacity="0" />
        </linearGradient>
      </defs>
      <path d={paths.area} fill={`url(#${id})`} />
      <path d={paths.line} fill="none" stroke={`var(${color})`} strokeWidth="1.5" vectorEffect="non-scaling-stroke" strokeLinejoin="round" />
    </svg>
  );
}

/** A part of a whole as an arc. */
export function Ring({ share, color, size = 64, children }: { share: number | null; color: string; size?: number; children?: React.ReactNode }) {
  const length = 2 * Math.PI * 26;
  return (
    <div className="relative grid shrink-0 place-items-center" style={{ width: size, height: size }}>
      <svg viewBox="0 0 64 64" className="absolute inset-0 -rotate-90" aria-hidden="true">
        <circle cx="32" cy="32" r="26" fill="none" stroke="var(--track)" strokeWidth="7" />
        {share !== null && <circle cx="32" cy="32" r="26" fill="none" stroke={`var(${color})`} strokeWidth="7" strokeLinecap="round"
          strokeDasharray={`${Math.max(0, Math.min(1, share)) * length} ${length}`} />}
      </svg>
      <div className="relative text-center">{children}</div>
    </div>
  );
}

/** A bar of parts of one whole. */
export function Parts({ parts, className = "h-2" }: { parts: { key: string; share: number; color: string }[]; className?: string }) {
  return (
    <div className={`flex w-full gap-px overflow-hidden rounded-full bg-track ${className}`} aria-hidden="true">
      {parts.filter((part) => part.share > 0).map((part) => (
        <span key={part.key} style={{ width: `${Math.min(1, part.share) * 100}%`, background: `var(${part.color})` }} />
      ))}
    </div>
  );
}
