import { createClient, Problem, type Role, type Topics } from "@peregrine/sdk";
import { QueryClient, useQuery, keepPreviousData, type UseQueryResult } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import type { Me } from "@peregrine/sdk";
import { Live, useLiveOf, type LiveState } from "./live";

export const client = createClient();
export const live = new Live(client);

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      refetchOnWindowFocus: false,
      placeholderData: keepPreviousData,
      retry: (failures, error) => error instanceof Problem && error.transient && failures < 2,
      retryDelay: (failures) => 400 * 2 ** failures,
    },
  },
});

/** Which answers an event makes old. */
const TOUCHES: Partial<Record<keyof Topics, string[]>> = {
  alert: ["alerts", "summary", "slos"],
  change: ["summary", "config", "nodes", "upstreams", "routes", "cache"],
  invalidation: ["summary", "cache"],
  audit: ["audit"],
  report: ["reports", "report", "recommendations"],
  gap: ["summary", "alerts", "history"],
};
live.hear((topic) => {
  if (live.state().paused) return;
  for (const key of TOUCHES[topic] ?? []) void queries.invalidateQueries({ queryKey: [key] });
});

export const useLive = <K extends keyof LiveState>(part: K): LiveState[K] => useLiveOf(live, (state) => state[part]);

/** A question to the API that is asked again every so many milliseconds, but not while the page is paused. */
export function useAsk<T>(key: unknown[], ask: (signal: AbortSignal) => Promise<T>, everyMs = 0, enabled = true): UseQueryResult<T, Problem> {
  const paused = useLive("paused");
  return useQuery<T, Problem>({
    queryKey: key,
    queryFn: ({ signal }) => ask(signal),
    refetchInterval: everyMs > 0 && !paused ? everyMs : false,
    enabled,
  });
}

export const MeContext = createContext<Me | null>(null);
const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };
/** Whether who is logged in may do what takes this role. The server decides again. */
export function useMay(role: Role): boolean {
  const me = useContext(MeContext);
  return me !== null && RANK[me.role] >= RANK[role];
}
