import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

const STOP_MS = 5_000;
const TAIL_BYTES = 4_000;

/** Every process the benchmarks start. Nothing outlives `endAll`. */
export class Children {
  readonly #running = new Set<Child>();
  #ending = false;

  start(file: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Child {
    if (this.#ending) throw new Error("the benchmarks are ending");
    const startedAt = performance.now();
    const child = new Child(spawn(file, args, { env, cwd, stdio: ["pipe", "pipe", "pipe"] }), startedAt);
    this.#running.add(child);
    void child.ended.then(() => this.#running.delete(child));
    return child;
  }

  async endAll(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#running].map((child) => child.end()));
  }
}

/** One process of the benchmarks; the end of its stderr is kept for error messages. */
export class Child {
  readonly process: ChildProcess;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Resolves with a sentence when it has ended; never rejects. */
  readonly ended: Promise<string>;
  #tail = "";

  constructor(process: ChildProcess, startedAt: number) {
    this.process = process;
    this.startedAt = startedAt;
    // Writing to a process that has just died must not end the driver.
    for (const pipe of process.stdio) pipe?.on("error", () => {});
    process.stderr?.on("data", (chunk: Buffer) => {
      this.#tail = (this.#tail + chunk.toString()).slice(-TAIL_BYTES);
    });
    this.ended = new Promise((resolve) => {
      process.once("error", (error) => resolve(String(error)));
      process.once("exit", (code, signal) => resolve(`ended with ${signal ?? code}\n${this.#tail}`));
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** The value, or an error when the process ends first. */
  async unlessItEnds<T>(value: Promise<T>): Promise<T> {
    return await Promise.race([value, this.ended.then((why) => Promise.reject(this.#error(why)))]);
  }

  /**
   * Asks again and again until there is an answer.
   * @throws Error when the process has ended
   */
  async until<T>(ask: () => Promise<T | undefined>, everyMs: number): Promise<T> {
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (this.#hasEnded) throw this.#error(await this.ended);
      await delay(everyMs);
    }
  }

  /** Asks with SIGTERM, then ends it. */
  async end(): Promise<void> {
    const { process } = this;
    if (this.#hasEnded) return;
    const exit = once(process, "exit");
    process.kill("SIGTERM");
    const timer = setTimeout(() => process.kill("SIGKILL"), STOP_MS);
    await exit;
    clearTimeout(timer);
  }

  get #hasEnded(): boolean {
    const { exitCode, signalCode, pid } = this.process;
    return exitCode !== null || signalCode !== null || pid === undefined;
  }

  #error(why: string): Error {
    return new Error(`${this.process.spawnargs.slice(0, 4).join(" ")} ${why}`);
  }
}
