import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { WorkerDeath } from "../../policy/diagnosis/dossier.ts";
import { matchReports, namesProcess, type ReportFile } from "../../policy/diagnosis/dossier-crash-report.ts";

/** The path of the system's own report about a death; null: there is none, or none that may be read. Never rejects. */
export type FindCrashReport = (
  death: Pick<WorkerDeath, "at" | "pid" | "signal">,
  signal: AbortSignal,
) => Promise<string | null>;

/** When to look, after the death: the report is written once the system has read the core. Milliseconds. */
const LOOK_AFTER_MS: readonly number[] = [3_000, 20_000, 120_000];
/** A report begins with the process; the memory guard's lists all of them. Bytes. */
const READ_BYTES = 4 * 1024 * 1024;

/** Where macOS keeps reports, the user's and the system's. */
export function reportDirectories(home: string): string[] {
  const logs = "Library/Logs/DiagnosticReports";
  return [join(home, logs), join("/", logs)];
}

/** Looks for reports in these directories, a few times until there is one. */
export function crashReportFinder(
  directories: readonly string[],
  lookAfterMs: readonly number[] = LOOK_AFTER_MS,
): FindCrashReport {
  return async ({ at, pid, signal: deathSignal }, signal) => {
    // Whoever ends by itself leaves no report.
    if (pid === null || deathSignal === null) return null;
    const offsetMinutes = new Date(at).getTimezoneOffset();
    for (const afterMs of lookAfterMs) {
      const isOn = await wait(Math.max(0, at + afterMs - Date.now()), true, { signal, ref: false }).catch(
        () => false,
      );
      if (!isOn) return null;
      const files = (await Promise.all(directories.map(filesIn))).flat();
      const death = { at, offsetMinutes, signal: deathSignal };
      for (const { path } of matchReports(files, death))
        if (namesProcess(await beginningOf(path), pid) === true) return path;
    }
    return null;
  };
}

async function filesIn(directory: string): Promise<ReportFile[]> {
  const names = await readdir(directory).catch(() => []);
  return names.map((name) => ({ name, path: join(directory, name) }));
}

/** Nothing for a file that cannot be read, as those of other users. */
async function beginningOf(path: string): Promise<string> {
  const handle = await open(path, "r").catch(() => null);
  if (handle === null) return "";
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return "";
  } finally {
    await handle.close();
  }
}
