import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { RegistryFile } from "../../../shared/registry.ts";
import { isMissing } from "../../host/log-file.ts";
import { readRegularFile } from "../../host/regular-file.ts";
import { decodeDocument } from "../../store/document-format.ts";
import { registryFormat } from "../../store/registry-rows.ts";
import { formatBytes } from "../printable.ts";
import { type DoctorCheck, fail, pass, warn } from "./doctor-check.ts";

/** The Python runtime takes about 1 GB; a log and a registry must fit beside it. */
const LITTLE_DISK_BYTES = 2 * 1024 ** 3;
const NO_DISK_BYTES = 64 * 1024 ** 2;

/** Whether the service can keep its files, and how much room is left for them. */
export async function checkStateDirectory(directory: string): Promise<DoctorCheck> {
  const existing = await nearestExisting(directory);
  const name = "state directory";
  const elsewhere = "Make it writable for this user, or set OPTA_LMX_HOME to another directory.";
  const isDirectory = (await stat(existing)).isDirectory();
  const isWritable = await access(existing, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isDirectory || !isWritable) {
    const problem = isDirectory ? "is not writable" : "is not a directory";
    const place = existing === directory ? directory : `${directory} cannot be made: ${existing}`;
    return fail(name, `${place} ${problem}`, elsewhere);
  }
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const isNew = existing === directory ? "" : " (made at the first start)";
  const detail = `${directory}${isNew}, ${formatBytes(free)} free`;
  const room = "Make room on that disk, or set OPTA_LMX_HOME to another one.";
  if (free < NO_DISK_BYTES) return fail(name, detail, room);
  return free < LITTLE_DISK_BYTES ? warn(name, detail, room) : pass(name, detail);
}

async function nearestExisting(directory: string): Promise<string> {
  for (let current = directory; ; current = dirname(current)) {
    const exists = await stat(current).then(
      () => true,
      () => false,
    );
    if (exists || dirname(current) === current) return current;
  }
}

/** Whether what is known of models can be read. */
export async function checkRegistry(path: string): Promise<DoctorCheck> {
  const name = "registry";
  const next = `Nothing is lost for good: "lmx serve" falls back to the copy beside it (.bak) and keeps the broken file.`;
  try {
    const { size } = await stat(path);
    if (size > registryFormat.maxBytes)
      return warn(name, `${path} has ${formatBytes(size)}: no registry`, next);
    const decoded = decodeDocument(await readRegularFile(path, registryFormat.maxBytes), registryFormat);
    switch (decoded.kind) {
      case "current":
        return pass(name, resultsIn(decoded.data));
      case "migrated":
        return pass(name, `${resultsIn(decoded.data)}, of an older form; "lmx serve" brings it up to date`);
      case "newer":
        return warn(
          name,
          `${path} was written by a later release (schema ${decoded.version}): read, never written`,
          "Results are kept in memory only. Go back to that release, or move the file away to begin anew.",
        );
      case "bad":
        return warn(name, `${path} cannot be read: ${decoded.problem}`, next);
      default:
        return decoded satisfies never;
    }
  } catch (error) {
    if (isMissing(error)) return pass(name, "none yet: no model was loaded here");
    return warn(name, `${path} cannot be read: ${(error as Error).message}`, next);
  }
}

function resultsIn({ entries }: RegistryFile): string {
  return `${entries.length} ${entries.length === 1 ? "result" : "results"} of loading models`;
}
