/** A file in a directory of macOS's crash reports. */
export interface ReportFile {
  readonly path: string;
  /** Its name without the directory. */
  readonly name: string;
}

export interface DeathFacts {
  /** When the process was gone, milliseconds since the epoch. */
  readonly at: number;
  /** Minutes to add to local time for UTC, as `Date.getTimezoneOffset` tells; names of reports have local time. */
  readonly offsetMinutes: number;
  readonly signal: string | null;
}

/** Reports are written after the death, sometimes only once the core is read; clocks are cut to seconds. */
const EARLIEST_MS = -2_000;
const LATEST_MS = 180_000;

/** `python3.12-2026-11-20-100003.ips`, `python3.12_2026-11-20-100003_host.crash`, `JetsamEvent-2026-11-20-100003.ips`. */
const NAME =
  /^(.{1,200})[-_](\d{4})-(\d{2})-(\d{2})-(\d{2})(\d{2})(\d{2})(?:\.\d{1,6}|_[^/]{1,200})?\.(?:ips|crash)$/;

/**
 * Reports that may be about this death, the likeliest first: of a process of this name, or of the system's memory guard,
 * which names no process; written at that time. What is inside must be asked for the process id.
 */
export function matchReports<File extends ReportFile>(files: readonly File[], death: DeathFacts): File[] {
  return files
    .map((file) => ({ file, ...partsOf(file.name, death.offsetMinutes) }))
    .filter(({ process, at }) => {
      const isTimely = at - death.at >= EARLIEST_MS && at - death.at <= LATEST_MS;
      return isTimely && isAbout(process, death);
    })
    .toSorted((one, other) => Math.abs(one.at - death.at) - Math.abs(other.at - death.at))
    .map(({ file }) => file);
}

/** The process id a report names is this one; null: it names none that can be found. */
export function namesProcess(reportText: string, pid: number): boolean | null {
  const pids = [
    ...reportText.matchAll(/"pid"\s{0,4}:\s{0,4}(\d{1,10})\b|^Process:\s.{0,200}\[(\d{1,10})\]/gm),
  ];
  if (pids.length === 0) return null;
  return pids.some(([, json, text]) => Number(json ?? text) === pid);
}

/**
 * A worker is started as `python`; its process has the name of the file behind that, `python3.12`, or in a framework
 * build `Python`. Which it was of several is told by the process id inside.
 */
const WORKER_NAME = /^python[\d.]*$/i;

function isAbout(process: string, { signal }: DeathFacts): boolean {
  // The memory guard kills with SIGKILL and nothing else.
  if (process === "JetsamEvent") return signal === "SIGKILL";
  return signal !== "SIGKILL" && WORKER_NAME.test(process);
}

function partsOf(name: string, offsetMinutes: number): { process: string; at: number } {
  const [, process = "", ...digits] = NAME.exec(name) ?? [];
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = digits.map(Number);
  const local = process === "" ? Number.NaN : Date.UTC(year, month - 1, day, hour, minute, second);
  return { process, at: local + offsetMinutes * 60_000 };
}
