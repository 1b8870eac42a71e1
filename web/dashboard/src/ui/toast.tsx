import { useSyncExternalStore } from "react";
import { Icon } from "./icons";

interface Toast { id: number; text: string; tone: "good" | "bad" }
const SHOWN_MS = 6000;
let toasts: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());

/** Says something in the corner, to screen readers too. */
export function toast(text: string, tone: Toast["tone"] = "good") {
  const id = next++;
  toasts = [...toasts.slice(-3), { id, text, tone }];
  tell();
  setTimeout(() => {
    toasts = toasts.filter((toast) => toast.id !== id);
    tell();
  }, SHOWN_MS);
}

export function Toasts() {
  const shown = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => toasts);
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed right-4 bottom-4 z-50 flex flex-col items-end gap-2">
      {shown.map(({ id, text, tone }) => (
        <div key={id} className={`flex max-w-[min(28rem,calc(100vw-2rem))] items-center gap-2 rounded-lg border bg-surface px-3 py-2 text-sm shadow-lg ${tone === "bad" ? "border-bad/50 text-bad" : "border-line"}`}>
          <Icon name={tone === "bad" ? "warn" : "check"} className={tone === "bad" ? "size-4" : "size-4 text-good"} />{text}
        </div>
      ))}
    </div>
  );
}
