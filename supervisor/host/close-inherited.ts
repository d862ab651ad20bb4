import { closeSync, readdirSync, readFileSync } from "node:fs";

/** First after stdin, stdout and stderr. */
const FIRST_FOREIGN = 3;
/** O_CLOEXEC of Linux, on every architecture Node runs on. */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes the descriptors that this process was started with beside the three standard ones, as by `lmx serve 40<file`:
 * whatever it starts would have them too, workers among them. Call it before anything else opens one.
 *
 * Only Linux needs it. Node makes none of its own inheritable, and what it found open below a gap in the numbers; on
 * macOS it starts processes so that they inherit none.
 * @returns those that were closed
 */
export function closeInherited(): number[] {
  if (process.platform !== "linux") return [];
  return openDescriptors().filter((fd) => fd >= FIRST_FOREIGN && isInheritable(fd) && isClosed(fd));
}

function openDescriptors(): number[] {
  try {
    return readdirSync("/proc/self/fd").map(Number);
  } catch {
    // No /proc: nothing can be told apart.
    return [];
  }
}

function isInheritable(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // The directory we have just read, closed again.
    return false;
  }
}

function isClosed(fd: number): boolean {
  try {
    closeSync(fd);
    return true;
  } catch {
    return false;
  }
}
