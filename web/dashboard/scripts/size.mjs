// Holds the build to its budget: 150 KB of gzipped script for the first load, 30 KB more for each page.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const FIRST_LOAD_BYTES = 150 * 1024;
const PAGE_BYTES = 30 * 1024;
const dist = new URL("../dist", import.meta.url).pathname;
const assets = join(dist, "assets");

const size = (name) => gzipSync(readFileSync(join(assets, name)), { level: 9 }).length;
const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
const text = (name) => readFileSync(join(assets, name), "utf8");
/** The scripts that `name` imports before it runs, and theirs. */
function needs(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const [, path] of text(name).matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) needs(path, seen);
  return seen;
}

const html = readFileSync(join(dist, "index.html"), "utf8");
const faults = [];
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/i.test(html)) faults.push("index.html has something inline; the page's policy forbids it");
const first = new Set();
for (const [, name] of html.matchAll(/(?:src|href)="[^"]*\/assets\/([^"]+\.js)"/g)) needs(name, first);
// The first page that is seen, and its charts, are part of the first load.
for (const name of scripts.filter((name) => /^(overview|plot)-/.test(name))) needs(name, first);
if (first.size === 0) faults.push("index.html loads no script");

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`.padStart(10);
const total = [...first].reduce((sum, name) => sum + size(name), 0);
console.log(`${kib(total)} of ${kib(FIRST_LOAD_BYTES)}  first load (${[...first].join(", ")})`);
if (total > FIRST_LOAD_BYTES) faults.push(`the first load is ${kib(total).trim()}`);
for (const name of scripts.filter((name) => !first.has(name))) {
  const more = [...needs(name)].filter((part) => !first.has(part));
  const bytes = more.reduce((sum, part) => sum + size(part), 0);
  console.log(`${kib(bytes)} of ${kib(PAGE_BYTES)}  ${name}`);
  if (bytes > PAGE_BYTES) faults.push(`${name} is ${kib(bytes).trim()}`);
}
for (const fault of faults) console.error(`too large or not allowed: ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);
