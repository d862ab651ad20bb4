import type { Logger } from "pino";

/** For so long after a refusal those like it are only counted. Milliseconds. */
const WINDOW_MS = 1_000;
/** Kinds of refusals that are told apart at a time; what comes beyond them is counted as one. */
const MOST_KINDS = 256;

/** What makes two refusals alike: nothing of it may be chosen freely by a client. */
export interface RefusalKind {
  /** Network address of the client; null: not known. */
  readonly peer: string | null;
  /** HTTP status. */
  readonly status: number;
  /** Our word for why. */
  readonly code: string | undefined;
  /** The model whose worker failed; one that is loaded, whatever the client named. */
  readonly model?: string | undefined;
}

/** A kind that is being refused just now. */
interface OpenKind {
  /** What identifies it in the lines that count. */
  readonly facts: object;
  more: number;
  timer: NodeJS.Timeout | undefined;
}

export interface RefusalLogOptions {
  readonly log: Pick<Logger, "info">;
  readonly windowMs?: number;
  readonly mostKinds?: number;
}

/**
 * The log's share of refusals, which a client can have by the thousand: the first of a kind stands there in full, the
 * others as one line a second that counts them. However many clients there are, the lines of a second are bounded.
 */
export class RefusalLog {
  readonly #log: Pick<Logger, "info">;
  readonly #windowMs: number;
  readonly #mostKinds: number;
  readonly #open = new Map<string, OpenKind>();
  #isClosed = false;

  constructor({ log, windowMs = WINDOW_MS, mostKinds = MOST_KINDS }: RefusalLogOptions) {
    this.#log = log;
    this.#windowMs = windowMs;
    this.#mostKinds = mostKinds;
  }

  /** @param writeInFull writes the line of this refusal; called unless it is only counted */
  note(kind: RefusalKind, writeInFull: () => void): void {
    const own = JSON.stringify([kind.peer, kind.status, kind.code, kind.model]);
    const isRoom = this.#open.has(own) || this.#open.size < this.#mostKinds;
    const key = isRoom ? own : "the others";
    const known = this.#open.get(key);
    if (known !== undefined) {
      known.more += 1;
      return;
    }
    writeInFull();
    if (this.#isClosed) return;
    const opened: OpenKind = {
      facts: isRoom ? kind : { peer: "several clients" },
      more: 0,
      timer: undefined,
    };
    this.#open.set(key, opened);
    opened.timer = setInterval(() => this.#endWindow(key, opened), this.#windowMs).unref();
  }

  /** Writes what was counted; from now on everything is written in full. */
  close(): void {
    this.#isClosed = true;
    for (const [key, kind] of [...this.#open]) {
      this.#tell(kind);
      this.#forget(key, kind);
    }
  }

  #endWindow(key: string, kind: OpenKind): void {
    if (kind.more === 0) this.#forget(key, kind);
    else this.#tell(kind);
  }

  #forget(key: string, kind: OpenKind): void {
    clearInterval(kind.timer);
    this.#open.delete(key);
  }

  #tell(kind: OpenKind): void {
    if (kind.more === 0) return;
    const { facts, more } = kind;
    kind.more = 0;
    this.#log.info({ ...facts, more }, `${more} more like it in the last second`);
  }
}
