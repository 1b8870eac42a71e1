import { expect, test, vi } from "vitest";
import { condition } from "../src/pages/parts/rule";
import { changesOf } from "../src/pages/optimization";
import { typed } from "../src/pages/settings";

vi.mock("../src/lib/theme", () => ({ useTheme: () => "dark", colour: () => "", setTheme: () => undefined, theme: () => "dark" }));

test("what is typed keeps the kind of the parameter", () => {
  expect(typed("true", { kind: "flag", value: null })).toBe(true);
  expect(typed("12", { kind: "integer", value: 3 })).toBe(12);
  expect(typed("", { kind: "integer", value: 3 })).toBe("");
  expect(typed("a, b,", { kind: "texts", value: null })).toEqual(["a", "b"]);
  expect(typed("5m", { kind: "duration", value: "1m" })).toBe("5m");
});

test("a rule says when it fires in the unit of its metric", () => {
  const rule = { name: "", metric: "error_ratio", labels: {}, above: 0.05, below: null, clear: null, for_s: 1, keep_firing_s: 1, severity: "high" as const, min_events: 0, notify: [], enabled: true, default: true };
  expect(condition(rule)).toBe("Errors above 5.0%");
  expect(condition({ ...rule, metric: "hit_ratio", above: null, below: 0.7 })).toBe("Hits below 70.0%");
});

test("a recommendation is applied as a change of the configuration", () => {
  const change = [{ parameter: "strategy.search.ttl", from: null, to: "\"2m\"" }, { parameter: "a.b", from: "1", to: "2" }, { parameter: "c", from: null, to: "true" }, { parameter: "d", from: null, to: "2m" }];
  expect(changesOf({ change })).toEqual({ "strategy.search.ttl": "2m", "a.b": 2, c: true, d: "2m" });
});
