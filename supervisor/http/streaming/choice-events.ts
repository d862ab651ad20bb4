import { LmxError } from "../../../shared/errors.ts";
import type { GenerationEvent } from "../../../shared/generation.ts";

/** An event and the choice it belongs to. */
export interface ChoiceEvent {
  readonly index: number;
  readonly event: GenerationEvent;
}

type Arrival =
  | { readonly index: number; readonly result: IteratorResult<GenerationEvent> }
  | { readonly error: unknown };

/**
 * The events of several generations as they come, each with its index; ends when all have finished. The next event of a
 * generation is asked for when its last one was taken, so a slow reader slows each of them down.
 * @throws LmxError what the first failing generation threw; internal_error when one ends without `finish`
 */
export class ChoiceEvents implements AsyncIterable<ChoiceEvent>, AsyncIterator<ChoiceEvent> {
  readonly #sources: readonly AsyncIterator<GenerationEvent>[];
  readonly #arrived: Arrival[] = [];
  #running: number;
  /** The source whose event the reader has now. */
  #taken: number | null = null;
  #wake: () => void = () => {};
  #over = false;

  constructor(generations: readonly AsyncIterable<GenerationEvent>[]) {
    this.#sources = generations.map((events) => events[Symbol.asyncIterator]());
    this.#running = this.#sources.length;
    for (const index of this.#sources.keys()) this.#ask(index);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ChoiceEvent>> {
    if (this.#taken !== null) this.#ask(this.#taken);
    this.#taken = null;
    if (this.#running === 0) await this.return();
    while (this.#arrived.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const arrival = this.#arrived.shift();
    if (this.#over || arrival === undefined) return { done: true, value: undefined };
    if ("error" in arrival) return await this.#fail(arrival.error);
    const { index, result } = arrival;
    if (result.done) {
      return await this.#fail(
        new LmxError("internal_error", "The generation ended without a finish reason."),
      );
    }
    if (result.value.type === "finish") this.#running -= 1;
    else this.#taken = index;
    return { done: false, value: { index, event: result.value } };
  }

  /** The reader stops: every generation is let go at once. */
  async return(): Promise<IteratorResult<ChoiceEvent>> {
    this.#over = true;
    this.#wake();
    // A generation that is still waiting for its next event lets go after it; nobody waits for that.
    for (const source of this.#sources) source.return?.().catch(() => {});
    return { done: true, value: undefined };
  }

  #ask(index: number): void {
    const arrive = (arrival: Arrival) => {
      this.#arrived.push(arrival);
      this.#wake();
    };
    this.#sources[index]?.next().then(
      (result) => arrive({ index, result }),
      (error: unknown) => arrive({ error }),
    );
  }

  async #fail(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }
}
