import { readdir, readFile } from "node:fs/promises";
import { runText } from "./run-text.ts";

/**
 * Processes of this user, beside this one, in whose environment one of these variables stands: what was started with it,
 * and what that has started since. Empty where the system does not tell.
 * @param marks `NAME=value`, with a value that nobody else has
 */
export async function markedProcesses(
  marks: readonly string[],
  platform: NodeJS.Platform = process.platform,
): Promise<number[]> {
  if (marks.length === 0) return [];
  return platform === "linux" ? await inProc(marks) : await inPs(marks);
}

async function inProc(marks: readonly string[]): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === process.pid) continue;
    if (holdsOne(await environmentOf(pid), marks)) found.push(pid);
  }
  return found;
}

/** Empty for a process of somebody else, and for one that has ended and was not waited for. */
function environmentOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
}

async function inPs(marks: readonly string[]): Promise<number[]> {
  // -E adds the environment, -ww all of it.
  const lines = ((await runText("ps", ["-axEww", "-o", "pid=,command="])) ?? "").split("\n");
  const pids = lines.filter((line) => holdsOne(line, marks)).map((line) => Number.parseInt(line, 10));
  return pids.filter((pid) => pid > 0 && pid !== process.pid);
}

function holdsOne(text: string, marks: readonly string[]): boolean {
  return marks.some((mark) => text.includes(mark));
}
