import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";

export const RANGES = [
  ["5m", "5 minutes", 300], ["15m", "15 minutes", 900], ["1h", "1 hour", 3600], ["6h", "6 hours", 21_600],
  ["24h", "24 hours", 86_400], ["7d", "7 days", 604_800], ["30d", "30 days", 2_592_000],
] as const;
export const DEFAULT_RANGE = "15m";

export interface Range {
  /** What the API takes: `15m`. For a stretch of the past the smallest preset that holds it. */
  preset: string;
  seconds: number;
  /** A stretch of the past, in unix seconds; `null` while the view follows the present. */
  from: number | null;
  to: number | null;
  live: boolean;
  /** Identifies the range in keys of queries. */
  key: string;
}

export function readRange(params: URLSearchParams): Range {
  const from = Number(params.get("from"));
  const to = Number(params.get("to"));
  if (params.has("from") && params.has("to") && Number.isFinite(from) && Number.isFinite(to) && from > 0 && to > from) {
    const seconds = to - from;
    const fitting = RANGES.find(([, , size]) => size >= seconds) ?? RANGES[RANGES.length - 1];
    return { preset: fitting?.[0] ?? DEFAULT_RANGE, seconds, from, to, live: false, key: `${from}-${to}` };
  }
  const wanted = params.get("range") ?? DEFAULT_RANGE;
  const [preset, , seconds] = RANGES.find(([name]) => name === wanted) ?? [DEFAULT_RANGE, "", 900];
  return { preset, seconds, from: null, to: null, live: true, key: preset };
}

export function useRange() {
  const [params, setParams] = useSearchParams();
  const key = `${params.get("from") ?? ""}/${params.get("to") ?? ""}/${params.get("range") ?? ""}`;
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the key holds all of `params` that is read
  const range = useMemo(() => readRange(params), [key]);
  const change = useCallback((values: Record<string, string | null>) => {
    setParams((before) => {
      const after = new URLSearchParams(before);
      for (const [name, value] of Object.entries(values)) {
        if (value === null) after.delete(name);
        else after.set(name, value);
      }
      return after;
    }, { replace: true });
  }, [setParams]);
  const choose = useCallback((preset: string) => {
    change({ range: preset === DEFAULT_RANGE ? null : preset, from: null, to: null });
  }, [change]);
  const zoom = useCallback((from: number, to: number) => {
    change({ from: String(Math.floor(from)), to: String(Math.ceil(Math.max(to, from + 5))) });
  }, [change]);
  return { range, choose, zoom };
}
