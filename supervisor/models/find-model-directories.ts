import { readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";

/** A directory that looks like a model, and the id its place gives it. */
export interface FoundDirectory {
  readonly id: string;
  readonly path: string;
}

/**
 * Model directories under the roots, `<root>/<name>` and `<root>/<org>/<name>`; the first root with an id wins.
 * A link is followed only when it stays inside one of the roots: being a root is what makes a place readable.
 */
export async function findModelDirectories(roots: readonly string[]): Promise<FoundDirectory[]> {
  const realRoots = (await Promise.all(roots.map(realOrNull))).filter((root) => root !== null);
  const found = await Promise.all(roots.map((root) => searchRoot(root, realRoots)));
  const byId = new Map<string, FoundDirectory>();
  for (const directory of found.flat()) {
    if (!byId.has(directory.id)) byId.set(directory.id, directory);
  }
  return [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function searchRoot(root: string, realRoots: readonly string[]): Promise<FoundDirectory[]> {
  const found = await Promise.all(
    (await childDirectories(root, realRoots)).map(async (name): Promise<FoundDirectory[]> => {
      const path = join(root, name);
      if (await looksLikeModel(path)) return [{ id: idOf(name), path }];
      const children = (await childDirectories(path, realRoots)).map((child) => ({
        id: idOf(name, child),
        path: join(path, child),
      }));
      const verdicts = await Promise.all(children.map((child) => looksLikeModel(child.path)));
      return children.filter((_, index) => verdicts[index]);
    }),
  );
  return found.flat();
}

async function childDirectories(directory: string, realRoots: readonly string[]): Promise<string[]> {
  // A root that does not exist, or may not be read, has no models.
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const usable = await Promise.all(
    entries.map(async (entry) => {
      if (entry.name.startsWith(".")) return false;
      if (!entry.isSymbolicLink()) return entry.isDirectory();
      const target = await realOrNull(join(directory, entry.name));
      return target !== null && realRoots.some((root) => target.startsWith(root + sep));
    }),
  );
  return entries.filter((_, index) => usable[index]).map((entry) => entry.name);
}

/** Weights without a config count too: an incomplete model is shown and refused, not hidden. */
async function looksLikeModel(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  return names.some((name) => name === "config.json" || name.endsWith(".safetensors"));
}

/** File systems differ in how they spell an accent; ids do not. */
function idOf(...names: readonly string[]): string {
  return names.join("/").normalize("NFC");
}

async function realOrNull(path: string): Promise<string | null> {
  return await realpath(path).catch(() => null);
}
