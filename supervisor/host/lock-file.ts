import { createHash, randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { processStartTime } from "./process-start-time.ts";
import { FileTooLongError, readRegularFile } from "./regular-file.ts";

/** A holder takes two hundred. */
const MOST_HOLDER_BYTES = 4 * 1024;

const holderSchema = z.object({
  pid: z.number().int().positive(),
  /** As `processStartTime` gives it. */
  started: z.string(),
  /** Names this holding of the lock, once and for all. */
  token: z.string().regex(/^[0-9a-f]{16,64}$/),
});

type Holder = z.infer<typeof holderSchema>;

/** The lock belongs to a running process. */
export class LockHeldError extends Error {
  readonly pid: number;
  readonly path: string;

  constructor(path: string, pid: number) {
    super(
      `Another Opta-LMX (pid ${pid}) uses this state directory: ${path} is held. Stop it or set OPTA_LMX_HOME to another directory.`,
    );
    this.name = "LockHeldError";
    this.pid = pid;
    this.path = path;
  }
}

export interface Lock {
  /** Gives the lock back; doing so twice is fine. */
  release(): Promise<void>;
}

/**
 * Takes the lock file for this process, also from a process that died holding it.
 * Of any number of processes that try at once exactly one gets it.
 * @throws LockHeldError naming the holder; the file system's error when the directory cannot be written.
 */
export async function acquireLock(path: string): Promise<Lock> {
  // Before anything is written: who holds the lock is told on a full or read-only disk as well.
  await endOfChain(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const token = randomBytes(8).toString("hex");
  const own = `${path}.own-${token}`;
  await writeHolder(own, token);
  try {
    while (!(await tryAcquire(path, own, token))) {
      // Somebody else changed the lock while we looked: look again. Each round means another process made progress.
    }
  } finally {
    await rm(own, { force: true });
  }
  await removeLeftovers(path);
  return { release: () => release(path, token) };
}

async function writeHolder(file: string, token: string): Promise<void> {
  const started = (await processStartTime(process.pid).catch(() => null)) ?? "unknown";
  const holder: Holder = { pid: process.pid, started, token };
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(holder)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * A dead holder is never removed: a remover that was slow could remove its successor. Instead each holding has at most
 * one successor, the file `<lock>.after-<token>`, which link() creates for exactly one process. A successor that died
 * before it finished has a successor itself, so the chain ends in a living process or in us.
 */
async function tryAcquire(path: string, own: string, token: string): Promise<boolean> {
  const end = await endOfChain(path);
  if (end === null) return linkExclusively(own, path);
  const { first, claim } = end;
  if (!(await linkExclusively(own, claim))) return false;
  // Between our look and our claim a successor may have finished and swept the claims away.
  if ((await readHolder(path))?.token !== first.token) {
    await rm(claim, { force: true });
    return false;
  }
  // A further name, because the rename consumes it and `own` is still needed if it fails.
  const incoming = `${own}-in`;
  await link(own, incoming);
  await rename(incoming, path);
  return (await readHolder(path))?.token === token;
}

/**
 * The holder the lock file names, dead like all its successors, and the name the next successor takes; null: no lock file.
 * @throws LockHeldError when one of them lives
 */
async function endOfChain(path: string): Promise<{ first: Holder; claim: string } | null> {
  const first = await readHolder(path);
  if (first === null) return null;
  let claim = claimOf(path, first);
  for (let next: Holder | null = first; next !== null; next = await readHolder(claim)) {
    if (await isAlive(next)) throw new LockHeldError(path, next.pid);
    claim = claimOf(path, next);
  }
  return { first, claim };
}

function claimOf(path: string, holder: Holder): string {
  return `${path}.after-${holder.token}`;
}

/** Null: no such file. A file that makes no sense is a holder that is not running. */
async function readHolder(file: string): Promise<Holder | null> {
  const bytes = await readRegularFile(file, MOST_HOLDER_BYTES).catch((thrown: unknown) => {
    if (thrown instanceof FileTooLongError) return Buffer.from("too long");
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw thrown;
  });
  if (bytes === null) return null;
  const text = bytes.toString();
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return { pid: 0, started: "", token: createHash("sha256").update(text).digest("hex").slice(0, 32) };
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.pid === 0) return false;
  // Who cannot be judged counts as alive.
  const started = await processStartTime(holder.pid).catch(() => holder.started);
  return started !== null && (started === holder.started || holder.started === "unknown");
}

async function linkExclusively(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST") return false;
    throw thrown;
  }
}

/** Only the holder sweeps: every claim that is left speaks of a holding that is over, and so do files of the dead. */
async function removeLeftovers(path: string): Promise<void> {
  const directory = dirname(path);
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    if (name.startsWith(`${basename(path)}.after-`)) await rm(file, { force: true });
    if (!name.startsWith(`${basename(path)}.own-`)) continue;
    const owner = await readHolder(file);
    if (owner !== null && !(await isAlive(owner))) await rm(file, { force: true });
  }
}

async function release(path: string, token: string): Promise<void> {
  if ((await readHolder(path))?.token === token) await rm(path, { force: true });
}
