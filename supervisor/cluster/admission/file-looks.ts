import PQueue from "p-queue";
import { LmxError } from "../../../shared/errors.ts";
import { withTimeout } from "../../host/with-timeout.ts";
import type { CatalogueEntry } from "../../models/catalogue-entry.ts";

/** Three hundred files on a slow network disk take ten seconds. Milliseconds. */
const LOOK_MS = 30_000;

interface Look {
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** Monotonic milliseconds. */
  readonly beganAt: number;
}

/**
 * Looks into the files of models one at a time, in the order they were asked for: each may take some tens of megabytes
 * and the processor. A disk that does not answer is given up after a while, and its root is not asked again before it
 * has: every question that hangs holds a thread, and there are few.
 */
export class FileLooks {
  readonly #turns = new PQueue({ concurrency: 1 });
  readonly #lookMs: number;
  readonly #now: () => number;
  /** Begun and not ended, by root; after a turn is over such a one only waits for its disk. */
  readonly #open = new Map<string, Look>();

  constructor(lookMs = LOOK_MS, now: () => number = () => performance.now()) {
    this.#lookMs = lookMs;
    this.#now = now;
  }

  /**
   * @param work ends soon after its signal does, unless its disk hangs
   * @throws the signal's reason; LmxError model_load_timeout when the disk does not answer; what the work throws
   */
  async look<Result>(
    { id, root }: Pick<CatalogueEntry, "id" | "root">,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    return await this.#turns.add(
      async () => {
        await this.#untilFree(root);
        signal.throwIfAborted();
        if (this.#open.has(root)) throw this.#silent(id, root);
        return await this.#begin({ id, root }, signal, work);
      },
      { signal },
    );
  }

  async #begin<Result>(
    { id, root }: Pick<CatalogueEntry, "id" | "root">,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const over = new AbortController();
    const running = work(AbortSignal.any([signal, over.signal]));
    const done = () => void this.#open.delete(root);
    const look = { ended: running.then(done, done), beganAt: this.#now() };
    this.#open.set(root, look);
    const isEnded = await withTimeout(
      this.#lookMs,
      look.ended.then(() => true),
    );
    if (isEnded !== null) return await running;
    const error = this.#silent(id, root);
    over.abort(error);
    throw error;
  }

  /** Waits for a look whose caller went away while it ran: it has the rest of its time to end. */
  async #untilFree(root: string): Promise<void> {
    const before = this.#open.get(root);
    if (before === undefined) return;
    const leftMs = before.beganAt + this.#lookMs - this.#now();
    if (leftMs > 0) await withTimeout(leftMs, before.ended);
  }

  #silent(id: string, root: string): LmxError {
    const seconds = Math.round(this.#lookMs / 1000);
    return new LmxError(
      "model_load_timeout",
      `The files of ${id} were looked at for ${seconds} s without an end. Make sure that the disk of ${root} answers, then try again.`,
    );
  }
}
