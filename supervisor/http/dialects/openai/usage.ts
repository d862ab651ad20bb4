import type { Usage } from "../../../../shared/generation.ts";
import type { OpenaiUsage } from "../../../../shared/openai-options.ts";

/** What all choices of one answer cost together. */
export class UsageSum {
  readonly #choicesPerPrompt: number;
  readonly #sum: Usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };

  /** @param choicesPerPrompt so many neighbours share a prompt, which counts once */
  constructor(choicesPerPrompt: number) {
    this.#choicesPerPrompt = choicesPerPrompt;
  }

  /** Takes in the usage of one choice. */
  add(index: number, usage: Usage): void {
    this.#sum.completion_tokens += usage.completion_tokens;
    this.#sum.reasoning_tokens += usage.reasoning_tokens;
    if (index % this.#choicesPerPrompt !== 0) return;
    this.#sum.prompt_tokens += usage.prompt_tokens;
    this.#sum.cached_tokens += usage.cached_tokens;
  }

  encode(): OpenaiUsage {
    const { prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens } = this.#sum;
    return {
      prompt_tokens,
      completion_tokens,
      total_tokens: prompt_tokens + completion_tokens,
      prompt_tokens_details: { cached_tokens },
      completion_tokens_details: { reasoning_tokens },
    };
  }
}
