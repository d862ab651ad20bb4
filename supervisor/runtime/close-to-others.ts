import { chmod, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const OTHERS_WRITE = 0o022;

/**
 * Takes from everybody else the right to write in a directory, whatever the umask was: also the umask of then, because
 * uv links files from its cache.
 */
export async function closeToOthers(directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true });
  for (const path of [directory, ...names.map((name) => join(directory, name))]) {
    const facts = await lstat(path);
    if (facts.isSymbolicLink() || (facts.mode & OTHERS_WRITE) === 0) continue;
    await chmod(path, facts.mode & 0o7777 & ~OTHERS_WRITE);
  }
}
