import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type FoundDirectory, findModelDirectories } from "./find-model-directories.ts";
import { readModelConfig } from "./model-config.ts";
import { type ModelFile, modelDigest } from "./model-digest.ts";
import { nearestNames } from "./nearest-names.ts";

/** Models examined at once: enough to keep the disk busy, few enough to keep other file access quick. */
const EXAMINED_AT_ONCE = 8;

/** A model on disk. The same object as long as nothing in its directory changes. */
export interface CatalogueEntry {
  readonly id: string;
  /** Absolute directory. */
  readonly path: string;
  /** All files of the directory together. */
  readonly sizeBytes: number;
  /** `model_type` of config.json. */
  readonly modelType: string | null;
  /** Tokens, as config.json says. */
  readonly contextLength: number | null;
  /** Changes when the model does; null when a file could not be read. */
  readonly digest: string | null;
}

export interface CatalogueOptions {
  /** Directories to search, the first with an id wins. */
  readonly roots: readonly string[];
  /** Models at fixed places, such as the embedded one; they win over the roots. */
  readonly embedded?: readonly FoundDirectory[];
  /** Other name to model id. A model's own id wins over an alias of the same name. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/** Which models exist. Names that clients send are only ever looked up here, never made into paths. */
export interface Catalogue {
  /** As of the last refresh; after a miss, refresh and ask again. */
  resolve(idOrAlias: string): CatalogueEntry | undefined;
  /** Sorted by id. */
  list(): CatalogueEntry[];
  /** Ids and aliases like this name, best first. */
  nearest(name: string): string[];
  /** Looks at the disk again. Never rejects; a caller who comes during a scan gets the one after it. */
  refresh(): Promise<void>;
}

/** An empty catalogue until its first refresh. */
export function createCatalogue({ roots, embedded = [], aliases = {} }: CatalogueOptions): Catalogue {
  const targets = new Map(Object.entries(aliases));
  let known = new Map<string, Examined>();
  let running: Promise<void> = Promise.resolve();
  let queued: Promise<void> | null = null;

  const scan = async (): Promise<void> => {
    queued = null;
    const found = [...embedded, ...(await findModelDirectories(roots))];
    const unique = [...new Map(found.toReversed().map((directory) => [directory.id, directory])).values()];
    const examined = await mapInTurn(unique, (directory) => examine(directory, known.get(directory.id)));
    const present = examined.filter((model) => model !== null);
    known = new Map(present.map((model) => [model.entry.id, model]));
  };

  const resolve = (idOrAlias: string): CatalogueEntry | undefined => {
    const name = idOrAlias.normalize("NFC");
    return (known.get(name) ?? known.get(targets.get(name) ?? ""))?.entry;
  };

  return {
    resolve,
    list: () => [...known.values()].map(({ entry }) => entry).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    nearest: (name) => nearestNames(name, [...known.keys(), ...targets.keys()]),
    refresh: () => {
      queued ??= running.then(() => {
        running = scan();
        return running;
      });
      return queued;
    },
  };
}

interface Examined {
  readonly entry: CatalogueEntry;
  /** Names, sizes and mtimes the entry was made from. */
  readonly signature: string;
}

/** Null: the directory is gone. */
async function examine({ id, path }: FoundDirectory, before: Examined | undefined): Promise<Examined | null> {
  const files = await listFiles(path);
  if (files === null) return null;
  const signature = JSON.stringify([path, files]);
  if (before?.signature === signature && before.entry.digest !== null) return before;
  const configBytes = files.find(({ name }) => name === "config.json")?.sizeBytes ?? 0;
  const [config, digest] = await Promise.all([
    readModelConfig(join(path, "config.json"), configBytes),
    modelDigest(path, files).catch(() => null),
  ]);
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { signature, entry: { id, path, sizeBytes, ...config, digest } };
}

async function listFiles(directory: string): Promise<ModelFile[] | null> {
  const names = await readdir(directory).catch(() => null);
  if (names === null) return null;
  const files = await Promise.all(
    names.toSorted().map(async (name): Promise<ModelFile[]> => {
      // Weights may be links (the Hugging Face cache), so stat, not lstat; a dangling one is not there.
      const facts = await stat(join(directory, name)).catch(() => null);
      return facts?.isFile() ? [{ name, sizeBytes: facts.size, modifiedMs: facts.mtimeMs }] : [];
    }),
  );
  return files.flat();
}

async function mapInTurn<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += EXAMINED_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + EXAMINED_AT_ONCE).map(map))));
  }
  return results;
}
