import { rename, rm, writeFile } from "node:fs/promises";
import { z } from "zod";
import { readRegularFileSync } from "./regular-file.ts";

/** An address takes two hundred. */
const MOST_BYTES = 4 * 1024;

const addressSchema = z.object({
  /** Where its API listens. */
  url: z.url(),
  /** Path of its admin socket; null: it has none. */
  socket: z.string().min(1).nullable().default(null),
  pid: z.number().int().positive(),
});

/** How a supervisor is reached on this machine. */
export type NotedAddress = Omit<z.infer<typeof addressSchema>, "pid">;

/**
 * Notes where this supervisor listens, so that commands on the same state directory find it whatever its port.
 * @returns removes the note
 */
export async function writeAddress(path: string, address: NotedAddress): Promise<() => Promise<void>> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify({ ...address, pid: process.pid })}\n`, { mode: 0o600 });
  await rename(temporary, path);
  return () => rm(path, { force: true });
}

/** The address a living supervisor noted; null when there is none. */
export function readAddress(path: string): NotedAddress | null {
  const noted = readNote(path);
  return noted !== null && isRunning(noted.pid) ? noted : null;
}

/** The address noted last, by whomever; null when there is none. */
export function readNote(path: string): z.infer<typeof addressSchema> | null {
  try {
    return addressSchema.parse(JSON.parse(readRegularFileSync(path, MOST_BYTES).toString()));
  } catch {
    return null;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's: running, and not ours to signal.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
