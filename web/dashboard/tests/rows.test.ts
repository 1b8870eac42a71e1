import { expect, test, vi } from "vitest";
import { columnsOf, flat, nameKey, valueOf } from "../src/pages/parts/rows";
import { condition } from "../src/pages/parts/rule";
import { typed } from "../src/pages/settings";

vi.mock("../src/lib/theme", () => ({ useTheme: () => "dark", colour: () => "", setTheme: () => undefined, theme: () => "dark" }));

test("values of unknown rows are told by the names of their columns", () => {
  expect(valueOf("hit_ratio", 0.5)).toBe("50.0%");
  expect(valueOf("bytes", 2048)).toBe("2.0 KiB");
  expect(valueOf("took_ms", 1500)).toBe("1.50 s");
  expect(valueOf("ttl_s", 90)).toBe("1 min 30 s");
  expect(valueOf("entries", 12_345)).toBe("12.3k");
  expect(valueOf("tiers", ["memory", "redis"])).toBe("memory, redis");
  expect(valueOf("ttl", null)).toBe("–");
});

test("nested values get columns, empty columns get none, the name comes first", () => {
  const rows = [{ hits: 1, namespace: "a", misses_by_reason: { absent: 2 }, quota: null }].map((row) => flat(row));
  expect(nameKey(rows, "name", "namespace")).toBe("namespace");
  expect(columnsOf(rows, "namespace").map((column) => column.key)).toEqual(["namespace", "hits", "misses_by_reason absent"]);
});

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
