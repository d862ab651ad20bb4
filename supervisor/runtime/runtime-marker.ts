import { createHash } from "node:crypto";
import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readRegularFile } from "../host/regular-file.ts";

const MARKER = "opta-lmx-runtime.json";
/** A marker takes two hundred. */
const MOST_BYTES = 64 * 1024;

const markerSchema = z.object({
  lockHash: z.string(),
  versions: z.object({ python: z.string(), mlx: z.string(), mlx_lm: z.string() }),
  builtAt: z.iso.datetime(),
});

type Marker = z.infer<typeof markerSchema>;

/** A complete Python environment. */
export interface Runtime {
  /** Absolute path of the interpreter. */
  readonly python: string;
  readonly directory: string;
  readonly lockHash: string;
  readonly versions: Marker["versions"];
}

/**
 * Names a runtime: the same lock on the same kind of machine gives the same runtime.
 * @param namedPython - OPTA_LMX_PYTHON: whoever names a Python gets a runtime made with it; empty when unset
 */
export function lockHashOf(
  lock: string,
  platform: NodeJS.Platform,
  architecture: string,
  namedPython: string,
): string {
  const machine =
    namedPython === "" ? `${platform}-${architecture}` : `${platform}-${architecture}-${namedPython}`;
  return createHash("sha256").update(`${machine}\n${lock}`).digest("hex").slice(0, 16);
}

/** The interpreter of a virtual environment. */
export function pythonOf(directory: string): string {
  return join(directory, "bin", "python");
}

/** Where the runtime's mlx_lm is installed. */
export function packageDirectoryOf({ directory, versions }: Pick<Runtime, "directory" | "versions">): string {
  const [major = "3", minor = "0"] = versions.python.split(".");
  return join(directory, "lib", `python${major}.${minor}`, "site-packages", "mlx_lm");
}

/** Marks a directory as complete; written before the rename that puts it into use. */
export async function writeMarker(directory: string, lockHash: string, proven: string): Promise<void> {
  const versions = markerSchema.shape.versions.parse(JSON.parse(proven));
  const marker: Marker = { lockHash, versions, builtAt: new Date().toISOString() };
  await writeFile(join(directory, MARKER), `${JSON.stringify(marker, null, 2)}\n`);
}

/** The runtime in this directory, or null when it is not there, not complete, or its interpreter was uninstalled. */
export async function readRuntime(directory: string): Promise<Runtime | null> {
  try {
    const marker = markerSchema.parse(
      JSON.parse((await readRegularFile(join(directory, MARKER), MOST_BYTES)).toString()),
    );
    const python = pythonOf(directory);
    await access(python);
    return { python, directory, lockHash: marker.lockHash, versions: marker.versions };
  } catch {
    return null;
  }
}
