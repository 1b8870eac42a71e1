// Drives the dashboard as a person would, against a running Peregrine, and fails with a list of all that is wrong.
// `PICTURES=1` also writes docs/pictures, `ONLY=text` runs the checks whose names hold it, `BUDGETS=1` also holds what it times
// against the budgets, for a machine that does nothing else. See subject.mjs for what it runs against.
import { mkdirSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createClient } from "@peregrine/sdk";
import { axeFaults, launch, open } from "./browser.mjs";
import { shrink } from "./png.mjs";
import { subject, until } from "./subject.mjs";

const PAGES = ["overview", "metrics", "traffic", "upstreams", "nodes", "cache", "alerts", "slos", "reports", "optimization", "audit", "settings"];
/** What lies behind the tabs of pages. */
const TABS = ["metrics?view=routes", "metrics?view=answers", "metrics?view=system", "cache?view=explain&url=%2Fproducts%3Fpage%3D1", "cache?view=namespaces", "cache?view=strategies", "cache?view=tags", "cache?view=reasons", "alerts?view=rules", "alerts?view=silences", "settings?view=keys", "settings?view=log"];
const PICTURE_BYTES = 150 * 1024;
const LIVE_MS = 2000;
const LCP_MS = 1000;
const CLS = 0.02;
const ROOT = "/dashboard/performance";
const pictures = new URL("../../../docs/pictures/", import.meta.url).pathname;

const it = await subject();
const client = createClient({ baseUrl: it.url, token: it.token });
const browser = await launch();
let failed = 0;
const started = Date.now();

async function check(name, run) {
  if (process.env.ONLY && !name.includes(process.env.ONLY)) return;
  const at = Date.now();
  const faults = [];
  try {
    await run(faults);
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  }
  const took = `${((Date.now() - at) / 1000).toFixed(1)} s`;
  console.log(`${faults.length === 0 ? "ok  " : "FAIL"} ${name} (${took})`);
  for (const fault of faults) console.log(`       ${fault.replaceAll("\n", "\n       ")}`);
  failed += faults.length === 0 ? 0 : 1;
}
function claim(holds, what) {
  if (!holds) throw new Error(what);
}

const BEFORE_LOGIN = [/401.*access\/me/, /401.*access\/login/];
async function loggedIn(faults, options = {}) {
  const page = await open(browser, { faults, allow: [...BEFORE_LOGIN, ...(options.allow ?? [])], ...options });
  await page.goto(it.url + ROOT);
  await page.getByLabel("Token or API key").fill(options.token ?? it.token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("#main").waitFor();
  return page;
}
/** Says how long something took, which is a fault only where the budgets count. */
function timed(faults, what, took, most) {
  console.log(`       ${what} after ${Math.round(took)} ms`);
  if (process.env.BUDGETS && took > most) faults.push(`${what} after ${Math.round(took)} ms, and ${most} is the most`);
}
const path = (name) => it.url + ROOT + (name === "overview" ? "" : `/${name}`);
async function visit(page, name) {
  await page.goto(path(name));
  await page.locator("#main h1").first().waitFor({ state: "attached" });
  // Nothing is loading any more.
  await page.waitForFunction(() => document.querySelectorAll("#main .skeleton").length === 0);
}

/** One request on the data side. */
const ask = (target) => new Promise((resolve, reject) => {
  get({ host: "127.0.0.1", port: it.dataPort, path: target, headers: { host: "shop.example" } }, (answer) => answer.resume().on("end", () => resolve(answer.statusCode))).on("error", reject);
});

await check("a wrong token is refused with a reason, the right one lets in", async (faults) => {
  const page = await open(browser, { faults, allow: BEFORE_LOGIN });
  await page.goto(path("overview"));
  await page.getByLabel("Token or API key").fill("not-the-token");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Token or API key").fill(it.token);
  // What is still asked while the session ends is refused, which the console tells.
  await Promise.all([page.waitForResponse(/performance\/alerts/), page.keyboard.press("Enter")]);
  await page.locator("#main").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token or API key").waitFor();
  await page.context().close();
});

await check("the login link logs in once and leaves the address", async (faults) => {
  const link = it.loginLink();
  if (!link) return;
  const page = await open(browser, { faults, allow: BEFORE_LOGIN });
  await page.goto(link);
  await page.locator("#main").waitFor();
  claim(!page.url().includes("login"), `the address still holds the code: ${page.url()}`);
  await page.context().close();
});

for (const theme of ["dark", "light"]) {
  await check(`every page: shown, without a fault of its policy or console, accessible (${theme})`, async (faults) => {
    const page = await loggedIn(faults, { theme });
    await page.waitForFunction(() => document.querySelector("[data-connection=open]") !== null);
    for (const name of [...PAGES, ...TABS]) {
      await visit(page, name);
      for (const fault of await page.getByRole("alert").allTextContents()) faults.push(`${name}: ${fault}`);
      for (const fault of await axeFaults(page)) faults.push(`${name}: ${fault}`);
    }
    await page.context().close();
  });
}

await check("the description of the API: read without a token, accessible, on a phone too", async (faults) => {
  if (process.env.FAKE) return;
  for (const [theme, width] of [["dark", 1440], ["light", 390]]) {
    const page = await open(browser, { faults, theme, width });
    await page.goto(`${it.url}/docs/performance`);
    await page.getByRole("heading", { level: 1, name: "Peregrine's admin API" }).waitFor();
    const call = page.locator("#cache_invalidate");
    await call.locator("summary").click();
    await call.getByRole("link", { name: "Receipt" }).first().waitFor();
    for (const fault of await axeFaults(page)) faults.push(`${theme}: ${fault}`);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    if (wide > room) faults.push(`it is ${wide} wide on a screen of ${room}`);
    if (process.env.SHOW) await page.screenshot({ path: `${process.env.SHOW}/docs-${theme}.png` });
    await page.context().close();
  }
});

await check("answers: the causes of one strategy, in the address, the tiers, and whose entries there are", async (faults) => {
  const page = await loggedIn(faults);
  await visit(page, "metrics?view=answers");
  await page.getByRole("table", { name: "Tiers" }).getByRole("cell", { name: "memory" }).waitFor();
  const held = page.getByRole("table", { name: "What memory holds" });
  for (const kind of ["route", "strategy", "upstream", "tier"]) await held.getByRole("cell", { name: kind, exact: true }).first().waitFor();
  const whose = page.getByLabel("Whose errors and reasons");
  const [one] = await whose.locator("option").evaluateAll((options) => options.map((option) => option.value).filter((value) => value.startsWith("strategy ")));
  claim(one, "no strategy can be chosen");
  await whose.selectOption(one);
  await page.getByText(`of ${one}`).first().waitFor();
  claim(new URL(page.url()).searchParams.get("of") === one, `the choice is not in the address: ${page.url()}`);
  await page.context().close();
});

await check("phone width: no page is wider than the screen, the menu opens", async (faults) => {
  const page = await loggedIn(faults, { width: 390, height: 844 });
  for (const name of [...PAGES, ...TABS]) {
    await visit(page, name);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    if (wide > room) faults.push(`${name} is ${wide} wide on a screen of ${room}`);
  }
  await page.getByRole("button", { name: "Open the menu" }).click();
  await page.getByRole("dialog").getByRole("link", { name: "Cache" }).click();
  await page.getByRole("heading", { level: 1, name: "Cache" }).waitFor();
  await page.context().close();
});

await check("the first load: painted soon, and nothing jumps", async (faults) => {
  const page = await loggedIn(faults);
  let best = { lcp: Infinity, cls: Infinity, shifts: [] };
  for (let time = 0; time < 3; time += 1) {
    await visit(page, "overview");
    await page.locator(".uplot").nth(3).waitFor();
    const seen = await page.evaluate(() => window.seen);
    if (seen.lcp <= best.lcp) best = { ...seen, cls: Math.min(seen.cls, best.cls) };
  }
  timed(faults, "the largest paint came", best.lcp, LCP_MS);
  console.log(`       things moved by ${best.cls.toFixed(4)}`);
  if (best.cls > CLS) faults.push(`things moved by ${best.cls.toFixed(3)}: ${JSON.stringify(best.shifts)}`);
  await page.context().close();
});

await check("an invalidation: counted first, then done, with a receipt, and soon seen elsewhere", async (faults) => {
  const page = await loggedIn(faults);
  const watcher = await page.context().newPage();
  await watcher.goto(path("overview"));
  await watcher.waitForFunction(() => document.querySelector("[data-connection=open]") !== null);
  await visit(page, "cache");
  await page.getByRole("button", { name: "Invalidate…" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Tags").last().fill("products");
  await dialog.getByRole("button", { name: "Count first" }).click();
  await dialog.getByText("Nothing was changed").waitFor();
  const before = (await watcher.getByText("invalidat", { exact: false }).count());
  await dialog.getByLabel(/Only make stale/).uncheck();
  await dialog.getByRole("button", { name: "Remove them" }).click();
  await dialog.locator("[data-receipt]").waitFor();
  const at = Date.now();
  await watcher.waitForFunction((known) => [...document.querySelectorAll("#main li")].filter((one) => /invalidat/i.test(one.textContent ?? "")).length > 0
    && (document.body.textContent?.match(/invalidat/gi)?.length ?? 0) > known, before, { polling: 50 });
  timed(faults, "the overview told it", Date.now() - at, LIVE_MS);
  claim(await dialog.getByText("confirmed everywhere").isVisible(), "the receipt is not whole");
  await page.context().close();
});

await check("numbers move by themselves, and stand still while paused", async (faults) => {
  const page = await loggedIn(faults);
  await visit(page, "overview");
  const clock = () => page.locator("[data-clock]").textContent();
  const first = await clock();
  const at = Date.now();
  await until("the next second is shown", async () => (await clock()) !== first);
  timed(faults, "the next second came", Date.now() - at, LIVE_MS);
  await page.getByRole("button", { name: "Pause: hold the view still" }).click();
  const held = await clock();
  const seq = await client.history({ series: ["requests_per_s"], range: "1m" }).then((history) => history.at.at(-1));
  await until("two seconds passed at the server", async () => (await client.history({ series: ["requests_per_s"], range: "1m" })).at.at(-1) >= seq + 2);
  claim((await clock()) === held, "the paused view moved");
  await page.getByRole("button", { name: "Go on showing what is new" }).click();
  await until("it moves again", async () => (await clock()) !== held);
  await page.context().close();
});

await check("traffic: a request is in the tail, is found by a filter, and is explained", async (faults) => {
  const page = await loggedIn(faults);
  await visit(page, "traffic");
  const mark = `/products?page=${Date.now()}`;
  if (it.dataPort) {
    await page.getByLabel(/Part of the address/).fill(mark);
    await page.waitForFunction(() => document.querySelector("[data-connection=open]") !== null);
    const row = page.getByRole("button", { name: new RegExp(mark.replace("?", "\\?")) }).first();
    // The server remembers the last thousand only, which is not long under load: it is asked for until it is seen.
    await until("the request is in the tail", async () => {
      await ask(mark);
      return row.isVisible();
    });
    claim(page.url().includes("contains="), "the filter is not in the address");
  }
  await page.locator("tbody button").first().click();
  await page.getByRole("dialog").getByText("Request id").waitFor();
  await page.getByRole("dialog").getByText("lookup").first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.context().close();
});

await check("an alert fires and is over", async (faults) => {
  if (it.kind === "fake") return;
  const page = await loggedIn(faults);
  const { rules } = await client.alerts();
  const rule = {
    name: "e2e_errors", metric: it.origin ? "error_ratio" : "requests_per_s", labels: {}, above: it.origin ? 0.02 : 0, below: null, clear: null,
    for_s: 1, keep_firing_s: 1, severity: "high", min_events: 0, notify: [], enabled: true, default: false,
  };
  const others = rules.filter((one) => one.name !== rule.name);
  await visit(page, "alerts");
  try {
    await client.putRules([...others, rule]);
    if (it.origin) {
      it.origin.failing = true;
      await client.invalidate({ all: true });
    }
    await page.locator("[data-alert=e2e_errors][data-state=firing]").waitFor({ timeout: 60_000 });
    if (it.origin) it.origin.failing = false;
    else await client.putRules([...others, { ...rule, above: 1e12 }]);
    await page.locator("[data-alert=e2e_errors][data-state=resolved]").waitFor({ timeout: 90_000 });
  } finally {
    if (it.origin) it.origin.failing = false;
    await client.putRules(others);
  }
  await page.context().close();
});

await check("roles: a viewer sees and changes nothing; an operator invalidates and sees no keys", async (faults) => {
  const keys = it.kind === "fake" ? null : await Promise.all(["viewer", "operator"].map((role) => client.createApiKey({ name: `e2e ${role}`, role, expires_in_s: 600 })));
  try {
    const viewer = await loggedIn(faults, { token: keys ? keys[0].key : `${it.token}-viewer` });
    await visit(viewer, "cache");
    claim(await viewer.getByRole("button", { name: "Invalidate…" }).first().isDisabled(), "a viewer may invalidate");
    const refused = await viewer.evaluate(() => fetch("/api/performance/cache/invalidate", { method: "POST", headers: { "content-type": "application/json" }, body: "{\"all\":true,\"dry_run\":false}" }).then((answer) => answer.status));
    claim(refused === 403, `the server answers a viewer's invalidation with ${refused}`);
    faults.splice(0, faults.length, ...faults.filter((fault) => !/403.*cache\/invalidate/.test(fault)));
    await viewer.context().close();
    const operator = await loggedIn(faults, { token: keys ? keys[1].key : `${it.token}-operator` });
    await visit(operator, "cache");
    claim(await operator.getByRole("button", { name: "Invalidate…" }).first().isEnabled(), "an operator may not invalidate");
    await operator.goto(`${path("settings")}?view=keys`);
    await operator.getByText("Only admins see keys").waitFor();
    await operator.context().close();
  } finally {
    for (const key of keys ?? []) await client.revokeApiKey(key.id);
  }
});

await check("the keyboard alone: skip link, pages, tabs, dialog and back", async (faults) => {
  const page = await loggedIn(faults);
  await visit(page, "overview");
  await page.keyboard.press("Tab");
  claim((await page.evaluate(() => document.activeElement?.textContent)) === "Skip to the page", "the first stop is not the skip link");
  await page.keyboard.press("Enter");
  claim((await page.evaluate(() => document.activeElement?.id)) === "main", "the skip link leads nowhere");
  await visit(page, "overview");
  for (let stop = 0; stop < 40; stop += 1) {
    await page.keyboard.press("Tab");
    const [seen, name] = await page.evaluate(() => {
      const one = document.activeElement;
      // Behind the last stop comes the browser itself.
      if (one === document.body) return [true, ""];
      const style = one ? getComputedStyle(one) : null;
      const box = one?.getBoundingClientRect();
      return [Boolean(style && box && box.width > 0 && style.outlineStyle !== "none"), one?.outerHTML.slice(0, 120) ?? ""];
    });
    if (!seen) faults.push(`the focus is not to be seen at ${name}`);
  }
  await visit(page, "overview");
  await page.getByRole("navigation").getByRole("link", { name: "Cache" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Cache" }).waitFor();
  claim((await page.evaluate(() => document.activeElement?.id)) === "main", "after a change of page the focus is elsewhere");
  await page.getByRole("tab", { name: "Find an entry" }).focus();
  await page.keyboard.press("ArrowRight");
  claim((await page.getByRole("tab", { name: "Explain" }).getAttribute("aria-selected")) === "true", "arrows do not move between tabs");
  claim(page.url().includes("view=explain"), "the tab is not in the address");
  const button = page.getByRole("button", { name: "Invalidate…" }).first();
  await button.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  claim(await page.evaluate(() => document.querySelector("dialog")?.contains(document.activeElement)), "the dialog does not take the focus");
  for (const fault of await axeFaults(page)) faults.push(`dialog: ${fault}`);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  claim(await button.evaluate((one) => one === document.activeElement), "the focus does not come back");
  await page.context().close();
});

await check("charts: the table behind, an export, a stretch of time in the address, cursors together", async (faults) => {
  const page = await loggedIn(faults);
  await visit(page, "overview");
  await page.locator(".uplot").nth(3).waitFor();
  await page.getByRole("button", { name: "Latency: show as a table" }).click();
  await page.getByRole("group", { name: /Latency, newest first/ }).waitFor();
  await page.getByRole("button", { name: "Latency: show the chart" }).click();
  const over = page.locator(".uplot .u-over").first();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  const cursors = await page.locator(".u-cursor-x").evaluateAll((all) => all.filter((one) => !/translate\(-10px/.test(one.style.transform)).length);
  claim(cursors >= 3, `only ${cursors} cursors moved`);
  const save = page.waitForEvent("download");
  await page.locator("summary[aria-label='Requests and errors: export']").click();
  await page.getByRole("button", { name: "CSV" }).first().click();
  claim((await save).suggestedFilename() === "peregrine-requests-and-errors.csv", "no CSV came");
  await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 20, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
  await page.getByLabel("Time range").selectOption("1h");
  await page.waitForURL(/range=1h/);
  await page.context().close();
});

if (process.env.PICTURES) {
  mkdirSync(pictures, { recursive: true });
  for (const theme of ["dark", "light"]) {
    await check(`pictures (${theme})`, async (faults) => {
      const page = await loggedIn(faults, { theme });
      for (const name of PAGES) {
        await visit(page, name);
        await page.waitForTimeout(600);
        const png = shrink(await page.screenshot());
        if (png.length > PICTURE_BYTES) faults.push(`${name}: ${png.length} bytes`);
        writeFileSync(`${pictures}dashboard-${name}-${theme}.png`, png);
      }
      await page.setViewportSize({ width: 390, height: 844 });
      await visit(page, "overview");
      await page.waitForTimeout(600);
      writeFileSync(`${pictures}dashboard-phone-${theme}.png`, shrink(await page.screenshot()));
      await page.context().close();
    });
  }
}

await browser.close();
await it.close();
console.log(`${failed === 0 ? "all well" : `${failed} checks failed`} against ${it.kind === "fake" ? "the development fake" : it.url} in ${Math.round((Date.now() - started) / 1000)} s`);
process.exit(failed === 0 ? 0 : 1);
