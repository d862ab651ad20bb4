import type { SnapshotProblem } from "../../policy/snapshot-facts.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Tensor } from "./tensor.ts";

const NUMBERED = /^(.*)-(\d{5,})-of-(\d{5,})\.safetensors$/;
/** Parts of a download that has not ended, with what it is a download of. */
const PARTIAL = /^(.+)\.(?:incomplete|part|partial|download|crdownload|aria2|tmp)$/;

export interface PresentFiles {
  readonly listing: ReadonlyMap<string, ListedFile>;
  readonly shards: ReadonlySet<string>;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Some tensors are in two files: which one is the right place is another check's question. */
  readonly hasDuplicates: boolean;
  /** Layers the config has; tensors of later ones are dropped while loading. */
  readonly layers: number | null;
}

/**
 * Which files and tensors are missing, going by the index and by the numbers in the file names. mlx_lm reads neither:
 * an index that is merely old is noted, and only tensors that are nowhere count as missing.
 */
export class IndexComparison {
  readonly #present: PresentFiles;
  /** Files the index names. */
  readonly indexed = new Set<string>();
  /** Tensors that are nowhere, counted by the absent file they should be in. */
  readonly #absent = new Map<string, number>();
  #elsewhere = 0;
  #unknown = { tensor: "", count: 0 };

  constructor(present: PresentFiles) {
    this.#present = present;
  }

  /** One entry of the index. */
  add(tensor: string, file: string): void {
    const { weights, shards, hasDuplicates, layers } = this.#present;
    this.indexed.add(file);
    const weight = weights.get(tensor);
    if (weight !== undefined) this.#elsewhere += weight.file === file || hasDuplicates ? 0 : 1;
    else if (isDropped(tensor, layers)) return;
    else if (shards.has(file))
      this.#unknown = { tensor: this.#unknown.tensor || tensor, count: this.#unknown.count + 1 };
    else this.#absent.set(file, (this.#absent.get(file) ?? 0) + 1);
  }

  /** To be asked after the last entry. */
  problems(): SnapshotProblem[] {
    const stale: SnapshotProblem = {
      kind: "index-stale",
      detail: `${this.#elsewhere} tensors are in other files than it says`,
    };
    const unknown: SnapshotProblem = { kind: "index-names-unknown-tensors", ...this.#unknown };
    return [
      ...(this.#elsewhere > 0 ? [stale] : []),
      ...(this.#unknown.count > 0 ? [unknown] : []),
      ...this.#missingShards(),
    ];
  }

  #missingShards(): SnapshotProblem[] {
    const { listing, shards } = this.#present;
    const numbers = missingNumbers(shards);
    const { indexed } = this;
    // An index none of whose files exist, beside a complete set of others, belongs to another conversion.
    const isForeign =
      indexed.size > 0 && numbers.length === 0 && ![...shards].some((name) => indexed.has(name));
    if (isForeign && shards.size > 0)
      return [{ kind: "index-stale", detail: `none of the ${indexed.size} files it names is here` }];
    const byIndex = [...this.#absent].map(([file, tensors]) => ({ file, tensors, named: "index" as const }));
    // Where there is an index it knows better which files there are.
    const numbered = indexed.size === 0 ? numbers : [];
    const byNumber = numbered.map((file) => ({ file, tensors: 0, named: "numbering" as const }));
    return [...byIndex, ...byNumber].map((missing) => ({
      kind: "missing-shard",
      ...missing,
      partial: [...listing.keys()].find((name) => PARTIAL.exec(name)?.[1] === missing.file) ?? null,
    }));
  }
}

/** Files that the names of the present ones speak of: of `-00001-of-00003` there are three. */
function missingNumbers(shards: Iterable<string>): string[] {
  const series = new Map<string, { prefix: string; total: string; seen: Set<number> }>();
  for (const name of shards) {
    const [, prefix, number, total] = NUMBERED.exec(name) ?? [];
    if (prefix === undefined || number === undefined || total === undefined) continue;
    const entry = series.get(`${prefix}/${total}`) ?? { prefix, total, seen: new Set() };
    series.set(`${prefix}/${total}`, entry);
    entry.seen.add(Number(number));
  }
  return [...series.values()].flatMap(({ prefix, total, seen }) =>
    // A hostile name may claim any number.
    Array.from({ length: Math.min(Number(total), 10_000) }, (_, index) => index + 1)
      .filter((number) => !seen.has(number))
      .map((number) => `${prefix}-${String(number).padStart(total.length, "0")}-of-${total}.safetensors`),
  );
}

/** Layers past the last one and multi-token-prediction heads: mlx_lm drops them, people delete them. */
function isDropped(tensor: string, layers: number | null): boolean {
  const number = /(?:^|\.)layers\.(\d+)\./.exec(tensor)?.[1];
  return (
    /(?:^|\.)mtp\b/.test(tensor) || (layers !== null && number !== undefined && Number(number) >= layers)
  );
}

/** Leftovers of downloads. Whether something is missing because of them, the other checks say. */
export function partialDownloads(listing: ReadonlyMap<string, ListedFile>): SnapshotProblem[] {
  const isOfModel = (name: string) =>
    /\.(?:safetensors|json|jinja|model|tiktoken|txt)$/.test(PARTIAL.exec(name)?.[1] ?? "");
  return [...listing.keys()].filter(isOfModel).map((file) => ({ kind: "partial-download", file }));
}
