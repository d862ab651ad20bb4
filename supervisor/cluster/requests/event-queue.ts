import { LmxError } from "../../../shared/errors.ts";
import { eventBytes } from "../../../shared/event-bytes.ts";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { ALL_READERS, type Backlog } from "./backlog.ts";

/**
 * A reader may be this far behind when more comes before its request is given up: 1 MiB of text, at two bytes of memory a
 * character. The worker's pipe is never paused.
 */
const MAX_BACKLOG_BYTES = 2 * 1024 * 1024;

/** So much a reader may have waiting even when all readers together are too far behind: it is not the one who is slow. */
const SMALL_BACKLOG_BYTES = 16 * 1024;

/**
 * Events of one generation between the worker and one reader. Ends once: by `end`, by `fail`, or by the reader leaving.
 */
export class EventQueue implements AsyncIterable<GenerationEvent> {
  readonly #onReaderLeft: () => void;
  readonly #all: Backlog;
  #events: GenerationEvent[] = [];
  /** With those of the event that the reader has now. */
  #bytes = 0;
  #takenBytes = 0;
  #outcome: { readonly error: LmxError | null } | null = null;
  #wake: (() => void) | null = null;

  /**
   * @param onReaderLeft called when the reader stops before the end
   * @param all what waits for all readers
   */
  constructor(onReaderLeft: () => void, all: Backlog = ALL_READERS) {
    this.#onReaderLeft = onReaderLeft;
    this.#all = all;
  }

  get ended(): boolean {
    return this.#outcome !== null;
  }

  /** @returns false when the reader is too far behind; the queue has failed then */
  push(event: GenerationEvent): boolean {
    if (this.#outcome !== null) return true;
    const bytes = eventBytes(event);
    const problem = event.type === "finish" ? null : this.#isTooFarBehind(bytes);
    if (problem !== null) {
      this.fail(new LmxError("rate_limit_exceeded", problem, { retryable: false }));
      return false;
    }
    this.#events.push(event);
    this.#hold(bytes);
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

  /** Nobody will read it, or read on: what waits is dropped. */
  discard(): void {
    this.end();
    this.#events = [];
    this.#hold(-this.#bytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationEvent, void, void> {
    try {
      for (;;) {
        const events = this.#events.reverse();
        this.#events = [];
        for (let event = events.pop(); event !== undefined; event = events.pop()) {
          this.#takenBytes = eventBytes(event);
          yield event;
          // When the reader comes for the next one, the last is written. Unless all was dropped meanwhile.
          if (this.#bytes > 0) this.#hold(-this.#takenBytes);
          this.#takenBytes = 0;
        }
        if (this.#events.length > 0) continue;
        if (this.#outcome !== null) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#outcome.error !== null) throw this.#outcome.error;
    } finally {
      const isLeft = this.#outcome === null;
      this.discard();
      if (isLeft) this.#onReaderLeft();
    }
  }

  /** By what waited before: one long event, such as a whole tool call, is no sign of a slow reader. */
  #isTooFarBehind(bytes: number): string | null {
    if (this.#bytes - this.#takenBytes > MAX_BACKLOG_BYTES)
      return "The client reads too slowly: more than 1 MiB was waiting for it.";
    if (this.#bytes + bytes > SMALL_BACKLOG_BYTES && !this.#all.hasRoomFor(bytes))
      return "The readers of all answers are too far behind, this one with them; try again when they have caught up.";
    return null;
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    this.#all.changed(bytes);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
