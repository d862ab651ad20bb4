import { LmxError } from "../../shared/errors.ts";
import type { GenerationEvent } from "../../shared/generation.ts";

/** A reader may be this far behind before its request is given up, in bytes of text. The worker's pipe is never paused. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

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
    this.#events.push(event);
    this.#bytes += textBytes(event);
    if (this.#bytes > MAX_BACKLOG_BYTES) {
      this.fail(
        new LmxError(
          "rate_limit_exceeded",
          "The client reads too slowly: more than 1 MiB was waiting for it.",
          { retryable: false },
        ),
      );
      return false;
    }
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
  switch (event.type) {
    case "text":
    case "reasoning":
      return event.text.length;
    case "tool_call":
      return event.arguments.length;
    case "finish":
      return 0;
    default:
      return event satisfies never;
  }
}
