import type { SnapshotFacts, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { MOST_FILES } from "../most-files.ts";
import { checkVocabulary } from "./check-vocabulary.ts";
import { partialDownloads } from "./compare-index.ts";
import { diskAccess, type FileAccess } from "./file-access.ts";
import { type ListedFile, listDirectory } from "./list-directory.ts";
import { createPacer } from "./pacer.ts";
import { readConfig } from "./read-config.ts";
import { faultOf } from "./read-json.ts";
import { readTokenizer } from "./read-tokenizer.ts";
import { readWeights } from "./read-weights.ts";

/** Files that a loader or a tokenizer may open by their names; weights have a check of their own. */
const LOADED = /\.(?:json|jsonl|jinja|txt|model|tiktoken|bpe|spm|vocab|py)$/;

export interface InspectOptions {
  readonly signal?: AbortSignal;
  readonly files?: FileAccess;
}

/**
 * Reads names, sizes and headers of a model's directory, never a tensor: what is there and what is wrong with it.
 * Holds the event loop for at most some milliseconds at a time, whatever the files hold.
 *
 * @throws the signal's reason; anything about the files is a problem in the result
 */
export async function inspectSnapshot(
  directory: string,
  { signal, files = diskAccess }: InspectOptions = {},
): Promise<SnapshotFacts> {
  const pacer = createPacer(signal);
  const listing = await listed(directory, files);
  if ("kind" in listing) return nothing(listing);
  const room = { listing, files, pacer };
  const config = await readConfig(room);
  const weights = await readWeights(room, config.value);
  const tokenizer = await readTokenizer(room);
  const vocabulary = await checkVocabulary(config.value, weights.rows, tokenizer, pacer);
  return {
    config: config.value,
    quantizationConfig: config.quantizationConfig,
    ...weights.facts,
    tokenizer: tokenizer.facts,
    problems: [
      ...config.problems,
      ...specialFiles(listing),
      ...weights.problems,
      ...tokenizer.problems,
      ...vocabulary,
      ...partialDownloads(listing),
    ],
  };
}

/** What is in the directory, or what is wrong with it as a whole. */
async function listed(
  directory: string,
  files: FileAccess,
): Promise<ReadonlyMap<string, ListedFile> | SnapshotProblem> {
  try {
    const listing = await listDirectory(directory, files);
    return listing ?? { kind: "too-many-files", limit: MOST_FILES };
  } catch (error) {
    const detail = faultOf(error);
    if (detail === null) throw error;
    return { kind: "directory-unreadable", detail };
  }
}

/** The worker's libraries would wait for a pipe without end, also in the place of a file nobody looks at here. */
function specialFiles(listing: ReadonlyMap<string, ListedFile>): SnapshotProblem[] {
  return [...listing.values()]
    .filter(({ name, kind }) => kind === "special" && LOADED.test(name))
    .map(({ name: file }) => ({ kind: "special-file", file }));
}

function nothing(problem: SnapshotProblem): SnapshotFacts {
  return {
    config: null,
    quantizationConfig: undefined,
    shards: [],
    tensorCount: 0,
    weightBytes: 0,
    packing: { hasFp8: false, hasPackedIntegers: false, hasGroupIndex: false },
    foreignWeights: [],
    tokenizer: { className: null, hasOwnCode: false, hasChatTemplate: false },
    problems: [problem],
  };
}
