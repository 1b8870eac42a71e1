import { useSyncExternalStore } from "react";
import type { Connection, PerformanceClient, RequestEvent, Role, Sample, Subscription, Topics } from "@peregrine/sdk";
import { Problem } from "@peregrine/sdk";

/** An hour of seconds: as long as the server keeps them. */
const SAMPLES_MAX = 3600;
const REQUESTS_MAX = 1000;

export interface LiveState {
  connection: Connection;
  problem: Problem | null;
  paused: boolean;
  /** Grows with every sample that is shown. */
  version: number;
  latest: Sample | null;
  requests: RequestEvent[];
  skipped: number;
  /** When the last sample came, by this page's clock. */
  heard: number | null;
  /** Who sends the stream. */
  node: string | null;
}

type Hears = (topic: keyof Topics, data: unknown) => void;

/**
 * The one event stream of the page. While paused everything still arrives, but nobody is told; going on shows it all at once.
 */
export class Live {
  readonly #client: PerformanceClient;
  readonly #listeners = new Set<() => void>();
  readonly #hears = new Set<Hears>();
  #stream: Subscription | null = null;
  #samples: Sample[] = [];
  #requests: RequestEvent[] = [];
  #skipped = 0;
  #dirty = false;
  #frame = 0;
  #state: LiveState = {
    connection: "closed", problem: null, paused: false, version: 0, latest: null, requests: [], skipped: 0, heard: null, node: null,
  };

  constructor(client: PerformanceClient) {
    this.#client = client;
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
  readonly state = () => this.#state;

  /** Whoever wants each event, paused or not. */
  hear(hears: Hears) {
    this.#hears.add(hears);
    return () => {
      this.#hears.delete(hears);
    };
  }

  /** Begins; who may not read the audit log asks for no news of it, which would be refused. */
  start(role: Role) {
    if (this.#stream) return;
    this.#stream = this.#client.events({
      topics: ["sample", "alert", "request", "change", "report", "invalidation", ...(role === "admin" ? ["audit" as const] : [])],
      on: (topic, data) => this.#take(topic, data),
      onConnection: (connection, problem) => {
        this.#state = { ...this.#state, connection, problem };
        this.#tell();
      },
    });
  }

  stop() {
    this.#stream?.close();
    this.#stream = null;
    this.#samples = [];
    this.#requests = [];
    this.#state = { ...this.#state, latest: null, requests: [], connection: "closed" };
  }

  pause(paused: boolean) {
    this.#state = { ...this.#state, paused };
    this.#dirty = true;
    this.#publish();
  }

  clearRequests() {
    this.#requests = [];
    this.#skipped = 0;
    this.#state = { ...this.#state, requests: [], skipped: 0 };
    this.#tell();
  }

  /** The samples after a time (unix seconds), oldest first, as far as they may be shown. */
  since(at: number): Sample[] {
    const shown = this.#state.latest?.at ?? 0;
    return this.#samples.filter((sample) => sample.at > at && sample.at <= shown);
  }

  #take(topic: keyof Topics, data: unknown) {
    if (topic === "sample") {
      this.#samples.push(data as Sample);
      if (this.#samples.length > SAMPLES_MAX) this.#samples.splice(0, this.#samples.length - SAMPLES_MAX);
    } else if (topic === "request") {
      const request = data as Topics["request"];
      this.#skipped += request.skipped ?? 0;
      this.#requests = [request, ...this.#requests.slice(0, REQUESTS_MAX - 1)];
    }
    if (topic === "hello") this.#state = { ...this.#state, node: (data as Topics["hello"]).node };
    for (const hears of this.#hears) hears(topic, data);
    if (topic === "sample" || topic === "request") {
      this.#dirty = true;
      // Many requests a second are one change of the page.
      if (!this.#frame) {
        this.#frame = window.setTimeout(() => {
          this.#frame = 0;
          this.#publish();
        }, topic === "sample" ? 0 : 120);
      }
    }
  }

  #publish() {
    if (!this.#dirty || this.#state.paused) {
      this.#tell();
      return;
    }
    this.#dirty = false;
    const latest = this.#samples.at(-1) ?? null;
    const news = latest !== this.#state.latest;
    this.#state = {
      ...this.#state, latest, requests: this.#requests, skipped: this.#skipped,
      version: this.#state.version + (news ? 1 : 0), heard: news ? Date.now() : this.#state.heard,
    };
    this.#tell();
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}

/** One part of the state, so that a component is drawn again only when that changes. */
export function useLiveOf<T>(live: Live, part: (state: LiveState) => T): T {
  return useSyncExternalStore(live.subscribe, () => part(live.state()));
}
