import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { wholeAnswer } from "../servers/text-stream.ts";

const PROMPT_TOKENS = 64;
/** Pauses between requests, so that no rhythm of a server is always met at the same point. Milliseconds. */
const PAUSES_MS = [30, 170, 90, 310, 230, 130, 270, 50, 350, 210];

/** Time to first token while another answer is being written. */
export const firstTokenBesideStream: Figure = {
  name: "first-token-beside-stream",
  title: "first token, beside a decoding stream",
  unit: "ms",
  subjects: ["mlx_lm.server", "worker", "opta-lmx"],
  goals: [{ kind: "ratio", of: "opta-lmx", against: "mlx_lm.server", direction: "at-most", value: 0.3 }],
  async measure(context, subject, round) {
    if (subject === "bare") throw new Error("the bare loop has no second client");
    const server = await context.server(subject);
    const other = server.open({
      prompt: promptText(`beside-stream/${round}`, PROMPT_TOKENS),
      maxTokens: 8000,
    });
    try {
      await other.reaches(20);
      const samples: number[] = [];
      for (const [index, pauseMs] of PAUSES_MS.slice(0, context.quick ? 3 : PAUSES_MS.length).entries()) {
        await delay(pauseMs);
        const prompt = promptText(`beside-stream/${round}/${index}`, PROMPT_TOKENS);
        samples.push(await (await wholeAnswer(server, { prompt, maxTokens: 4 })).firstTextMs());
      }
      return samples;
    } finally {
      other.leave();
      await delay(AFTER_CANCEL_MS);
    }
  },
};

/** Every server has let go of the cancelled answer by then. */
const AFTER_CANCEL_MS = 1_000;
