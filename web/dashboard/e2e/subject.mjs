// What the browser is driven against: a Peregrine that runs already (PEREGRINE_URL, PEREGRINE_TOKEN), one that is started here
// (PEREGRINE_BINARY) before an origin and under load, or the development fake (FAKE=1), which proves the pages only.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const WAIT_MS = 30_000;
const TOKEN = "e2e-token-that-is-long-enough";

export async function until(what, condition, limit = WAIT_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${limit} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const listening = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

/** A shop: pages that may be kept, a search that may not for long, and errors on demand. */
async function origin() {
  const state = { failing: false };
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://shop").pathname;
    const slow = path.startsWith("/search") ? 40 : path.startsWith("/api") ? 15 : 4;
    setTimeout(() => {
      if (state.failing) return response.writeHead(500, { "cache-control": "no-store" }).end("failing on purpose");
      if (path === "/checkout") return response.writeHead(200, { "cache-control": "no-store" }).end("private");
      response.writeHead(200, {
        "content-type": path.endsWith(".webp") ? "image/webp" : path.startsWith("/api") ? "application/json" : "text/html", "cache-control": path.startsWith("/search") ? "max-age=2" : "max-age=60",
        "cache-tag": path.startsWith("/products") ? "products" : "pages",
      });
      return response.end(`<p>${path}</p>`.repeat(60));
    }, slow);
  });
  return { port: await listening(server), state, close: () => server.close() };
}

function load(port) {
  let stopped = false;
  let count = 0;
  const path = () => {
    count += 1;
    const pick = count % 20;
    if (pick < 9) return `/products?page=${(count * 7) % 30}`;
    if (pick < 14) return `/api/catalog/${(count * 3) % 40}`;
    if (pick < 17) return `/images/${(count * 11) % 60}.webp`;
    if (pick < 19) return `/search?q=${(count * 13) % 80}`;
    return "/checkout";
  };
  const one = () => new Promise((resolve) => {
    get({ host: "127.0.0.1", port, path: path(), headers: { host: "shop.example" } }, (response) => response.resume().on("end", resolve).on("error", resolve)).on("error", resolve);
  });
  const worker = async () => {
    while (!stopped) {
      await one();
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
  };
  for (let at = 0; at < 4; at += 1) void worker();
  return () => { stopped = true; };
}

async function started(binary) {
  const shop = await origin();
  const folder = mkdtempSync(join(tmpdir(), "peregrine-e2e-"));
  const config = join(folder, "peregrine.toml");
  writeFileSync(config, `
[server]
state_dir = "${folder}/state"

[[listener]]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[[upstream]]
name = "shop"
targets = ["http://127.0.0.1:${shop.port}"]

[[route]]
match = { path = "/products*" }
upstream = "shop"
strategy = "pages"
namespace = "pages"
tags = ["products"]

[[route]]
match = { path = "/search*" }
upstream = "shop"
strategy = "search"
namespace = "search"

[[route]]
match = { path = "/*" }
upstream = "shop"
strategy = "pages"
namespace = "assets"

[strategy.pages]
ttl = "1m"
freshness = "fallback"

[strategy.search]
ttl = "2s"
freshness = "fallback"

[namespace.pages]
[namespace.search]
[namespace.assets]
${process.env.PEREGRINE_E2E_CONFIG ?? ""}
`);
  const child = spawn(binary, ["serve", "--config", config], { env: { ...process.env, PEREGRINE_ADMIN_TOKEN: TOKEN }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => { said += text; });
  let over = null;
  child.on("exit", (code) => { over = code; });
  const address = (what) => new RegExp(`^\\s+${what}\\s+(http://\\S+)`, "m").exec(said)?.[1];
  await until("it answers", async () => {
    if (over !== null) throw new Error(`peregrine ended with ${over}:\n${said}`);
    return address("admin") && fetch(`${address("admin")}/readyz`).then((answer) => answer.ok, () => false);
  });
  const url = address("admin");
  const data = Number(new URL(address("serving")).port);
  const stopLoad = load(data);
  return {
    kind: "started", url, token: TOKEN, dataPort: data, origin: shop.state,
    loginLink: () => /http:\/\/\S+#login=\S+/.exec(said)?.[0] ?? null,
    close: async () => {
      stopLoad();
      child.kill("SIGTERM");
      await until("it ends", () => over !== null).catch(() => child.kill("SIGKILL"));
      shop.close();
      if (process.env.KEEP) writeFileSync(process.env.KEEP, said);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function subject() {
  if (process.env.PEREGRINE_URL) {
    const token = process.env.PEREGRINE_TOKEN ?? readFileSync(process.env.PEREGRINE_TOKEN_FILE ?? ".peregrine/admin.token", "utf8").trim();
    return { kind: "running", url: process.env.PEREGRINE_URL.replace(/\/+$/, ""), token, dataPort: null, origin: null, loginLink: () => null, close: async () => undefined };
  }
  // A path is meant from where npm was called.
  if (process.env.PEREGRINE_BINARY) return started(resolve(process.env.INIT_CWD ?? ".", process.env.PEREGRINE_BINARY));
  if (process.env.FAKE) {
    process.env.FAKE_TOKEN = TOKEN;
    const { server } = await import("../dev/fake.mjs");
    const port = await listening(server);
    return { kind: "fake", url: `http://127.0.0.1:${port}`, token: TOKEN, dataPort: null, origin: null, loginLink: () => `http://127.0.0.1:${port}/dashboard/performance#login=abc`, close: async () => server.closeAllConnections() };
  }
  throw new Error("set PEREGRINE_BINARY to start one, PEREGRINE_URL and PEREGRINE_TOKEN for one that runs, or FAKE=1");
}
