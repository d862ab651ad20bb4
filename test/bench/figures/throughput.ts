import type { BenchContext } from "../bench-context.ts";
import type { Figure, Goal, Subject } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { wholeAnswer } from "../servers/text-stream.ts";

const PROMPT_TOKENS = 64;

/** Tokens per second of all streams together, from the first request sent to the last answer's end. */
export function throughput(streams: number, maxTokens: number, goals: readonly Goal[]): Figure {
  return {
    name: `throughput-${streams}`,
    title: `${streams} ${streams === 1 ? "stream" : "streams"} of ${maxTokens} tokens`,
    unit: "tokens/s",
    subjects: ["bare", "mlx_lm.server", "worker", "opta-lmx"],
    goals,
    async measure(context, subject, round) {
      const tokens = context.quick ? Math.ceil(maxTokens / 2) : maxTokens;
      const prompts = Array.from({ length: streams }, (_, index) =>
        promptText(`throughput/${streams}/${round}/${index}`, PROMPT_TOKENS),
      );
      return [(streams * tokens) / (await secondsFor(context, subject, prompts, tokens))];
    },
  };
}

async function secondsFor(
  context: BenchContext,
  subject: Subject,
  prompts: readonly string[],
  maxTokens: number,
): Promise<number> {
  if (subject === "bare") return (await (await context.bare()).run(prompts, maxTokens)).seconds;
  const server = await context.server(subject);
  const started = performance.now();
  await Promise.all(prompts.map((prompt) => wholeAnswer(server, { prompt, maxTokens })));
  return (performance.now() - started) / 1000;
}
