import { LmxError } from "../../../../shared/errors.ts";
import type { Prompt } from "../../../../shared/generation.ts";
import type { CompletionRequest } from "../../../../shared/openai-completions.ts";

/** The prompts of a completion request, one per text or list of token ids. @throws LmxError unsupported_parameter */
export function decodePrompts({ prompt, suffix }: CompletionRequest): Prompt[] {
  const prompts = separate(prompt);
  if (suffix == null || suffix === "") {
    return prompts.map((one) =>
      typeof one === "string" ? { kind: "text", text: one } : { kind: "token_ids", token_ids: one },
    );
  }
  return prompts.map((one) => {
    if (typeof one !== "string") {
      const problem = "suffix: a prompt of token ids cannot be filled in; send it as text.";
      throw new LmxError("unsupported_parameter", problem, { param: "suffix" });
    }
    return { kind: "fill", prefix: one, suffix };
  });
}

/** A list of numbers is one prompt, a list of anything else is several. */
function separate(prompt: CompletionRequest["prompt"]): (string | number[])[] {
  if (typeof prompt === "string") return [prompt];
  return isTokenIds(prompt) ? [prompt] : prompt;
}

function isTokenIds(prompt: readonly unknown[]): prompt is number[] {
  return typeof prompt[0] === "number";
}
