import { LmxError } from "../../../shared/errors.ts";
import { type ArrivingBody, chooseYielding, hasRoom } from "../../policy/requests/request-room.ts";

const MIB = 1024 * 1024;

/**
 * Bodies and prompts that are held at once, bytes. Both are kept as bytes, outside the heap, so that a full house is
 * what it says: sixteen of the largest bodies.
 */
export const MAX_HELD_BYTES = 256 * MIB;

/** What a request takes however short it is: its connection, headers, timers and queues. An upper bound. */
const BYTES_PER_REQUEST = 32 * 1024;

/** What answers may take beyond the bodies' bound: one that has run for minutes is not lost to a newcomer's body. */
const ROOM_FOR_ANSWERS = 1 / 8;

const RETRY_AFTER_SECONDS = 2;

/** What one request holds of the memory for requests. */
export interface RequestShare {
  /** So many bytes of its body have come. @throws LmxError rate_limit_exceeded, and then holds nothing any more */
  add(bytes: number): void;
  /** The same of an answer that is kept until its end. */
  keep(bytes: number): void;
  /** Its body is on the way: until `arrived` it may have to give way, and `onTaken` says why. It holds nothing then. */
  arriving(onTaken: (error: LmxError) => void): void;
  arrived(): void;
  /** It is over. May be called again. */
  release(): void;
}

interface Held {
  readonly owner: string;
  bytes: number;
  lastByteMs: number;
  /** Null: its body has come, or was given up. */
  onTaken: ((error: LmxError) => void) | null;
}

/**
 * Bounds the memory of requests that are read, wait for a model or are being answered: clients cannot fill the heap, nor
 * one of them keep out the others (policy/requests/request-room.ts).
 */
export class RequestMemory {
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #byOwner = new Map<string, number>();
  readonly #arriving = new Set<Held>();
  #heldBytes = 0;

  /** @param now monotonic milliseconds */
  constructor(maxBytes = MAX_HELD_BYTES, now: () => number = () => performance.now()) {
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** @throws LmxError rate_limit_exceeded */
  open(owner: string): RequestShare {
    const held: Held = { owner, bytes: 0, lastByteMs: this.#now(), onTaken: null };
    const add = (bytes: number) => {
      held.lastByteMs = this.#now();
      this.#take(held, bytes, this.#maxBytes);
    };
    add(BYTES_PER_REQUEST);
    return {
      add,
      keep: (bytes) => this.#take(held, bytes, this.#maxBytes * (1 + ROOM_FOR_ANSWERS)),
      arriving: (onTaken) => {
        held.onTaken = onTaken;
        this.#arriving.add(held);
      },
      arrived: () => this.#settle(held),
      release: () => this.#release(held),
    };
  }

  #take(held: Held, bytes: number, maxBytes: number): void {
    const ownerBytes = () => this.#byOwner.get(held.owner) ?? 0;
    while (!hasRoom({ maxBytes, heldBytes: this.#heldBytes, ownerBytes: ownerBytes() }, bytes)) {
      const asker = { owner: held.owner, ownerBytes: ownerBytes() + bytes, bytes: held.bytes + bytes };
      const yielding = chooseYielding(this.#bodiesBeside(held), asker, this.#now());
      if (yielding === null) {
        this.#release(held);
        throw this.#isFull();
      }
      this.#takeBack(yielding.held);
    }
    held.bytes += bytes;
    this.#heldBytes += bytes;
    this.#byOwner.set(held.owner, ownerBytes() + bytes);
  }

  *#bodiesBeside(asker: Held): Generator<ArrivingBody & { readonly held: Held }> {
    for (const held of this.#arriving)
      if (held !== asker) yield { ...held, ownerBytes: this.#byOwner.get(held.owner) ?? 0, held };
  }

  #takeBack(held: Held): void {
    const { onTaken } = held;
    this.#release(held);
    const message =
      "The rest of the body was slow to come, and others need the memory it held; send it again, and faster.";
    onTaken?.(new LmxError("rate_limit_exceeded", message, { retryAfterSeconds: RETRY_AFTER_SECONDS }));
  }

  #settle(held: Held): void {
    this.#arriving.delete(held);
    held.onTaken = null;
  }

  #release(held: Held): void {
    this.#settle(held);
    const left = (this.#byOwner.get(held.owner) ?? 0) - held.bytes;
    if (left > 0) this.#byOwner.set(held.owner, left);
    else this.#byOwner.delete(held.owner);
    this.#heldBytes -= held.bytes;
    held.bytes = 0;
  }

  #isFull(): LmxError {
    const mebibytes = Math.floor(this.#maxBytes / MIB);
    return new LmxError(
      "rate_limit_exceeded",
      `The server holds all the requests it has memory for (${mebibytes} MiB, of which one client gets what stays free for others); try again when some are answered.`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    );
  }
}
