import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { Adapter } from "lowdb";
import type { DocumentFormat } from "./document-format.ts";
import { type Recovery, readDocument } from "./document-recovery.ts";
import { type Files, realFiles, systemErrorCode } from "./files.ts";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** The part of a logger that a store uses. */
export interface StoreLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Calls back later; the returned function forgets it. */
export type Schedule = (callback: () => void, delayMs: number) => () => void;

export interface DurableFileOptions<T> {
  readonly path: string;
  readonly format: DocumentFormat<T>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: StoreLog;
  readonly files?: Files;
  readonly schedule?: Schedule;
}

/**
 * A JSON document that is whole after any crash: lowdb's adapter over write, fsync, rename, fsync of the directory.
 * Writes run one at a time and those asked for meanwhile become one. A write that fails costs nothing but durability:
 * the data stays in memory, `degraded()` says why, and the write is tried again until it works.
 */
export class DurableFile<T> implements Adapter<T> {
  readonly #path: string;
  readonly #format: DocumentFormat<T>;
  readonly #now: () => number;
  readonly #log: StoreLog;
  readonly #files: Files;
  readonly #schedule: Schedule;
  #latest: T | undefined;
  /** True from a call of `write` until its data is on disk. */
  #dirty = false;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | null = null;
  #recovered: Recovery | null = null;
  #blocked: string | null = null;
  #failure: string | null = null;
  #failures = 0;
  #forgetRetry: (() => void) | null = null;
  #closed = false;

  constructor(options: DurableFileOptions<T>) {
    this.#path = options.path;
    this.#format = options.format;
    this.#now = options.now;
    this.#log = options.log;
    this.#files = options.files ?? realFiles;
    this.#schedule = options.schedule ?? scheduleUnreferenced;
  }

  /** The document, or null when there is none; see `recovered` for where it came from. Never rejects. */
  async read(): Promise<T | null> {
    const files = this.#files;
    await removeAbandoned(this.#path, files).catch(() => undefined);
    const outcome = await readDocument({ path: this.#path, format: this.#format, files, now: this.#now });
    this.#recovered = outcome.recovered;
    this.#blocked = outcome.blocked;
    if (outcome.problem !== null) {
      const { recovered, problem } = outcome;
      this.#log.error({ path: this.#path, recovered, problem }, "stored document needed recovery");
    }
    return outcome.data;
  }

  /** Where the data of the last `read` came from; null: from the file itself, or there was none. */
  get recovered(): Recovery | null {
    return this.#recovered;
  }

  /** Why the data lives in memory only; null while the disk has all of it. */
  degraded(): string | null {
    return this.#blocked ?? this.#failure;
  }

  /**
   * Resolves when this data, or later data, is on the device — or when writing failed and `degraded()` says so.
   * Never rejects: a full disk must not end a request.
   */
  write(data: T): Promise<void> {
    this.#latest = data;
    this.#dirty = true;
    return this.#enqueue();
  }

  /** Waits for writes under way, tries a failed one once more, and stops retrying. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forgetRetry?.();
    await (this.#queued ?? this.#running);
    if (this.#dirty) await this.#enqueue();
  }

  #enqueue(): Promise<void> {
    // The attempt begins a turn later, so a burst of calls is one write.
    this.#queued ??= this.#running.then(() => {
      this.#queued = null;
      this.#running = this.#attempt();
      return this.#running;
    });
    return this.#queued;
  }

  async #attempt(): Promise<void> {
    if (this.#blocked !== null || !this.#dirty) return;
    this.#forgetRetry?.();
    this.#forgetRetry = null;
    this.#dirty = false;
    try {
      await replaceFile(this.#path, Buffer.from(`${JSON.stringify(this.#latest, null, 1)}\n`), this.#files);
      this.#onWritten();
    } catch (thrown) {
      this.#dirty = true;
      this.#onFailed(thrown);
    }
  }

  #onWritten(): void {
    if (this.#failure !== null)
      this.#log.info({ path: this.#path, failures: this.#failures }, "store is durable again");
    this.#failure = null;
    this.#failures = 0;
  }

  #onFailed(thrown: unknown): void {
    const code = systemErrorCode(thrown);
    const reason = `${this.#path} cannot be written (${code}); changes are kept in memory`;
    if (reason !== this.#failure)
      this.#log.error({ path: this.#path, code, err: thrown }, "store is in memory only");
    this.#failure = reason;
    this.#failures += 1;
    if (this.#closed) return;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LONGEST_RETRY_MS);
    this.#forgetRetry = this.#schedule(() => void this.#enqueue(), delayMs);
  }
}

function scheduleUnreferenced(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  // A retry must not keep a stopping process alive.
  timer.unref();
  return () => clearTimeout(timer);
}

/**
 * Replaces the file as one step and keeps the version before as `.bak`. After a failure the old file is untouched and
 * the next attempt uses a new temporary file: after a failed fsync the kernel may call the lost pages clean.
 */
async function replaceFile(path: string, bytes: Buffer, files: Files): Promise<void> {
  await files.makeDirectory(dirname(path));
  const temporary = temporaryName(path);
  try {
    await writeDurably(temporary, bytes, files);
    await keepPrevious(path, files);
    await files.rename(temporary, path);
  } catch (thrown) {
    await files.remove(temporary).catch(() => undefined);
    throw thrown;
  }
  await files.syncDirectory(dirname(path));
}

async function writeDurably(path: string, bytes: Buffer, files: Files): Promise<void> {
  const file = await files.create(path);
  try {
    await file.write(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function keepPrevious(path: string, files: Files): Promise<void> {
  if ((await files.size(path)) === null) return;
  const second = temporaryName(path);
  try {
    await files.duplicate(path, second);
    await files.rename(second, `${path}.bak`);
  } finally {
    // Renaming a file onto another name of itself does nothing and leaves both.
    await files.remove(second).catch(() => undefined);
  }
}

function temporaryName(path: string): string {
  return `${path}.tmp-${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** Removes temporary files of processes that are gone; read before the first write, our own pid counts as gone. */
async function removeAbandoned(path: string, files: Files): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.tmp-`;
  for (const name of await files.list(directory)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (pid === process.pid || !isRunning(pid)) await files.remove(join(directory, name));
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return systemErrorCode(thrown) === "EPERM";
  }
}
