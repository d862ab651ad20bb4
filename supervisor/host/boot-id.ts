import { readFile } from "node:fs/promises";
import { runText } from "./run-text.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where the id comes from, so that a test can stand in for either system. */
export interface BootIdSources {
  /** Text of `/proc/sys/kernel/random/boot_id`; null: there is none. */
  readonly readProc: () => Promise<string | null>;
  /** What `sysctl -n kern.bootsessionuuid` prints; panic reports name the same id as "Boot session UUID". */
  readonly runSysctl: () => Promise<string | null>;
}

const SYSTEM: BootIdSources = {
  readProc: () => readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => null),
  runSysctl: () => runText("sysctl", ["-n", "kern.bootsessionuuid"]),
};

/** A text that is the same until the machine boots again, in lower case; null: this system does not tell. Never rejects. */
export async function readBootId(
  platform: NodeJS.Platform = process.platform,
  { readProc, runSysctl }: BootIdSources = SYSTEM,
): Promise<string | null> {
  const text = platform === "linux" ? await readProc() : platform === "darwin" ? await runSysctl() : null;
  const id = text?.trim().toLowerCase() ?? "";
  return UUID.test(id) ? id : null;
}
