import type { ServiceEvent } from "../../../shared/events.ts";
import type { EventReader, Subscription } from "../../telemetry/event-log.ts";
import type { StreamOutcome } from "../app-context.ts";
import { KEEP_ALIVE } from "./server-sent-events.ts";

export interface EventFeedOptions {
  subscribe(reader: EventReader): Subscription;
  isWanted(event: ServiceEvent): boolean;
  /** False: the feed ends after the backlog. */
  readonly follow: boolean;
  /** Longest silence, milliseconds. */
  readonly keepAliveMs: number;
  /** Ends the connection at once; null: there is none, and the stream fails instead. */
  readonly cut: (() => void) | null;
  /** Called once. */
  onEnd(outcome: StreamOutcome): void;
}

/** What may wait for a reader, beside the backlog it asked for. Bytes. */
export const MOST_UNSENT_BYTES = 1024 * 1024;
/** How long a client waits before it connects again. Milliseconds. */
const RETRY_MS = 2_000;

/** The events of the service for one reader, as the body of a response. A reader that is too slow is cut off. */
export class EventFeed implements EventReader {
  readonly #options: EventFeedOptions;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #subscription: Subscription | null = null;
  #silence: NodeJS.Timeout | undefined;
  #isClosed = false;
  #hasEnded = false;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  /** Call it once. */
  body(): ReadableStream<Uint8Array> {
    const { subscribe, isWanted, follow, keepAliveMs } = this.#options;
    this.#subscription = subscribe(this);
    const backlog = this.#subscription.backlog.filter(isWanted).map(frame).join("");
    const opening = encode(`retry: ${RETRY_MS}\n\n${backlog}`);
    const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      this.#controller = controller;
      controller.enqueue(opening);
      if (!follow || this.#isClosed) return this.#finish();
      this.#silence = setInterval(() => this.#breakSilence(), keepAliveMs);
    };
    return new ReadableStream<Uint8Array>(
      { start, cancel: () => this.#end("client_left") },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_UNSENT_BYTES + opening.byteLength }),
    );
  }

  onEvent(event: ServiceEvent): void {
    const controller = this.#controller;
    if (this.#hasEnded || controller === null || !this.#options.isWanted(event)) return;
    controller.enqueue(encode(frame(event)));
    this.#silence?.refresh();
    if ((controller.desiredSize ?? 0) > 0) return;
    this.#end("failed");
    const { cut } = this.#options;
    if (cut === null) controller.error(new Error("The reader of events is too slow."));
    else cut();
  }

  onClosed(): void {
    this.#isClosed = true;
    if (this.#controller !== null && !this.#hasEnded) this.#finish();
  }

  #breakSilence(): void {
    // One that does not read is not waiting for a sign of life.
    if ((this.#controller?.desiredSize ?? 0) >= MOST_UNSENT_BYTES)
      this.#controller?.enqueue(encode(KEEP_ALIVE));
  }

  #finish(): void {
    this.#end("finished");
    this.#controller?.close();
  }

  #end(outcome: StreamOutcome): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#silence);
    this.#subscription?.stop();
    this.#options.onEnd(outcome);
  }
}

function frame(event: ServiceEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
