import { setTimeout as delay } from "node:timers/promises";
import type { BenchContext } from "../bench-context.ts";
import type { Figure } from "../figure.ts";
import type { LmxService } from "../servers/lmx-service.ts";

/** Long enough for the spare worker to have done its imports. Milliseconds. */
const IDLE_MS = 4_000;

interface Recovery {
  readonly totalMs: number;
  /** What the new worker took to load and to answer its canary. */
  readonly loadMs: number;
}

/** From SIGKILL of an idle worker to its model being routable again in a new process: load and canary included. */
export const killToRoutable: Figure = {
  name: "kill-to-routable",
  title: "kill -9 of an idle worker to routable again",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [],
  measure: async (context) => [(await recover(context)).totalMs],
};

/** The same without what the model itself takes: seeing the exit, taking the spare worker, and what lies between. */
export const recoveryOverhead: Figure = {
  name: "recovery-overhead",
  title: "the same, beyond load and canary",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "p95", direction: "at-most", value: 300 }],
  async measure(context) {
    const { totalMs, loadMs } = await recover(context);
    return [totalMs - loadMs];
  },
};

/** A service of its own each time: repeated deaths of one model are slowed down on purpose. */
async function recover(context: BenchContext): Promise<Recovery> {
  const service = await context.freshService();
  try {
    const { worker } = await service.routable(context.places.modelId);
    if (worker === null) throw new Error("expected a routable model to have a worker");
    await delay(IDLE_MS);
    const before = await secondsLoading(service);
    const killedAt = performance.now();
    process.kill(worker.pid, "SIGKILL");
    await service.routable(context.places.modelId, worker.pid);
    const totalMs = performance.now() - killedAt;
    return { totalMs, loadMs: ((await secondsLoading(service)) - before) * 1000 };
  } finally {
    await service.end();
  }
}

/** Of all loads and canaries so far. */
async function secondsLoading(service: LmxService): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const sums = [...text.matchAll(/^opta_lmx_(?:load|canary)_duration_seconds_sum\{[^}]*\} (\S+)$/gm)];
  if (sums.length === 0) throw new Error("expected /metrics to tell how long loads took");
  return sums.reduce((sum, [, value]) => sum + Number(value), 0);
}
