import type { ErrorCode } from "../../../shared/errors.ts";
import type { ProblemKind, SnapshotProblem } from "./snapshot-facts.ts";

/** The part of a snapshot a problem belongs to; one check of the verdict each. */
export type ProblemArea =
  | "backend"
  | "config"
  | "weights"
  | "index"
  | "tokenizer"
  | "chat template"
  | "download";

interface Row {
  readonly area: ProblemArea;
  /** Null: worth saying, no reason to refuse. False alarms get gates switched off. */
  readonly code: ErrorCode | null;
}

const refuse = (area: ProblemArea): Row => ({ area, code: "model_incomplete" });
const warn = (area: ProblemArea): Row => ({ area, code: null });

const ROWS = {
  "directory-unreadable": refuse("config"),
  "too-many-files": refuse("config"),
  "special-file": refuse("config"),
  "config-missing": refuse("config"),
  "config-unreadable": refuse("config"),
  "config-not-object": refuse("config"),
  "generation-config-unreadable": warn("config"),
  "no-weights": refuse("weights"),
  "missing-shard": refuse("weights"),
  "more-missing-shards": refuse("weights"),
  "broken-link": refuse("weights"),
  "not-a-file": refuse("weights"),
  "unreadable-file": refuse("weights"),
  "empty-file": refuse("weights"),
  "lfs-pointer": refuse("weights"),
  truncated: refuse("weights"),
  "bad-header": refuse("weights"),
  "header-too-large": refuse("weights"),
  "too-many-tensors": refuse("weights"),
  "wrong-size": refuse("weights"),
  overlap: refuse("weights"),
  padding: warn("weights"),
  "duplicate-tensor": refuse("weights"),
  "unsupported-dtype": { area: "weights", code: "model_unsupported_backend" },
  "dtype-mismatch": refuse("weights"),
  "missing-layers": refuse("weights"),
  "extra-layers": warn("weights"),
  "broken-packing": refuse("weights"),
  "packing-differs": warn("weights"),
  "partial-download": warn("download"),
  "index-unreadable": warn("index"),
  "index-stale": warn("index"),
  "index-names-unknown-tensors": warn("index"),
  "tokenizer-missing": refuse("tokenizer"),
  "tokenizer-unreadable": refuse("tokenizer"),
  "tokenizer-beyond-embedding": refuse("tokenizer"),
  "added-tokens-beyond-embedding": warn("tokenizer"),
  "eos-beyond-vocabulary": refuse("tokenizer"),
  "chat-template-missing": warn("chat template"),
  "chat-template-bad": refuse("chat template"),
} as const satisfies Record<ProblemKind, Row>;

/** Where a problem belongs and whether it refuses the model. */
export function judgeProblem(problem: SnapshotProblem): Row {
  // One of several end tokens that does not exist ends nothing; the others still do.
  if (problem.kind === "eos-beyond-vocabulary" && !problem.isEvery) return warn("tokenizer");
  // Weights of another kind are no damage that a repair could mend.
  if (problem.kind === "no-weights" && problem.foreign.length > 0)
    return { area: "backend", code: "model_unsupported_backend" };
  return ROWS[problem.kind];
}
