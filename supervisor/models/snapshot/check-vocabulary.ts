import type { JsonObject, JsonValue, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { isObject } from "./json-object.ts";
import type { Pacer } from "./pacer.ts";
import type { TokenizerReading } from "./read-tokenizer.ts";

/**
 * Whether the ids that the config and the tokenizer use have a row in the embedding. mlx_lm never asks.
 * @throws the pacer's abort reason
 */
export async function checkVocabulary(
  config: JsonObject | null,
  embeddingRows: number | null,
  tokenizer: Pick<TokenizerReading, "largestId" | "added" | "templates">,
  pacer: Pacer,
): Promise<SnapshotProblem[]> {
  // Which tensor is the embedding is a guess, so the config may say more; that the two agree the strict load sees to.
  const rows = Math.max(embeddingRows ?? 0, vocabularySize(config) ?? 0);
  if (rows === 0) return [];
  return [...checkEnd(config?.eos_token_id, rows), ...(await checkTokenizer(tokenizer, rows, pacer))];
}

function vocabularySize(config: JsonObject | null): number | null {
  const text = isObject(config?.text_config) ? config.text_config : config;
  return typeof text?.vocab_size === "number" && text.vocab_size > 0 ? text.vocab_size : null;
}

/** A model none of whose end tokens exists never ends an answer. */
function checkEnd(eos: JsonValue | undefined, rows: number): SnapshotProblem[] {
  const all = (Array.isArray(eos) ? eos : [eos]).filter((id) => typeof id === "number");
  const ids = all.filter((id) => id >= rows || id < 0);
  return ids.length === 0
    ? []
    : [{ kind: "eos-beyond-vocabulary", ids, rows, isEvery: ids.length === all.length }];
}

/**
 * An id without a row reads foreign memory. Added tokens are different: some models carry a few that only their
 * multimodal variant has rows for, and text never becomes one of those unless the chat template writes it.
 */
async function checkTokenizer(
  { largestId, added, templates }: Pick<TokenizerReading, "largestId" | "added" | "templates">,
  rows: number,
  pacer: Pacer,
): Promise<SnapshotProblem[]> {
  const beyond = added.filter(({ id }) => id >= rows);
  const isAdded = beyond.some(({ id }) => id === largestId);
  if (largestId !== null && largestId >= rows && !isAdded)
    return [{ kind: "tokenizer-beyond-embedding", largestId, rows, token: null }];
  for (const { id, content } of beyond) {
    if (content !== "" && templates.includes(content))
      return [{ kind: "tokenizer-beyond-embedding", largestId: id, rows, token: content }];
    // Each time: a template may be long.
    await pacer.pause();
  }
  // There may be more of them than a call takes arguments.
  const last = beyond.reduce((most, { id }) => Math.max(most, id), 0);
  return beyond.length === 0 ? [] : [{ kind: "added-tokens-beyond-embedding", largestId: last, rows }];
}
