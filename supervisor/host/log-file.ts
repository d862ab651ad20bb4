import { createHash } from "node:crypto";
import { closeSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openForAppending, openForAppendingSync } from "./regular-file.ts";

/** A full file makes room for the next; with the older ones it is kept this many times. */
const FILE_BYTES = 10 * 1024 * 1024;
const FILES = 5;

/** A disk that is full or gone is tried again after this long. Milliseconds. */
const RETRY_MS = 30_000;

/** What a slow disk may keep waiting; more is dropped. Characters. */
const MAX_WAITING = 4 * 1024 * 1024;

export interface LogFileOptions {
  /** Told once when the file cannot be written, and again only after it could be in between. */
  readonly onProblem: (error: Error) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly fileBytes?: number;
  /** How many there are, the newest included. */
  readonly files?: number;
}

/** What workers say is kept for each model, so each gets less. */
const WORKER_LOG = { fileBytes: 2 * 1024 * 1024, files: 2 } as const;
/** Of an encoded model id; a file's name may have 255 bytes. */
const LONGEST_NAME = 180;

/** The log of a supervisor among others in this directory. */
export function logFileIn(directory: string): string {
  return join(directory, "supervisor.log");
}

/** What the workers of a model wrote to stderr. */
export function workerLogIn(directory: string, modelId: string): string {
  const name = encodeURIComponent(modelId);
  const hash = createHash("sha256").update(modelId).digest("hex").slice(0, 8);
  const short = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}-${hash}` : name;
  return join(directory, "workers", `${short}.log`);
}

/** Opens it, smaller than the supervisor's own. */
export function openWorkerLog(
  directory: string,
  modelId: string,
  onProblem: LogFileOptions["onProblem"],
): LogFile {
  return new LogFile(workerLogIn(directory, modelId), { onProblem, ...WORKER_LOG });
}

/** The file and its older ones, newest first. */
export function logFilesOf(path: string, files = FILES): string[] {
  return [path, ...Array.from({ length: files - 1 }, (_, index) => `${path}.${index + 1}`)];
}

/** Is this the error of a file that does not exist? */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/**
 * A log file of bounded size beside which the service runs on, whatever becomes of the disk: writing never waits and
 * never throws. What could not be written is counted, and the count is written when the disk is back.
 */
export class LogFile {
  readonly #path: string;
  readonly #onProblem: (error: Error) => void;
  readonly #now: () => number;
  readonly #fileBytes: number;
  readonly #files: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #handle: FileHandle | null = null;
  #size = 0;
  #lostLines = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #isTroubled = false;
  #draining: Promise<void> | null = null;

  constructor(
    path: string,
    { onProblem, now = () => performance.now(), fileBytes = FILE_BYTES, files = FILES }: LogFileOptions,
  ) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#now = now;
    this.#fileBytes = fileBytes;
    this.#files = files;
  }

  /** Appends one line, soon. */
  write(line: string): void {
    if (this.#now() < this.#retryAt || this.#waitingLength + line.length > MAX_WAITING) {
      this.#lostLines += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
    });
  }

  /** Resolves when every line is written, or given up. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  /** Writes what waits and lets go of the file; a later line opens it again. */
  async close(): Promise<void> {
    await this.flush();
    const handle = this.#handle;
    // Before it is closed: what is written meanwhile must not go into it.
    this.#handle = null;
    await handle?.close();
  }

  /** For a process that dies at once: writes what waits, as far as that works. */
  flushSync(): void {
    if (this.#waiting.length === 0) return;
    try {
      const file = openForAppendingSync(this.#path);
      writeSync(file, this.#take());
      closeSync(file);
    } catch {
      // Nobody is left to tell.
    }
  }

  async #drain(): Promise<void> {
    // Lines of the same moment go out together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.length;
      const text = this.#take();
      try {
        await this.#append(text);
        this.#isTroubled = false;
      } catch (error) {
        await this.#giveUp(error as Error, lines);
      }
    }
  }

  #take(): string {
    const text = this.#waiting.join("");
    this.#waiting = [];
    this.#waitingLength = 0;
    return text;
  }

  async #append(text: string): Promise<void> {
    const lost = this.#lostLines;
    const bytes = Buffer.from(lost > 0 ? `${this.#lossNotice(lost)}${text}` : text);
    this.#handle ??= await this.#open();
    if (this.#size > 0 && this.#size + bytes.length > this.#fileBytes)
      this.#handle = await this.#rotate(this.#handle);
    await this.#handle.appendFile(bytes);
    this.#size += bytes.length;
    this.#lostLines -= lost;
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const handle = await openForAppending(this.#path);
    this.#size = (await handle.stat()).size;
    return handle;
  }

  async #rotate(full: FileHandle): Promise<FileHandle> {
    this.#handle = null;
    await full.close();
    const files = logFilesOf(this.#path, this.#files);
    for (let index = files.length - 1; index > 0; index -= 1) {
      await rename(files[index - 1] ?? "", files[index] ?? "").catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    }
    return await this.#open();
  }

  async #giveUp(error: Error, lines: number): Promise<void> {
    this.#lostLines += lines;
    this.#retryAt = this.#now() + RETRY_MS;
    const wasTroubled = this.#isTroubled;
    this.#isTroubled = true;
    await this.#handle?.close().catch(() => {});
    this.#handle = null;
    if (!wasTroubled) this.#onProblem(error);
  }

  /** On a line of its own: the disk may have been full in the middle of one. */
  #lossNotice(lost: number): string {
    const notice = { level: 40, time: Date.now(), lost, msg: "lines of this log were lost" };
    return `${this.#isTroubled ? "\n" : ""}${JSON.stringify(notice)}\n`;
  }
}
