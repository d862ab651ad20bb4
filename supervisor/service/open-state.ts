import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load-config.ts";
import { readBootId } from "../host/boot-id.ts";
import { acquireLock, type Lock } from "../host/lock-file.ts";
import { type AuditLog, openAuditLog } from "../store/audit-log.ts";
import { type CompatibilityRegistry, openRegistry } from "../store/compatibility-registry.ts";
import { type DossierStore, openDossierStore } from "../store/dossier-store.ts";
import { readOnlyFiles, realFiles } from "../store/files.ts";
import { type Intents, openIntents } from "../store/intents.ts";
import { openQuarantineStore, type QuarantineStore } from "../store/quarantine-store.ts";
import { openStartJournal, type StartJournal } from "../store/start-journal.ts";
import { openWorkerTable, type WorkerTable } from "../store/worker-table.ts";

/** What the service remembers, and where. */
export interface State {
  readonly registry: CompatibilityRegistry;
  readonly audit: AuditLog;
  readonly quarantine: QuarantineStore;
  readonly journal: StartJournal;
  readonly intents: Intents;
  readonly workers: WorkerTable;
  readonly dossiers: DossierStore;
  readonly bootId: string | null;
  /** Nobody else has the directory: what it tells of running processes is ours to act on. */
  readonly isLocked: boolean;
  /** Private temporary directories of workers are made in here. */
  readonly scratch: string;
  /** Something that says what must not be loaded could not be read: nothing is loaded unasked. */
  readonly isHistoryLost: boolean;
  /** What lives in memory only, and why. */
  degraded(): string[];
  /** Writes what is left to write and gives the directory back. */
  close(): Promise<void>;
}

/** A disk that cannot be written is no reason not to serve. */
const UNWRITABLE = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EIO"]);

/** @throws LockHeldError when another supervisor has the directory; the system's error for one that cannot be */
export async function openState(paths: LoadedConfig["paths"], log: Logger): Promise<State> {
  const place = await openPlace(paths);
  try {
    // Without the lock another service may come to write there.
    const common = { now: Date.now, log, files: place.lock === null ? readOnlyFiles : realFiles };
    const store = (path: string) => ({ path, ...common });
    const [registry, audit, quarantine, journal, intents, workers, dossiers, bootId] = await Promise.all([
      openRegistry(store(paths.registryFile)),
      openAuditLog(store(paths.auditFile)),
      openQuarantineStore(store(paths.quarantineFile)),
      openStartJournal(store(paths.startsFile)),
      openIntents(store(paths.intentsFile)),
      openWorkerTable(store(paths.workersFile)),
      openDossierStore({ directory: paths.dossiersDirectory, ...common }),
      readBootId(),
    ]);
    const stores = { registry, audit, quarantine, journal, intents, workers, dossiers };
    return {
      ...stores,
      bootId,
      isLocked: place.lock !== null,
      scratch: place.scratch,
      isHistoryLost: [registry, quarantine, journal, intents].some(({ recovered }) => recovered === "empty"),
      degraded: () =>
        [place.problem, ...Object.values(stores).map((one) => one.degraded())].filter((why) => why !== null),
      close: async () => {
        await Promise.all(Object.values(stores).map((one) => one.close()));
        await closePlace(place);
      },
    };
  } catch (error) {
    await closePlace(place);
    throw error;
  }
}

interface Place {
  readonly scratch: string;
  /** Null: the directory cannot be written. */
  readonly lock: Lock | null;
  /** What that means; null: nothing. */
  readonly problem: string | null;
}

async function openPlace({ stateDirectory, lockFile }: LoadedConfig["paths"]): Promise<Place> {
  let lock: Lock;
  try {
    await makeDirectory(stateDirectory);
    lock = await acquireLock(lockFile);
  } catch (error) {
    const problem = `${stateDirectory} cannot be written (${unwritable(error)}); everything is kept in memory only until the next start`;
    return { scratch: await scratchElsewhere(), lock: null, problem };
  }
  try {
    return { scratch: await emptyScratch(stateDirectory), lock, problem: null };
  } catch (error) {
    // The lock stays: the rest of the directory is ours, and is written as far as it can be.
    const problem = `${stateDirectory}/tmp cannot be used (${(error as Error).message}); workers have their temporary files elsewhere`;
    return { scratch: await scratchElsewhere(), lock, problem };
  }
}

/** What the system says of a disk that cannot be written. @throws any other error as it is */
function unwritable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !UNWRITABLE.has(code)) throw error;
  return message;
}

/** What an earlier run left behind goes first. */
async function emptyScratch(stateDirectory: string): Promise<string> {
  const scratch = join(stateDirectory, "tmp");
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

function scratchElsewhere(): Promise<string> {
  return mkdtemp(join(tmpdir(), "opta-lmx-"));
}

/**
 * One directory after the other: asked to do it at once, Node reports a read-only file system as a missing parent, and
 * never returns where nothing can be made at all.
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
}

async function closePlace({ scratch, lock }: Place): Promise<void> {
  await rm(scratch, { recursive: true, force: true });
  await lock?.release();
}
