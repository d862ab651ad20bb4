/** One request a client will make. */
export interface SoakRequest {
  /** Row of the tables. */
  readonly kind: string;
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body: string | null;
  /** The model that serves it, when it needs one. */
  readonly model: string | null;
  readonly reading: Reading;
  /** A sentence when this is not what the request should have got; null: it is. */
  readonly check: (answer: Answer) => string | null;
}

export type Reading =
  | { readonly kind: "at-once" }
  /** Hangs up after this time. */
  | { readonly kind: "leaves"; readonly afterMs: number }
  /** Stops reading at the first bytes, for this long. */
  | { readonly kind: "pauses"; readonly forMs: number };

/** What a client got. */
export interface Answer {
  readonly status: number;
  /** Code of the error, before the answer or within it; null: none. */
  readonly error: string | null;
  readonly text: string;
}

/** How a request ended. */
export interface Ended {
  /** `ok`, an error's code, `aborted` by its client, or `lost`: the connection broke or nothing came. */
  readonly outcome: string;
  /** Why this is no proper single end; null: it is one. */
  readonly malformed: string | null;
  readonly answer: Answer;
  readonly openedAt: number;
  readonly begunAt: number | null;
  readonly endedAt: number;
}
