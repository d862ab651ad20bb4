import { readFile } from "node:fs/promises";
import { runText } from "./run-text.ts";

/** A process's command line as text; null: no such process, or it cannot be read. */
export async function processCommand(pid: number): Promise<string | null> {
  if (process.platform === "linux") {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => null);
    return line === null ? null : line.replaceAll("\0", " ");
  }
  return await runText("ps", ["-o", "command=", "-p", String(pid)]);
}
