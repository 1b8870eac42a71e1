/** What went wrong with a call, as RFC 9457 problem details say it. */
export interface ProblemDetails {
  type: string; title: string; status: number; detail: string;
  errors: { field: string; detail: string }[];
}

/**
 * A call that failed. `status` is 0 where no answer came at all: the network, or the server, is away.
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** The last part of the type's URN: `token_wrong`, `namespace_limited`, … */
  readonly code: string;
  readonly errors: { field: string; detail: string }[];
  /** How many seconds to wait before another try, if the server said so. */
  readonly retryAfter: number | null;

  constructor(details: ProblemDetails, retryAfter: number | null = null) {
    super(details.detail || details.title);
    this.status = details.status;
    this.code = details.type.split(":").at(-1) ?? "";
    this.errors = details.errors;
    this.retryAfter = retryAfter;
  }

  /** Whether the token or session is missing, wrong or over. */
  get denied(): boolean {
    return this.status === 401;
  }

  /** Whether the same call may succeed later. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  static unreachable(cause: unknown): Problem {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new Problem({
      type: "urn:peregrine:problem:unreachable", title: "No answer", status: 0,
      detail: `Peregrine did not answer: ${detail}`, errors: [],
    });
  }

  /** Reads an answer that is no success, whatever its body is. */
  static async from(response: Response): Promise<Problem> {
    const after = Number(response.headers.get("retry-after"));
    let body: Partial<ProblemDetails> = {};
    try {
      body = ((await response.json()) ?? {}) as Partial<ProblemDetails>;
    } catch {
      // A proxy in between may answer with a page.
    }
    return new Problem({
      type: typeof body.type === "string" ? body.type : `status:${response.status}`,
      title: typeof body.title === "string" ? body.title : response.statusText,
      status: response.status,
      detail: typeof body.detail === "string" ? body.detail : `The answer was ${response.status} ${response.statusText}`.trim(),
      errors: Array.isArray(body.errors) ? body.errors : [],
    }, Number.isFinite(after) && after > 0 ? after : null);
  }
}
