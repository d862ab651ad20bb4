import { setTimeout as wait } from "node:timers/promises";
import { type LoadResult, loadResultSchema, type ModelDetail, modelListSchema } from "../../shared/admin.ts";
import type { Readiness } from "../../shared/readiness.ts";
import type { AdminClient } from "./admin-client.ts";
import { exitCodeOf } from "./api-errors.ts";
import { CliError, type CliIo } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatDuration, printable } from "./printable.ts";
import { progressLine } from "./progress-line.ts";

const POLL_MS = 300;
/** A quicker load needs no progress. */
const QUIET_MS = 2_000;
/** A load that has not begun after this many polls will not: the supervisor only looks at the disk before it. */
const POLLS_UNTIL_BEGUN = 30;

/** The answer to a load nobody waits for has no figures yet. */
const acceptedSchema = loadResultSchema.extend({
  load_seconds: loadResultSchema.shape.load_seconds.default(null),
  memory_bytes: loadResultSchema.shape.memory_bytes.default(null),
  checks: loadResultSchema.shape.checks.default([]),
});

export interface LoadOptions {
  /** Go past the runtime blocklist and refusing advisories. */
  readonly allowUnsupportedRuntime?: boolean;
  /** Load although the service is in safe mode. */
  readonly overrideSafeMode?: boolean;
  /** For the audit trail. */
  readonly reason?: string | undefined;
  /** The service has begun; tells the model's id, which may have been given as an alias. */
  onAccepted?(modelId: string): void;
}

/**
 * Asks for the load and watches it until the model serves: one long request would show no progress, and end with the
 * first break of its connection.
 * @throws CliError
 */
export async function loadAndWait(
  client: AdminClient,
  model: string,
  io: CliIo,
  { allowUnsupportedRuntime = false, overrideSafeMode = false, reason, onAccepted }: LoadOptions = {},
): Promise<LoadResult> {
  const now = io.now ?? Date.now;
  const startedAt = now();
  const request = {
    model_id: model,
    wait: false,
    ...(allowUnsupportedRuntime && { allow_unsupported_runtime: true }),
    ...(overrideSafeMode && { override_safe_mode: true }),
    ...(reason !== undefined && { reason }),
  };
  const accepted = await client.post("/admin/models/load", request, acceptedSchema);
  onAccepted?.(accepted.model_id);
  if (serves(accepted.readiness)) return accepted;
  const progress = progressLine(io);
  let hasBegun = false;
  try {
    for (let polls = 0; ; polls += 1) {
      const detail = await find(client, accepted.model_id);
      hasBegun ||= ["admitted", "loading", "canary_pending"].includes(detail.readiness.state);
      // The load begins when the process of before has left.
      if (detail.readiness.detail === "draining") polls = 0;
      if (serves(detail.readiness)) return finished(accepted, detail, now() - startedAt);
      const isOver = hasBegun || polls >= POLLS_UNTIL_BEGUN || !isFromBefore(detail, accepted);
      if (isOver && rests(detail)) throw failure(detail);
      const elapsedMs = now() - startedAt;
      if (elapsedMs >= QUIET_MS) {
        progress.show(`${printable(detail.id)}: ${detail.readiness.state}, ${formatDuration(elapsedMs)}`);
      }
      await (io.delay ?? wait)(POLL_MS);
    }
  } finally {
    progress.clear();
  }
}

/** One that finishes its answers before it leaves is called routable as well. */
function serves({ state, detail }: Readiness): boolean {
  return state === "routable" && detail !== "draining";
}

function rests({ readiness }: ModelDetail): boolean {
  return readiness.state === "unloaded" || readiness.state === "quarantined";
}

/** The accepted load may not have begun yet: a state from before it says nothing. */
function isFromBefore({ readiness }: ModelDetail, { readiness: before }: LoadResult): boolean {
  // Its process leaves, and what comes then is still from before.
  if (before.detail === "draining") return true;
  return readiness.state === before.state && readiness.since === before.since;
}

async function find(client: AdminClient, id: string): Promise<ModelDetail> {
  const { data } = await client.get("/admin/models", modelListSchema);
  const detail = data.find((model) => model.id === id);
  if (detail !== undefined) return detail;
  throw new CliError(
    EXIT_CODES.noModel.code,
    "model_not_found",
    `${printable(id)} is no longer there: its directory went away.`,
  );
}

function finished(accepted: LoadResult, { readiness, worker }: ModelDetail, elapsedMs: number): LoadResult {
  return {
    ...accepted,
    readiness,
    load_seconds: elapsedMs / 1_000,
    memory_bytes: worker?.memory_bytes ?? null,
    checks: worker?.checks ?? [],
  };
}

function failure({ id, readiness }: ModelDetail): CliError {
  const { reason, state } = readiness;
  if (reason === null) {
    return new CliError(
      EXIT_CODES.failed.code,
      "unloaded",
      `${printable(id)} is unloaded: it was taken back before it could serve, or never begun; the supervisor's log says more.`,
    );
  }
  const message = printable(`${id} is ${state}: ${reason.message}`);
  return new CliError(exitCodeOf(reason.code, 0), reason.code, message, { model_id: id, readiness });
}
