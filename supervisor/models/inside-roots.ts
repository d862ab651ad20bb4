import type { Dirent } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";

/** Something in a root that is left alone, and why. */
export interface RefusedPath {
  readonly path: string;
  readonly reason: string;
}

const LEAVES = "a link leads out of every place models are looked for; add where it leads to model_roots";

/** What may be read: being inside a root is what makes a place readable, and a link counts as where it leads. */
export class InsideRoots {
  readonly refused: RefusedPath[] = [];
  readonly #realRoots: readonly string[];

  private constructor(realRoots: readonly string[]) {
    this.#realRoots = realRoots;
  }

  static async of(roots: readonly string[]): Promise<InsideRoots> {
    const real = await Promise.all(roots.map(realPathOrNull));
    return new InsideRoots(real.filter((root) => root !== null));
  }

  /** The names of a directory with what they are; none when it does not exist or may not be read. */
  async list(directory: string): Promise<Dirent[]> {
    return await readdir(directory, { withFileTypes: true }).catch(() => []);
  }

  /** Of these entries the directories that may be searched, also through links. Hidden ones are not meant to be. */
  async directories(parent: string, entries: readonly Dirent[]): Promise<string[]> {
    const usable = await Promise.all(
      entries.map(async (entry) => {
        if (entry.name.startsWith(".")) return false;
        if (!entry.isSymbolicLink()) return entry.isDirectory();
        return (await this.follow(join(parent, entry.name))).kind === "inside";
      }),
    );
    return entries.filter((_, index) => usable[index]).map(({ name }) => name);
  }

  /** Where a link leads. One that leads out is noted. */
  async follow(link: string): Promise<LinkTarget> {
    const target = await realPathOrNull(link);
    // A link to a root itself leads to nothing that is not found anyway.
    if (target === null || this.#realRoots.includes(target)) return { kind: "nowhere" };
    if (this.#realRoots.some((root) => target.startsWith(withSeparator(root))))
      return { kind: "inside", target };
    this.refuse(link, LEAVES);
    return { kind: "outside" };
  }

  refuse(path: string, reason: string): void {
    this.refused.push({ path, reason });
  }
}

export type LinkTarget =
  | { readonly kind: "inside"; readonly target: string }
  | { readonly kind: "outside" }
  | { readonly kind: "nowhere" };

function withSeparator(root: string): string {
  return root.endsWith(sep) ? root : root + sep;
}

async function realPathOrNull(path: string): Promise<string | null> {
  return await realpath(path).catch(() => null);
}
