import { Problem } from "./problem.js";
import { SseParser } from "./sse.js";
import type { Topic, Topics } from "./types.js";

/** How a subscription is: `waiting` is a break before the next try, `denied` is for good. */
export type Connection = "connecting" | "open" | "waiting" | "denied" | "closed";

export interface EventsOptions {
  topics: Topic[];
  on: <T extends keyof Topics>(topic: T, data: Topics[T]) => void;
  onConnection?: (state: Connection, problem: Problem | null) => void;
  /** Go on after this sequence number. */
  after?: number;
  /** A connection on which nothing arrives for so long is taken for broken. */
  silenceMs?: number;
}

export interface Subscription {
  /** The sequence number of the last event seen. */
  readonly seq: number | null;
  close(): void;
}

type Open = (lastId: string | null, signal: AbortSignal) => Promise<Response>;

const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
const SILENCE_MS = 20_000;

/**
 * Keeps one stream open: reads it, and after a break comes again and asks for what was missed (`Last-Event-ID`). By `fetch`
 * rather than `EventSource`, which can send no token.
 */
export function follow(open: Open, options: EventsOptions): Subscription {
  let lastId: string | null = options.after === undefined ? null : String(options.after);
  let tries = 0;
  let closed = false;
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = (state: Connection, problem: Problem | null = null) => options.onConnection?.(state, problem);

  async function once(): Promise<void> {
    abort = new AbortController();
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(new Error("silent for too long")), options.silenceMs ?? SILENCE_MS);
    };
    try {
      heard();
      const response = await open(lastId, abort.signal);
      if (!response.ok) throw await Problem.from(response);
      if (!response.body) throw Problem.unreachable(new Error("an answer without a body"));
      tell("open");
      const parser = new SseParser();
      parser.lastId = lastId;
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        heard();
        for (const event of parser.push(decoder.decode(value, { stream: true }))) {
          tries = 0;
          if (event.id !== null && event.id !== "") lastId = event.id;
          let data: unknown;
          try {
            data = JSON.parse(event.data);
          } catch {
            continue;
          }
          options.on(event.event as keyof Topics, data as never);
          if (closed) return;
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  async function run(): Promise<void> {
    while (!closed) {
      tell("connecting");
      let problem: Problem | null = null;
      try {
        await once();
      } catch (error) {
        problem = error instanceof Problem ? error : Problem.unreachable(error);
      }
      abort.abort();
      if (closed) break;
      if (problem && (problem.status === 401 || problem.status === 403)) {
        tell("denied", problem);
        return;
      }
      const step = BACKOFF_MS[Math.min(tries, BACKOFF_MS.length - 1)] ?? 8000;
      tries += 1;
      tell("waiting", problem);
      const wait = Math.max(step * (0.75 + Math.random() / 2), (problem?.retryAfter ?? 0) * 1000);
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = setTimeout(resolve, wait);
      });
    }
    tell("closed");
  }
  let wake: () => void = () => undefined;

  void run();
  return {
    get seq() {
      return lastId === null ? null : Number(lastId);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      wake();
      abort.abort();
    },
  };
}
