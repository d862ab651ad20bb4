import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { processStartTime } from "../host/process-start-time.ts";

const NAME = /\.building-(?<pid>\d+)-(?<start>[0-9a-f]{8})(-old)?$/;

/** Where this process builds what will be `target`: beside it, and named so that others can tell whether we still live. */
export async function stagingDirectoryFor(target: string): Promise<string> {
  return `${target}.building-${process.pid}-${fingerprint(await processStartTime(process.pid).catch(() => null))}`;
}

/**
 * Removes every staging directory whose builder has died.
 * What cannot be removed now (an orphaned installer may still write there) is left for the next build.
 */
export async function removeAbandonedStaging(runtimesDirectory: string): Promise<void> {
  for (const name of await readdir(runtimesDirectory)) {
    const owner = NAME.exec(name)?.groups;
    if (owner?.pid === undefined) continue;
    // A builder that cannot be judged may be at work.
    const isBuilding = await processStartTime(Number(owner.pid)).then(
      (startTime) => startTime !== null && fingerprint(startTime) === owner.start,
      () => true,
    );
    if (!isBuilding) await removeTree(join(runtimesDirectory, name)).catch(() => {});
  }
}

/** Removes a directory in which a process that is just ending may still create files. */
export async function removeTree(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function fingerprint(startTime: string | null): string {
  return createHash("sha256")
    .update(startTime ?? "")
    .digest("hex")
    .slice(0, 8);
}
