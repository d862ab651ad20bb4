import { LmxError } from "../../shared/errors.ts";
import { type GenerationEvent, sizeOf } from "../../shared/generation.ts";

/**
 * A reader may be this far behind when more comes, in bytes of text, before its request is given up. The worker's pipe is
 * never paused.
 */
const MAX_BACKLOG_BYTES = 1024 * 1024;

/** About what a token, or one that could have stood there, is in an answer with log probabilities. */
const BYTES_PER_LOGPROB = 64;

/**
 * Events of one generation between the worker and one reader. Ends once: by `end`, by `fail`, or by the reader leaving.
 */
export class EventQueue implements AsyncIterable<GenerationEvent> {
  readonly #onReaderLeft: () => void;
  #events: GenerationEvent[] = [];
  #bytes = 0;
  #outcome: { readonly error: LmxError | null } | null = null;
  #wake: (() => void) | null = null;

  /** @param onReaderLeft called when the reader stops before the end */
  constructor(onReaderLeft: () => void) {
    this.#onReaderLeft = onReaderLeft;
  }

  get ended(): boolean {
    return this.#outcome !== null;
  }

  /** @returns false when the reader is too far behind; the queue has failed then */
  push(event: GenerationEvent): boolean {
    if (this.#outcome !== null) return true;
    // By what waited before: one long event, such as a whole tool call, is no sign of a slow reader.
    if (this.#bytes > MAX_BACKLOG_BYTES && event.type !== "finish") {
      this.fail(
        new LmxError(
          "rate_limit_exceeded",
          "The client reads too slowly: more than 1 MiB was waiting for it.",
          { retryable: false },
        ),
      );
      return false;
    }
    this.#events.push(event);
    this.#bytes += textBytes(event);
    this.#notify();
    return true;
  }

  end(): void {
    this.#outcome ??= { error: null };
    this.#notify();
  }

  fail(error: LmxError): void {
    this.#outcome ??= { error };
    this.#notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationEvent, void, void> {
    try {
      for (;;) {
        const events = this.#events;
        this.#events = [];
        this.#bytes = 0;
        yield* events;
        if (this.#events.length > 0) continue;
        if (this.#outcome !== null) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#outcome.error !== null) throw this.#outcome.error;
    } finally {
      if (this.#outcome === null) {
        this.#outcome = { error: null };
        this.#onReaderLeft();
      }
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

function textBytes(event: GenerationEvent): number {
  const { characters, logprobs } = sizeOf(event);
  return characters + BYTES_PER_LOGPROB * logprobs;
}
