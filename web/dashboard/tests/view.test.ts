import { expect, test } from "vitest";
import { cells } from "../src/charts/heat";
import { sums } from "../src/charts/plot";
import { extend, gaps } from "../src/lib/history";
import { readRange } from "../src/lib/range";
import { takeLoginCode } from "../src/lib/url";

test("the range comes from the address; nonsense is the default", () => {
  const read = (text: string) => readRange(new URLSearchParams(text));
  expect(read("")).toMatchObject({ preset: "15m", seconds: 900, live: true });
  expect(read("range=6h")).toMatchObject({ preset: "6h", seconds: 21_600, live: true });
  expect(read("range=1y")).toMatchObject({ preset: "15m" });
  expect(read("from=100&to=400")).toMatchObject({ from: 100, to: 400, live: false, preset: "5m" });
  expect(read("from=400&to=100")).toMatchObject({ live: true });
});
test("a login code leaves the address before anything else happens", () => {
  const seen: string[] = [];
  const history = { state: null, replaceState: (_: unknown, __: string, url: string) => seen.push(url) } as unknown as History;
  expect(takeLoginCode({ hash: "#login=abc", pathname: "/dashboard/performance", search: "?range=1h" } as Location, history)).toBe("abc");
  expect(seen).toEqual(["/dashboard/performance?range=1h"]);
  expect(takeLoginCode({ hash: "#other", pathname: "/", search: "" } as Location, history)).toBeNull();
});
test("live seconds are put after the history once, and what is older than the range goes", () => {
  const history = { resolution_s: 1, at: [10, 11, 12], series: { a: [1, 2, null] }, heat: null };
  const more: { at: number; values: Record<string, number | null> }[] = [{ at: 12, values: { a: 9 } }, { at: 13, values: { a: 4 } }, { at: 14, values: {} }];
  expect(extend(history, more, 3, 14)).toEqual({ resolution_s: 1, at: [11, 12, 13, 14], series: { a: [2, null, 4, null] }, heat: null });
  expect(extend(history, [], 900, 12)).toBe(history);
});
test("where nothing was measured there is a gap, and no line over it", () => {
  const history = { resolution_s: 1, at: [10, 11, 20, 21], series: { a: [1, 2, 3, 4] }, heat: { bounds_ms: [1], counts: [[1], [2], [3], [4]] } };
  expect(gaps(history)).toEqual({ resolution_s: 1, at: [10, 11, 12, 20, 21], series: { a: [1, 2, null, 3, 4] }, heat: { bounds_ms: [1], counts: [[1], [2], [], [3], [4]] } });
  const whole = { resolution_s: 10, at: [10, 20, 30], series: { a: [1, 2, 3] }, heat: null };
  expect(gaps(whole)).toBe(whole);
});
test("a heat map adds up neighbours and loses no request", () => {
  const heat = { bounds_ms: [1, 2, 4, 8, 16, 32], counts: [[0, 1, 2, 0, 0, 0, 0], [0, 3, 0, 0, 0, 0, 0], [0, 0, 0, 5, 0, 0, 1]] };
  const map = cells(heat, [100, 101, 102], 1, 3, 2);
  expect(map.bounds).toEqual([4, 16, Number.POSITIVE_INFINITY]);
  expect(map.counts).toEqual([[6, 0, 0], [0, 5, 1]]);
  expect(map.most).toBe(6);
  expect(map.step).toBe(2);
  expect(cells({ bounds_ms: [1], counts: [[0, 0]] }, [1], 1)).toMatchObject({ at: [], most: 0 });
});
test("stacked lines are sums, and what is not known stays a gap", () => {
  const line = (values: (number | null)[]) => ({ key: "", label: "", color: "", values, format: () => "" });
  expect(sums([line([1, null, 3]), line([2, 2, null])])).toEqual([[1, null, 3], [3, 2, null]]);
});
