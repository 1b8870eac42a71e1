import type { History, N } from "@peregrine/sdk";
import { useMemo } from "react";
import { client, live, useAsk, useLive } from "./api";
import type { Range } from "./range";

export interface HistoryOptions { route?: string; upstream?: string; heat?: boolean }

/** History with the seconds since then added from the event stream, cut to what the range shows. */
export function extend(history: History, more: { at: number; values: Record<string, N> }[], seconds: number, ends: number): History {
  const from = ends - seconds;
  const begin = history.at.findIndex((at) => at >= from);
  const start = begin < 0 ? history.at.length : begin;
  const last = history.at.at(-1) ?? 0;
  const added = more.filter((sample) => sample.at > last);
  if (start === 0 && added.length === 0) return history;
  const series: Record<string, N[]> = {};
  for (const [name, values] of Object.entries(history.series)) {
    series[name] = [...values.slice(start), ...added.map((sample) => sample.values[name] ?? null)];
  }
  return {
    resolution_s: history.resolution_s,
    at: [...history.at.slice(start), ...added.map((sample) => sample.at)],
    series,
    heat: history.heat && { ...history.heat, counts: history.heat.counts.slice(start) },
  };
}

/** Puts a point without values where points are missing, so that no line is drawn over a time that nobody measured. */
export function gaps(history: History): History {
  const step = history.resolution_s;
  const places = history.at.flatMap((at, index) => (index > 0 && at - (history.at[index - 1] ?? at) > step * 2.5 ? [index] : []));
  if (places.length === 0) return history;
  const insert = <T,>(values: T[], made: (index: number) => T): T[] => {
    let from = 0;
    const out: T[] = [];
    for (const place of places) {
      out.push(...values.slice(from, place), made(place));
      from = place;
    }
    return [...out, ...values.slice(from)];
  };
  return {
    ...history,
    at: insert(history.at, (index) => (history.at[index - 1] ?? 0) + step),
    series: Object.fromEntries(Object.entries(history.series).map(([name, values]) => [name, insert<N>(values, () => null)])),
    heat: history.heat && { ...history.heat, counts: insert<number[]>(history.heat.counts, () => []) },
  };
}

export function useHistory(range: Range, series: string[], options: HistoryOptions = {}) {
  const { route, upstream, heat } = options;
  const labelled = route !== undefined || upstream !== undefined;
  // By the second from the stream; what the stream does not carry is asked for again.
  const every = !range.live ? 0 : labelled || heat ? 5_000 : range.seconds <= 3600 ? 30_000 : 15_000;
  const answer = useAsk(["history", range.key, series.join(), route ?? "", upstream ?? "", heat ?? false], (signal) =>
    client.history({
      series, resolution: "auto", ...(route ? { route } : {}), ...(upstream ? { upstream } : {}), ...(heat ? { heat } : {}),
      ...(range.live ? { range: range.preset } : { from: range.from ?? 0, to: range.to ?? 0 }),
    }, signal), every);
  const [version, latest] = [useLive("version"), useLive("latest")];
  const data = useMemo(() => {
    if (!answer.data) return undefined;
    if (!range.live || labelled || answer.data.resolution_s > 1) return gaps(answer.data);
    return gaps(extend(answer.data, live.since(answer.data.at.at(-1) ?? 0), range.seconds, latest?.at ?? answer.data.at.at(-1) ?? 0));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `version` stands for what `live` holds
  }, [answer.data, version, range.live, range.seconds, labelled]);
  return { ...answer, data };
}
