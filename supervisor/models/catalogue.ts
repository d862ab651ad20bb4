import { performance } from "node:perf_hooks";
import { type ExaminedModel, examineModel } from "./examine-model.ts";
import { type FoundDirectory, findModelDirectories } from "./find-model-directories.ts";
import { InsideRoots } from "./inside-roots.ts";
import type { ModelRoot } from "./model-roots.ts";
import { nearestNames } from "./nearest-names.ts";
import { type ScanLog, ScanReporter } from "./scan-reporter.ts";

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
  /** Where to search, the first with an id wins. A plain path is a root of model folders. */
  readonly roots: readonly (string | ModelRoot)[];
  /** Models at fixed places, such as the embedded one; they win over the roots. */
  readonly embedded?: readonly { readonly id: string; readonly path: string }[];
  /** Other name to model id. A model's own id wins over an alias of the same name. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Told once of every directory that is left out, and why. */
  readonly log?: ScanLog;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
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
  /** Looks again unless a scan ended within the last `maxAgeMs`; a scan that runs is joined. For listings. */
  freshen(maxAgeMs: number): Promise<void>;
}

/** An empty catalogue until its first refresh. */
export function createCatalogue(options: CatalogueOptions): Catalogue {
  const { embedded = [], now = () => performance.now() } = options;
  const roots = options.roots.map((root) =>
    typeof root === "string" ? { kind: "folders" as const, path: root } : root,
  );
  const targets = new Map(
    Object.entries(options.aliases ?? {}).map(([alias, id]) => [nameOf(alias), nameOf(id)]),
  );
  const reporter = new ScanReporter(options.log);
  let known = new Map<string, ExaminedModel>();
  let scannedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | null = null;
  let queued: Promise<void> | null = null;

  const scan = async (): Promise<void> => {
    const inside = await InsideRoots.of([...roots, ...embedded].map(({ path }) => path));
    const fixed = await Promise.all(
      embedded.map(async ({ id, path }) => ({ id, path, entries: await inside.list(path) })),
    );
    const found = [...fixed, ...(await findModelDirectories(roots, inside))];
    const chosen = firstOfEachId(found);
    const examined = await mapInTurn([...chosen.values()], (directory) =>
      examineModel(directory, inside, known.get(directory.id)),
    );
    known = new Map(examined.filter((model) => model !== null).map((model) => [model.entry.id, model]));
    scannedAt = now();
    reporter.report(found, chosen, inside.refused);
  };

  const start = (): Promise<void> => {
    queued = null;
    running = scan().finally(() => {
      running = null;
    });
    return running;
  };

  const refresh = (): Promise<void> => {
    queued ??= (running ?? Promise.resolve()).then(start);
    return queued;
  };

  return {
    resolve: (idOrAlias) => {
      const name = nameOf(idOrAlias);
      return (known.get(name) ?? known.get(targets.get(name) ?? ""))?.entry;
    },
    list: () => [...known.values()].map(({ entry }) => entry).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    nearest: (name) => nearestNames(name, [...known.keys(), ...targets.keys()]),
    refresh,
    freshen: async (maxAgeMs) => {
      if (now() - scannedAt <= maxAgeMs) return;
      await (running ?? refresh());
    },
  };
}

/** File systems and keyboards differ in how they spell an accent; names do not. */
function nameOf(text: string): string {
  return text.normalize("NFC");
}

function firstOfEachId(found: readonly FoundDirectory[]): Map<string, FoundDirectory> {
  const chosen = new Map<string, FoundDirectory>();
  for (const directory of found) {
    if (!chosen.has(directory.id)) chosen.set(directory.id, directory);
  }
  return chosen;
}

async function mapInTurn<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += EXAMINED_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + EXAMINED_AT_ONCE).map(map))));
  }
  return results;
}
