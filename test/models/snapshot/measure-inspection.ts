import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Ten times what it may cost on an idle machine: parsing the same input in one go takes seconds. CPU milliseconds. */
export const GENEROUS_TURN_MS = 200;

/** What looking at a model cost. */
export interface InspectionCost {
  /** Of the problems that were found. */
  readonly kinds: readonly string[];
  readonly bestMs: number;
  readonly longestTurnMs: number;
  readonly grownMegabytes: number;
}

/** Inspects a directory in a process of its own. */
export async function measureInspection(
  path: string,
  limits: { readonly rounds: number; readonly heapMegabytes?: number },
): Promise<InspectionCost> {
  const script = fileURLToPath(import.meta.resolve("./inspect-and-measure.ts"));
  const heap = limits.heapMegabytes === undefined ? [] : [`--max-old-space-size=${limits.heapMegabytes}`];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...heap,
    script,
    path,
    String(limits.rounds),
  ]);
  return JSON.parse(stdout) as InspectionCost;
}
