import type { DeathReport } from "../../supervisor/policy/diagnosis/dossier.ts";

const AT = Date.UTC(2026, 10, 20, 10);

/** A worker that died of SIGSEGV while it answered one request. */
export const DEATH: DeathReport = {
  id: "20261120T100000000Z-abcdef",
  model: "m",
  at: AT,
  phase: "serving",
  failure: {
    class: "crash",
    reason: { code: "worker_crashed", cause: "native_segv", message: "The worker died of SIGSEGV" },
  },
  advice: "Update the runtime",
  recovery: "respawn_now",
  signal: "SIGSEGV",
  exitCode: null,
  intent: null,
  pid: 4711,
  startedAt: new Date(AT - 180_000),
  memory: { coarse: [], fine: [{ at: AT - 1_000, bytes: 5 }] },
  memoryCapBytes: null,
  versions: { mlx: "0.1" },
  stderrTail: "last words\n",
  inFlight: { requestIds: ["req_1", "req_1"], fingerprints: ["f1"] },
  next: { action: "restarted", after_ms: 0 },
};

export function deathReport(changes: Partial<DeathReport> = {}): DeathReport {
  return { ...DEATH, ...changes };
}
