import { readFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { z } from "zod";

const addressSchema = z.object({ url: z.url(), pid: z.number().int().positive() });

/**
 * Notes where this supervisor listens, so that commands on the same state directory find it whatever its port.
 * @returns removes the note
 */
export async function writeAddress(path: string, url: string): Promise<() => Promise<void>> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify({ url, pid: process.pid })}\n`, { mode: 0o600 });
  await rename(temporary, path);
  return () => rm(path, { force: true });
}

/** The address a living supervisor noted; null when there is none. */
export function readAddress(path: string): string | null {
  try {
    const { url, pid } = addressSchema.parse(JSON.parse(readFileSync(path, "utf8")));
    process.kill(pid, 0);
    return url;
  } catch {
    return null;
  }
}
