import { type ExaminedModel, examineModel } from "./examine-model.ts";
import type { FoundDirectory } from "./found-directory.ts";
import type { InsideRoots, RefusedPath, RootPlaces } from "./inside-roots.ts";
import { OneAtATime } from "./one-at-a-time.ts";

/** Models examined at once: enough to keep the disk busy, few enough to keep other file access quick. */
const EXAMINED_AT_ONCE = 8;

/** What one look at a root found. */
export interface RootModels {
  readonly found: readonly FoundDirectory[];
  /** By id; null: a directory that cannot be used. */
  readonly models: ReadonlyMap<string, ExaminedModel | null>;
  readonly refused: readonly RefusedPath[];
}

export interface RootScanOptions {
  readonly path: string;
  readonly places: RootPlaces;
  find(inside: InsideRoots): Promise<FoundDirectory[]>;
  onEnd(): void;
}

/** Looks at one root, once at a time: a disk that hangs holds up no other root, and is not asked again meanwhile. */
export class RootScan {
  readonly #options: RootScanOptions;
  readonly #scans = new OneAtATime(() => this.#scanAndTell());
  #last: RootModels | null = null;
  /** The scan that runs was waited for as long as anybody waits. */
  isLate = false;

  constructor(options: RootScanOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** As of the last scan that ended; null: none has. */
  get last(): RootModels | null {
    return this.#last;
  }

  /** A caller who comes during a scan gets the one after it. Never rejects. */
  refresh(): Promise<void> {
    return this.#scans.ask();
  }

  async #scanAndTell(): Promise<void> {
    try {
      await this.#scan();
    } finally {
      this.isLate = false;
      this.#options.onEnd();
    }
  }

  async #scan(): Promise<void> {
    const inside = await this.#options.places.around(this.path);
    const found = await this.#options.find(inside);
    const models = new Map<string, ExaminedModel | null>();
    const chosen = [...firstOfEachId(found).values()];
    for (let start = 0; start < chosen.length; start += EXAMINED_AT_ONCE) {
      const some = chosen.slice(start, start + EXAMINED_AT_ONCE);
      const examined = await Promise.all(
        some.map((directory) => examineModel(directory, inside, this.#before(directory))),
      );
      for (const [index, { id }] of some.entries()) models.set(id, examined[index] ?? null);
    }
    this.#last = { found, models, refused: inside.refused };
  }

  #before({ id }: FoundDirectory): ExaminedModel | undefined {
    return this.#last?.models.get(id) ?? undefined;
  }
}

export function firstOfEachId(found: readonly FoundDirectory[]): Map<string, FoundDirectory> {
  const chosen = new Map<string, FoundDirectory>();
  for (const directory of found) {
    if (!chosen.has(directory.id)) chosen.set(directory.id, directory);
  }
  return chosen;
}
