import type { EventsOptions, PerformanceClient, Topics } from "@peregrine/sdk";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Live } from "../src/lib/live";
import { fits } from "../src/pages/traffic";

vi.mock("../src/lib/theme", () => ({ useTheme: () => "dark", colour: () => "", setTheme: () => undefined, theme: () => "dark" }));

let stream: EventsOptions;
const client = { events: (options: EventsOptions) => {
  stream = options;
  return { seq: null, close: () => undefined };
} } as unknown as PerformanceClient;
const request = (id: string, more: Partial<Topics["request"]> = {}) => ({ request_id: id, method: "GET", host: "shop", target: "/a", status: 200, duration_ms: 3, cache: "hit", route: "/", client: "10.0.0.1", ...more }) as Topics["request"];

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("samples and requests are shown as they come, the newest request first", () => {
  const live = new Live(client);
  live.start("viewer");
  stream.on("sample", { at: 10, values: { score: 1 } });
  stream.on("request", request("a"));
  stream.on("request", request("b", { skipped: 4 }));
  vi.runAllTimers();
  expect(live.state().latest?.at).toBe(10);
  expect(live.state().requests.map((one) => one.request_id)).toEqual(["b", "a"]);
  expect(live.state().skipped).toBe(4);
});

test("a paused view stands still, misses nothing, and shows all when it goes on", () => {
  const live = new Live(client);
  live.start("viewer");
  stream.on("sample", { at: 10, values: {} });
  vi.runAllTimers();
  live.pause(true);
  stream.on("sample", { at: 11, values: {} });
  stream.on("sample", { at: 12, values: {} });
  vi.runAllTimers();
  expect(live.state()).toMatchObject({ paused: true, latest: { at: 10 }, version: 1 });
  expect(live.since(0).map((one) => one.at)).toEqual([10]);
  live.pause(false);
  expect(live.state()).toMatchObject({ paused: false, latest: { at: 12 } });
  expect(live.since(10).map((one) => one.at)).toEqual([11, 12]);
});

test("only an admin asks for news of the audit log, which others are refused", () => {
  new Live(client).start("operator");
  expect(stream.topics).not.toContain("audit");
  new Live(client).start("admin");
  expect(stream.topics).toContain("audit");
});

test("filters of traffic", () => {
  const all = { contains: "", status: "", cache: "", route: "", slow: "" };
  const one = request("abc", { target: "/Products?page=2", status: 502, duration_ms: 120, cache: "miss", route: "/products" });
  expect(fits(one, all)).toBe(true);
  expect(fits(one, { ...all, contains: "products?PAGE" })).toBe(true);
  expect(fits(one, { ...all, contains: "abc" })).toBe(true);
  expect(fits(one, { ...all, contains: "nothing" })).toBe(false);
  expect(fits(one, { ...all, status: "5" })).toBe(true);
  expect(fits(one, { ...all, status: "2" })).toBe(false);
  expect(fits(one, { ...all, slow: "100" })).toBe(true);
  expect(fits(one, { ...all, slow: "1000" })).toBe(false);
  expect(fits(one, { ...all, cache: "hit" })).toBe(false);
  expect(fits(one, { ...all, route: "/other" })).toBe(false);
});
