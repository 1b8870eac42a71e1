/** One event of a stream, as the HTML standard's event stream format tells it. */
export interface StreamEvent { id: string | null; event: string; data: string }

/**
 * Reads an event stream in pieces that may be cut anywhere. Only whole events come out; what is begun waits for the next
 * piece.
 */
export class SseParser {
  /** The id of the last event: where to go on after a break. */
  lastId: string | null = null;
  /** How long the server asks to wait before coming again. */
  retryMs: number | null = null;
  #rest = "";
  #event = "";
  #data: string[] = [];
  #first = true;

  push(text: string): StreamEvent[] {
    const out: StreamEvent[] = [];
    this.#rest += text;
    if (this.#first && this.#rest.length > 0) {
      this.#first = false;
      if (this.#rest.startsWith("\ufeff")) this.#rest = this.#rest.slice(1);
    }
    for (;;) {
      const at = this.#rest.search(/[\r\n]/);
      if (at < 0) break;
      const cr = this.#rest[at] === "\r";
      // A CR at the end may be half of a CRLF.
      if (cr && at + 1 === this.#rest.length) break;
      const line = this.#rest.slice(0, at);
      this.#rest = this.#rest.slice(at + (cr && this.#rest[at + 1] === "\n" ? 2 : 1));
      if (line === "") {
        if (this.#data.length > 0) {
          out.push({ id: this.lastId, event: this.#event || "message", data: this.#data.join("\n") });
        }
        this.#event = "";
        this.#data = [];
        continue;
      }
      this.#line(line);
    }
    return out;
  }

  #line(line: string) {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }
}
