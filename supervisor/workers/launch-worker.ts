import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { processStartTime } from "../host/process-start-time.ts";
import type { WorkerTable } from "../store/worker-table.ts";
import { endDescendants } from "./end-descendants.ts";
import { workerCommand } from "./worker-command.ts";
import { WorkerProcess } from "./worker-process.ts";
import { WorkerSession } from "./worker-session.ts";

/** Where workers come from. */
export interface WorkerPlaces {
  /** Directory that holds the `lmx_worker` package. */
  readonly workerDirectory: string;
  /** Private temporary directories are made in here. */
  readonly scratch: string;
  /** After so many seconds without a ping a worker ends itself. */
  deadmanSeconds(): number;
  /** A faster BLAS to preload, or null. */
  readonly openBlas: string | null;
  /** Remembers the process for the sweep of a later start. */
  readonly table: Pick<WorkerTable, "add" | "remove">;
}

/** Starts a worker process. @throws the system's error when it has no temporary directory */
export async function launchWorker(
  python: string,
  places: WorkerPlaces,
  log: Logger,
): Promise<WorkerSession> {
  const temporaryDirectory = await mkdtemp(join(places.scratch, "worker-")).catch(() =>
    // A full or unwritable state directory: there may be room elsewhere.
    mkdtemp(join(tmpdir(), "lmx-worker-")),
  );
  const token = randomBytes(12).toString("hex");
  const command = workerCommand({
    python,
    workerDirectory: places.workerDirectory,
    openBlas: places.openBlas,
    deadmanSeconds: places.deadmanSeconds(),
    temporaryDirectory,
    token,
    platform: process.platform,
    environment: process.env,
  });
  const session: WorkerSession = new WorkerSession(
    (onNotification) =>
      new WorkerProcess(command, {
        onNotification,
        onViolation: (violation) => session.noteViolation(violation),
        onStderr: (chunk) => session.onStderr(chunk),
      }),
  );
  void session.exited.then(() => rm(temporaryDirectory, { recursive: true, force: true })).catch(() => {});
  session.onViolation = (violation) =>
    log.warn({ pid: session.pid, ...violation }, "worker broke the protocol");
  void remember(session, token, places.table, log);
  log.info({ pid: session.pid }, "worker started");
  return session;
}

/** For the sweep of a later start, until the worker and everything it has started are gone. */
async function remember(
  session: WorkerSession,
  token: string,
  table: WorkerPlaces["table"],
  log: Logger,
): Promise<void> {
  if (session.pid === null) return;
  const startTime = await processStartTime(session.pid).catch(() => null);
  if (startTime !== null) void table.add({ pid: session.pid, startTime, token });
  await session.exited;
  const ended = await endDescendants([token]);
  if (ended > 0) log.warn({ pid: session.pid, ended }, "processes that a worker had left behind are ended");
  void table.remove(token);
}
