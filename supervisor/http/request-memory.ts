import { LmxError } from "../../shared/errors.ts";
import { type GenerationEvent, sizeOf } from "../../shared/generation.ts";

const MIB = 1024 * 1024;

/**
 * Bodies that are held at once, bytes. A parsed body takes up to two bytes a character, so that a full house is about
 * half a gigabyte: far below the heap at which Node ends the process, and four bodies of the largest size.
 */
export const MAX_HELD_BYTES = 256 * MIB;

/** What a request takes however short it is: its connection, headers, timers and queues. An upper bound. */
const BYTES_PER_REQUEST = 32 * 1024;

/** An event and its text's head; a token with a log probability: its object, text, bytes and numbers. */
const BYTES_PER_EVENT = 64;
const BYTES_PER_LOGPROB = 200;

/** What answers may take beyond the bodies' bound: one that has run for minutes is not lost to a newcomer's body. */
const ROOM_FOR_ANSWERS = 1 / 8;

const RETRY_AFTER_SECONDS = 2;

/** What one request holds of the memory for requests. */
export interface RequestShare {
  /** So many bytes of its body have come. @throws LmxError rate_limit_exceeded, and then holds nothing any more */
  add(bytes: number): void;
  /** The same of an answer that is kept until its end. */
  keep(bytes: number): void;
  /** It is over. May be called again. */
  release(): void;
}

/** Bounds the memory of requests that are read, wait for a model or are being answered: clients cannot fill the heap. */
export class RequestMemory {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes = MAX_HELD_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** @throws LmxError rate_limit_exceeded */
  open(): RequestShare {
    let held = 0;
    const release = () => {
      this.#heldBytes -= held;
      held = 0;
    };
    const take = (bytes: number, maxBytes: number) => {
      if (this.#heldBytes + bytes > maxBytes) {
        release();
        throw this.#isFull();
      }
      this.#heldBytes += bytes;
      held += bytes;
    };
    const add = (bytes: number) => take(bytes, this.#maxBytes);
    add(BYTES_PER_REQUEST);
    return { add, keep: (bytes) => take(bytes, this.#maxBytes * (1 + ROOM_FOR_ANSWERS)), release };
  }

  #isFull(): LmxError {
    const mebibytes = Math.floor(this.#maxBytes / MIB);
    return new LmxError(
      "rate_limit_exceeded",
      `The server holds all the requests it has memory for (${mebibytes} MiB); try again when some are answered.`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    );
  }
}

/** What an event of a generation takes while it is kept, bytes. */
export function eventBytes(event: GenerationEvent): number {
  const { characters, logprobs } = sizeOf(event);
  return BYTES_PER_EVENT + characters + BYTES_PER_LOGPROB * logprobs;
}
