import type { SnapshotFacts, SnapshotProblem } from "../../policy/snapshot-facts.ts";
import { checkVocabulary } from "./check-vocabulary.ts";
import { partialDownloads } from "./compare-index.ts";
import { diskAccess, type FileAccess } from "./file-access.ts";
import { type ListedFile, listDirectory } from "./list-directory.ts";
import { createPacer } from "./pacer.ts";
import { readConfig } from "./read-config.ts";
import { isFileError } from "./read-json.ts";
import { readTokenizer } from "./read-tokenizer.ts";
import { readWeights } from "./read-weights.ts";

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
  let listing: Map<string, ListedFile>;
  try {
    listing = await listDirectory(directory, files);
  } catch (error) {
    if (isFileError(error)) return nothing({ kind: "directory-unreadable", detail: error.code });
    throw error;
  }
  const room = { listing, files, pacer };
  const config = await readConfig(room);
  const [weights, tokenizer] = await Promise.all([readWeights(room, config.value), readTokenizer(room)]);
  const vocabulary = await checkVocabulary(config.value, weights.rows, tokenizer, pacer);
  return {
    config: config.value,
    quantizationConfig: config.quantizationConfig,
    ...weights.facts,
    tokenizer: tokenizer.facts,
    problems: [
      ...config.problems,
      ...weights.problems,
      ...tokenizer.problems,
      ...vocabulary,
      ...partialDownloads(listing),
    ],
  };
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
