// DEVELOPMENT FAKE of the admin API: answers in the real one's shapes with moving numbers that mean nothing. For work on the
// pages without a Peregrine; never part of the build. `npm run dev` starts it with Vite before it.
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { BOUNDS, ROUTES, figures, heat, request, routeFigures, values } from "./data.mjs";
import * as fixed from "./fixed.mjs";

const TOKEN = process.env.FAKE_TOKEN ?? "development";
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const dist = new URL("../dist", import.meta.url).pathname;
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const second = () => Math.floor(Date.now() / 1000);
const iso = (at) => new Date(at * 1000).toISOString();
const STEPS = { s: 1, m: 60, h: 3600, d: 86400 };
const seconds = (text) => Number.parseInt(text, 10) * (STEPS[text.at(-1)] ?? 1);

const state = { roles: new Map(), changes: fixed.changes(), alerts: fixed.alerts(), rules: fixed.rules(), silences: [], config: fixed.config(), audit: fixed.audit(), keys: fixed.keys(), level: "info", seq: 1000, ring: [], listeners: new Set(), requests: [] };

function emit(topic, data) {
  const event = { seq: ++state.seq, topic, data };
  state.ring.push(event);
  if (state.ring.length > 4096) state.ring.shift();
  for (const listener of state.listeners) listener(event);
}
function change(kind, text, by = "admin") {
  const note = { at: new Date().toISOString(), kind, text, by, id: null };
  state.changes.unshift(note);
  emit("change", note);
}
function record(what, target, before, after) {
  const last = state.audit[0];
  const one = { seq: (last?.seq ?? 0) + 1, at: new Date().toISOString(), who: "admin", role: "admin", address: "127.0.0.1", what, target, before, after, outcome: "done", hash: Math.random().toString(16).slice(2).padEnd(64, "0") };
  state.audit.unshift(one);
  emit("audit", one);
}

setInterval(() => emit("sample", { at: second(), values: values(second()) }), 1000).unref();
let made = 0;
setInterval(() => {
  for (let n = 0; n < 3; n += 1) {
    const one = request(++made, Date.now() - n * 40);
    state.requests.unshift(one);
    emit("request", one);
  }
  state.requests.length = Math.min(state.requests.length, 1000);
}, 150).unref();

function history(query) {
  const now = second();
  const from = query.get("from") ? Number(query.get("from")) : now - seconds(query.get("range") ?? "1h");
  const to = query.get("to") ? Number(query.get("to")) : now;
  const length = to - from;
  const step = length <= 3600 ? 1 : length <= 86400 ? 10 : 60;
  const stride = Math.max(step, Math.ceil(length / 3600 / step) * step);
  const wanted = (query.get("series") ?? "").split(",").filter(Boolean);
  const at = [];
  for (let time = Math.ceil(from / stride) * stride; time <= to; time += stride) at.push(time);
  const all = at.map(values);
  const route = ROUTES.find((one) => one.route === query.get("route"));
  const series = Object.fromEntries((wanted.length > 0 ? wanted : Object.keys(all[0] ?? {})).map((name) => [name, all.map((one) => {
    if (!route) return one[name] ?? (name === "latency_ms" ? one.upstream_p50_ms : name === "healthy_ratio" ? 1 - one.targets_unhealthy / 4 : name === "errors_per_s" ? one.error_ratio * 40 : null);
    return name === "hit_ratio" ? Math.min(1, route.hits * (0.95 + one.hit_ratio * 0.05)) : name.endsWith("_per_s") ? (one[name] ?? 3) * route.share : (one[name] ?? null);
  })]));
  return { resolution_s: stride, at, series, heat: query.get("heat") ? { bounds_ms: BOUNDS, counts: at.map((time) => heat(time, stride)) } : null };
}

function summary(query) {
  const now = second();
  const range = seconds(query.get("range") ?? "15m");
  const firing = state.alerts.filter((one) => one.state === "firing");
  return {
    at: iso(now), range_s: range, version: "0.4.0", node: "edge-1f0c9a22", uptime_s: 3 * 86400 + 7200 + (now % 3600), status: firing.some((one) => one.severity === "critical") ? "degraded" : "ok", complaints: [],
    score: fixed.score(values(now).score), apdex: { value: values(now).apdex, threshold_ms: 250, satisfied: 151230, tolerating: 2210, frustrated: 180 }, now: figures(now, 10), range: figures(now, range),
    saved: fixed.saved(now), slos: fixed.slos(), alerts: firing, top_routes: routeFigures(now, range), changes: state.changes.slice(0, 50),
  };
}

const receipt = (dry) => ({ id: crypto.randomUUID(), matched: { memory: 412, redis: 398 }, layers: dry ? [] : [{ layer: "memory", confirmed: 1, of: 1, took_ms: 0 }, { layer: "redis", confirmed: 1, of: 1, took_ms: 1 }, { layer: "nodes", confirmed: 2, of: 2, took_ms: 4, nodes: [{ node: "edge-1f0c9a22", state: "confirmed" }, { node: "edge-77d0e1b4", state: "confirmed" }] }] });
const refuse = (status, code, detail, errors = []) => ({ status, body: { type: `urn:peregrine:problem:${code}`, title: code, status, detail, errors } });

function answer(method, path, query, body, me) {
  const now = second();
  switch (`${method} ${path}`) {
    case "GET access/me": return me;
    case "GET summary": return summary(query);
    case "GET dashboard": return { summary: summary(query), history: history(new URLSearchParams("range=15m&heat=true")) };
    case "GET history": return history(query);
    case "GET metrics": return { at: iso(now), system: fixed.system(values(now)), application: { now: figures(now, 10), total: figures(now, 259200), routes: routeFigures(now, 900).map((one, at) => ({ ...one, causes: fixed.causes(at + 1), kept: fixed.kept(at + 2) })), ...fixed.application(figures(now, 900)) }, cache: fixed.cache() };
    case "GET routes": return { range_s: 900, routes: routeFigures(now, seconds(query.get("range") ?? "15m")), without_history: [] };
    case "GET cache/strategies": return { strategies: fixed.strategies(figures(now, 259200)) };
    case "DELETE metrics": change("config", "the history was forgotten: figures begin anew"); return { forgotten_points: 5040, since: iso(now) };
    case "GET upstreams": return { upstreams: fixed.upstreams(values(now)) };
    case "GET nodes": return { nodes: fixed.nodes() };
    case "GET traffic": return { skipped: 0, requests: state.requests.slice(0, Number(query.get("limit") ?? 200)) };
    case "GET cache/stats": return fixed.stats();
    case "GET cache/tags": return { tags: fixed.tags() };
    case "GET cache/entries": return { entries: fixed.entries().filter((one) => one.key.includes(query.get("contains") ?? "") && one.key.includes(query.get("prefix") ?? "") && (!query.get("namespace") || one.namespace === query.get("namespace")) && (!query.get("tag") || one.tags.includes(query.get("tag"))) && (!query.get("state") || one.state === query.get("state"))).slice(0, Number(query.get("limit") ?? 100)), looked_at: 48210, complete: true };
    case "GET explain": return fixed.explanation(query.get("url") ?? "/");
    case "POST cache/invalidate": case "POST cache/clear": {
      const done = receipt(body?.dry_run);
      if (!body?.dry_run) {
        change("invalidation", `${body?.soft ? "softly " : ""}invalidated ${Object.entries(body ?? {}).filter(([, list]) => Array.isArray(list) && list.length > 0).map(([kind, list]) => `${kind} ${list.join(", ")}`).join("; ") || "everything"}`);
        record("cache.invalidate", JSON.stringify(body), null, { matched: 412 });
      }
      return done;
    }
    case "POST cache/preload": return { stored: body.urls.length, fresh: 0, not_stored: 0, failed: 0, took_ms: 41, problems: [] };
    case "GET alerts": return { alerts: state.alerts, rules: state.rules, silences: state.silences };
    case "DELETE alerts": state.alerts = state.alerts.filter((one) => one.state !== "resolved"); return {};
    case "PUT alerts/rules": state.rules = body.rules; record("alerts.rules", "rules", null, null); return {};
    case "POST alerts/silence": { const one = { id: String(Date.now()), rule: body.rule ?? null, labels: body.labels ?? {}, until: iso(now + body.for_s), by: "admin", reason: body.reason }; state.silences.push(one); return one; }
    case "DELETE alerts/silence": state.silences = state.silences.filter((one) => one.id !== query.get("id")); return {};
    case "POST alerts/acknowledge": { const one = state.alerts.find((each) => each.id === body.id); if (one) { one.acknowledged = { by: "admin", at: iso(now), note: body.note ?? null }; emit("alert", one); } return {}; }
    case "GET slos": return { slos: fixed.slos() };
    case "GET reports": return { reports: Array.from({ length: 24 }, (_, n) => ({ id: `r${n}`, at: iso(now - (now % 300) - n * 300), title: `Report of ${iso(now - (now % 300) - n * 300).slice(11, 16)}` })) };
    case "GET report": return { ...fixed.report(), figures: figures(now, 300), before: figures(now - 600, 300), top_routes: routeFigures(now, 300), saved: fixed.saved(now), slos: fixed.slos(), alerts: state.alerts, notes: state.changes.slice(0, 6) };
    case "GET optimization/recommendations": case "POST optimization/run": return { recommendations: fixed.recommendations() };
    case "GET config": return state.config;
    case "PATCH config": {
      const applied = Object.keys(body.changes);
      if (!body.dry_run) {
        for (const name of applied) {
          const one = state.config.parameters.find((each) => each.name === name);
          if (one) Object.assign(one, { value: body.changes[name], text: String(body.changes[name]), source: "file" });
        }
        change("config", `changed ${applied.join(", ")}`);
        record("config.patch", applied.join(), null, body.changes);
      }
      return { dry_run: Boolean(body.dry_run), applied, needs_restart: [], diff: applied.map((name) => `-${name} = …\n+${name} = ${JSON.stringify(body.changes[name])}`).join("\n"), etag: "b" };
    }
    case "POST config/reload": change("reload", "configuration read again"); return { applied: [], needs_restart: [] };
    case "GET access/apikeys": return { keys: state.keys };
    case "POST access/apikeys": { const one = { id: Math.random().toString(36).slice(2, 8), name: body.name, role: body.role, namespaces: body.namespaces ?? null, created: iso(now), created_by: "admin", expires: body.expires_in_s ? iso(now + body.expires_in_s) : null, last_used: null }; state.keys.push(one); return { key: `pgk_${one.id}_${"x".repeat(32)}`, ...one }; }
    case "DELETE access/apikeys": state.keys = state.keys.filter((one) => one.id !== query.get("id")); return {};
    case "GET audit": return { records: state.audit.filter((one) => (!query.get("who") || one.who.includes(query.get("who"))) && (!query.get("what") || one.what.includes(query.get("what")))).slice(0, 100), verified: { ok: true, records: state.audit.length, fault: null } };
    case "GET log": return { level: state.level };
    case "PUT log": state.level = body.level; return { level: body.level };
    default: return refuse(404, "not_found", `There is no ${method} ${path}.`);
  }
}

function events(req, res, query) {
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const topics = new Set((query.get("topics") ?? "").split(","));
  const write = (event) => {
    if (topics.has(event.topic)) res.write(`id: ${event.seq}\nevent: ${event.topic}\ndata: ${JSON.stringify(event.data)}\n\n`);
  };
  res.write(`id: ${state.seq}\nevent: hello\ndata: ${JSON.stringify({ seq: state.seq, node: "edge-1f0c9a22" })}\n\n`);
  const after = Number(req.headers["last-event-id"] ?? query.get("after") ?? state.seq);
  state.ring.filter((event) => event.seq > after).forEach(write);
  state.listeners.add(write);
  req.on("close", () => state.listeners.delete(write));
}

function asset(path, res) {
  const name = normalize(path.replace(/^\/dashboard\/performance\/?/, "")).replace(/^(\.\.\/)+/, "");
  const file = extname(name) ? join(dist, name) : join(dist, "index.html");
  if (!existsSync(file)) return res.writeHead(404).end("build the dashboard first");
  res.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff" });
  return res.end(readFileSync(file));
}

export const server = createServer(async (req, res) => {
  const url = new URL(req.url, "http://localhost");
  if (url.pathname.startsWith("/dashboard/performance")) return asset(url.pathname, res);
  if (!url.pathname.startsWith("/api/performance/")) return res.writeHead(302, { location: "/dashboard/performance" }).end();
  const path = url.pathname.slice("/api/performance/".length);
  const send = (status, body, headers = {}) => res.writeHead(status, { "content-type": status >= 400 ? "application/problem+json" : "application/json", ...headers }).end(JSON.stringify(body));
  let text = "";
  for await (const piece of req) text += piece;
  const body = text ? JSON.parse(text) : undefined;
  const cookie = /peregrine_session=(\w+)/.exec(req.headers.cookie ?? "")?.[1];
  const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? "")?.[1];
  const who = (secret) => (secret === TOKEN ? "admin" : secret === `${TOKEN}-viewer` ? "viewer" : secret === `${TOKEN}-operator` ? "operator" : null);
  if (path === "access/login") {
    const role = body?.code ? "admin" : who(body?.token);
    if (!role) return send(401, refuse(401, "token_wrong", "The token is not known.").body);
    return send(200, fixed.me(role), { "set-cookie": `peregrine_session=${role}; HttpOnly; SameSite=Strict; Path=/` });
  }
  const role = who(bearer) ?? cookie;
  if (!role) return send(401, refuse(401, "token_missing", "Log in first.").body);
  if (path === "access/logout") return send(200, {}, { "set-cookie": "peregrine_session=; Max-Age=0; Path=/" });
  if (path === "events") return events(req, res, url.searchParams);
  if (role === "viewer" && req.method !== "GET") return send(403, refuse(403, "role", "A viewer changes nothing.").body);
  const out = answer(req.method, path, url.searchParams, body, fixed.me(role));
  return out?.body && out?.status >= 400 ? send(out.status, out.body) : send(200, out);
});

if (process.argv[1] === new URL(import.meta.url).pathname) {
  server.listen(Number(process.env.PORT ?? 9181), "127.0.0.1", () => {
    console.log(`development fake: http://127.0.0.1:${server.address().port}/dashboard/performance  token: ${TOKEN}`);
  });
}
