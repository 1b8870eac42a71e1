import { useCallback } from "react";
import { useSearchParams } from "wouter";

/**
 * State that lives in the address, so that a link shows what its sender saw. A value that is the default is left out.
 */
export function useParam(name: string, fallback = ""): [string, (value: string) => void] {
  const [params, setParams] = useSearchParams();
  const set = useCallback((value: string) => {
    setParams((before) => {
      const after = new URLSearchParams(before);
      if (value === "" || value === fallback) after.delete(name);
      else after.set(name, value);
      return after;
    }, { replace: true });
  }, [setParams, name, fallback]);
  return [params.get(name) ?? fallback, set];
}

/** The code of a login link, taken out of the address before anything else can see it there. */
export function takeLoginCode(location: Location, history: History): string | null {
  const code = new URLSearchParams(location.hash.replace(/^#/, "")).get("login");
  if (code === null) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}
