import { useSyncExternalStore } from "react";

export type Theme = "dark" | "light";
const KEY = "peregrine-theme";
const listeners = new Set<() => void>();
const system = window.matchMedia("(prefers-color-scheme: light)");

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null;
  }
}
function apply() {
  document.documentElement.dataset.theme = stored() ?? (system.matches ? "light" : "dark");
  for (const listener of listeners) listener();
}
export const theme = (): Theme => (document.documentElement.dataset.theme === "light" ? "light" : "dark");
export function setTheme(value: Theme) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  document.documentElement.dataset.theme = value;
  for (const listener of listeners) listener();
}
export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, theme);
}
system.addEventListener("change", apply);
apply();

/** The value of a colour of the theme, for canvases. */
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
