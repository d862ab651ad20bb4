import type { GenerationEvent } from "../../../shared/generation.ts";

/** A generation a worker has accepted: HTTP 200 may go out. */
export interface Generation {
  /** Model id that serves it (an alias is resolved). */
  readonly model: string;
  readonly promptTokens: number;
  /** The prompt as text, when the request asked for it. */
  readonly promptText: string | null;
  /** Whether a request of another owner waits for the same model now. */
  othersWait(): boolean;
  /** Ends after `finish`; throws one LmxError when it cannot. Leaving the loop early cancels the row. */
  readonly events: AsyncIterable<GenerationEvent>;
}
