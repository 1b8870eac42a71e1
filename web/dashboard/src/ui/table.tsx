import { useState, type ReactNode } from "react";

export interface Column<R> {
  key: string;
  label: string;
  show: (row: R) => ReactNode;
  /** What to sort by; a column without it cannot be sorted. */
  sort?: (row: R) => number | string | null | undefined;
  numeric?: boolean;
  className?: string;
}
interface Props<R> {
  caption: string;
  columns: Column<R>[];
  rows: R[];
  id: (row: R, at: number) => string;
  sorted?: [string, "up" | "down"];
  onRow?: (row: R) => void;
  empty?: ReactNode;
  className?: string;
  selected?: string | null;
  compact?: boolean;
}

/** A table that scrolls on its own when it is wider than its place. */
export function Table<R>({ caption, columns, rows, id, sorted, onRow, empty, className = "", selected, compact = false }: Props<R>) {
  const [order, setOrder] = useState<[string, "up" | "down"] | null>(sorted ?? null);
  const by = order && columns.find((column) => column.key === order[0])?.sort;
  const shown = by ? [...rows].sort((left, right) => compare(by(left), by(right)) * (order[1] === "up" ? 1 : -1)) : rows;
  if (rows.length === 0 && empty) return <>{empty}</>;
  const pad = compact ? "py-1" : "py-1.5";
  return (
    <div className={`min-w-0 overflow-x-auto ${className}`} role="group" aria-label={caption} tabIndex={0}>
      <table className="w-full border-collapse text-left">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const direction = order?.[0] === column.key ? order[1] : null;
              return (
                <th key={column.key} scope="col" aria-sort={direction === null ? undefined : direction === "up" ? "ascending" : "descending"}
                  className={`sticky top-0 z-[1] whitespace-nowrap border-b border-line bg-surface px-2 py-1.5 text-2xs font-medium text-muted first:pl-3.5 last:pr-3.5 ${column.numeric ? "text-right" : ""}`}>
                  {column.sort ? (
                    <button type="button" className="inline-flex items-center gap-1 hover:text-text"
                      onClick={() => setOrder([column.key, direction === "down" ? "up" : "down"])}>
                      {column.label}<span aria-hidden="true" className={`${column.numeric ? "order-first" : ""} ${direction ? "" : "opacity-0"}`}>{direction === "up" ? "↑" : "↓"}</span>
                    </button>
                  ) : column.label || <span className="sr-only">Actions</span>}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, at) => {
            const key = id(row, at);
            return (
              <tr key={key} aria-selected={selected === undefined ? undefined : selected === key}
                onClick={onRow ? (event) => {
                  if (!(event.target as Element).closest("a,button,input,select")) onRow(row);
                } : undefined}
                className={`border-b border-line/70 last:border-0 ${onRow ? "cursor-pointer hover:bg-raised" : ""} ${selected === key ? "bg-raised" : ""}`}>
                {columns.map((column) => (
                  <td key={column.key} className={`px-2 ${pad} align-middle first:pl-3.5 last:pr-3.5 ${column.numeric ? "text-right whitespace-nowrap" : ""} ${column.className ?? ""}`}>
                    {column.show(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function compare(left: number | string | null | undefined, right: number | string | null | undefined): number {
  // What is not known comes last either way round often enough; here it is the smallest.
  const unknown = Number(left === null || left === undefined) - Number(right === null || right === undefined);
  if (unknown !== 0) return -unknown;
  if (typeof left === "number" && typeof right === "number") return left - right;
  return String(left ?? "").localeCompare(String(right ?? ""));
}
