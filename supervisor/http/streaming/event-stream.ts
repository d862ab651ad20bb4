import { LmxError, toLmxError } from "../../../shared/errors.ts";
import type { StreamOutcome } from "../app-context.ts";
import type { StreamEncoder } from "./stream-encoder.ts";

export interface EventStreamOptions {
  /** Longest silence, milliseconds. */
  readonly keepAliveMs: number;
  /** How long something may wait for the client, milliseconds; asked anew each second that it waits. */
  readonly patienceMs: () => number;
  /**
   * Called once when the stream is over; `error` only with `failed`. With `client_left` whatever still generates must be
   * cancelled now.
   */
  readonly onEnd: (outcome: StreamOutcome, error?: LmxError) => void;
}

/**
 * Running generations as the body of a response: one event, one write. It takes an event only when the client has
 * taken the last one; whoever produces the events bounds what waits in between.
 */
export function eventStream<Event>(
  events: AsyncIterable<Event>,
  encoder: StreamEncoder<Event>,
  options: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const source = new EventStreamSource(events[Symbol.asyncIterator](), encoder, options);
  return new ReadableStream({
    start: (controller) => source.start(controller),
    pull: (controller) => source.pull(controller),
    cancel: () => source.cancel(),
  });
}

/** How often a reader is looked at, milliseconds. */
const WATCH_MS = 1_000;

type Controller = ReadableStreamDefaultController<Uint8Array>;

class EventStreamSource<Event> {
  readonly #iterator: AsyncIterator<Event>;
  readonly #encoder: StreamEncoder<Event>;
  readonly #options: EventStreamOptions;
  #silence: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** How long the client has taken nothing of what waits for it. */
  #unreadMs = 0;
  #ended = false;

  constructor(iterator: AsyncIterator<Event>, encoder: StreamEncoder<Event>, options: EventStreamOptions) {
    this.#iterator = iterator;
    this.#encoder = encoder;
    this.#options = options;
  }

  start(controller: Controller): void {
    this.#silence = setTimeout(() => this.#breakSilence(controller), this.#options.keepAliveMs);
    const everyMs = Math.min(WATCH_MS, this.#options.patienceMs());
    this.#watch = setInterval(() => this.#checkReader(controller, everyMs), everyMs);
    this.#write(controller, this.#encoder.open());
  }

  async pull(controller: Controller): Promise<void> {
    this.#unreadMs = 0;
    try {
      for (let written = false; !written && !this.#ended; ) {
        const next = await this.#iterator.next();
        // The client may have left meanwhile; then nothing can be written any more.
        if (!this.#ended) written = this.#take(controller, next);
      }
    } catch (thrown) {
      if (!this.#ended) this.#fail(controller, toLmxError(thrown));
    }
  }

  cancel(): void {
    if (!this.#ended) this.#end("client_left");
  }

  /** True when something was written. */
  #take(controller: Controller, next: IteratorResult<Event>): boolean {
    if (!next.done) return this.#write(controller, this.#encoder.event(next.value));
    this.#write(controller, this.#encoder.close());
    this.#end("finished");
    controller.close();
    return true;
  }

  /** Each look counts once, however late it is: a supervisor that was stopped finds its clients unread. */
  #checkReader(controller: Controller, everyMs: number): void {
    if (this.#ended) return;
    this.#unreadMs = (controller.desiredSize ?? 0) > 0 ? 0 : this.#unreadMs + everyMs;
    if (this.#unreadMs >= this.#options.patienceMs()) this.#fail(controller, unread(this.#unreadMs));
  }

  #fail(controller: Controller, error: LmxError): void {
    this.#write(controller, this.#encoder.fail(error));
    this.#end("failed", error);
    controller.close();
  }

  #breakSilence(controller: Controller): void {
    // A client that does not read is not waiting for a sign of life, and its queue must not grow.
    if ((controller.desiredSize ?? 0) > 0) this.#write(controller, this.#encoder.keepAlive());
    else this.#silence?.refresh();
  }

  /** An event that writes nothing does not restart the clock: silence is what the client sees. */
  #write(controller: Controller, text: string): boolean {
    if (text === "") return false;
    controller.enqueue(new TextEncoder().encode(text));
    this.#silence?.refresh();
    return true;
  }

  #end(outcome: StreamOutcome, error?: LmxError): void {
    this.#ended = true;
    clearTimeout(this.#silence);
    clearInterval(this.#watch);
    this.#iterator.return?.().catch(() => {});
    this.#options.onEnd(outcome, error);
  }
}

function unread(ms: number): LmxError {
  const problem = `The client has read nothing for ${ms / 1000} seconds although there was something to read`;
  return new LmxError("rate_limit_exceeded", `${problem}; its place is given to others.`, {
    retryable: false,
  });
}
