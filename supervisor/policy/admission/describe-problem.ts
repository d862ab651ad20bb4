import type { ProblemKind, SnapshotProblem } from "./snapshot-facts.ts";

/** A problem in words: what was found, and what was expected where that is not plain. */
export function describeProblem(problem: SnapshotProblem): string {
  // The table has a function for exactly this kind; the compiler cannot pair the two.
  return (WORDS[problem.kind] as (problem: SnapshotProblem) => string)(problem);
}

type Words = {
  readonly [Kind in ProblemKind]: (problem: Extract<SnapshotProblem, { readonly kind: Kind }>) => string;
};

const WORDS: Words = {
  "directory-unreadable": ({ detail }) => `the directory cannot be read (${detail})`,
  "too-many-files": ({ limit }) => `the directory has more than ${limit} files, which no model has`,
  "special-file": ({ file }) => `${file} is a named pipe, a socket or a device, expected a regular file`,
  "config-missing": () => "config.json is missing",
  "config-unreadable": ({ detail }) => `config.json cannot be read: ${detail}`,
  "config-not-object": ({ found }) => `config.json holds ${found}, expected an object`,
  "generation-config-unreadable": ({ detail }) =>
    `generation_config.json cannot be read (${detail}) and is ignored`,
  "no-weights": ({ foreign }) =>
    `no file is named model*.safetensors${foreign.length === 0 ? "" : `; found ${list(foreign)}`}`,
  "missing-shard": ({ file, tensors, partial, named }) => {
    const lost = tensors === 0 ? "" : `, and the ${tensors} tensors in it`;
    const stopped = partial === null ? "" : `; its download stopped at ${partial}`;
    return `${file}, named by the ${named === "index" ? "index" : "numbers of the others"}, is missing${lost}${stopped}`;
  },
  "more-missing-shards": ({ named, count }) =>
    named === "index"
      ? `${count} more tensors of the index are in files that are missing`
      : `${count} more files, named by the numbers of the others, are missing`,
  "broken-link": ({ file }) => `${file} is a link that leads nowhere`,
  "not-a-file": ({ file }) => `${file} is not a regular file`,
  "unreadable-file": ({ file, detail }) => `${file} cannot be read (${detail})`,
  "empty-file": ({ file }) => `${file} is empty`,
  "lfs-pointer": ({ file }) => `${file} is a Git LFS pointer, not the weights`,
  truncated: ({ file, expectedBytes, foundBytes }) =>
    `${file} is cut off: expected ${expectedBytes} bytes, found ${foundBytes}`,
  "bad-header": ({ file, detail }) => `the header of ${file} is damaged: ${detail}`,
  "header-too-large": ({ file, headerBytes, limitBytes }) =>
    `${file} says its header has ${headerBytes} bytes; fewer than ${limitBytes} are allowed`,
  "too-many-tensors": ({ file, limit }) => `${file} has more tensors than the ${limit} that may still come`,
  "wrong-size": ({ file, tensor, expectedBytes, foundBytes }) =>
    `${tensor} in ${file} has ${foundBytes} bytes, its shape and type need ${expectedBytes}`,
  overlap: ({ file, tensors }) => `${tensors[0]} and ${tensors[1]} share bytes of ${file}`,
  padding: ({ file, bytes }) => `${file} has ${bytes} unused bytes`,
  "duplicate-tensor": ({ files, tensor, count, stray }) => {
    const hint = stray === null ? "" : `; the index does not name ${stray}, which may be a leftover`;
    return `${count} tensors are in both ${files[0]} and ${files[1]}, such as ${tensor}${hint}`;
  },
  "unsupported-dtype": ({ file, tensor, dtype }) =>
    `${tensor} in ${file} is of the type ${dtype}, which mlx cannot load`,
  "dtype-mismatch": ({ file, tensor, dtype, expected }) =>
    `${tensor} in ${file} is labelled ${dtype}, expected ${expected}`,
  "missing-layers": ({ expected, found, first }) =>
    `layer ${first} is missing: the config says ${expected} layers, the weights have ${found}`,
  "extra-layers": ({ expected, found }) => `the weights have ${found} layers, the config says ${expected}`,
  "broken-packing": ({ tensor, detail }) => `${tensor}: ${detail}`,
  "packing-differs": ({ tensor, detail }) => `${tensor}: ${detail}; the shapes are believed`,
  "partial-download": ({ file }) => `${file} is left over from a download that did not end`,
  "index-unreadable": ({ detail }) => `the index cannot be read (${detail}); it is not needed`,
  "index-stale": ({ detail }) => `the index is out of date: ${detail}`,
  "index-names-unknown-tensors": ({ tensor, count }) =>
    `the index names ${count} tensors that no file has, such as ${tensor}; whether the model needs them shows when its structure is compared`,
  "tokenizer-missing": () =>
    "there is no tokenizer: expected tokenizer.json, tokenizer.model or another vocabulary",
  "tokenizer-unreadable": ({ file, detail }) => `${file} cannot be read: ${detail}`,
  "tokenizer-beyond-embedding": ({ largestId, rows, token }) => {
    const written = token === null ? "" : ` (${JSON.stringify(token)}, which the chat template writes)`;
    return `the tokenizer gives ids up to ${largestId}${written}, the embedding has ${rows} rows`;
  },
  "added-tokens-beyond-embedding": ({ largestId, rows }) =>
    `added tokens up to id ${largestId} have no row among the embedding's ${rows}; no prompt is made of them`,
  "eos-beyond-vocabulary": ({ ids, rows }) =>
    `end tokens ${list(ids)} are beyond the ${rows} rows of the vocabulary`,
  "chat-template-missing": () => "there is no chat template: chat requests need one, completions do not",
  "chat-template-bad": ({ file, detail }) => `the chat template in ${file} is damaged: ${detail}`,
};

/** At most four of them. */
function list(items: readonly (string | number)[]): string {
  return items.length <= 4
    ? items.join(", ")
    : `${items.slice(0, 4).join(", ")} and ${items.length - 4} more`;
}
