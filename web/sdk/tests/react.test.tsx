// @vitest-environment happy-dom
import { act } from "react";
import { createRoot } from "react-dom/client";
import { expect, test, vi } from "vitest";
import type { EventsOptions, PerformanceClient } from "../src/index.js";
import { Problem } from "../src/index.js";
import { usePerformance } from "../src/react.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

function fake() {
  const streams: (EventsOptions & { closed: boolean })[] = [];
  const calls = {
    summary: vi.fn(async () => ({ status: "ok", score: { value: 91, grade: "A" } })),
    cacheStats: vi.fn(async () => ({ requests: 12 })),
    optimize: vi.fn(async () => ({})),
    invalidate: vi.fn(async () => ({ id: "r", layers: [] })),
    events: (options: EventsOptions) => {
      const stream = { ...options, closed: false };
      streams.push(stream);
      return { seq: null, close: () => { stream.closed = true; } };
    },
  };
  return { client: calls as unknown as PerformanceClient, calls, streams };
}

async function mounted(client: PerformanceClient, autoStart = true) {
  let seen: ReturnType<typeof usePerformance> | undefined;
  function Probe() {
    seen = usePerformance(client, { autoStart });
    return null;
  }
  const root = createRoot(document.createElement("div"));
  await act(async () => root.render(<Probe />));
  return { seen: () => seen as ReturnType<typeof usePerformance>, unmount: () => act(async () => root.unmount()) };
}

test("a component sees the summary, the statistics and the score, and each second's numbers", async () => {
  const { client, streams } = fake();
  const view = await mounted(client);
  expect(view.seen()).toMatchObject({ status: "ok", score: { value: 91 }, stats: { requests: 12 }, monitoring: true, loading: false });
  await act(async () => streams[0]?.on("sample", { at: 1, values: { requests_per_s: 5 } }));
  expect(view.seen().live).toEqual({ requests_per_s: 5 });
  await view.unmount();
  expect(streams[0]?.closed).toBe(true);
});

test("monitoring stops and starts; starting twice is starting once", async () => {
  const { client, streams } = fake();
  const view = await mounted(client, false);
  expect(view.seen().monitoring).toBe(false);
  await act(async () => {
    view.seen().startMonitoring();
    view.seen().startMonitoring();
  });
  expect(streams).toHaveLength(1);
  await act(async () => view.seen().stopMonitoring());
  expect(view.seen()).toMatchObject({ monitoring: false, status: "ok" });
  await view.unmount();
});

test("an alert brings a new summary; clearing and optimizing too", async () => {
  const { client, calls, streams } = fake();
  const view = await mounted(client);
  expect(calls.summary).toHaveBeenCalledTimes(1);
  await act(async () => streams[0]?.on("alert", {} as never));
  expect(calls.summary).toHaveBeenCalledTimes(2);
  await act(async () => {
    expect(await view.seen().clearCache({ tags: ["a"] })).toMatchObject({ id: "r" });
    await view.seen().optimize();
  });
  expect(calls.invalidate).toHaveBeenCalledWith({ tags: ["a"] });
  expect(calls.summary).toHaveBeenCalledTimes(4);
  await view.unmount();
});

test("a failure is told beside what was known before", async () => {
  const { client, calls } = fake();
  const view = await mounted(client);
  calls.summary.mockRejectedValueOnce(Problem.unreachable(new Error("gone")));
  await act(async () => view.seen().refresh());
  expect(view.seen()).toMatchObject({ status: "ok", error: { status: 0 } });
  await view.unmount();
});
