import type { Row } from "@peregrine/sdk";
import { bytes, count, duration, milliseconds, percent, plain } from "@/lib/format";
import type { Column } from "@/ui/table";

/** A value by what the name of its column says of its unit. */
export function valueOf(name: string, value: unknown): string {
  if (typeof value !== "number") return plain(value);
  if (/ratio|share/.test(name)) return percent(value);
  if (/_ms$/.test(name)) return milliseconds(value);
  if (/_s$|seconds/.test(name)) return duration(value);
  if (/bytes|size/.test(name)) return bytes(value);
  return count(value);
}

/** The names of all values that a cell can show; a few nested ones with their parent's name. */
export function flat(row: Row, depth = 1): Row {
  const out: Row = {};
  for (const [name, value] of Object.entries(row)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      if (depth > 0) for (const [inner, nested] of Object.entries(flat(value as Row, depth - 1))) out[`${name} ${inner}`] = nested;
    } else out[name] = value;
  }
  return out;
}

/** Columns for rows whose shape the engine chooses: the name first, what is the same nothing in all rows left out. */
export function columnsOf(rows: Row[], first: string, most = 9): Column<Row>[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name === first
    || rows.some((row) => row[name] !== null && row[name] !== "" && !(Array.isArray(row[name]) && row[name].length === 0)));
  const ordered = [first, ...names.filter((name) => name !== first)].slice(0, most);
  return ordered.map((name) => {
    const numeric = rows.some((row) => typeof row[name] === "number");
    return {
      key: name, label: name.replaceAll("_", " ").replace(/ (ratio|s|ms)$/, ""), numeric, sort: (row: Row) => {
        const value = row[name];
        return typeof value === "number" || typeof value === "string" ? value : plain(value);
      },
      show: (row: Row) => name === first
        ? <span className="mono font-medium">{plain(row[name])}</span>
        : <span className={numeric ? "" : "line-clamp-2 max-w-64"}>{valueOf(name, row[name])}</span>,
    };
  });
}

/** The name of a row, under whichever of these it stands. */
export function nameKey(rows: Row[], ...candidates: string[]): string {
  return candidates.find((name) => rows.some((row) => typeof row[name] === "string")) ?? candidates[0] ?? "name";
}
