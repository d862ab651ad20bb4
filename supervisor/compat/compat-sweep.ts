import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type {
  ReducedArchitecture,
  SweepAccepted,
  SweepRequest,
  SweepResult,
  SweepStatus,
} from "../../shared/admin-sweep.ts";
import { LmxError, serverStopping } from "../../shared/errors.ts";
import { BACKEND, type BackendVersions } from "../backends/model-key.ts";
import { planSweep } from "./plan-sweep.ts";
import { platform, type SweepRecord } from "./sweep-record.ts";
import { type TryPorts, tryReducedModel } from "./try-reduced-model.ts";

export interface SweepPorts extends TryPorts {
  /** Versions workers are started with; waits for a runtime that is being built. */
  versions(): Promise<BackendVersions & { readonly python: string }>;
  /** Every architecture of the installed mlx_lm. */
  list(signal: AbortSignal): Promise<readonly ReducedArchitecture[]>;
  readonly record: SweepRecord;
  readonly log: Logger;
}

/** Tries the architectures of the installed mlx_lm, as the HTTP layer sees it. */
export interface Sweep {
  /** @throws LmxError rate_limit_exceeded while one runs, invalid_request_error, worker_runtime_broken */
  start(request: SweepRequest): Promise<SweepAccepted>;
  /** The running sweep, or the one before; a snapshot. */
  status(): SweepStatus;
  /** Ends the running one, if any; resolves when nothing of it is left. */
  cancel(): Promise<SweepStatus>;
}

const IDLE: SweepStatus = {
  id: null,
  state: "idle",
  total: 0,
  done: 0,
  current: null,
  runtime: null,
  started_at: null,
  results: [],
};

/** One sweep at a time; results are kept until the next begins. */
export class CompatSweep implements Sweep {
  readonly #ports: SweepPorts;
  #status: SweepStatus = IDLE;
  #running: { readonly controller: AbortController; readonly over: Promise<void> } | null = null;
  #isClosed = false;

  constructor(ports: SweepPorts) {
    this.#ports = ports;
  }

  status(): SweepStatus {
    return this.#status;
  }

  async start({ archs, force }: SweepRequest): Promise<SweepAccepted> {
    if (this.#isClosed) throw serverStopping();
    if (this.#running !== null) throw this.#busy();
    const controller = new AbortController();
    const { promise: over, resolve: finish } = Promise.withResolvers<void>();
    // Taken before anything is waited for: two requests at once must not both begin.
    this.#running = { controller, over };
    const release = () => {
      this.#running = null;
      finish();
    };
    try {
      const versions = await this.#ports.versions();
      const plan = planSweep(await this.#ports.list(controller.signal), archs);
      controller.signal.throwIfAborted();
      const accepted = this.#begin(plan, versions);
      void this.#goThrough(plan, versions, force, controller.signal).finally(release);
      return accepted;
    } catch (error) {
      release();
      throw error;
    }
  }

  async cancel(): Promise<SweepStatus> {
    this.#running?.controller.abort(
      new LmxError("server_is_overloaded", "The sweep was cancelled.", { retryable: false }),
    );
    await this.#running?.over;
    return this.#status;
  }

  /** Cancels and begins none any more; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.cancel();
  }

  #begin(plan: readonly ReducedArchitecture[], versions: Awaited<ReturnType<SweepPorts["versions"]>>) {
    const id = randomBytes(6).toString("hex");
    const total = plan.length;
    this.#status = {
      ...IDLE,
      id,
      state: "running",
      total,
      runtime: {
        backend: BACKEND,
        backend_version: versions.mlx_lm,
        mlx_version: versions.mlx,
        python_version: versions.python,
        platform: platform(),
      },
      started_at: new Date().toISOString(),
    };
    this.#ports.log.info({ sweep: id, total }, "compatibility sweep started");
    return { id, total };
  }

  async #goThrough(
    plan: readonly ReducedArchitecture[],
    versions: BackendVersions,
    force: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    for (const architecture of plan) {
      if (signal.aborted) break;
      this.#status = { ...this.#status, current: architecture.arch };
      const result = await this.#try(architecture, versions, force, signal);
      if (result !== null) this.#add(result);
    }
    const state = signal.aborted ? "cancelled" : "done";
    this.#status = { ...this.#status, state, current: null };
    this.#ports.log.info({ sweep: this.#status.id, done: this.#status.done }, `compatibility sweep ${state}`);
  }

  /** Whatever goes wrong with one, the others are tried. Null: cancelled, which says nothing. */
  async #try(
    architecture: ReducedArchitecture,
    versions: BackendVersions,
    force: boolean,
    signal: AbortSignal,
  ): Promise<SweepResult | null> {
    const { arch } = architecture;
    try {
      const earlier = force ? null : this.#ports.record.earlierPass(architecture, versions);
      if (earlier !== null) return earlier;
      const attempt = await tryReducedModel(arch, this.#ports, signal);
      return this.#ports.record.outcome(architecture, versions, attempt);
    } catch (error) {
      if (signal.aborted) return null;
      const { message } = error as Error;
      this.#ports.log.error({ arch, error: message }, "an architecture could not be tried");
      const reason = `internal_error: ${message}`;
      return { arch, outcome: "fail", reason, limit: null, load_seconds: null, peak_memory_bytes: null };
    }
  }

  #add(result: SweepResult): void {
    const results = [...this.#status.results, result];
    this.#status = { ...this.#status, results, done: results.length };
    const { arch, outcome, reason } = result;
    this.#ports.log.info({ sweep: this.#status.id, arch, outcome, reason }, "architecture tried");
  }

  #busy(): LmxError {
    const { id, state, done, total } = this.#status;
    const how = state === "running" ? `sweep ${id} is at ${done} of ${total}` : "one is just beginning";
    return new LmxError(
      "rate_limit_exceeded",
      `Expected no compatibility sweep to be running: ${how}. Wait for it, or end it with DELETE /admin/models/compatibility/sweep.`,
      { retryable: false },
    );
  }
}
