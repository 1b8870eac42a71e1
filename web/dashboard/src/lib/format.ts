/** Numbers, times and sizes as people read them. What is not known is a dash, never a zero. */
export const UNKNOWN = "–";
type Value = number | null | undefined;

const known = (value: Value): value is number => typeof value === "number" && Number.isFinite(value);
const grouped = (value: number, digits: number) =>
  value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** 0.42, 7.3, 128, 12.4k, 3.10M: about three figures. */
export function count(value: Value): string {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 1e9) return `${grouped(value / 1e9, 2)}G`;
  if (size >= 1e6) return `${grouped(value / 1e6, 2)}M`;
  if (size >= 1e4) return `${grouped(value / 1e3, 1)}k`;
  if (size >= 100 || Number.isInteger(value)) return grouped(value, 0);
  return grouped(value, size >= 10 ? 1 : 2);
}

export function percent(ratio: Value, digits?: number): string {
  if (!known(ratio)) return UNKNOWN;
  const value = ratio * 100;
  const size = Math.abs(value);
  return `${grouped(value, digits ?? (size === 0 || size >= 99.95 ? 0 : size < 1 ? 2 : 1))}%`;
}

export function milliseconds(value: Value): string {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 60_000) return duration(value / 1000);
  if (size >= 1000) return `${grouped(value / 1000, 2)} s`;
  if (size >= 100 || value === 0) return `${grouped(value, 0)} ms`;
  if (size >= 10) return `${grouped(value, 1)} ms`;
  return size < 1 ? `${grouped(value * 1000, size < 0.01 ? 1 : 0)} µs` : `${grouped(value, 2)} ms`;
}

export function bytes(value: Value): string {
  if (!known(value)) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || Math.abs(size) >= 100 ? grouped(size, 0) : grouped(size, 1)} ${units[unit] ?? ""}`;
}

/** 8 s, 12 min, 3 h 20 min, 4 d 2 h: the two largest units. */
export function duration(seconds: Value): string {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds < 1) return milliseconds(seconds * 1000);
  if (seconds < 60) return `${grouped(seconds, seconds < 10 && !Number.isInteger(seconds) ? 1 : 0)} s`;
  const steps: [number, string][] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = steps.findIndex(([size]) => seconds >= size);
  const [size, unit] = steps[at] ?? [1, "s"];
  const next = steps[at + 1];
  const whole = Math.floor(seconds / size);
  const rest = next ? Math.floor((seconds - whole * size) / next[0]) : 0;
  return rest > 0 && next && whole < 10 ? `${whole} ${unit} ${rest} ${next[1]}` : `${whole} ${unit}`;
}

export function money(value: Value, currency: string | null, whole = false): string {
  if (!known(value) || !currency) return UNKNOWN;
  try {
    return value.toLocaleString("en-GB", { style: "currency", currency, ...(whole && value >= 100 ? { maximumFractionDigits: 0 } : {}) });
  } catch {
    return `${grouped(value, 2)} ${currency}`;
  }
}

export const milli = (time: string | null | undefined): number | null => {
  const at = time ? Date.parse(time) : NaN;
  return Number.isNaN(at) ? null : at;
};

export function ago(time: string | null | undefined, now = Date.now()): string {
  const at = milli(time);
  if (at === null) return UNKNOWN;
  const seconds = (now - at) / 1000;
  if (seconds < 0) return `in ${duration(-seconds)}`;
  return seconds < 5 ? "just now" : `${duration(Math.floor(seconds))} ago`;
}

const two = (value: number) => String(value).padStart(2, "0");
export function clock(time: string | number | null | undefined, seconds = true): string {
  const at = typeof time === "number" ? time * 1000 : milli(time);
  if (at === null) return UNKNOWN;
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ""}`;
}
export function date(time: string | number | null | undefined): string {
  const at = typeof time === "number" ? time * 1000 : milli(time);
  if (at === null) return UNKNOWN;
  const when = new Date(at);
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${clock(at / 1000)}`;
}

/** Any value of a row whose shape is not known here. */
export function plain(value: unknown): string {
  if (value === null || value === undefined || value === "") return UNKNOWN;
  if (typeof value === "number") return count(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.length === 0 ? UNKNOWN : value.map(plain).join(", ");
  return JSON.stringify(value);
}

/** By the unit's name as the API tells it. */
export function unit(value: Value, name: string): string {
  switch (name) {
    case "ratio": return percent(value);
    case "ms": return milliseconds(value);
    case "%": return known(value) ? percent(value / 100) : UNKNOWN;
    case "s": return duration(value);
    case "bytes": case "B": return bytes(value);
    case "bytes/s": case "B/s": return known(value) ? `${bytes(value)}/s` : UNKNOWN;
    case "/s": case "1/s": return known(value) ? `${count(value)}/s` : UNKNOWN;
    case "": case "count": return count(value);
    default: return known(value) ? `${count(value)} ${name}` : UNKNOWN;
  }
}
