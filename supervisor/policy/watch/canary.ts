/** What a canary generation showed; the worker only measures. */
export interface CanaryEvidence {
  readonly token_ids: readonly number[];
  readonly text: string;
  readonly decodes: boolean;
  readonly finished: boolean;
  readonly non_finite_steps: number;
  readonly constant_steps: number;
}

/** What the operator expects of this model's canary. */
export interface CanaryExpectation {
  /** A regular expression the text must match. */
  readonly expect: string;
}

export type CanaryVerdict =
  | { readonly kind: "pass"; readonly warning: string | null }
  | { readonly kind: "fail"; readonly cause: string; readonly message: string };

/**
 * Pass or fail of a canary. Content is checked, not only that nothing threw: MLX can return silent zeros after a GPU
 * memory error. One token repeated throughout is a warning, tiny random-weight models do it.
 */
export function judgeCanary(evidence: CanaryEvidence, expectation: CanaryExpectation | null): CanaryVerdict {
  const { token_ids: ids, text } = evidence;
  if (evidence.non_finite_steps > 0)
    return fail("non_finite_logits", `${evidence.non_finite_steps} steps had NaN or infinite logits`);
  if (evidence.constant_steps > 0)
    return fail("constant_logits", `${evidence.constant_steps} steps had logits that were all equal`);
  if (ids.length === 0) return fail("no_tokens", "no token was generated");
  if (ids.every((id) => id === 0)) return fail("token_zero", `all ${ids.length} tokens were token 0`);
  if (text.trim() === "") return fail("no_visible_text", `${ids.length} tokens gave no visible text`);
  if (!evidence.decodes) return fail("undecodable_text", "the tokens do not decode to valid text");
  if (expectation !== null && !new RegExp(expectation.expect, "u").test(text)) {
    return fail("unexpected_text", `the answer does not match /${expectation.expect}/`);
  }
  const repeated = ids.length > 2 && ids.every((id) => id === ids[0]);
  return { kind: "pass", warning: repeated ? `token ${ids[0]} was repeated ${ids.length} times` : null };
}

function fail(cause: string, message: string): CanaryVerdict {
  return { kind: "fail", cause, message };
}
