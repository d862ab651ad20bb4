import { totalmem } from "node:os";
import { readLinuxMemory } from "./linux-memory.ts";
import { readMacMemory } from "./mac-memory.ts";
import type { MachineMemory } from "./memory-facts.ts";
import type { RunText } from "./run-text.ts";

export interface MachineMemoryOptions {
  readonly platform?: NodeJS.Platform;
  /** Linux: the directory that `proc` and `sys` are in. */
  readonly root?: string;
  /** macOS: runs a command and answers with its standard output. */
  readonly run?: RunText;
}

/** Reads the machine's memory anew. Never throws: what cannot be read is null. */
export async function readMachineMemory({
  platform = process.platform,
  root = "/",
  run,
}: MachineMemoryOptions = {}): Promise<MachineMemory> {
  if (platform === "linux") return readLinuxMemory(root);
  if (platform === "darwin") return readMacMemory(run);
  return {
    totalBytes: totalmem(),
    availableBytes: null,
    limitBytes: null,
    source: `the system's own figure; what is available is not known on ${platform}`,
  };
}
