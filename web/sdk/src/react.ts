import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { PerformanceClient } from "./client.js";
import { PerformanceMonitor, type MonitorOptions } from "./monitor.js";

export interface UsePerformanceOptions extends MonitorOptions {
  /** Whether to begin at once; default true. */
  autoStart?: boolean;
}

/**
 * A Peregrine in a React component: what it does now, and the few things that are done to it.
 *
 * The client has to be the same object from render to render: make it outside of the component.
 */
export function usePerformance(client: PerformanceClient, options: UsePerformanceOptions = {}) {
  const { range, refreshMs, autoStart = true } = options;
  const monitor = useMemo(
    () => new PerformanceMonitor(client, { ...(range ? { range } : {}), ...(refreshMs ? { refreshMs } : {}) }),
    [client, range, refreshMs],
  );
  const snapshot = useSyncExternalStore(monitor.subscribe, monitor.snapshot, monitor.snapshot);
  useEffect(() => {
    if (autoStart) monitor.start();
    return monitor.stop;
  }, [monitor, autoStart]);
  return {
    ...snapshot,
    startMonitoring: monitor.start,
    stopMonitoring: monitor.stop,
    refresh: monitor.refresh,
    optimize: monitor.optimize,
    clearCache: monitor.clearCache,
  };
}
