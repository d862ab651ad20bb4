import type { SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Tensor } from "./tensor.ts";

const NUMBERED = /^(.*)-(\d{5,})-of-(\d{5,})\.safetensors$/;
/** Missing files that are named, of the index and the numbers together: both may speak of any number. */
const MAX_MISSING = 1_000;
/** Characters of a tensor's name that are shown. */
const MAX_SHOWN = 200;
/** No file system has longer names; a JSON text has, and a thousand of them would be kept. */
const MAX_FILE_NAME = 255;
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
  /** Files that are here and that the index names. */
  readonly indexed = new Set<string>();
  #hasEntries = false;
  /** Tensors that are nowhere, counted by the absent file they should be in. */
  readonly #absent = new Map<string, number>();
  /** Tensors of further absent files. */
  #absentBeyond = 0;
  #elsewhere = 0;
  #unknown = { tensor: "", count: 0 };

  constructor(present: PresentFiles) {
    this.#present = present;
  }

  /** One entry of the index. */
  add(tensor: string, file: string): void {
    const { weights, shards, hasDuplicates, layers } = this.#present;
    this.#hasEntries = true;
    if (shards.has(file)) this.indexed.add(file);
    const weight = weights.get(tensor);
    if (weight !== undefined) this.#elsewhere += weight.file === file || hasDuplicates ? 0 : 1;
    else if (isDropped(tensor, layers)) return;
    else if (shards.has(file))
      this.#unknown = {
        tensor: this.#unknown.tensor || tensor.slice(0, MAX_SHOWN),
        count: this.#unknown.count + 1,
      };
    else if (this.#absent.has(file) || (this.#absent.size < MAX_MISSING && file.length <= MAX_FILE_NAME))
      this.#absent.set(file, (this.#absent.get(file) ?? 0) + 1);
    else this.#absentBeyond += 1;
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
    const numbered = missingNumbers(shards);
    // An index none of whose files exist, beside a complete set of others, belongs to another conversion.
    const isForeign = this.#hasEntries && this.indexed.size === 0 && numbered.files.length === 0;
    if (isForeign && shards.size > 0)
      return [{ kind: "index-stale", detail: "none of the files it names is here" }];
    const partials = partialNames(listing);
    const missing = (named: "index" | "numbering", file: string, tensors: number): SnapshotProblem => ({
      kind: "missing-shard",
      file,
      tensors,
      named,
      partial: partials.get(file) ?? null,
    });
    const more = (named: "index" | "numbering", count: number): SnapshotProblem[] =>
      count === 0 ? [] : [{ kind: "more-missing-shards", named, count }];
    // Where there is an index it knows better which files there are.
    if (!this.#hasEntries)
      return [
        ...numbered.files.map((file) => missing("numbering", file, 0)),
        ...more("numbering", numbered.beyond),
      ];
    return [
      ...[...this.#absent].map(([file, tensors]) => missing("index", file, tensors)),
      ...more("index", this.#absentBeyond),
    ];
  }
}

/** Files that the names of the present ones speak of, of `-00001-of-00003` there are three; and how many more. */
function missingNumbers(shards: Iterable<string>): { files: string[]; beyond: number } {
  const series = new Map<string, { prefix: string; total: string; seen: Set<number> }>();
  for (const name of shards) {
    const [, prefix, number, total] = NUMBERED.exec(name) ?? [];
    if (prefix === undefined || number === undefined || total === undefined) continue;
    const entry = series.get(`${prefix}/${total}`) ?? { prefix, total, seen: new Set() };
    series.set(`${prefix}/${total}`, entry);
    entry.seen.add(Number(number));
  }
  const files: string[] = [];
  let missing = 0;
  for (const { prefix, total, seen } of series.values()) {
    const last = Number(total);
    missing += last - [...seen].filter((number) => number >= 1 && number <= last).length;
    for (let number = 1; number <= last && files.length < MAX_MISSING; number += 1) {
      if (!seen.has(number))
        files.push(`${prefix}-${String(number).padStart(total.length, "0")}-of-${total}.safetensors`);
    }
  }
  return { files, beyond: missing - files.length };
}

/** By the name of what is being downloaded, the name of the part that is here. */
function partialNames(listing: ReadonlyMap<string, ListedFile>): Map<string, string> {
  const partials = new Map<string, string>();
  for (const name of listing.keys()) {
    const file = PARTIAL.exec(name)?.[1];
    if (file !== undefined && !partials.has(file)) partials.set(file, name);
  }
  return partials;
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
