import { afterEach, expect, test, vi } from "vitest";
import { createClient, Problem, type Connection } from "../src/index.js";

type Asked = { url: string; init: RequestInit };
function clientOf(answers: (asked: Asked, count: number) => Response | Promise<Response>, token?: string) {
  const asked: Asked[] = [];
  const client = createClient({
    baseUrl: "http://peregrine.test/", ...(token ? { token } : {}),
    fetch: async (url, init = {}) => {
      asked.push({ url: String(url), init });
      return answers({ url: String(url), init }, asked.length);
    },
  });
  return { client, asked };
}
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
afterEach(() => vi.useRealTimers());

test("a question names what it wants and leaves out what is not given", async () => {
  const { client, asked } = clientOf(() => json({ at: [] }), "secret");
  await client.history({ series: ["a", "b"], range: "1h", route: undefined, heat: false });
  expect(asked[0]?.url).toBe("http://peregrine.test/api/performance/history?series=a%2Cb&range=1h");
  expect(asked[0]?.init.headers).toMatchObject({ authorization: "Bearer secret" });
  expect(asked[0]?.init.headers).not.toHaveProperty("content-type");
});

test("a change is JSON with a key of its own, even without a body", async () => {
  const { client, asked } = clientOf(() => new Response(""));
  await client.forgetAlerts();
  await client.invalidate({ tags: ["products"], dry_run: true });
  const headers = asked.map(({ init }) => init.headers as Record<string, string>);
  expect(headers.map((one) => one["content-type"])).toEqual(["application/json", "application/json"]);
  expect(headers[0]?.["idempotency-key"]).toMatch(/^[0-9a-f]{32}$/);
  expect(headers[0]?.["idempotency-key"]).not.toBe(headers[1]?.["idempotency-key"]);
  expect(asked[1]?.init.body).toBe("{\"tags\":[\"products\"],\"dry_run\":true}");
});

test("a change of the configuration names the version that it changes", async () => {
  const { client, asked } = clientOf(() => json({}));
  await client.patchConfig("abc", { "log.level": "debug" }, true);
  await client.patchConfig("\"abc\"", {}, true);
  expect(asked.map(({ init }) => (init.headers as Record<string, string>)["if-match"])).toEqual(["\"abc\"", "\"abc\""]);
});

test("problem details become an error that says what is wrong with each field", async () => {
  const { client } = clientOf(() => json({
    type: "urn:peregrine:problem:invalid_request", title: "Bad Request", status: 400, detail: "One fault.", errors: [{ field: "tags", detail: "is empty" }],
  }, 400));
  const problem = await client.invalidate({}).catch((error: unknown) => error as Problem);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem).toMatchObject({ code: "invalid_request", status: 400, message: "One fault.", transient: false, errors: [{ field: "tags" }] });
});

test("a page instead of a problem, and no answer at all, are problems too", async () => {
  const page = clientOf(() => new Response("<html>", { status: 502, headers: { "retry-after": "3" } }));
  expect(await page.client.me().catch((error: unknown) => error)).toMatchObject({ status: 502, transient: true, retryAfter: 3 });
  const away = clientOf(() => Promise.reject(new TypeError("refused")));
  expect(await away.client.me().catch((error: unknown) => error)).toMatchObject({ status: 0, code: "unreachable", transient: true });
});

test("a list comes without what is told around it", async () => {
  expect(await clientOf(() => json({ nodes: [{ name: "a" }] })).client.nodes()).toEqual([{ name: "a" }]);
});

test("after a break the stream goes on where it stopped", async () => {
  vi.useFakeTimers();
  const { client, asked } = clientOf((_, count) => {
    if (count === 1) return new Response("id: 7\nevent: hello\ndata: {\"seq\":7,\"node\":\"a\"}\n\nid: 9\nevent: change\ndata: {\"text\":\"one\"}\n\n");
    if (count === 2) return json({}, 503);
    return new Response("id: 10\nevent: change\ndata: {\"text\":\"two\"}\n\nid: 11\nevent: change\ndata: broken\n\n");
  }, "secret");
  const seen: string[] = [];
  const states: Connection[] = [];
  const two = new Promise<void>((resolve) => {
    const subscription = client.events({
      topics: ["change"],
      on: (topic, data) => {
        if (topic === "change") seen.push((data as { text: string }).text);
        if (seen.length === 2) {
          subscription.close();
          resolve();
        }
      },
      onConnection: (state) => states.push(state),
    });
  });
  await vi.advanceTimersByTimeAsync(20_000);
  await two;
  expect(seen).toEqual(["one", "two"]);
  expect(asked.map(({ init }) => (init.headers as Record<string, string>)["last-event-id"])).toEqual([undefined, "9", "9"]);
  expect(asked[0]?.init.headers).toMatchObject({ authorization: "Bearer secret" });
  expect(states.slice(0, 6)).toEqual(["connecting", "open", "waiting", "connecting", "waiting", "connecting"]);
});

test("a stream that is refused is not asked for again", async () => {
  vi.useFakeTimers();
  const { client, asked } = clientOf(() => json({ detail: "no" }, 401));
  const states: Connection[] = [];
  client.events({ topics: ["sample"], on: () => undefined, onConnection: (state) => states.push(state) });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(states).toEqual(["connecting", "denied"]);
  expect(asked).toHaveLength(1);
});

test("a stream on which nothing arrives is taken for broken", async () => {
  vi.useFakeTimers();
  const { client, asked } = clientOf(({ init }) => new Response(new ReadableStream({
    start(controller) {
      init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
    },
  })));
  const subscription = client.events({ topics: ["sample"], on: () => undefined, silenceMs: 5000 });
  await vi.advanceTimersByTimeAsync(4900);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toHaveLength(2);
  subscription.close();
});
