// The browser of the suite: what a page must not do (break its policy, write errors to the console) is seen on every page.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join, normalize, resolve } from "node:path";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable"];

export function launch() {
  const executablePath = PLACES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("no browser: install chromium or set CHROMIUM");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--font-render-hinting=none"] });
}

/** A page of its own with a clean session; `faults` gathers what should not happen on any page. */
export async function open(browser, { width = 1440, height = 900, theme = "dark", faults, allow = [] }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
  if (process.env.DASHBOARD_DIST) await context.route("**/dashboard/performance**", (route) => local(route, resolve(process.env.INIT_CWD ?? ".", process.env.DASHBOARD_DIST)));
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.WAIT_MS ?? 30_000));
  await page.addInitScript(() => {
    window.seen = { cls: 0, lcp: 0, shifts: [] };
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
        window.seen.cls += entry.value;
        window.seen.shifts.push([entry.value, ...entry.sources.map((source) => source.node?.outerHTML?.slice(0, 120) ?? "")]);
      }
    }).observe({ type: "layout-shift", buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.seen.lcp = entry.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
  });
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const text = `${message.text()} ${message.location().url}`;
    if (!allow.some((pattern) => pattern.test(text))) faults.push(`console: ${text}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  return page;
}

/** Pages from a folder instead of those in the program: for work on the pages without building the program again. */
function local(route, folder) {
  const name = normalize(new URL(route.request().url()).pathname.replace(/^\/dashboard\/performance\/?/, ""));
  const file = join(folder, extname(name) ? name : "index.html");
  return route.fulfill({ body: readFileSync(file), headers: { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY } });
}

/** The faults that axe finds, as sentences. */
export async function axeFaults(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return violations.map((one) => `${one.id} (${one.impact}): ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  });
}
