import type { PerformanceClient } from "./client.js";
import type { Connection, Subscription } from "./events.js";
import { Problem } from "./problem.js";
import type { CacheStats, Invalidation, N, Receipt, Score, Status, Summary } from "./types.js";

/** What a monitor knows at one time. A new object each time something changes, the same one while nothing does. */
export interface Snapshot {
  summary: Summary | null;
  stats: CacheStats | null;
  /** All global series of the last second. */
  live: Record<string, N>;
  status: Status | null;
  score: Score | null;
  connection: Connection;
  monitoring: boolean;
  loading: boolean;
  error: Problem | null;
}

export interface MonitorOptions {
  /** Over which range the summary is told: `1m` … `30d`. */
  range?: string;
  /** How often the summary and the statistics are read again while monitoring. */
  refreshMs?: number;
}

const EMPTY: Snapshot = {
  summary: null, stats: null, live: {}, status: null, score: null, connection: "closed", monitoring: false,
  loading: false, error: null,
};

/** Watches one Peregrine; knows nothing of React. */
export class PerformanceMonitor {
  readonly #client: PerformanceClient;
  readonly #range: string;
  readonly #refreshMs: number;
  readonly #listeners = new Set<() => void>();
  #snapshot: Snapshot = EMPTY;
  #stream: Subscription | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #run = 0;

  constructor(client: PerformanceClient, options: MonitorOptions = {}) {
    this.#client = client;
    this.#range = options.range ?? "15m";
    this.#refreshMs = options.refreshMs ?? 10_000;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Snapshot => this.#snapshot;

  /** Begins to watch; again while watching it does nothing. */
  readonly start = (): void => {
    if (this.#stream) return;
    this.#set({ monitoring: true, connection: "connecting" });
    this.#stream = this.#client.events({
      topics: ["sample", "alert", "change"],
      on: (topic, data) => {
        if (topic === "sample") this.#set({ live: (data as { values: Record<string, N> }).values });
        else if (topic === "alert" || topic === "change" || topic === "gap") void this.refresh();
      },
      onConnection: (connection, error) => this.#set(error ? { connection, error } : { connection }),
    });
    this.#timer = setInterval(() => void this.refresh(), this.#refreshMs);
    void this.refresh();
  };

  /** Stops; what was known stays to be seen. */
  readonly stop = (): void => {
    this.#stream?.close();
    this.#stream = null;
    clearInterval(this.#timer);
    this.#run += 1;
    this.#set({ monitoring: false, loading: false, connection: "closed" });
  };

  readonly refresh = async (): Promise<void> => {
    const run = (this.#run += 1);
    this.#set({ loading: true });
    try {
      const [summary, stats] = await Promise.all([this.#client.summary(this.#range), this.#client.cacheStats()]);
      if (run !== this.#run) return;
      this.#set({ summary, stats, status: summary.status, score: summary.score, loading: false, error: null });
    } catch (error) {
      if (run !== this.#run) return;
      this.#set({ loading: false, error: error instanceof Problem ? error : Problem.unreachable(error) });
    }
  };

  /** Computes the recommendations now. */
  readonly optimize = async (): Promise<unknown> => {
    const answer = await this.#client.optimize();
    await this.refresh();
    return answer;
  };

  /** Empties the cache, or the part of it that `what` names; the receipt says who confirmed it. */
  readonly clearCache = async (what?: Invalidation): Promise<Receipt> => {
    const receipt = await this.#client.invalidate(what ?? { all: true });
    await this.refresh();
    return receipt;
  };

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of this.#listeners) listener();
  }
}
