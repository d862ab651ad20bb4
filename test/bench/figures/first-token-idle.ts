import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { wholeAnswer } from "../servers/text-stream.ts";

const PROMPT_TOKENS = 64;

/** Time to first token while nothing else runs. */
export const firstTokenIdle: Figure = {
  name: "first-token-idle",
  title: "first token, idle",
  unit: "ms",
  subjects: ["bare", "mlx_lm.server", "worker", "opta-lmx"],
  goals: [],
  async measure(context, subject, round) {
    const samples: number[] = [];
    for (let index = 0; index < (context.quick ? 3 : 10); index += 1) {
      const prompt = promptText(`first-token-idle/${round}/${index}`, PROMPT_TOKENS);
      if (subject === "bare")
        samples.push((await (await context.bare()).run([prompt], 4)).first_token_seconds * 1000);
      else
        samples.push(
          await (await wholeAnswer(await context.server(subject), { prompt, maxTokens: 4 })).firstTextMs(),
        );
    }
    return samples;
  },
};
