import { performance } from "node:perf_hooks";
import type { CatalogueEntry } from "./catalogue-entry.ts";
import { findModelDirectories } from "./find-model-directories.ts";
import { type DirectoryAccess, RootPlaces } from "./inside-roots.ts";
import type { ModelRoot } from "./model-roots.ts";
import { nearestNames } from "./nearest-names.ts";
import { firstOfEachId, type RootModels, RootScan } from "./root-scan.ts";
import { type ScanLog, ScanReporter } from "./scan-reporter.ts";
import { ScanRounds } from "./scan-rounds.ts";

/** So long a look at the disk takes at most, where nothing else is said. Milliseconds. */
const PATIENCE_MS = 10_000;

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
  /** A root that takes longer is not waited for: its models are as they were last, until its scan ends. */
  readonly patienceMs?: number;
  readonly directories?: DirectoryAccess;
}

/** Which models exist. Names that clients send are only ever looked up here, never made into paths. */
export interface Catalogue {
  /** As of the last refresh; after a miss, refresh and ask again. */
  resolve(idOrAlias: string): CatalogueEntry | undefined;
  /** Sorted by id. */
  list(): CatalogueEntry[];
  /** Ids and aliases like this name, best first. */
  nearest(name: string): string[];
  /**
   * Looks at the disk again, at most as long as its patience lasts for each of the scan that runs and its own. Never
   * rejects; a caller who comes during a scan gets the one after it.
   */
  refresh(): Promise<void>;
  /** Looks again unless a scan ended within the last `maxAgeMs`; a scan that runs is joined. For listings. */
  freshen(maxAgeMs: number): Promise<void>;
  /** Every place has been looked at once: what is not known is not there. */
  isComplete(): boolean;
  /** Told when a scan has ended that nobody waited for any more. */
  onLateScan(listener: () => void): void;
}

/** An empty catalogue until its first refresh. */
export function createCatalogue(options: CatalogueOptions): Catalogue {
  const targets = new Map(
    Object.entries(options.aliases ?? {}).map(([alias, id]) => [nameOf(alias), nameOf(id)]),
  );
  const reporter = new ScanReporter(options.log);
  const lateListeners: (() => void)[] = [];
  let known = new Map<string, CatalogueEntry>();

  const scans = rootScans(options, () => rounds.rootEnded());
  const onFound = (): void => {
    const lasts = scans.map(({ last }) => last).filter((last) => last !== null);
    known = merged(lasts);
    const found = lasts.flatMap((last) => last.found);
    const refused = lasts.flatMap((last) => last.refused);
    reporter.report(found, firstOfEachId(found), refused);
  };
  const rounds = new ScanRounds(scans, {
    patienceMs: options.patienceMs ?? PATIENCE_MS,
    log: options.log,
    now: options.now ?? (() => performance.now()),
    onFound,
    onLateFound: () => {
      onFound();
      for (const listener of lateListeners) listener();
    },
  });

  return {
    resolve: (idOrAlias) => {
      const name = nameOf(idOrAlias);
      return known.get(name) ?? known.get(targets.get(name) ?? "");
    },
    list: () => [...known.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    nearest: (name) => nearestNames(name, [...known.keys(), ...targets.keys()]),
    refresh: () => rounds.refresh(),
    freshen: (maxAgeMs) => rounds.freshen(maxAgeMs),
    isComplete: () => scans.every(({ last }) => last !== null),
    onLateScan: (listener) => void lateListeners.push(listener),
  };
}

/** Every place in order of precedence. */
function rootScans(
  { roots, embedded = [], directories }: CatalogueOptions,
  onEnd: () => void,
): readonly RootScan[] {
  const searched = roots.map((root) =>
    typeof root === "string" ? { kind: "folders" as const, path: root } : root,
  );
  const places = new RootPlaces(
    [...embedded, ...searched].map(({ path }) => path),
    directories,
  );
  return [
    ...embedded.map(
      ({ id, path }) =>
        new RootScan({
          path,
          places,
          find: async (inside) => [{ id, path, entries: await inside.list(path) }],
          onEnd,
        }),
    ),
    ...searched.map(
      (root) =>
        new RootScan({
          path: root.path,
          places,
          find: (inside) => findModelDirectories(root, inside),
          onEnd,
        }),
    ),
  ];
}

/** The first directory with an id stands for it, even when it cannot be used. */
function merged(roots: readonly RootModels[]): Map<string, CatalogueEntry> {
  const models = new Map(roots.toReversed().flatMap((root) => [...root.models]));
  return new Map([...models].flatMap(([id, model]) => (model === null ? [] : [[id, model.entry]])));
}

/** File systems and keyboards differ in how they spell an accent; names do not. */
function nameOf(text: string): string {
  return text.normalize("NFC");
}
