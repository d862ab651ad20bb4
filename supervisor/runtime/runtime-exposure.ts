import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { ownAccount } from "../host/own-account.ts";
import { type Account, type Exposure, exposureOf } from "../policy/service/strict-modes.ts";

/** Down to the packages in lib/python3.x/site-packages, but not into them. */
const LEVELS = 4;

export interface RuntimeWhereabouts {
  /** The runtime's own directory; it need not be there. */
  readonly directory: string;
  /** The directory all runtimes are in. */
  readonly runtimesDirectory: string;
  /** Looked at from here on, when the runtimes are in it. */
  readonly within?: string | undefined;
}

/**
 * What others could change of a runtime: whoever can, has their code run by this user. Its directory with what is in it
 * down to the packages, and each directory above it as far as the service calls them its own.
 * @returns null when it can be trusted
 */
export async function runtimeExposure(
  whereabouts: RuntimeWhereabouts,
  account: Account = ownAccount(),
): Promise<Exposure | null> {
  for (const path of parentsOf(whereabouts)) {
    const facts = await factsOf(path, stat);
    const exposure = facts === null ? null : exposureOf(path, facts, account, { as: "parent" });
    if (exposure !== null) return exposure;
  }
  const { directory } = whereabouts;
  for (const path of [directory, ...(await entriesIn(directory, LEVELS))]) {
    const facts = await factsOf(path, lstat);
    // What a link leads to is the system's Python, or is found here by itself. The modes of links mean nothing.
    if (facts === null || facts.isSymbolicLink()) continue;
    const exposure = exposureOf(path, facts, account, { as: "entry", tree: directory });
    if (exposure !== null) return exposure;
  }
  return null;
}

/** From the outermost directory that is ours inwards. */
function parentsOf({ directory, runtimesDirectory, within }: RuntimeWhereabouts): string[] {
  const outermost = within !== undefined && isInside(runtimesDirectory, within) ? within : runtimesDirectory;
  const parents: string[] = [];
  for (let path = dirname(directory); isInside(path, outermost); path = dirname(path)) {
    parents.unshift(path);
    if (path === dirname(path)) break;
  }
  return parents;
}

function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== ".." && !way.startsWith("../");
}

/** Paths of what is in a directory, so many levels deep. */
async function entriesIn(directory: string, levels: number): Promise<string[]> {
  if (levels === 0) return [];
  const entries: Dirent[] = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const below = entries.map(async (entry) => {
    const path = join(directory, entry.name);
    return [path, ...(entry.isDirectory() ? await entriesIn(path, levels - 1) : [])];
  });
  return (await Promise.all(below)).flat();
}

async function factsOf(path: string, look: (path: string) => Promise<Stats>): Promise<Stats | null> {
  // What is not there, or cannot be looked at, is not used either.
  return await look(path).catch(() => null);
}
