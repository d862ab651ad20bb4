import type { Runtime } from "./runtime-marker.ts";

/** The Python runtime, built at most once; everybody waits for the same build. */
export class RuntimeOnce {
  readonly ready: Promise<Runtime>;
  #runtime: Runtime | null = null;

  constructor(build: () => Promise<Runtime>) {
    this.ready = build().then((runtime) => {
      this.#runtime = runtime;
      return runtime;
    });
    // Whoever needs it sees the error; nobody needing it yet is no reason to end the process.
    this.ready.catch(() => {});
  }

  get built(): Runtime | null {
    return this.#runtime;
  }
}
